//! `accept = "queue"`: whoever signs is answered as soon as what he sent is kept, and the service is given it from its queue.

use super::sign::{GITHUB, github_at};
use crate::harness::{Answer, Ask, Guest, Host, Setup, keep_private, until};

const HOOK: &str = "/queues/hook";

/// The case that takes messages, with such a webhook; these lines of its table besides.
fn setup(guest: Guest, lines: &str) -> Setup {
    let setup = Setup::new().service("queues", guest, "");
    let file = setup.dir.path().join("github.secret");
    keep_private(&file, GITHUB);
    let file = file.display();
    setup.policy(&format!(
        "anonymous = \"deny\"\n{lines}\n[services.queues.webhooks.\"/hook\"]\nfrom = \"github\"\nsecrets = [\"github\"]\n\
         accept = \"queue\"\n[secrets.github]\nuses = [\"webhook\"]\nfile = \"{file}\""
    ))
}

fn start() -> Host {
    setup(Guest::Case("queues"), "").start()
}

fn signed(host: &Host, body: &[u8]) -> Ask {
    github_at(host, HOOK, GITHUB, body)
}

fn send(host: &Host, body: &[u8]) -> Answer {
    signed(host, body).body(body).send()
}

/// How often the service was given a message that says this.
fn given(host: &Host, text: &str) -> usize {
    let lines = host.lines();
    let said = lines.iter().filter_map(|line| line["msg"].as_str());
    said.filter(|msg| msg.starts_with("took ") && msg.ends_with(text))
        .count()
}

fn wait_for(host: &Host, text: &str) {
    until(&format!("{text:?} to be delivered"), || {
        (given(host, text) > 0).then_some(())
    });
}

fn wait_until_empty(host: &Host) {
    until("the queue to be empty", || {
        let said = host.command(&["queue", "ls", "--json"]);
        said.out.trim().is_empty().then_some(())
    });
}

#[test]
fn who_signs_is_answered_at_once_and_the_service_is_given_the_very_bytes() {
    let host = start();
    let answer = signed(&host, b"tell")
        .header("cookie", "a=b")
        .header("content-type", "text/x-event")
        .body("tell")
        .send();
    assert_eq!((answer.status, answer.text().as_str()), (202, ""));
    let told = host.said("told ");
    let told = told["msg"].as_str().unwrap();
    for part in [
        "Some(\"text/x-event\")",
        "(\":method\", \"POST\")",
        "(\":path\", \"/hook\")",
        "(\"x-github-event\", \"push\")",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(
        !told.contains("cookie") && !told.contains("idempotency"),
        "{told}"
    );
    let slow = send(&host, b"sleep:3000");
    assert_eq!(slow.status, 202);
    let line = host.closing(slow.call());
    assert!(
        line["ms"].as_f64().unwrap() < 2_000.0,
        "nobody waits for the service: {line}"
    );
    wait_for(&host, "sleep:3000");
    let delivered = until("the delivery's closing line", || {
        let mut lines = host.closings().into_iter();
        lines.find(|line| line["entry"] == "queue")
    });
    assert_eq!(
        delivered["caller"], "principal:webhook:github",
        "{delivered}"
    );
}

#[test]
fn what_is_sent_again_is_answered_again_and_delivered_once() {
    let host = start();
    for _ in 0..3 {
        assert_eq!(send(&host, b"once").status, 202);
    }
    wait_for(&host, "once");
    wait_until_empty(&host);
    assert_eq!(send(&host, b"once").status, 202);
    assert_eq!(send(&host, b"other").status, 202);
    wait_for(&host, "other");
    wait_until_empty(&host);
    assert_eq!(given(&host, "once"), 1);
}

#[test]
fn what_was_answered_is_delivered_though_the_host_is_killed() {
    let mut host = start();
    for number in 0..5 {
        let event = format!("event-{number}");
        assert_eq!(send(&host, event.as_bytes()).status, 202);
    }
    host.restart();
    for number in 0..5 {
        wait_for(&host, &format!("event-{number}"));
    }
    wait_until_empty(&host);
}

#[test]
fn nothing_goes_into_the_queue_that_nobody_signed() {
    let host = start();
    for ask in [
        host.ask("POST", HOOK),
        github_at(&host, HOOK, "another key", b"ok"),
        host.ask("GET", HOOK),
    ] {
        let answer = ask.body("ok").send();
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    wait_until_empty(&host);
    assert_eq!(given(&host, "ok"), 0);
}

#[test]
fn what_is_more_than_a_message_or_a_queue_takes_is_refused_and_not_answered_as_kept() {
    let limits = "[services.queues.limits]\nqueue_messages = 2";
    let host = setup(Guest::Case("queues"), limits).start();
    let mut ask = signed(&host, b"ok");
    for number in 0..70 {
        ask = ask.header(&format!("x-{number}"), "1");
    }
    let many = ask.body("ok").send();
    assert_eq!(many.status, 413, "{}", many.text());
    for event in [&b"permanent-1"[..], b"permanent-2"] {
        let event = [&b"sleep:30000-"[..], event].concat();
        assert_eq!(send(&host, &event).status, 202);
    }
    let full = send(&host, b"third");
    full.fault("overloaded");
    assert_eq!(full.status, 503);
    assert!(full.header("retry-after").is_some());
    assert_eq!(given(&host, "third"), 0);
}

#[test]
fn a_service_that_takes_no_messages_is_not_loaded_with_such_a_webhook() {
    let host = setup(Guest::Case("wasi02"), "").start();
    host.said("takes no messages: export holdfast:service/consumer");
    assert!(
        host.listed("queues")
            .is_none_or(|row| row["state"] != "serving")
    );
}
