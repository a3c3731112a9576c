//! The assumption: whoever asks is who he says. So: every key and token with every character exchanged, cut and doubled; every header that a
//! proxy, a service or the host itself would write, written by a stranger; and the right proof at the wrong place. Nothing of it reaches the
//! service, and the ones that are good are good all the while.

use crate::harness::issuer::{self, Issuer};
use crate::harness::{Ask, Guest, Host, Setup, full};
use serde_json::Value;

/// A host whose `two` takes keys of `ann` and tokens of an issuer, and nobody else.
fn host(issuer: &Issuer) -> Host {
    let policy = format!(
        "anonymous = \"deny\"\ncallers = [\"ann\", \"corp:*\"]\n[rate]\ncaller = \"100000/s\"\n{}",
        issuer.policy("scopes = [\"two\"]")
    );
    Setup::new()
        .service("two", Guest::Case("wasi02"), "")
        .policy(&policy)
        .start()
}

fn key(host: &Host, words: &[&str]) -> String {
    let said = host.command(&[&["keys", "new"], words].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim().to_owned()
}

fn with(host: &Host, bearer: &str) -> Ask {
    host.ask("POST", "/two/echo")
        .header("authorization", &format!("Bearer {bearer}"))
        .body("x")
}

/// The text with one character changed, left out, doubled; and cut there. Seldom, where there is no time for all.
fn spoilt(text: &str) -> Vec<String> {
    let step = if full() { 1 } else { 7 };
    let mut all = Vec::new();
    for place in (0..text.len()).step_by(step) {
        let (before, rest) = text.split_at(place);
        let (here, after) = rest.split_at(1);
        // The last character of a part in base64 may have bits that mean nothing: another one that means the same is the same.
        let other = match here {
            "A" => "x",
            "_" | "." => "A",
            _ => "A",
        };
        all.push(format!("{before}{other}{after}"));
        all.push(format!("{before}{after}"));
        all.push(format!("{before}{here}{here}{after}"));
        all.push(before.to_owned());
    }
    all.retain(|one| one != text);
    all
}

/// How many calls have reached the service.
fn reached(host: &Host) -> usize {
    let lines = host.closings();
    // The host asks its issuer for keys, too.
    let reached = |line: &&Value| line["operation"] == "POST /echo" && line["attempts"] == 1;
    lines.iter().filter(reached).count()
}

#[test]
fn of_every_key_and_token_with_one_change_none_opens_anything() {
    let issuer = Issuer::start(&[1]);
    let host = host(&issuer);
    let key = key(&host, &["ann"]);
    let token = issuer::token(1, "alice");
    let mut good = 0;
    for proof in [&key, &token] {
        assert_eq!(with(&host, proof).send().status, 200);
        good += 1;
        for wrong in spoilt(proof) {
            let answer = with(&host, &wrong).send();
            assert_eq!(answer.status, 401, "{wrong} of {proof}");
        }
        let last = with(&host, proof).send();
        assert_eq!(last.status, 200);
        good += 1;
        // Lines are written in their order, and a moment later.
        host.closing(last.call());
    }
    assert_eq!(reached(&host), good);
}

#[test]
fn nothing_that_a_stranger_writes_makes_him_somebody() {
    let issuer = Issuer::start(&[1]);
    let host = host(&issuer);
    let names = [
        "holdfast-caller",
        "holdfast-call",
        "holdfast-why",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-real-ip",
        "forwarded",
        "remote-user",
        "x-remote-user",
        "cookie",
        "proxy-authorization",
        "holdfast-approval",
    ];
    let values = [
        "operator:0",
        "principal:ann",
        "host",
        "127.0.0.1",
        "for=127.0.0.1;by=host",
        "ann",
        "service:two",
        "Basic YW5uOmFubg==",
    ];
    for name in names {
        for value in values {
            let ask = host.ask("POST", "/two/echo").header(name, value);
            ask.body("x").send().fault("unauthenticated");
        }
    }
    // A proof is one where it belongs, and once.
    let key = key(&host, &["ann"]);
    for (name, value) in [
        ("proxy-authorization", format!("Bearer {key}")),
        ("x-api-key", key.clone()),
        ("cookie", format!("authorization=Bearer {key}")),
        ("authorization", format!("Basic {key}")),
        ("authorization", key.clone()),
    ] {
        let ask = host.ask("POST", "/two/echo").header(name, &value);
        assert_eq!(ask.body("x").send().status, 401, "{name}");
    }
    let ask = host.ask("POST", &format!("/two/echo?authorization=Bearer%20{key}"));
    assert_eq!(ask.body("x").send().status, 401);
    let twice = with(&host, &key).header("authorization", &format!("Bearer {key}"));
    let last = twice.send();
    assert!(last.status >= 400);
    host.closing(last.call());
    assert_eq!(reached(&host), 0);
}
