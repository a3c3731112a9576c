//! What a shop reports is processed once and told, whatever happens to the host, the chat and the report on its way.
//!
//! 1. The naive snippet: a function that is given an event, keeps what became of the order, and tells a chat.
//! 2. The missing rule: the provider sends again what was not answered soon, and is answered too late by who waits for the chat; while the
//!    chat is down, events are lost; one that nobody understands comes again for ever; and anybody can send one.
//! 3. The tax: a signature library, a table of events that were seen, a queue, a worker, back-off, dead letters, and code around all of it.
//! 4. The snippet again: guests/services/webhook-processor, which has none of these.
//! 5. The pipeline: `accept = "queue"`. The host verifies, keeps and answers; the service is given each event until it has taken it.
//! 6. The checklist is below.

use super::webhooks::sign::{code, now};
use crate::harness::{Answer, Chaos, Does, Guest, Host, Setup, keep_private, root, until};
use data_encoding::BASE64;
use serde_json::{Value, json};

const NAME: &str = "webhook-processor";
/// What the shop signs with.
const KEY: &[u8] = b"canary-standard-webhooks";
const POLICY: &str = r#"
[services.webhook-processor]
upstreams = ["chat"]
kv = ["default"]
[services.webhook-processor.limits]
queue_deliveries = 20
[services.webhook-processor.webhooks."/webhooks"]
from = "standard"
secrets = ["shop"]
accept = "queue"
[secrets.shop]
uses = ["webhook"]
encoding = "base64"
file = "shop.secret"
"#;

/// The service as it is delivered, with a chat.
fn start(chat: &Chaos) -> Host {
    let file = root().join(format!("guests/services/{NAME}/{NAME}.toml"));
    let manifest = std::fs::read_to_string(file).unwrap();
    let url = chat.url("");
    let manifest = format!("upstreams = [\"chat\"]\n{manifest}\n[config]\nchat = \"{url}/hook\"");
    let setup = Setup::new().service(NAME, Guest::Service("webhook-processor"), &manifest);
    let secret = format!("whsec_{}", BASE64.encode(KEY));
    keep_private(&setup.dir.path().join("shop.secret"), &secret);
    let upstream =
        format!("[upstreams.chat]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n");
    setup.policy(POLICY).policy(&upstream).start()
}

/// What the shop says happened to an order.
fn event(name: &str, kind: &str, order: &str) -> String {
    let data = json!({ "order": order, "total": "12.50 EUR" });
    json!({ "id": name, "type": kind, "data": data }).to_string()
}

/// Sends a webhook of this name, signed as the shop does it.
fn send(host: &Host, name: &str, body: &str) -> Answer {
    let time = now();
    let signature = code(KEY, format!("{name}.{time}.{body}").as_bytes());
    host.ask("POST", "/webhook-processor/webhooks")
        .header("content-type", "application/json")
        .header("webhook-id", name)
        .header("webhook-timestamp", &time.to_string())
        .header(
            "webhook-signature",
            &format!("v1,{}", BASE64.encode(&signature)),
        )
        .body(body)
        .send()
}

