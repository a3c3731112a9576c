//! A service that cannot be asked is left alone, and loses nothing by it.

use super::{POLICY, all_taken, queue, setup};
use crate::harness::{Guest, Host, Setup, rest, until};

/// How often a delivery was refused before the service was asked.
fn refused(host: &Host) -> usize {
    let lines = host.closings();
    let refused = |line: &&serde_json::Value| line["entry"] == "queue" && line["attempts"] == 0;
    lines.iter().filter(refused).count()
}

#[test]
fn what_waits_for_a_service_that_may_not_be_asked_is_not_counted_and_not_tried_again_and_again() {
    let host = Setup::new()
        .service("queues", Guest::Case("queues"), "queues = [\"queues\"]")
        .policy(&format!("{POLICY}\nundeclared = \"refuse\""))
        .start();
    // What only looks need not be declared.
    let sent = host.get("/queues/?text=ok&count=50");
    assert_eq!(sent.status, 200, "{}", sent.text());
    until("one to be refused", || (refused(&host) > 0).then_some(()));
    for _ in 0..40 {
        rest();
    }
    // As many as it takes at once, and not one after the other.
    assert!(refused(&host) <= 8, "{}", refused(&host));
    let waits = queue(&host, &["ls", "queues"]);
    assert_eq!(waits.len(), 50);
    assert!(
        waits.iter().all(|line| line["deliveries"] == 0),
        "{waits:?}"
    );
    host.set_policy(POLICY);
    let taken = all_taken(&host, 50);
    assert!(
        taken.iter().all(|(_, delivery, _)| *delivery == 1),
        "{taken:?}"
    );
}

#[test]
fn where_whatever_changes_something_must_carry_a_key_a_message_has_its_name() {
    let host = setup()
        .policy(&format!("{POLICY}\nidempotency = \"require\""))
        .start();
    let without = host.ask("POST", "/queues/?text=ok").send();
    assert_eq!(without.status, 400, "{}", without.text());
    let ask = host.ask("POST", "/queues/?text=ok");
    let sent = ask.header("idempotency-key", "\"k\"").send();
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert_eq!(all_taken(&host, 1)[0].0, sent.text());
}
