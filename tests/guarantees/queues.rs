//! Work that is left for later is done, once it was taken on: whatever dies in between.
//!
//! 1. The naive snippet: answer the request, and go on with the work behind it; or write a row, and have something look for rows.
//! 2. The missing rule: what goes on behind an answer dies with its host; a row that was written by a request that then failed is worked at
//!    all the same; two who look for rows at the same time both work at one; one that kills whoever takes it is taken for ever.
//! 3. The tax: a broker, its client, an outbox table, a poller, acknowledgements with fences, back-off, a table of dead letters, tools for it.
//! 4. The snippet again: send; in the other service: a function that takes one message.
//! 5. The pipeline's version: what a call sends goes out with what the call came to, in one unit of work. A delivery is a call like any other,
//!    with everything that calls have; what it sends goes out with the end of its message. Leases are renewed by the host, which knows
//!    whether its guest lives; deliveries are counted when they begin.
//! 6. The checklist is below.

mod dying;
mod limits;
mod refused;

use crate::harness::postgres::Postgres;
use crate::harness::{Guest, Host, Setup, until};
use serde_json::Value;

const ASKS: &str = "queues = [\"queues\"]\n[effects]\nidempotent = [\"consumer/handle\"]";
const POLICY: &str = "[services.queues]\nqueues = [\"queues\"]";

fn setup() -> Setup {
    Setup::new().service("queues", Guest::Case("queues"), ASKS)
}

fn alone() -> Host {
    setup().policy(POLICY).start()
}

/// A host on the database of a server.
fn on(url: &str) -> Host {
    setup().on_server(url).policy(POLICY).start()
}

/// Has the service send; the ids of the messages, or what it was told.
fn send(host: &Host, query: &str) -> Vec<String> {
    let answer = host.ask("POST", &format!("/queues/?{query}")).send();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.text().split(' ').map(str::to_owned).collect()
}

/// What the service has said of the messages that it was given: `(message, delivery, text)`, in its order.
fn taken(host: &Host) -> Vec<(String, u32, String)> {
    let lines = host.lines();
    let said = lines.iter().filter_map(|line| {
        let text = line["msg"].as_str()?.strip_prefix("took ")?;
        let (id, rest) = text.split_once(' ')?;
        let (delivery, text) = rest.split_once(' ')?;
        Some((id.to_owned(), delivery.parse().ok()?, text.to_owned()))
    });
    said.collect()
}

/// Waits until the service has said of so many deliveries that it was given them, and that nothing is left of them.
fn all_taken(host: &Host, count: usize) -> Vec<(String, u32, String)> {
    wait_until_empty(host);
    until(&format!("{count} deliveries"), || {
        let taken = taken(host);
        (taken.len() >= count).then_some(taken)
    })
}

/// Waits until the message was given to the service so often.
fn wait_for(host: &Host, id: &str, delivery: u32) {
    until(&format!("delivery {delivery} of {id}"), || {
        let mut taken = taken(host).into_iter();
        taken
            .any(|(of, number, _)| of == *id && number == delivery)
            .then_some(())
    });
}