/// Sends what happened to an order, and is answered at once.
fn report(host: &Host, name: &str, kind: &str, order: &str) {
    let answer = send(host, name, &event(name, kind, order));
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// What the chat was told since somebody asked last, sorted.
fn told(chat: &Chaos) -> Vec<String> {
    let taken = chat.taken().into_iter();
    let texts = taken.map(|(_, seen)| {
        let said: Value = serde_json::from_slice(&seen.body).unwrap();
        said["text"].as_str().unwrap().to_owned()
    });
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts
}

/// What the service says of an order.
fn order(host: &Host, id: &str) -> Value {
    let answer = host.get(&format!("/webhook-processor/orders/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The lines of `holdfast queue ls` with these words.
fn queue(host: &Host, words: &[&str]) -> Vec<Value> {
    let words = [&["queue", "ls"], words, &["--json"]].concat();
    let said = host.command(&words);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

fn wait_until_empty(host: &Host) {
    until("every queue to be empty", || {
        queue(host, &[]).is_empty().then_some(())
    });
}

#[test]
fn what_is_reported_again_is_answered_again_and_processed_once() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    for _ in 0..3 {
        report(&host, "evt_1", "order.paid", "A-17");
    }
    wait_until_empty(&host);
    report(&host, "evt_1", "order.paid", "A-17");
    wait_until_empty(&host);
    assert_eq!(told(&chat), ["Order A-17 (12.50 EUR) is paid."]);
    let order = order(&host, "A-17");
    assert_eq!(order["state"], "paid", "{order}");
    assert_eq!(order["happened"]["paid"]["event"], "evt_1", "{order}");
    assert_eq!(host.get("/webhook-processor/orders/A-18").status, 404);
}

#[test]
fn what_nobody_signed_is_not_believed() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    let forged = host
        .ask("POST", "/webhook-processor/webhooks")
        .header("webhook-id", "evt_1")
        .header("webhook-timestamp", &now().to_string())
        .header("webhook-signature", "v1,Zm9yZ2Vk")
        .body(event("evt_1", "order.paid", "A-17"))
        .send();
    forged.fault("unauthenticated");
    assert_eq!(host.get("/webhook-processor/orders/A-17").status, 404);
    assert_eq!(chat.count(), 0);
}

#[test]
fn it_does_not_matter_in_which_order_they_come() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    for (name, step) in [("evt_3", "shipped"), ("evt_1", "placed"), ("evt_2", "paid")] {
        report(&host, name, &format!("order.{step}"), "A-17");
        wait_until_empty(&host);
    }
    let order = order(&host, "A-17");
    assert_eq!(order["state"], "shipped", "{order}");
    assert_eq!(order["happened"].as_object().unwrap().len(), 3, "{order}");
}

#[test]
fn while_the_chat_fails_it_comes_again_and_is_told_once() {
    let chat = Chaos::start(Does::Serves);
    chat.next(&[Does::Answers(503, ""), Does::Answers(500, "")]);
    let host = start(&chat);
    report(&host, "evt_1", "order.paid", "A-17");
    wait_until_empty(&host);
    // Twice in vain, and then no more than once.
    assert_eq!(chat.count(), 3);
    assert_eq!(order(&host, "A-17")["state"], "paid");
}

#[test]
fn while_the_chat_is_down_the_shop_is_answered_and_nothing_is_lost() {
    let chat = Chaos::start(Does::Slams);
    let host = start(&chat);
    for number in 0..3 {
        report(
            &host,
            &format!("evt_{number}"),
            "order.paid",
            &format!("A-{number}"),
        );
    }
    until("somebody to try", || (chat.opened() > 0).then_some(()));
    // What became of an order is known whether the chat is there or not.
    until("the order", || {
        let answer = host.get("/webhook-processor/orders/A-2");
        (answer.status == 200).then_some(())
    });
    chat.usually(Does::Serves);
    wait_until_empty(&host);
    assert_eq!(told(&chat), all_told(3));
}

/// What the chat is told of so many orders, each once.
fn all_told(count: usize) -> Vec<String> {
    let told = |number| format!("Order A-{number} (12.50 EUR) is paid.");
    (0..count).map(told).collect()
}

#[test]
fn what_nobody_understands_is_a_dead_letter_and_holds_up_nothing() {
    let chat = Chaos::start(Does::Serves);
    let host = start(&chat);
    for (name, body) in [
        ("evt_1", "garbage".to_owned()),
        ("evt_2", event("evt_2", "order.eaten", "A-17")),
        ("evt_3", json!({ "id": "evt_3" }).to_string()),
    ] {
        assert_eq!(send(&host, name, &body).status, 202);
    }
    report(&host, "evt_4", "order.paid", "A-17");
    let dead = until("three dead letters", || {
        let dead = queue(&host, &[NAME, "--dead"]);
        (dead.len() == 3).then_some(dead)
    });
    assert!(dead.iter().all(|line| line["deliveries"] == 1), "{dead:?}");
    let faults: String = dead
        .iter()
        .map(|line| line["last_fault"].to_string())
        .collect();
    for why in ["this is no event", "order.eaten is no step of an order"] {
        assert!(faults.contains(why), "{why}: {faults}");
    }
    until("the one that is good", || (chat.count() > 0).then_some(()));
    assert_eq!(told(&chat), ["Order A-17 (12.50 EUR) is paid."]);
}

#[test]
fn what_was_answered_is_processed_though_the_host_is_killed_before() {
    let chat = Chaos::start(Does::Hangs);
    let mut host = start(&chat);
    for number in 0..4 {
        report(
            &host,
            &format!("evt_{number}"),
            "order.paid",
            &format!("A-{number}"),
        );
    }
    until("all to be under way", || (chat.count() == 4).then_some(()));
    host.kill();
    // Nobody was told: the chat had not answered yet.
    chat.taken();
    chat.usually(Does::Serves);
    host.again();
    wait_until_empty(&host);
    assert_eq!(told(&chat), all_told(4));
}

#[test]
fn nothing_that_was_answered_is_lost_wherever_the_kill_hits() {
    let chat = Chaos::start(Does::Serves);
    let mut host = start(&chat);
    for number in 0..6 {
        report(
            &host,
            &format!("evt_{number}"),
            "order.paid",
            &format!("A-{number}"),
        );
        if number % 2 == 1 {
            host.restart();
        }
    }
    wait_until_empty(&host);
    // Of one that was killed between the chat's answer and its own note nobody knows that it was told, so it may be told again.
    let mut told = told(&chat);
    told.dedup();
    assert_eq!(told, all_told(6));
    for number in 0..6 {
        assert_eq!(order(&host, &format!("A-{number}"))["state"], "paid");
    }
}
