//! What a guest sees of a request, and a caller of an answer.
//!
//! 1. The naive snippet: read the path and a header, answer.
//! 2. The missing rule: which of it is true. Headers that name an address, a user or a hop are whatever the client wrote.
//! 3. The tax: a proxy in front whose settings everybody must know.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the host says where the request came from and where it stands; what a client claims about that is dropped unless it
//!    is a proxy that the policy trusts.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{Guest, Setup};

#[test]
fn a_guest_sees_scheme_and_authority_and_a_path_without_the_prefix() {
    let host = two("").service("three", Guest::Case("wasi03"), "").start();
    for path in ["/two/request?x=1", "/three/request?x=1"] {
        let answer = host
            .ask("GET", path)
            .header("host", "shop.example.com")
            .send();
        assert_eq!(
            answer.line("scheme").as_deref(),
            Some("http"),
            "{}",
            answer.text()
        );
        assert_eq!(
            answer.line("authority").as_deref(),
            Some("shop.example.com")
        );
        assert_eq!(answer.line("path").as_deref(), Some("/request?x=1"));
        let prefix = &path[..path.find("/request").unwrap()];
        assert_eq!(
            answer.line("header x-forwarded-prefix").as_deref(),
            Some(prefix)
        );
    }
}

#[test]
fn what_a_client_claims_about_itself_is_dropped() {
    let ask = |host: &crate::harness::Host| {
        host.ask("GET", "/two/request")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-proto", "https")
            .send()
    };
    let host = two("").start();
    let text = ask(&host).text();
    assert!(!text.contains("203.0.113.7"), "{text}");
    let host = two("")
        .policy("trusted_proxies = [\"127.0.0.1/32\"]")
        .start();
    let text = ask(&host).text();
    assert!(text.contains("203.0.113.7"), "{text}");
}

#[test]
fn headers_of_one_hop_and_of_the_host_do_not_reach_a_guest() {
    let host = two("").start();
    let answer = host
        .ask("GET", "/two/request")
        .header("connection", "x-secret-hop")
        .header("x-secret-hop", "1")
        .header("proxy-authorization", "Basic x")
        .header("holdfast-why", "because")
        .send();
    for name in ["x-secret-hop", "proxy-authorization", "holdfast-why"] {
        assert!(!answer.text().contains(name), "{name}: {}", answer.text());
    }
}

#[test]
fn what_is_no_service_is_a_fault_with_an_id() {
    let host = two("").start();
    let answer = host.get("/nobody/here");
    answer.fault("no-such-service");
    assert_eq!(host.closing(answer.call())["boundary"], "routing");
}

#[test]
fn a_request_that_cannot_be_passed_on_is_refused() {
    let host = two("").start();
    let answer = host
        .ask("GET", "/two/ok")
        .header("host", "not a host")
        .send();
    answer.fault("invalid-input");
}

#[test]
fn a_service_without_a_manifest_is_served_under_its_name() {
    let host = Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .start();
    assert_eq!(host.get("/hello/").text(), "Hello from holdfast\n");
    assert_eq!(host.get("/hello").text(), "Hello from holdfast\n");
}

#[test]
fn routes_are_exact_or_prefixes_and_may_name_a_host() {
    let host = three("routes = [\"/exact\", \"/api/...\", \"shop.example.com/...\"]").start();
    // Who names its routes is handed the whole path.
    assert_eq!(host.get("/exact").text(), "no such behaviour\n");
    assert_eq!(host.get("/api/ok").text(), "no such behaviour\n");
    host.get("/exact/more").fault("no-such-service");
    let answer = host
        .ask("GET", "/ok")
        .header("host", "shop.example.com")
        .send();
    assert_eq!(answer.text(), "ok\n");
    host.get("/ok").fault("no-such-service");
}
