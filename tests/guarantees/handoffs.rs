//! What one service hands to the next arrives, or everybody is told what became of it.
//!
//! 1. The naive snippet: `digest` asks `proxy` for a page and `tasks` for what its lines mean ([source](../../guests/services/digest/src/lib.rs)).
//! 2. The missing rule: how long the second may take when the first has used most of the time, what its caller says when it crashes, and
//!    which of three logs tells why.
//! 3. The tax: a trace id through every signature, budgets of time, an error for each error of each service below.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a call between services is a child call. It has its parent's trace, its callers and what is left of its time, and a
//!    place in the log.
//! 6. The checklist is below.

use super::contracts::{given, post};
use crate::harness::{
    Chaos, Does, Guest, Host, Over, Setup, Upstream, dummy, put, root, scaled, until,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const TODAY: &str = r#"{"year":2026,"month":12,"day":1}"#;

fn today() -> Value {
    serde_json::from_str(TODAY).unwrap()
}

/// The three sample services, with the upstream at `url`; `more` is for the manifest of `digest`.
fn samples(url: &str, more: &str) -> Setup {
    let manifest = format!("purpose = \"plan\"\nservices = [\"tasks\", \"proxy\"]\n{more}");
    Setup::new()
        .service("tasks", Guest::Service("tasks"), "")
        .service("digest", Guest::Service("digest"), &manifest)
        .policy("[services.digest]\nservices = [\"tasks\", \"proxy\"]")
        .naive("proxy", url, "")
}

/// What `digest` makes of these lines.
fn report(host: &Host, lines: &[&str]) -> Value {
    let asked = json!({ "lines": lines, "today": today() });
    given(&post(host, "/digest/daily/from-lines", &asked))
}

#[test]
fn the_samples_do_what_their_page_says() {
    let upstream = Upstream::start();
    let host = samples(&upstream.url(""), "").start();
    let lines = [
        "water the plants due:2026-11-30 #home",
        "",
        "pay the rent !high due:2026-12-01 #home",
        "call Ann",
        "!high",
        "rest due:2026-02-30",
    ];
    let report = report(&host, &lines);
    let titles: Vec<_> = report["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["title"].clone())
        .collect();
    assert_eq!(titles, ["water the plants", "pay the rent", "call Ann"]);
    assert_eq!(
        report["summary"],
        json!({ "open": 3, "overdue": 1, "due-today": 1, "tags": [["home", 2]] })
    );
    assert_eq!(
        report["skipped"][0],
        json!({ "line": "!high", "why": "empty" })
    );
    assert_eq!(
        report["skipped"][1]["why"],
        json!({ "no-date": "2026-02-30" })
    );
    // The same from a terminal, of the service that does the reading.
    let said = host.command(&["call", "tasks", "todo/parse", r#"{"lines":["rest !low"]}"#]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let parsed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(parsed["tasks"][0]["priority"], "low");
    // A page of the upstream's, through two services.
    let asked = json!({ "path": "/whatever", "today": today() });
    let page = given(&post(&host, "/digest/daily/from-page", &asked));
    assert_eq!(
        page["summary"]["open"],
        page["tasks"].as_array().unwrap().len()
    );
    assert!(
        upstream
            .seen()
            .iter()
            .any(|seen| seen.head.starts_with("get /whatever "))
    );
}

#[test]
fn a_chain_of_calls_is_one_trace_with_all_its_callers_and_less_time_at_each_step() {
    let silent = Chaos::start(Does::Hangs);
    let host = samples(&silent.url(""), "[limits]\ndeadline = \"3s\"").start();
    let asked = json!({ "path": "/", "today": today() });
    let answer = post(&host, "/digest/daily/from-page", &asked);
    let outer = host.closing(answer.call());
    let proxy = host.children(answer.call(), 1).remove(0);
    let upstream = host.children(proxy["call"].as_str().unwrap(), 1).remove(0);
    assert_eq!(proxy["service"], "proxy");
    for inner in [&proxy, &upstream] {
        assert_eq!(inner["trace"], outer["trace"]);
    }
    // Nobody gave a reason, so each says what the one above was doing.
    assert_eq!(proxy["why"], "acme:digest/daily@1.0.0#from-page");
    assert_eq!(upstream["why"], proxy["operation"]);
    assert_eq!(outer["caller"], "anonymous");
    assert_eq!(proxy["caller"], "anonymous > service:digest");
    assert_eq!(
        upstream["caller"],
        "anonymous > service:digest > service:proxy"
    );
    // Each leaves the one above it a fiftieth of its time to answer in, and all of them do.
    let ms = |line: &Value| line["ms"].as_f64().unwrap();
    assert!(ms(&upstream) < 2_990.0, "{upstream}");
    let problem: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(problem["error"]["unread"], 504, "{problem}");
    let explained = host.command(&["explain", answer.call()]);
    assert!(explained.out.contains("upstream"), "{}", explained.out);
}

#[test]
fn a_new_version_under_load_costs_no_call_and_one_that_breaks_its_contract_changes_nothing() {
    let upstream = Upstream::start();
    let host = samples(&upstream.url(""), "").start();
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let version = || host.listed("tasks").unwrap()["digest"].to_string();
    std::thread::scope(|scope| {
        let done = Over(&over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let report = report(&host, &["rest #home"]);
                    assert_eq!(report["summary"]["open"], 1);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = |least| {
            let from = calls.load(Ordering::Relaxed);
            until("more calls", || {
                (calls.load(Ordering::Relaxed) >= from + least).then_some(())
            });
        };
        for nth in 0..scaled(5, 100) {
            let before = version();
            host.drop_in(
                "tasks",
                Guest::Service("tasks"),
                &format!("[env]\nNTH = \"{nth}\""),
            );
            until("the next version", || (version() != before).then_some(()));
            more(20);
        }
        let before = version();
        let wit =
            std::fs::read_to_string(root().join("guests/services/tasks/wit/tasks.wit")).unwrap();
        let other = wit.replace("open: u32", "open: u64");
        assert_ne!(wit, other);
        put(&host.plugins(), "tasks", &dummy(&other), "");
        let error = until("the refusal", || {
            Some(host.listed("tasks")?["error"].as_str()?.to_owned())
        });
        assert!(
            error.contains("`digest` imports `acme:tasks/todo@1.0.0`"),
            "{error}"
        );
        assert!(
            error.contains("open: u64") && error.contains("open: u32"),
            "{error}"
        );
        assert_eq!(version(), before);
        more(20);
        drop(done);
    });
}

#[test]
fn a_crash_is_its_callers_declared_error_and_one_masked_fault_to_whoever_asked_first() {
    let wit = std::fs::read_to_string(root().join("guests/cases/typed/wit/shapes.wit")).unwrap();
    let host = Setup::new()
        .service("asks", Guest::Case("asks"), "services = [\"typed\"]")
        .policy("[services.asks]\nservices = [\"typed\"]")
        .start();
    // Each of its functions traps.
    put(&host.plugins(), "typed", &dummy(&wit), "");
    let asked = json!({ "a": 6, "b": 2 });
    let answer = until("the caller to be linked", || {
        let answer = post(&host, "/asks/asks/divide", &asked);
        (answer.status == 500).then_some(answer)
    });
    answer.fault("service-fault");
    let text = answer.text();
    assert!(
        !text.contains("typed") && !text.contains("unreachable") && !text.contains("shapes"),
        "{text}"
    );
    let outer = host.closing(answer.call());
    let inner = host.children(answer.call(), 1).remove(0);
    assert_eq!(inner["service"], "typed", "{inner}");
    for line in [&inner, &outer] {
        assert_eq!(line["code"], "service-fault", "{line}");
        assert_eq!(line["boundary"], "application", "{line}");
    }
    // It was no trap of the caller's: it got its error, and handed it on.
    assert!(
        outer["evidence"].to_string().contains("handed_on_by"),
        "{outer}"
    );
    let explained = host.command(&["explain", answer.call()]);
    assert!(explained.out.contains("typed"), "{}", explained.out);
}
