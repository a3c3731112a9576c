//! A version that is worse, or does not start, is not left in place.
//!
//! 1. The naive snippet: `cp new.wasm plugins/`.
//! 2. The missing rule: when to go back. A version that fails at what worked, one that does not start; and what of a service that fails
//!    because of what it is sent.
//! 3. The tax: somebody who watches graphs after each deployment, and a script that goes back.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the first calls of a version are compared with the version before, at the same calls; starts are counted apart from
//!    calls. Nobody has a service taken away from others by what he sends it.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Guest, Host, Setup, until};

/// The calls of a trial, and some more.
const TRIAL: usize = 60;

fn digest(host: &Host, name: &str) -> String {
    let listed = host.listed(name).expect("the service is listed");
    listed["digest"].as_str().unwrap_or_default().to_owned()
}

/// Replaces the version of `name`, and waits until it serves.
fn replaced(host: &Host, name: &str, guest: Guest, manifest: &str) -> String {
    let before = digest(host, name);
    host.drop_in(name, guest, manifest);
    until("the new version", || {
        let now = digest(host, name);
        (now != before).then_some(now)
    })
}

#[test]
fn a_new_version_that_breaks_what_worked_is_put_back_and_a_restart_keeps_it_so() {
    let mut host = Setup::new()
        .service("two", Guest::Service("hello"), "")
        .start();
    let good = digest(&host, "two");
    assert_eq!(host.get("/two/panic").status, 200);
    let bad = replaced(&host, "two", Guest::Case("wasi02"), "");
    for call in 0..50 {
        assert_eq!(host.get("/two/panic").status, 500, "call {call}");
    }
    until("the version before", || {
        (digest(&host, "two") == good).then_some(())
    });
    assert_eq!(host.get("/two/panic").status, 200);

    let listed = host.listed("two").unwrap();
    assert_eq!(listed["state"], "serving");
    let held = listed["held"].as_str().unwrap();
    assert!(
        held.contains(&bad[..12]) && held.contains("50 of its first 50"),
        "{held}"
    );
    assert!(host.command(&["ls"]).out.contains("put back from"));
    assert!(
        host.stderr().contains("worse than the version before"),
        "{}",
        host.stderr()
    );

    // What lies in the directory is the worse one still.
    host.restart();
    assert_eq!(digest(&host, "two"), good);
    assert_eq!(host.get("/two/panic").status, 200);
    // Another version is another decision.
    let next = replaced(
        &host,
        "two",
        Guest::Case("wasi02"),
        "[env]\nVERSION = \"3\"",
    );
    assert_ne!(next, bad);
    assert_eq!(host.get("/two/env").text(), "VERSION=3\n");
    assert!(host.listed("two").unwrap()["held"].is_null());
}

#[test]
fn bad_input_puts_no_version_back() {
    let host = two("[env]\nVERSION = \"1\"").start();
    for _ in 0..20 {
        assert_eq!(host.get("/two/ok").status, 200);
    }
    let new = replaced(
        &host,
        "two",
        Guest::Case("wasi02"),
        "[env]\nVERSION = \"2\"",
    );
    // Nothing but bad input, of the kind that may be asked again and of the kind that may not.
    for call in 0..TRIAL {
        let method = if call % 2 == 0 { "GET" } else { "POST" };
        assert_eq!(host.ask(method, "/two/panic").send().status, 500);
    }
    assert_eq!(host.get("/two/env").text(), "VERSION=2\n");
    for _ in 0..TRIAL {
        assert_eq!(host.get("/two/panic").status, 500);
    }
    assert_eq!(host.get("/two/env").text(), "VERSION=2\n");
    assert_eq!(digest(&host, "two"), new);
    assert!(!host.stderr().contains("put back"), "{}", host.stderr());
}

#[test]
fn a_service_that_does_not_start_is_left_alone_and_probed() {
    let host = two("")
        .service("dead", Guest::Text("start-trap"), "")
        .start();
    for _ in 0..3 {
        let answer = host.get("/dead/");
        assert!(answer.text().contains("service-fault"), "{}", answer.text());
    }
    let answer = host.get("/dead/");
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("\"quarantined\""),
        "{}",
        answer.text()
    );
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 1, "{wait}");

    let listed = host.listed("dead").unwrap();
    assert_eq!(listed["state"], "quarantined");
    assert_eq!(listed["quarantine"]["failures"], 3);
    assert!(
        host.command(&["ls"])
            .out
            .contains("does not start: 3 starts")
    );
    assert_eq!(host.metric("holdfast_quarantined", "service:dead"), 1.0);
    assert_eq!(host.metric("holdfast_quarantined", "service:two"), 0.0);
    // The others go on as ever.
    assert_eq!(host.get("/two/ok").text(), "ok\n");

    // One probe is let through when it is due, and fails as well.
    until("the probe", || {
        let failed = host.get("/dead/").text().contains("service-fault");
        failed.then_some(())
    });
    assert_eq!(host.listed("dead").unwrap()["quarantine"]["failures"], 4);

    // Another version has no past.
    replaced(&host, "dead", Guest::Service("hello"), "");
    assert_eq!(host.get("/dead/").status, 200);
    assert_eq!(host.listed("dead").unwrap()["state"], "serving");
}

#[test]
fn a_new_version_that_does_not_start_is_put_back_although_it_is_left_alone() {
    let host = Setup::new()
        .service("new", Guest::Service("hello"), "")
        .start();
    let good = digest(&host, "new");
    replaced(&host, "new", Guest::Text("start-trap"), "");
    for call in 0..50 {
        assert!(host.get("/new/").status >= 500, "call {call}");
    }
    until("the version before", || {
        (digest(&host, "new") == good).then_some(())
    });
    assert_eq!(host.get("/new/").status, 200);
    assert_eq!(host.listed("new").unwrap()["state"], "serving");
}

#[test]
fn traps_of_calls_switch_nothing_off() {
    let host = two("").start();
    for _ in 0..TRIAL {
        assert_eq!(host.get("/two/panic").status, 500);
    }
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    assert_eq!(host.listed("two").unwrap()["state"], "serving");
}
