//! What went wrong inside stays inside; what was cut is seen as cut.
//!
//! 1. The naive snippet: `unwrap()`, and a 500 with a stack trace for whoever asks.
//! 2. The missing rule: who may read what. Paths, names, upstream answers and secrets leave in error pages; half an answer looks whole.
//! 3. The tax: an error type per service, a mapping per error, a filter in front, and one forgotten place.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a failure becomes one of a few stable codes in one place; what it really was goes to the log under the id the client
//!    was given. After the head, a failure cuts the connection; it never ends it cleanly.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{End, Guest, Host, Setup, Upstream, encoded, h2_get};

const CANARY: &str = "CANARY";

/// Nothing of the answer, its headers included, shows what the guest or the upstream said in confidence.
#[track_caller]
fn shows_nothing(host: &Host, path: &str, code: &str) {
    let answer = host.get(path);
    answer.fault(code);
    let whole = format!("{:?} {}", answer.headers, answer.text());
    for word in [
        CANARY,
        "/srv/",
        "panicked",
        "wasm",
        "unreachable",
        "backtrace",
        "127.0.0.1",
    ] {
        assert!(!whole.contains(word), "{path} shows {word}: {whole}");
    }
    let closing = host.closing(answer.call());
    assert_eq!(closing["code"], code, "{closing}");
    assert!(!host.metrics().contains(CANARY));
}

#[test]
fn a_guest_that_dies_before_its_answer_is_masked() {
    let host = two("").start();
    for path in ["/two/trap-before", "/two/panic", "/two/no-answer"] {
        shows_nothing(&host, path, "service-fault");
    }
    let host = three("").start();
    for path in ["/three/trap-before", "/three/panic", "/three/error"] {
        shows_nothing(&host, path, "service-fault");
    }
}

#[test]
fn a_start_function_that_dies_is_masked() {
    let host = Setup::new()
        .service("start", Guest::Text("start-trap"), "")
        .start();
    shows_nothing(&host, "/start/", "service-fault");
}

#[test]
fn a_500_of_the_guest_is_masked_and_its_original_is_in_the_log() {
    let host = two("").start();
    shows_nothing(&host, "/two/stack-trace", "service-fault");
    shows_nothing(&host, "/two/status?code=500&body=CANARY", "service-fault");
    assert!(
        host.log_text().contains("CANARY-guest-secret"),
        "the operator sees it"
    );
}

#[test]
fn a_status_that_is_none_is_a_bad_response() {
    let host = two("").start();
    shows_nothing(&host, "/two/status?code=101", "bad-response");
    shows_nothing(&host, "/two/status?code=999", "bad-response");
    for code in [200, 201, 204, 301, 404, 418] {
        assert_eq!(host.get(&format!("/two/status?code={code}")).status, code);
    }
}

#[test]
fn a_guest_that_answers_twice_ends_the_call_once() {
    let host = two("").start();
    let answer = host.get("/two/twice");
    // The first answer counts if it was out already; either way the call is a failure, and has one closing line.
    assert!(
        answer.status == 200 || answer.status == 500,
        "{}",
        answer.status
    );
    assert_eq!(host.closing(answer.call())["code"], "service-fault");
    assert_eq!(host.get("/two/ok").text(), "ok\n");
}

#[test]
fn a_body_that_was_cut_is_seen_as_cut() {
    let two = two("").start();
    let three = three("").start();
    for (host, path) in [
        (&two, "/two/trap-after-headers"),
        (&two, "/two/trap-mid-body"),
        (&two, "/two/unfinished"),
        (&two, "/two/short-body"),
        (&three, "/three/trap-after-headers"),
        (&three, "/three/trap-mid-body"),
        (&three, "/three/error-mid-body"),
    ] {
        let answer = host.get(path);
        if answer.status == 200 {
            assert_eq!(answer.end, End::Cut, "{path} over HTTP/1.1");
        } else {
            // It died so early that the head was still ours to give.
            answer.fault("service-fault");
        }
        let closing = host.closing(answer.call());
        assert_eq!(closing["outcome"], "fault", "{path}: {closing}");
        assert!(!answer.text().contains(CANARY));

        let answer = h2_get(host.gateway, path);
        assert!(
            answer.end == End::Cut || answer.status == 500,
            "{path} over HTTP/2"
        );
    }
}

#[test]
fn what_an_upstream_says_in_anger_stays_inside() {
    let upstream = Upstream::start();
    let host = Setup::new()
        .service(
            "proxy",
            Guest::Service("proxy"),
            &format!(
                "upstreams = [\"api\"]\n[config]\nupstream = \"{}\"",
                upstream.url("")
            ),
        )
        .policy("[services.proxy]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    assert_eq!(host.get("/proxy/ok").text(), "upstream ok");
    shows_nothing(&host, "/proxy/status/500", "service-fault");
    let answer = host.get("/proxy/garbage");
    assert!(
        answer.status >= 500 && !answer.text().contains(CANARY),
        "{}",
        answer.text()
    );
    let answer = host.get("/proxy/reset");
    // Either it broke off before anything of the answer had left, and is a fault, or the answer is seen as cut.
    assert!(
        answer.end == End::Cut || answer.status >= 500,
        "half of the upstream's answer is not passed on as a whole one: {}",
        answer.status
    );
    assert!(answer.status < 500 || !answer.text().contains("half"));
}

#[test]
fn half_a_request_is_not_sent_upstream_as_a_whole_one() {
    let upstream = Upstream::start();
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/echo"));
    host.get(&format!("/two/fetch-cut?method=POST&url={url}"))
        .fault("service-fault");
    for seen in upstream.seen() {
        assert!(
            !seen.whole,
            "the upstream took half a body for a whole one: {seen:?}"
        );
    }
}

#[test]
fn half_a_request_is_not_a_whole_one_for_the_guest() {
    let host = two("").service("three", Guest::Case("wasi03"), "").start();
    for path in ["/two/echo", "/three/echo"] {
        let connection = host.ask("POST", path).cut_body("half a body").write();
        // Whether the host still answers is its own affair; the call must not end well.
        drop(connection);
        let end = format!("POST {}", &path[path.len() - 5..]);
        crate::harness::until("the cut call to end", || {
            host.closings().into_iter().find(|line| {
                line["operation"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("POST ") && text.ends_with(&end[5..]))
                    && line["outcome"] != "ok"
            })
        });
    }
}
