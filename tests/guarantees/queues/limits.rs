//! Every limit of a queue bites.

use super::{ASKS, POLICY, all_taken, queue, send, setup, taken, wait_for, wait_until_empty};
use crate::harness::{Guest, Setup, until};

fn limited(lines: &str) -> Setup {
    setup().policy(&format!("{POLICY}\n[services.queues.limits]\n{lines}"))
}

#[test]
fn a_queue_takes_no_more_messages_and_bytes_than_it_may() {
    let host = limited("queue_messages = 3\nqueue_bytes = \"1KiB\"").start();
    send(&host, "text=later&delay=60000&count=3");
    let full = send(&host, "text=ok").join(" ");
    assert!(
        full.starts_with("capability-denied") && full.contains("is full"),
        "{full}"
    );
    let host = limited("queue_bytes = \"1KiB\"").start();
    send(&host, "delay=60000&bytes=1000");
    let full = send(&host, "text=ok&bytes=25").join(" ");
    assert!(
        full.contains("is full: it has room for 1024 bytes"),
        "{full}"
    );
    let large = send(&host, "bytes=1048577").join(" ");
    assert!(large.starts_with("invalid-input"), "{large}");
}

#[test]
fn dead_letters_take_room_too() {
    let host = limited("queue_messages = 1").start();
    let ids = send(&host, "text=permanent");
    super::wait_for_dead(&host, 1);
    let full = until("the queue to be counted again", || {
        let said = send(&host, "text=ok").join(" ");
        said.contains("is full").then_some(said)
    });
    assert!(full.starts_with("capability-denied"), "{full}");
    assert_eq!(host.command(&["queue", "drop", &ids[0]]).code, Some(0));
    until("room again", || {
        let said = send(&host, "text=ok").join(" ");
        (!said.contains("is full")).then_some(())
    });
}

#[test]
fn a_service_takes_no_more_at_once_than_its_places() {
    let host = limited("queue_places = 2").start();
    send(&host, "text=sleep:700&count=4");
    until("two to be held", || {
        let rows = queue(&host, &["ls"]);
        let row = rows.first()?;
        assert!(row["held"].as_u64()? <= 2, "{row}");
        (row["held"] == 2 && row["due"] == 2).then_some(())
    });
    assert_eq!(all_taken(&host, 4).len(), 4);
}

#[test]
fn a_call_sends_no_more_than_a_call_may() {
    let host = setup().policy(POLICY).start();
    let many = send(&host, "text=ok&count=1001").join(" ");
    assert!(
        many.starts_with("invalid-input") && many.contains("1000 messages"),
        "{many}"
    );
    wait_until_empty(&host);
    assert!(taken(&host).is_empty());
}

#[test]
fn a_message_that_spins_is_ended_like_any_call() {
    let host = limited("cpu = \"100ms\"\nqueue_deliveries = 1").start();
    let ids = send(&host, "text=spin");
    let dead = super::wait_for_dead(&host, 1);
    assert_eq!(dead[0]["id"], ids[0]);
    let fault = dead[0]["last_fault"].as_str().unwrap();
    assert!(fault.starts_with("cpu-exhausted"), "{fault}");
}

#[test]
fn who_waits_for_a_service_that_is_not_there_is_delivered_when_it_is() {
    let host = Setup::new()
        .service("sender", Guest::Case("queues"), "queues = [\"queues\"]")
        .policy(
            "[services.sender]\nqueues = [\"queues\"]\n[services.queues]\nqueues = [\"queues\"]",
        )
        .start();
    let answer = host.ask("POST", "/sender/?text=ok").send();
    let id = answer.text();
    assert_eq!(queue(&host, &["ls"])[0]["due"], 1);
    host.drop_in("queues", Guest::Case("queues"), ASKS);
    wait_for(&host, &id, 1);
    wait_until_empty(&host);
}
