//! What was sent outlives its host, and what kills its host does not do so for ever.

use super::{all_taken, alone, on, queue, send, taken, wait_for, wait_until_empty};
use crate::harness::postgres::Postgres;
use crate::harness::{Guest, Host, Setup, until};
use std::collections::HashSet;

#[test]
fn what_was_answered_is_delivered_by_the_next_life() {
    let mut host = alone();
    let later = send(&host, "text=later&delay=1500");
    let slow = send(&host, "text=sleep:30000");
    wait_for(&host, &slow[0], 1);
    host.kill();
    host.again();
    wait_for(&host, &later[0], 1);
    // It had begun: whether it did something nobody knows, so it comes again.
    wait_for(&host, &slow[0], 2);
    let held = queue(&host, &["ls", "queues"]);
    assert_eq!(held.len(), 1, "{held:?}");
}

#[test]
fn a_message_that_kills_its_hosts_is_alone_at_last_and_then_dead() {
    let mut host = alone();
    let deadly = send(&host, "text=sleep:20000");
    for delivery in 1..=3 {
        let innocent = send(&host, "text=ok&count=3");
        wait_for(&host, &deadly[0], delivery);
        if delivery < 3 {
            // Beside one that has killed a host once at most, the others go on.
            until("the others", || {
                let taken = taken(&host);
                innocent
                    .iter()
                    .all(|id| taken.iter().any(|(of, _, _)| of == id))
                    .then_some(())
            });
        }
        host.kill();
        host.again();
    }
    let dead = super::wait_for_dead(&host, 1);
    assert_eq!(dead[0]["id"], deadly[0]);
    let fault = dead[0]["last_fault"].as_str().unwrap();
    assert!(fault.contains("3 hosts died"), "{fault}");
    until("all others to be done", || {
        let rows = queue(&host, &["ls"]);
        let row = rows.first()?;
        (row["due"] == 0 && row["held"] == 0 && row["dead"] == 1).then_some(())
    });
}

#[test]
fn of_two_hosts_the_other_goes_on_with_what_a_dead_one_had() {
    let url = Postgres::database();
    let (mut one, mut other) = (on(&url), on(&url));
    let ids: HashSet<_> = send(&one, "text=sleep:300&count=40").into_iter().collect();
    until("both to be at it", || {
        (!taken(&one).is_empty() && !taken(&other).is_empty()).then_some(())
    });
    one.kill();
    one.again();
    other.kill();
    wait_until_done(&one);
    other.again();
    wait_until_done(&other);
    wait_until_empty(&one);
    until("every one to be delivered", || {
        let hosts = [&one, &other];
        let seen = hosts.iter().flat_map(|host| taken(host));
        let seen: HashSet<_> = seen.map(|(id, _, _)| id).collect();
        (seen == ids).then_some(())
    });
}

/// Waits until nothing is due; what a dead host had is due when its lease is over.
fn wait_until_done(host: &Host) {
    until("nothing to be due", || {
        let rows = queue(host, &["ls"]);
        rows.iter().all(|row| row["due"] == 0).then_some(())
    });
}

#[test]
fn what_another_service_has_sent_is_an_effect_of_the_execution_that_asked_it() {
    let mut host = Setup::new()
        .service("queues", Guest::Case("queues"), super::ASKS)
        .service("front", Guest::Case("queues"), "services = [\"queues\"]")
        .policy(&format!(
            "{}\n[services.front]\nservices = [\"queues\"]",
            super::POLICY
        ))
        .start();
    let ask = |host: &Host| {
        let ask = host.ask("POST", "/front/ask?sleep=20000");
        ask.header("idempotency-key", "\"k\"")
    };
    let waiting = ask(&host).begin();
    until("the message", || (taken(&host).len() == 1).then_some(()));
    host.kill();
    drop(waiting);
    host.again();
    // It was sent, so to ask again must not send it again.
    ask(&host).send().fault("indeterminate");
    wait_until_empty(&host);
    let taken = taken(&host);
    assert!(
        taken.iter().all(|(id, _, _)| *id == taken[0].0),
        "{taken:?}"
    );
}

#[test]
fn a_host_that_leaves_gives_back_what_it_has_not_begun() {
    let mut host = alone();
    let ids = send(&host, "text=sleep:600&count=20");
    wait_for(&host, &ids[0], 1);
    host.terminate();
    assert_eq!(
        host.ended(),
        Some(0),
        "what runs is finished, and no more is begun"
    );
    let begun = taken(&host).len();
    assert!(begun < 20, "{begun}");
    host.again();
    let taken = all_taken(&host, 20);
    assert_eq!(taken.len(), 20);
    assert!(
        taken.iter().all(|(_, delivery, _)| *delivery == 1),
        "{taken:?}"
    );
}
