//! What a webhook does not take: what is signed otherwise, what only looks like its path, and more than there is room for.

use super::sign::{self, GITHUB, GITHUB_OLD, now};
use super::{host, setup};
use crate::harness::until;
use crate::harness::{Ask, Flow, Guest, Host, encoded};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;

/// Asserts that it is refused as nobody's, and what the operator reads of it.
#[track_caller]
fn refused(host: &Host, ask: Ask, seen: &str) {
    let answer = ask.send();
    let problem = answer.fault("unauthenticated");
    let line = host.closing(answer.call());
    assert!(
        line["evidence"]["seen"]
            .as_str()
            .unwrap_or_default()
            .contains(seen),
        "{line}"
    );
    assert_eq!(line["stage"], "identify", "{line}");
    assert_eq!(line["caller"], "anonymous", "{line}");
    let all = format!("{problem} {line}");
    assert!(!all.contains("canary"), "{all}");
}

#[test]
fn signed_otherwise_is_not_signed() {
    let host = host();
    let body = br#"{"id": "evt_1"}"#;
    let (late, early) = (now() - 400, now() + 400);
    let again = br#"{"id":"evt_1"}"#;
    let none = "not the bytes that were signed";
    for (ask, sent, seen) in [
        // The same words, written again by somebody who had parsed them.
        (sign::github(&host, GITHUB, body), again, none),
        (sign::stripe(&host, now(), body), again, none),
        (sign::github(&host, GITHUB_OLD, again), again, none),
        (sign::standard(&host, late, again), again, "400 s ago"),
        (sign::stripe(&host, late, again), again, "s ago"),
        (sign::slack(&host, late, again), again, "s ago"),
        (
            sign::standard(&host, early, again),
            again,
            "s in the future",
        ),
        (sign::telegram(&host), again, "`update_id`"),
        (
            sign::github(&host, GITHUB, again).header("x-github-delivery", "2"),
            again,
            "`x-github-delivery` is there more than once",
        ),
        (
            sign::github(&host, GITHUB, again).header("x-hub-signature-256", "sha256=00"),
            again,
            "`x-hub-signature-256` is there more than once",
        ),
        (
            host.ask("POST", "/two/echo")
                .header("x-github-delivery", "1"),
            again,
            "`x-hub-signature-256` is missing",
        ),
        (
            host.ask("POST", "/two/args")
                .header("x-telegram-bot-api-secret-token", "another-token-0123"),
            again,
            none,
        ),
    ] {
        let seen = seen.replace("400 s ago", "s ago");
        refused(&host, ask.body(sent), &seen);
    }
    // The day after, what was recorded today proves nothing any more; within five minutes it is known by its name.
    let signed = || sign::stripe(&host, now(), body).body(body);
    assert_eq!((signed().send().status, signed().send().status), (200, 200));
}

#[test]
fn where_strangers_are_served_nobody_is_at_that_path() {
    let host = setup("anonymous = \"allow\"").start();
    for (method, path) in [
        ("POST", "/two/echo"),
        ("GET", "/two/echo"),
        ("HEAD", "/two/echo"),
        ("OPTIONS", "/two/echo"),
        ("PUT", "/two/echo?x=1"),
        ("POST", "/two/echo/"),
        ("POST", "/two//echo"),
        ("POST", "/two/ECHO"),
        ("POST", "/two/%65cho"),
        ("POST", "/two/%2565cho"),
        ("POST", "/two/%2Fecho"),
        ("POST", "/two/echo;v=1"),
        ("POST", "/two/echo%3Fx"),
        ("POST", "/two/echo%20"),
        ("POST", "/two/x%252f..%252fecho"),
    ] {
        let ask = host.ask(method, path).body(b"{}");
        let answer = ask.send();
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
        let line = host.closing(answer.call());
        assert_eq!(line["code"], "unauthenticated", "{line}");
        assert!(
            line["next"].as_str().unwrap().contains("webhooks"),
            "{line}"
        );
    }
    for (path, status) in [("/two/echo/../echo", 400), ("/two/%2e%2e/echo", 400)] {
        assert_eq!(host.ask("POST", path).send().status, status, "{path}");
    }
    // All else is as it was.
    for path in ["/two/clock", "/two/echoes", "/two/trailers"] {
        let line = host.get(path);
        assert_ne!(line.status, 401, "{path}");
    }
    let with_get = sign::github(&host, GITHUB, b"");
    assert_eq!(with_get.body(b"").send().status, 200);
}