/// The lines of `holdfast queue` with these words, as JSON.
fn queue(host: &Host, words: &[&str]) -> Vec<Value> {
    let words: Vec<_> = ["queue"]
        .iter()
        .chain(words)
        .copied()
        .chain(["--json"])
        .collect();
    let said = host.command(&words);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn wait_until_empty(host: &Host) {
    until("every queue to be empty", || {
        queue(host, &["ls"]).is_empty().then_some(())
    });
}

fn wait_for_dead(host: &Host, count: usize) -> Vec<Value> {
    until(&format!("{count} dead letters"), || {
        let dead = queue(host, &["ls", "queues", "--dead"]);
        (dead.len() == count).then_some(dead)
    })
}

#[test]
fn what_is_sent_is_delivered_as_it_was_sent_and_is_a_call_like_any_other() {
    let host = alone();
    let ids = send(&host, "text=tell&type=text/plain&attribute=x&key=k&sleep=1");
    wait_until_empty(&host);
    let told = host.said("told ");
    let told = told["msg"].as_str().unwrap();
    assert!(told.contains("Some(\"text/plain\")"), "{told}");
    assert!(told.contains("[(\"said\", \"x\")]"), "{told}");
    assert!(told.contains("Some(\"k\")"), "{told}");
    let closing = until("the delivery's closing line", || {
        let mut lines = host.closings().into_iter();
        lines.find(|line| line["entry"] == "queue")
    });
    assert_eq!(closing["outcome"], "ok", "{closing}");
    assert_eq!(closing["caller"], "anonymous > service:queues", "{closing}");
    let why = closing["why"].as_str().unwrap();
    assert!(why.contains(&ids[0]), "{why}");
    // Whoever explains it reads of the same trace as the call that sent it.
    let sender = until("the sender's closing line", || {
        let mut lines = host.closings().into_iter();
        lines.find(|line| line["entry"] == "http")
    });
    assert_eq!(sender["trace"], closing["trace"]);
}

#[test]
fn a_call_that_fails_has_sent_nothing() {
    let host = alone();
    for (end, status) in [("fail", 502), ("refuse", 422), ("trap", 500)] {
        let path = format!("/queues/?text=never&end={end}");
        let answer = host.ask("POST", &path).send();
        assert!(
            answer.status >= 400 && answer.status <= status,
            "{end}: {}",
            answer.status
        );
    }
    // A key makes it an execution, which fails the same way.
    let path = "/queues/?text=never&end=refuse";
    let answer = host
        .ask("POST", path)
        .header("idempotency-key", "\"a\"")
        .send();
    assert_eq!(answer.status, 422);
    let sent = send(&host, "text=ok");
    wait_for(&host, &sent[0], 1);
    wait_until_empty(&host);
    assert!(taken(&host).iter().all(|(_, _, text)| text == "ok"));
}

#[test]
fn what_is_asked_for_twice_under_a_key_is_sent_once() {
    let host = alone();
    let ask = || {
        host.ask("POST", "/queues/?text=ok")
            .header("idempotency-key", "\"k\"")
    };
    let (first, second) = (ask().send(), ask().send());
    assert_eq!(first.text(), second.text());
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(all_taken(&host, 1).len(), 1);
}

#[test]
fn what_only_looks_sends_at_once() {
    let host = alone();
    let answer = host.get("/queues/?text=ok&end=fail");
    assert!(answer.status >= 500);
    until("the message", || (!taken(&host).is_empty()).then_some(()));
}

#[test]
fn a_message_that_fails_comes_again_and_is_dead_when_it_has_failed_often_enough() {
    let host = setup()
        .policy(&format!(
            "{POLICY}\n[services.queues.limits]\nqueue_deliveries = 2"
        ))
        .start();
    let again = send(&host, "text=again:2");
    let later = send(&host, "text=later:300");
    let trap = send(&host, "text=trap");
    wait_for(&host, &again[0], 2);
    wait_for(&host, &later[0], 2);
    let dead = wait_for_dead(&host, 1);
    assert_eq!(dead[0]["id"], trap[0]);
    assert_eq!(dead[0]["deliveries"], 2);
    let fault = dead[0]["last_fault"].as_str().unwrap();
    assert!(fault.starts_with("service-fault"), "{fault}");
    let shown = host.command(&["queue", "show", &trap[0]]);
    assert!(
        shown.out.contains("trap") && shown.out.contains("last fault"),
        "{shown:?}"
    );
    host.said("is a dead letter (deliveries: 2)");
}

#[test]
fn what_is_permanent_is_dead_at_once_and_is_delivered_again_on_demand() {
    let host = alone();
    let ids = send(&host, "text=permanent&count=2");
    let dead = wait_for_dead(&host, 2);
    assert!(
        dead.iter()
            .all(|line| line["last_fault"] == "never" && line["deliveries"] == 1)
    );
    let redriven = host.command(&["queue", "redrive", &ids[0]]);
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    until("it to be delivered once more", || {
        (taken(&host).len() == 3).then_some(())
    });
    wait_for_dead(&host, 2);
    let all = host.command(&["queue", "redrive", "queues", "--all"]);
    assert!(all.out.contains("2 dead letters"), "{all:?}");
    until("both to be delivered once more", || {
        (taken(&host).len() == 5).then_some(())
    });
    wait_for_dead(&host, 2);
    for id in &ids {
        assert_eq!(host.command(&["queue", "drop", id]).code, Some(0));
    }
    wait_until_empty(&host);
    let nothing = host.command(&["queue", "show", &ids[0]]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    let audit = host.command(&["audit", "show"]);
    for deed in ["queue redrive", "queue drop"] {
        assert!(audit.out.contains(deed), "{deed} is on record");
    }
}

#[test]
fn what_a_delivery_sends_goes_out_with_its_end_alone() {
    let host = alone();
    let late = send(&host, "text=forward-late:next");
    wait_for(&host, &late[0], 2);
    let texts: Vec<_> = all_taken(&host, 3)
        .into_iter()
        .map(|(_, _, text)| text)
        .collect();
    assert_eq!(texts, ["forward-late:next", "forward-late:next", "next"]);
}

#[test]
fn messages_of_one_key_are_delivered_in_their_order_and_those_of_others_beside_them() {
    let host = alone();
    let slow = send(&host, "text=sleep:400&key=a");
    let order = send(&host, "text=ok-{n}&key=a&count=5");
    let other = send(&host, "text=free&key=b");
    wait_for(&host, &other[0], 1);
    assert!(
        !taken(&host).iter().any(|(id, _, _)| order.contains(id)),
        "they wait for {slow:?}"
    );
    let taken = all_taken(&host, 7);
    let came: Vec<_> = taken
        .iter()
        .filter(|(id, _, _)| order.contains(id))
        .collect();
    let texts: Vec<_> = came.iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(texts, ["ok-0", "ok-1", "ok-2", "ok-3", "ok-4"]);
}

#[test]
fn a_delayed_message_waits_and_one_of_a_known_name_is_none() {
    let host = alone();
    let later = send(&host, "text=later&delay=1200");
    send(&host, "text=ok&dedupe=d&count=3");
    send(&host, "text=ok&dedupe=d");
    let now = send(&host, "text=now");
    wait_for(&host, &now[0], 1);
    let waits = queue(&host, &["ls", "queues"]);
    assert!(
        waits
            .iter()
            .any(|line| line["id"] == later[0] && line["state"] == "waiting"),
        "{waits:?}"
    );
    wait_for(&host, &later[0], 1);
    let of_d = all_taken(&host, 3)
        .into_iter()
        .filter(|(_, _, text)| text == "ok");
    assert_eq!(of_d.count(), 1);
}

#[test]
fn two_hosts_share_a_queue_and_each_message_is_delivered_once() {
    let url = Postgres::database();
    let (one, other) = (on(&url), on(&url));
    for _ in 0..4 {
        send(&one, "text=ok&count=50");
    }
    wait_until_empty(&one);
    let (of_one, of_other) = until("all to be said", || {
        let both = (taken(&one), taken(&other));
        (both.0.len() + both.1.len() >= 200).then_some(both)
    });
    let mut ids: Vec<_> = of_one
        .iter()
        .chain(&of_other)
        .map(|(id, _, _)| id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    assert_eq!(
        of_one.len() + of_other.len(),
        200,
        "none was delivered twice"
    );
}

#[test]
fn nobody_but_the_host_delivers_and_nobody_sends_without_being_allowed() {
    let host = Setup::new()
        .service("queues", Guest::Case("queues"), "queues = [\"queues\"]")
        .service("other", Guest::Case("queues"), "")
        .policy("[services.queues]\nqueues = [\"queues\"]\n[services.other]\nqueues = [\"queues\"]")
        .start();
    let path = "/queues/consumer/handle";
    let answer = host.ask("POST", path).body("{}").send();
    // It is the service's own business what it does with such a path; it took no message.
    assert_eq!(answer.status, 200);
    wait_until_empty(&host);
    let not_asked = host.ask("POST", "/other/?text=ok").send();
    assert!(
        not_asked.text().starts_with("capability-denied"),
        "{}",
        not_asked.text()
    );
    let nowhere = host.ask("POST", "/queues/?text=ok&queue=nobody").send();
    assert!(
        nowhere.text().starts_with("capability-denied"),
        "{}",
        nowhere.text()
    );
    // The empty body of the first request is the message that it sent.
    let texts: Vec<_> = taken(&host).into_iter().map(|(_, _, text)| text).collect();
    assert!(texts.iter().all(String::is_empty), "{texts:?}");
}

#[test]
fn what_may_be_delivered_twice_is_declared_so_where_the_policy_asks_for_it() {
    let host = Setup::new()
        .service("queues", Guest::Case("queues"), "queues = [\"queues\"]")
        .policy(&format!(
            "undeclared = \"refuse\"\n{POLICY}\nundeclared = \"allow\""
        ))
        .start();
    let ids = send(&host, "text=ok");
    wait_for(&host, &ids[0], 1);
    host.set_policy(&format!("{POLICY}\nundeclared = \"refuse\""));
    host.said("is in force");
    let answer = host.get("/queues/?text=ok");
    assert_eq!(answer.status, 200);
    until("it to wait", || {
        let waits = queue(&host, &["ls", "queues"]);
        let fault = waits.first()?["last_fault"].as_str()?.to_owned();
        fault.starts_with("forbidden").then_some(())
    });
    assert_eq!(taken(&host).len(), 1);
    host.drop_in("queues", Guest::Case("queues"), ASKS);
    until("it to be taken", || (taken(&host).len() == 2).then_some(()));
    let asks = "[effects]\nirreversible = [\"consumer/handle\"]";
    host.drop_in("queues", Guest::Case("queues"), asks);
    host.said("can only be idempotent");
}

#[test]
fn instances_that_serve_more_than_one_call_serve_requests_or_messages() {
    let host = Setup::new()
        .service(
            "queues",
            Guest::Case("queues"),
            &format!("reuse = 50\n{ASKS}"),
        )
        .policy(POLICY)
        .start();
    for _ in 0..5 {
        send(&host, "text=ok");
        wait_until_empty(&host);
    }
    assert_eq!(all_taken(&host, 5).len(), 5);
    assert!(
        host.closings()
            .iter()
            .all(|line| line["code"] != "internal")
    );
}
