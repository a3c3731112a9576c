//! A function that its author calls safe is asked with GET, like anything else on the web that only looks; and no other is.

use super::{everything, failed, given, pointers, post, shapes};
use crate::harness::{Guest, Host, Setup, dummy, put, until};
use serde_json::{Value, json};

const SAFE: &str = "[contract]\nsafe = [\"shapes/add\", \"shapes@1.2.0/divide\", \"shapes/echo\", \"shapes/quiet\"]";

fn safe() -> Setup {
    Setup::new().service("typed", Guest::Case("typed"), SAFE)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| format!("%{byte:02x}");
    text.bytes().map(byte).collect()
}

#[test]
fn a_function_that_only_looks_is_asked_with_get_as_with_post() {
    let host = safe().start();
    let sum = host.get("/typed/shapes/add?b=2&a=40");
    assert_eq!(given(&sum), 42);
    let line = host.closing(sum.call());
    assert_eq!(line["operation"], "GET /shapes/add", "{line}");
    let head = host.ask("HEAD", "/typed/shapes/add?a=40&b=2").send();
    assert_eq!((head.status, head.text()), (200, String::new()));
    assert_eq!(head.header("content-length"), Some("2"));
    let value = encoded(&everything().to_string());
    let echo = host.get(&format!("/typed/shapes/echo?value={value}"));
    assert_eq!(given(&echo), everything());
    assert_eq!(host.get("/typed/shapes/quiet").status, 204);
    let answer = host.get("/typed/shapes/divide?a=8&b=0");
    let problem: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(
        (answer.status, &problem["code"]),
        (422, &"typed/by-zero".into())
    );
    let body = json!({ "a": 1, "b": 2 });
    assert_eq!(given(&post(&host, "/typed/shapes/add", &body)), 3);
}

#[test]
fn what_does_not_fit_in_a_query_is_told_with_its_place_and_no_guest_runs() {
    let host = safe().start();
    for (query, at) in [
        ("", "/a /b"),
        ("?a=1&b=2&a=1", "/a"),
        ("?a=1&b=2&c=3", "/c"),
        ("?a=1&b=", "/b"),
        ("?a=1&b=%ff", "/b"),
        ("?a=1&b=4294967296", "/b"),
        ("?a=1&b=%2", "/b"),
    ] {
        let answer = host.get(&format!("/typed/shapes/add{query}"));
        assert_eq!(pointers(&answer).join(" "), at, "{query}");
        let line = host.closing(answer.call());
        assert_eq!(line["cpu_us"], 0, "{line}");
    }
    let with_body = host.ask("GET", "/typed/shapes/add?a=1&b=2").body("{}");
    assert_eq!(pointers(&with_body.send()), [""]);
    let long = format!("GET /shapes/add?a={}", "1".repeat(20_000));
    let said = host.command(&["call", "typed", &long]);
    assert!(said.out.contains("target-too-long"), "{}", said.out);
}

#[test]
fn every_other_method_is_refused_with_those_that_are_taken() {
    let host = safe().start();
    for (method, path, allowed) in [
        ("GET", "/typed/shapes/count", "POST"),
        ("OPTIONS", "/typed/shapes/count", "POST"),
        ("PUT", "/typed/shapes/add", "GET, HEAD, POST"),
        ("DELETE", "/typed/shapes/add", "GET, HEAD, POST"),
        ("POST", "/typed/wit", "GET, HEAD"),
    ] {
        let answer = host.ask(method, path).send();
        answer.fault("method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        let line = host.closing(answer.call());
        assert_eq!(line["boundary"], "caller", "{line}");
    }
    let head = host.ask("HEAD", "/typed/shapes/count").send();
    assert_eq!((head.status, head.header("allow")), (405, Some("POST")));
}

#[test]
fn what_is_named_as_safe_and_is_not_there_stops_the_load() {
    let host = safe().start();
    let wrong = "[contract]\nsafe = [\"shapes/ad\"]";
    host.drop_in("other", Guest::Case("typed"), wrong);
    failed(&host, "other", &["`shapes/ad`", "shapes/add", "other.toml"]);
    host.drop_in("plain", Guest::Service("hello"), wrong);
    failed(&host, "plain", &["`shapes/ad`", "nor any other"]);
    let checked = host.plugins().join("other.wasm");
    let said = host.offline(&["check", checked.to_str().unwrap()]);
    assert!(
        said.out.contains("`shapes/ad` is named as safe"),
        "{}",
        said.out
    );
    let said = host.offline(&["policy", "typed"]);
    assert!(
        said.out.contains("contract.safe"),
        "{} {}",
        said.out,
        said.err
    );
}

fn digest(host: &Host) -> Value {
    host.listed("typed").unwrap()["digest"].clone()
}

#[test]
fn a_new_version_that_fails_at_what_only_looks_is_put_back() {
    let host = safe().start();
    let good = digest(&host);
    assert_eq!(given(&host.get("/typed/shapes/add?a=1&b=1")), 2);
    // Its functions trap.
    put(
        &host.plugins(),
        "typed",
        &dummy(&shapes("dot", "spot")),
        SAFE,
    );
    until("the new version", || (digest(&host) != good).then_some(()));
    for _ in 0..50 {
        host.get("/typed/shapes/add?a=1&b=1").fault("service-fault");
    }
    until("the version before", || {
        (digest(&host) == good).then_some(())
    });
}
