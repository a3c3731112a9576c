//! What cannot be undone is done once a person has approved it, and what can be is undone by one command.
//!
//! 1. The naive snippet: an agent writes a mail, and sends it.
//! 2. The missing rule: nobody has looked at it. And the order that was a mistake is taken back by hand, in the database.
//! 3. The tax: a table of things that wait, a page to look at them, a link that somebody else can follow twice.
//! 4. The snippet again, unchanged; its manifest says `irreversible = ["POST /mails"]`, or what undoes it.
//! 5. The pipeline: the request waits for `holdfast approve grant`, which is for this very request, for one time, and by somebody else. The
//!    approval is used in the same unit of work that begins the execution, so a refusal does not use it, and nothing uses it twice.
//!    `holdfast undo` is a call like any other, with a key.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Answer, Ask, Chaos, Does, Guest, Host, Setup, Upstream, encoded, until};
use serde_json::{Value, json};

const SEND: &str = "[effects]\nirreversible = [\"POST /fetch\"]";

/// A host with a service that has an upstream do something that nothing undoes.
fn sending(upstream: &Upstream, policy: &str) -> Host {
    two(&format!("upstreams = [\"api\"]\n{SEND}"))
        .policy(policy)
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .start()
}

fn path(upstream: &Upstream) -> String {
    let url = encoded(&upstream.url("/ok"));
    format!("/two/fetch?method=POST&body=letter&url={url}")
}

fn send(host: &Host, upstream: &Upstream) -> Ask {
    host.ask("POST", &path(upstream)).body("dear bob")
}

fn done(upstream: &Upstream) -> usize {
    let seen = upstream.seen();
    let posts = seen.iter().filter(|seen| seen.head.starts_with("post "));
    posts.count()
}

