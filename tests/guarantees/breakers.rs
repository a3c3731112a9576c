//! A bad day of an upstream is not everybody's.
//!
//! 1. The naive snippet: fetch, and hand on what came.
//! 2. The missing rule: to stop asking. Each call waits its full time for an upstream that is down, holds its place meanwhile, and keeps
//!    the upstream from coming back.
//! 3. The tax: a breaker in each service, with a state that no two of them share, opened by bad requests of one caller.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: an upstream that keeps failing for a service is left alone by that service, and by all of them if nothing can be sent
//!    to it; one probe at a time finds out when it is well. Callers are told at once, and when to come again.
//! 6. The checklist is below.

use crate::harness::{Chaos, Does, Guest, Host, Setup, closed_port, encoded, until};
use std::time::Duration;
use tokio::time::Instant;

fn host(url: &str, lines: &str) -> Host {
    let manifest = "upstreams = [\"api\"]";
    Setup::new()
        .service("two", Guest::Case("wasi02"), manifest)
        .service("too", Guest::Case("wasi02"), manifest)
        .policy("[services.two]\nupstreams = [\"api\"]\n[services.too]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1\n{lines}"
        ))
        .start()
}

/// The closing line of one request of `service`.
fn asks(host: &Host, service: &str, url: &str) -> serde_json::Value {
    let answer = host.get(&format!("/{service}/fetch?url={}", encoded(url)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    host.children(answer.call(), 1)[0].clone()
}

#[test]
fn who_fails_five_times_is_left_alone_and_asked_again_by_one_probe() {
    let chaos = Chaos::start(Does::Resets);
    let (host, url) = (host(&chaos.url(""), ""), chaos.url("/ok"));
    for _ in 0..5 {
        assert_eq!(asks(&host, "two", &url)["code"], "upstream-fault");
    }
    assert_eq!(chaos.taken().len(), 5);
    let begun = Instant::now();
    for _ in 0..20 {
        let line = asks(&host, "two", &url);
        if begun.elapsed() < Duration::from_secs(1) {
            assert_eq!(line["code"], "upstream-circuit-open", "{line}");
            assert_eq!(line["boundary"], "upstream");
        }
    }
    host.said("keeps failing, and is left alone for service two");
    assert_eq!(
        host.metric("holdfast_upstream_open", "service=\"two\""),
        1.0
    );
    chaos.usually(Does::Serves);
    chaos.taken();
    until("the probe to find it well", || {
        (asks(&host, "two", &url)["outcome"] == "ok").then_some(())
    });
    assert_eq!(chaos.taken().len(), 1, "only the probe was sent");
    assert_eq!(asks(&host, "two", &url)["outcome"], "ok");
    host.said("answers again, and is open for service two");
}

#[test]
fn the_caller_of_a_naive_service_is_told_what_its_upstream_met_and_when_to_come_again() {
    let chaos = Chaos::start(Does::Resets);
    let host = Setup::new()
        .naive("proxy", &chaos.url(""), "attempts = 1")
        .start();
    for _ in 0..5 {
        host.get("/proxy/ok").fault("upstream-fault");
    }
    let answer = host.get("/proxy/ok");
    answer.fault("upstream-circuit-open");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let line = host.closing(answer.call());
    assert_eq!(
        (&line["boundary"], &line["service"]),
        (&"upstream".into(), &"proxy".into())
    );
    assert_eq!(line["evidence"]["handed_on_by"], "service:proxy");
}

#[test]
fn one_service_s_bad_day_is_not_another_s() {
    let chaos = Chaos::start(Does::Resets);
    let (host, url) = (host(&chaos.url(""), ""), chaos.url("/ok"));
    for _ in 0..5 {
        asks(&host, "two", &url);
    }
    assert_eq!(asks(&host, "two", &url)["code"], "upstream-circuit-open");
    chaos.usually(Does::Serves);
    assert_eq!(asks(&host, "too", &url)["outcome"], "ok");
}

#[test]
fn an_upstream_that_is_gone_is_gone_for_all() {
    let url = format!("http://{}", closed_port());
    let host = host(&url, "");
    for _ in 0..5 {
        assert_eq!(
            asks(&host, "two", &format!("{url}/"))["code"],
            "upstream-unreachable"
        );
    }
    assert_eq!(
        asks(&host, "too", &format!("{url}/"))["code"],
        "upstream-circuit-open"
    );
    host.said("left alone for every service");
}

#[test]
fn an_upstream_that_asks_for_less_is_left_alone_as_long_as_it_says() {
    let chaos = Chaos::start(Does::Serves);
    let (host, url) = (host(&chaos.url(""), ""), chaos.url("/ok"));
    chaos.next(&[Does::Answers(429, "retry-after: 30\r\n")]);
    asks(&host, "two", &url);
    let line = asks(&host, "two", &url);
    assert_eq!(
        (&line["code"], &line["boundary"]),
        (&"upstream-throttled".into(), &"upstream".into())
    );
    assert_eq!(asks(&host, "too", &url)["outcome"], "ok");
    assert_eq!(chaos.taken().len(), 2);
}

#[test]
fn without_a_breaker_it_is_asked_every_time() {
    let chaos = Chaos::start(Does::Resets);
    let (host, url) = (host(&chaos.url(""), "breaker = false"), chaos.url("/ok"));
    for _ in 0..12 {
        assert_eq!(asks(&host, "two", &url)["code"], "upstream-fault");
    }
    assert_eq!(chaos.taken().len(), 12);
}

#[test]
fn a_policy_that_comes_into_force_opens_nothing() {
    let chaos = Chaos::start(Does::Resets);
    let (host, url) = (host(&chaos.url(""), ""), chaos.url("/ok"));
    for _ in 0..5 {
        asks(&host, "two", &url);
    }
    host.hang_up();
    host.said("is in force");
    assert_eq!(asks(&host, "two", &url)["code"], "upstream-circuit-open");
}