#[test]
fn a_key_of_the_host_is_no_signature() {
    let host = setup("callers = [\"ann\"]").start();
    let made = host.command(&["keys", "new", "ann"]);
    let key = made
        .out
        .split_whitespace()
        .find(|word| word.starts_with("hf_"));
    let bearer = format!("Bearer {}", key.unwrap());
    let plain = host
        .ask("POST", "/two/echo")
        .header("authorization", &bearer);
    refused(&host, plain.body(b"{}"), "a key of this host");
    let both = sign::github(&host, GITHUB, b"{}").header("authorization", &bearer);
    refused(&host, both.body(b"{}"), "a key of this host");
}

#[test]
fn another_service_cannot_sign_in_a_providers_place() {
    let setup = setup("").service("asks", Guest::Case("wasi02"), "services = [\"two\"]");
    let host = setup
        .policy("[services.asks]\nservices = [\"two\"]")
        .start();
    let through = |path: &str| {
        let url = encoded(&format!("http://two.internal{path}"));
        let answer = host.get(&format!("/asks/fetch?url={url}"));
        host.children(answer.call(), 1)[0].clone()
    };
    let line = through("/echo");
    assert_eq!(line["code"], "unauthenticated", "{line}");
    assert_eq!(line["caller"], "anonymous > service:asks", "{line}");
    assert_eq!(through("/%65cho/../echo")["code"], "unauthenticated");
    assert_eq!(through("/clock")["outcome"], "ok");
}

#[test]
fn a_body_has_a_limit_of_its_own() {
    let host = host();
    let most = vec![b'x'; 4 << 10];
    let answer = sign::github(&host, GITHUB, &most).body(most.clone()).send();
    assert_eq!((answer.status, answer.body), (200, most.clone()));
    let more = [most, b"x".to_vec()].concat();
    let answer = sign::github(&host, GITHUB, &more).body(more.clone()).send();
    answer.fault("payload-too-large");
    assert_eq!(
        host.closing(answer.call())["evidence"]["body_bytes"],
        "4096"
    );
    let text = String::from_utf8(more.clone()).unwrap();
    let answer = sign::github(&host, GITHUB, &more)
        .chunks(&[&text[..2000], &text[2000..]], &[])
        .send();
    answer.fault("payload-too-large");
}

#[test]
fn a_body_that_does_not_come_is_its_senders_fault() {
    let host = setup("anonymous = \"deny\"\n[services.two.limits]\ndeadline = \"300ms\"").start();
    let ask = sign::github(&host, GITHUB, b"hello").header("content-length", "5");
    let mut stream = ask.begin();
    stream.write_all(b"hel").unwrap();
    let answer = Flow::read(stream).finish();
    answer.fault("deadline-exceeded");
    let line = host.closing(answer.call());
    assert_eq!(line["boundary"], "caller", "{line}");
    assert_eq!(line["stage"], "identify", "{line}");
}

/// Sends that many bytes of a body that has one more, and says how the answer begins, if one comes.
fn unfinished(mut stream: TcpStream, bytes: usize, said: &mpsc::Sender<String>) {
    let piece = vec![b'x'; 1 << 16];
    for _ in 0..bytes / piece.len() {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut head = [0; 12];
    let read = stream.read(&mut head).unwrap_or(0);
    // Nobody listens any more once the first was heard.
    let _ = said.send(String::from_utf8_lossy(&head[..read]).into_owned());
}

#[test]
fn strangers_cannot_fill_the_memory_of_the_host() {
    const MOST: usize = 25 << 20;
    let host = setup("[services.two.webhooks.\"/body\"]\nfrom = \"github\"\nsecrets = [\"new\"]\nbody_bytes = \"25MiB\"").start();
    let (said, heard) = mpsc::channel();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let stream = host
            .ask("POST", "/two/body")
            .header("x-github-delivery", "1")
            .header("x-hub-signature-256", &format!("sha256={}", "0".repeat(64)))
            .header("content-length", &MOST.to_string())
            .begin();
        streams.push(stream.try_clone().unwrap());
        let said = said.clone();
        std::thread::spawn(move || unfinished(stream, MOST - (1 << 16), &said));
    }
    // Whoever of the three comes last.
    assert_eq!(heard.recv().unwrap(), "HTTP/1.1 503");
    let shed = host.metric("holdfast_shed_total", "reason=\"bodies\"");
    assert!(shed >= 1.0, "{}", host.metrics());
    let line = until("the line of the one that was refused", || {
        let mut lines = host.closings().into_iter();
        lines.find(|line| line["code"] == "overloaded")
    });
    assert_eq!(line["boundary"], "platform");
    for stream in streams {
        // The one that was refused is closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
    let answer = sign::github(&host, GITHUB, b"{}").body(b"{}").send();
    assert_eq!(answer.status, 200, "{}", answer.text());
}
