//! Every call leaves its line, its why and its id.
//!
//! 1. The naive snippet: `println!("here")`.
//! 2. The missing rule: which call that was, who asked, why, and how it ended. The call that died wrote nothing at all.
//! 3. The tax: a logger, a context, an exporter in every service, and a line forgotten in the one that fails.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: one closing line for each call, whatever it died of, with fixed names; the guest's lines carry its id; metrics and
//!    trace come of themselves; nothing of it can hold a call up, and what is dropped is counted.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Guest, Setup, Upstream, encoded, until};
use serde_json::Value;

/// The names of a closing line, in their order.
const FIELDS: &[&str] = &[
    "ts",
    "level",
    "msg",
    "call",
    "trace",
    "service",
    "digest",
    "operation",
    "caller",
    "why",
    "outcome",
    "ms",
    "cpu_us",
    "spent_us",
    "mem_bytes",
    "attempts",
];

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn a_call_has_one_closing_line_with_every_field() {
    let host = two("purpose = \"be a case\"").start();
    let answer = host.get("/two/ok?secret=CANARY-query");
    let closing = host.closing(answer.call());
    for field in FIELDS {
        assert!(!closing[field].is_null(), "{field} is missing: {closing}");
    }
    assert_eq!(closing["outcome"], "ok");
    assert_eq!(closing["status"], 200);
    assert_eq!(closing["service"], "two");
    assert_eq!(closing["why"], "be a case");
    assert_eq!(closing["bytes_out"], 3);
    assert!(
        !host.log_text().contains("CANARY-query"),
        "a query is never logged"
    );
}

#[test]
fn a_fault_has_its_verdict_in_the_log() {
    let host = two("[limits]\ncpu = \"100ms\"").start();
    let answer = host.get("/two/loop");
    answer.fault("cpu-exhausted");
    let closing = host.closing(answer.call());
    for field in ["code", "boundary", "stage", "cause", "next"] {
        assert!(closing[field].is_string(), "{field} is missing: {closing}");
    }
}

#[test]
fn the_why_is_the_callers_or_the_routes_and_never_empty() {
    let host = two("purpose = \"be a case\"")
        .service("bare", Guest::Service("hello"), "")
        .start();
    let answer = host
        .ask("GET", "/two/ok")
        .header("holdfast-why", "the monthly report")
        .send();
    assert_eq!(host.closing(answer.call())["why"], "the monthly report");
    let answer = host.get("/bare/");
    assert_eq!(host.closing(answer.call())["why"], "undeclared");
    let said = format!("{}{}", host.stderr(), host.log_text());
    assert!(
        said.contains("purpose"),
        "a service without a purpose is warned of: {said}"
    );
}

#[test]
fn a_child_call_says_the_guests_why_or_inherits_one() {
    let upstream = Upstream::start();
    let host = two("purpose = \"be a case\"\nupstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/echo"));
    let answer = host.get(&format!(
        "/two/fetch?header=holdfast-why:look%20it%20up&url={url}"
    ));
    let child = &host.children(answer.call(), 1)[0];
    assert_eq!(child["why"], "look it up", "{child}");
    assert!(
        !upstream.seen()[0].head.contains("holdfast-why"),
        "it is not sent upstream"
    );
    let answer = host.get(&format!("/two/fetch?url={url}"));
    let child = &host.children(answer.call(), 1)[0];
    let why = child["why"].as_str().unwrap();
    assert!(!why.is_empty() && why != "undeclared", "{child}");
}

#[test]
fn a_trace_is_continued_from_those_who_are_trusted_and_passed_on() {
    let upstream = Upstream::start();
    let url = encoded(&upstream.url("/ok"));
    for (policy, continued) in [("trusted_proxies = [\"127.0.0.1/32\"]", true), ("", false)] {
        let host = two("upstreams = [\"api\"]")
            .policy(policy)
            .policy("[services.two]\nupstreams = [\"api\"]")
            .upstream("api", &upstream)
            .start();
        let answer = host
            .ask("GET", &format!("/two/fetch?url={url}"))
            .header("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-01"))
            .send();
        let trace = host.closing(answer.call())["trace"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(trace.contains(TRACE), continued, "{trace}");
        let head = upstream.seen().last().unwrap().head.clone();
        let sent = head
            .lines()
            .find_map(|line| line.strip_prefix("traceparent: 00-"));
        let sent = sent.expect("the trace is passed on");
        assert_eq!(&sent[..32], &trace[..32], "one trace from end to end");
    }
}