/// What waits, as the command lists it.
fn waiting(host: &Host) -> Vec<Value> {
    let said = host.command(&["approve", "ls", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The name of the one that waits.
fn only(host: &Host) -> String {
    let waiting = waiting(host);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    waiting[0]["id"].as_str().unwrap().to_owned()
}

fn grant(host: &Host, id: &str) {
    let said = host.command(&["approve", "grant", id, "--why", "read it"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

fn is_done(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn what_cannot_be_undone_waits_for_a_person_and_is_done_once() {
    let upstream = Upstream::start();
    let host = sending(&upstream, "");
    let told = send(&host, &upstream).send();
    told.fault("approval-required");
    assert_eq!(host.closing(told.call())["effect"], "irreversible");
    assert_eq!(host.closing(told.call())["boundary"], "policy");
    // Asked again it is the same that waits; it is named by the first who asked.
    send(&host, &upstream).send().fault("approval-required");
    let id = only(&host);
    assert_eq!(id, told.call());
    let shown = host.command(&["approve", "show", &id]).out;
    for part in [
        "dear bob",
        "anonymous",
        "POST /fetch",
        "wanted",
        "body=letter",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    // A client cannot say that it was approved.
    send(&host, &upstream)
        .header("holdfast-approval", &id)
        .header("holdfast-caller", "operator:0")
        .send()
        .fault("approval-required");
    assert_eq!(done(&upstream), 0);
    grant(&host, &id);
    // It is for this request: for no other body, query, method or path.
    let other = host.ask("POST", &path(&upstream)).body("dear eve").send();
    other.fault("approval-required");
    let other = host.ask("POST", &format!("{}&x=1", path(&upstream)));
    other.body("dear bob").send().fault("approval-required");
    is_done(&send(&host, &upstream).send());
    assert_eq!(done(&upstream), 1);
    send(&host, &upstream).send().fault("approval-required");
    assert_eq!(done(&upstream), 1);
    let shown = host.command(&["approve", "show", &id]).out;
    assert!(
        shown.contains("used") && shown.contains("read it"),
        "{shown}"
    );
    // The record says on whose word it was done.
    let records = host.command(&["audit", "show"]).out;
    let records: Vec<Value> = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |record: &Value| record.to_string();
    assert!(
        records
            .iter()
            .any(|one| text(one).contains(&format!("\"approval\":\"{id}\""))),
        "{records:#?}"
    );
    assert!(
        records
            .iter()
            .any(|one| text(one).contains("approve grant"))
    );
}

#[test]
fn a_spelling_is_no_way_round_and_a_key_is_none_either() {
    let upstream = Upstream::start();
    let host = sending(&upstream, "");
    let query = path(&upstream).split_once('?').unwrap().1.to_owned();
    for spelled in [
        "/two//fetch",
        "/two/./fetch",
        "/two/%66etch",
        "/two/fetch/",
        "/two/fetch;a",
    ] {
        let answer = host.ask("POST", &format!("{spelled}?{query}")).send();
        assert!(answer.status >= 400, "{spelled}: {answer:?}");
    }
    // One that says it changes nothing is served, and changes nothing.
    let asked = host.ask("GET", &path(&upstream)).send();
    assert!(
        asked.status >= 400 || asked.text().starts_with("error"),
        "{asked:?}"
    );
    let keyed = |key: &str| send(&host, &upstream).header("idempotency-key", key).send();
    let told = keyed("k");
    told.fault("approval-required");
    assert_eq!(done(&upstream), 0);
    grant(&host, told.call());
    is_done(&keyed("k"));
    // Who asks again with the key is answered what was answered; another key is another call.
    is_done(&keyed("k"));
    keyed("l").fault("approval-required");
    assert_eq!(done(&upstream), 1);
}

#[test]
fn of_many_that_use_an_approval_at_once_one_does_it() {
    let upstream = Upstream::start();
    let host = sending(&upstream, "");
    send(&host, &upstream).send().fault("approval-required");
    grant(&host, &only(&host));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| send(&host, &upstream).send()))
            .collect();
        let clients = clients.into_iter();
        clients.map(|client| client.join().unwrap()).collect()
    });
    let served = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(served.count(), 1);
    assert_eq!(done(&upstream), 1);
}

#[test]
fn an_approval_outlives_a_killed_host_and_what_it_was_used_for_is_not_done_twice() {
    let upstream = Upstream::start();
    let mut host = sending(&upstream, "");
    send(&host, &upstream).send().fault("approval-required");
    let id = only(&host);
    grant(&host, &id);
    host.kill();
    host.again();
    let answer = until("the service to be there", || {
        let answer = send(&host, &upstream).send();
        (answer.status != 404).then_some(answer)
    });
    is_done(&answer);
    host.kill();
    host.again();
    let answer = until("the service to be there", || {
        let answer = send(&host, &upstream).send();
        (answer.status != 404).then_some(answer)
    });
    answer.fault("approval-required");
    assert_eq!(done(&upstream), 1);
    assert_eq!(waiting(&host).len(), 1);
}

#[test]
fn nobody_approves_what_he_has_asked_for_unless_he_is_alone() {
    let upstream = Upstream::start();
    let host = sending(&upstream, "");
    let path = path(&upstream);
    let path = path.strip_prefix("/two").unwrap();
    let call = || host.command(&["call", "two", &format!("POST {path}")]);
    assert_eq!(call().code, Some(1));
    let id = only(&host);
    let said = host.command(&["approve", "grant", &id, "--why", "mine"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("self_approve"), "{}", said.err);
    assert_eq!(done(&upstream), 0);
    let config = std::fs::read_to_string(host.config()).unwrap();
    std::fs::write(host.config(), format!("self_approve = true\n{config}")).unwrap();
    assert_eq!(host.command(&["reload"]).code, Some(0));
    let said = host.command(&["approve", "grant", &id, "--why", "mine"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let called = call();
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert_eq!(done(&upstream), 1);
    let records = host.command(&["audit", "show"]).out;
    assert!(
        records.contains("approved what you had asked for yourself"),
        "{records}"
    );
}

#[test]
fn what_is_denied_is_not_done_and_a_decision_needs_a_reason() {
    let upstream = Upstream::start();
    let host = sending(&upstream, "");
    send(&host, &upstream).send().fault("approval-required");
    let id = only(&host);
    let said = host.command(&["approve", "grant", &id, "--why", " "]);
    assert!(
        said.code == Some(1) && said.err.contains("--why"),
        "{}",
        said.err
    );
    let said = host.command(&["approve", "deny", &id, "--why", "a rude letter"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let told = send(&host, &upstream).send();
    told.fault("approval-required");
    assert!(told.text().contains("did not approve"), "{}", told.text());
    let said = host.command(&["approve", "grant", &id, "--why", "after all"]);
    assert!(
        said.code == Some(1) && said.err.contains("denied already"),
        "{}",
        said.err
    );
    assert_eq!(host.command(&["approve", "show", "no-such"]).code, Some(1));
    assert_eq!(waiting(&host).len(), 0);
    assert_eq!(done(&upstream), 0);
}

#[test]
fn what_is_not_declared_is_allowed_held_or_refused_as_the_policy_says() {
    for (policy, expected) in [
        ("", "ok"),
        ("undeclared = \"refuse\"", "forbidden"),
        ("undeclared = \"hold\"", "approval-required"),
        (
            "undeclared = \"refuse\"\n[services.two]\nundeclared = \"allow\"",
            "ok",
        ),
    ] {
        let host = two("").policy(policy).start();
        let answer = host.ask("POST", "/two/echo").body("x").send();
        match expected {
            "ok" => is_done(&answer),
            code => drop(answer.fault(code)),
        }
        assert_eq!(host.closing(answer.call())["effect"], "undeclared");
        is_done(&host.get("/two/ok"));
    }
}

#[test]
fn a_call_is_undone_once_by_what_its_service_declared_for_that() {
    let host =
        two("[effects.undo]\n\"POST /echo\" = \"PUT /echo\"\n\"POST /body\" = \"DELETE /{id}\"")
            .start();
    let order = host.ask("POST", "/two/echo").body("{\"id\":7}").send();
    is_done(&order);
    assert_eq!(host.closing(order.call())["effect"], "undo");
    for _ in 0..2 {
        let said = host.command(&["undo", order.call()]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(
            said.out.contains("is undone, by two PUT /echo"),
            "{}",
            said.out
        );
    }
    let undone = until("the lines of both", || {
        let mut lines = host.closings();
        lines.retain(|line| line["operation"] == "PUT /echo");
        (lines.len() == 2).then_some(lines)
    });
    let ran = undone.iter().filter(|line| line["attempts"] == 1);
    assert_eq!(ran.count(), 1, "{undone:#?}");
    assert!(
        undone[0]["caller"]
            .as_str()
            .unwrap()
            .starts_with("operator:")
    );
    // What failed, what nobody declared and what there never was are not undone.
    let failed = host.ask("POST", "/two/body?bytes=4").send();
    let said = host.command(&["undo", failed.call()]);
    assert!(
        said.code == Some(1) && said.err.contains("is not undone"),
        "{}",
        said.err
    );
    let other = host.ask("PUT", "/two/echo").body("x").send();
    for call in [other.call(), "0190-none"] {
        let said = host.command(&["undo", call]);
        assert!(
            said.code == Some(1) && said.err.contains("cannot be undone"),
            "{}",
            said.err
        );
    }
}

#[test]
fn an_undoing_that_failed_is_tried_again_and_one_that_did_not_is_not() {
    let chaos = Chaos::start(Does::Serves);
    let url = chaos.url("");
    let manifest = format!(
        "upstreams = [\"api\"]\n[config]\nupstream = \"{url}\"\n[effects.undo]\n\"POST /orders\" = \"POST /undo\""
    );
    let policy = format!(
        "[services.api]\nupstreams = [\"api\"]\n[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1"
    );
    let host = Setup::new()
        .service("api", Guest::Service("proxy"), &manifest)
        .policy(&policy)
        .start();
    let order = host.ask("POST", "/api/orders").send();
    is_done(&order);
    chaos.next(&[Does::Answers(409, ""), Does::Answers(503, "")]);
    for how in ["409", "service-fault"] {
        let said = host.command(&["undo", order.call()]);
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(
            said.err.contains("is not undone") && said.err.contains(how),
            "{}",
            said.err
        );
    }
    for _ in 0..2 {
        let said = host.command(&["undo", order.call()]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let taken = chaos.taken();
    let undone = taken.iter().filter(|(_, seen)| seen.head.contains("/undo"));
    assert_eq!(undone.count(), 3);
}

#[test]
fn a_function_is_undone_by_a_function_and_waits_like_a_request() {
    let effects = "[effects]\nirreversible = [\"shapes/add\"]\n[effects.undo]\n\"shapes/next\" = \"shapes/next\"";
    let host = Setup::new()
        .service("typed", Guest::Case("typed"), effects)
        .start();
    let post = |path: &str, body: Value| {
        let ask = host
            .ask("POST", path)
            .header("content-type", "application/json");
        ask.body(body.to_string()).send()
    };
    let sum = || post("/typed/shapes/add", json!({ "a": 40, "b": 2 }));
    sum().fault("approval-required");
    let shown = host.command(&["approve", "show", &only(&host)]).out;
    assert!(shown.contains("40"), "{shown}");
    grant(&host, &only(&host));
    is_done(&sum());
    sum().fault("approval-required");
    let next = post("/typed/shapes/next", json!({ "place": { "x": 1, "y": 2 } }));
    is_done(&next);
    let said = host.command(&["undo", next.call()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn what_is_declared_of_nothing_stops_the_load() {
    let host = Setup::new()
        .service(
            "typed",
            Guest::Case("typed"),
            "[effects]\nirreversible = [\"shapes/burn\"]",
        )
        .service("three", Guest::Case("wasi03"), "")
        .start();
    host.get("/typed/shapes/add").fault("no-such-service");
    assert!(host.stderr().contains("shapes/burn"), "{}", host.stderr());
}