#[test]
fn what_a_guest_says_is_a_line_of_its_call() {
    let host = two("").start();
    let answer = host.get("/two/log?text=hello");
    host.closing(answer.call());
    for word in ["out hello", "err hello"] {
        let line = host.said(word);
        assert_eq!(
            (&line["call"], &line["service"]),
            (&answer.call().into(), &"two".into())
        );
    }
}

#[test]
fn control_characters_do_not_reach_whoever_reads_the_log() {
    for form in ["json", "text"] {
        let host = two("").policy(&format!("log = \"{form}\"")).start();
        host.get("/two/log-control");
        let text = crate::harness::until("the line", || {
            let text = host.log_text();
            text.contains("before").then_some(text)
        });
        for (name, character) in [
            ("escape", '\u{1b}'),
            ("bell", '\u{7}'),
            ("C1", '\u{9b}'),
            ("return", '\r'),
        ] {
            assert!(!text.contains(character), "{name} in the {form} form");
        }
        assert!(!text.lines().any(|line| {
            line.trim_start()
                .starts_with("{\"level\":\"error\",\"msg\":\"forged\"")
        }));
    }
}

#[test]
fn the_metrics_tell_what_the_lines_tell() {
    let host = two("").start();
    for _ in 0..3 {
        host.get("/two/ok");
    }
    let answer = host.get("/two/trap-before");
    host.closing(answer.call());
    assert_eq!(
        host.metric("holdfast_calls_total", "service-fault"),
        1.0,
        "{}",
        host.metrics()
    );
    assert!(host.metric("holdfast_calls_total", "two") >= 4.0);
    let text = host.metrics();
    for name in [
        "holdfast_calls_total",
        "holdfast_call_duration_seconds_bucket",
        "holdfast_cpu_seconds_total",
        "holdfast_cost_nanousd_total",
        "holdfast_memory_bytes_max",
        "holdfast_in_flight",
        "holdfast_open_streams",
        "holdfast_shed_total",
        "holdfast_pool",
        "holdfast_log_dropped",
    ] {
        assert!(text.contains(name), "{name} is missing: {text}");
    }
    assert_eq!(host.metric("holdfast_in_flight", ""), 0.0);
}

#[test]
fn a_log_that_cannot_be_written_holds_nobody_up() {
    let host = two("").policy("log_file = \"/dev/full\"").start();
    for _ in 0..100 {
        assert_eq!(host.get("/two/ok").text(), "ok\n");
    }
    let dropped = crate::harness::until("the loss to be counted", || {
        let dropped = host.metric("holdfast_log_dropped_total", "");
        (dropped > 0.0).then_some(dropped)
    });
    assert!(dropped >= 1.0);
}

#[test]
fn the_admin_door_only_reads() {
    let host = Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .start();
    for path in ["/healthz", "/readyz", "/metrics", "/services"] {
        assert_eq!(
            crate::harness::Ask::new(host.admin, "GET", path)
                .send()
                .status,
            200,
            "{path}"
        );
        let posted = crate::harness::Ask::new(host.admin, "POST", path)
            .body("x")
            .send();
        assert_eq!(posted.status, 405, "{path}");
    }
    let listed: Value = host.listed("hello").unwrap();
    assert!(
        listed["digest"].is_string() && listed["routes"].is_array(),
        "{listed}"
    );
}

#[test]
fn a_hang_up_opens_the_log_anew_and_ends_nothing() {
    let host = two("").start();
    let first = host.get("/two/ok");
    host.closing(first.call());
    let old = host.dir().join("log.1");
    std::fs::rename(host.log(), &old).unwrap();
    host.hang_up();
    until("the new log file", || {
        assert_eq!(host.get("/two/ok").status, 200);
        host.log().exists().then_some(())
    });
    let next = host.get("/two/ok");
    host.closing(next.call());
    let kept = std::fs::read_to_string(old).unwrap();
    assert!(kept.contains(first.call()) && !kept.contains(next.call()));
    assert!(
        host.stderr().contains("policy: the new settings hold"),
        "{}",
        host.stderr()
    );
}
