//! Every wait ends.
//!
//! 1. The naive snippet: `pending.subscribe().block()`. It waits for an upstream, and for nothing else.
//! 2. The missing rule: nobody said how long. One upstream that hangs holds a caller, a connection and an instance for ever.
//! 3. The tax: a timeout in every client, each less than what its caller has left, which nobody passes on; a loop that computes
//!    cannot be timed out from inside at all.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: one moment is set when the call comes in; every wait and every call below ends before it, computing guests too,
//!    the start function too. After the head: idle between bytes, and the longest stream.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{End, Guest, Setup, Upstream, encoded, full};

#[test]
fn a_guest_that_never_answers_ends_at_the_deadline() {
    for (setup, name) in [
        (two("[limits]\ndeadline = \"300ms\""), "two"),
        (three("[limits]\ndeadline = \"300ms\""), "three"),
    ] {
        let host = setup.start();
        let path = match name {
            "two" => "/two/never",
            _ => "/three/never",
        };
        let answer = host.get(path);
        answer.fault("deadline-exceeded");
        let closing = host.closing(answer.call());
        assert_eq!(closing["code"], "deadline-exceeded");
        assert_eq!(closing["boundary"], "application");
        if full() {
            // Only where the machine is ours can a time be asserted.
            assert!(closing["ms"].as_f64().unwrap() <= 400.0, "{closing}");
        }
    }
}

#[test]
fn the_deadline_holds_before_there_is_an_instance() {
    let host = Setup::new()
        .service(
            "start",
            Guest::Text("start-loop"),
            "[limits]\ndeadline = \"300ms\"",
        )
        .start();
    host.get("/start/").fault("deadline-exceeded");
}

#[test]
fn a_guest_that_computes_does_not_escape_the_deadline() {
    let host = two("[limits]\ndeadline = \"300ms\"\ncpu = \"20s\"")
        .policy("[limits]\ncpu = \"30s\"")
        .start();
    host.get("/two/loop").fault("deadline-exceeded");
    host.get("/two/spin-between-calls")
        .fault("deadline-exceeded");
}

#[test]
fn a_guest_that_is_in_time_is_never_touched() {
    let host = two("[limits]\ndeadline = \"10s\"").start();
    assert_eq!(host.get("/two/spin?n=1000000").text(), "done\n");
}

#[test]
fn a_child_call_ends_before_its_parent_does() {
    let upstream = Upstream::start();
    let host = two("upstreams = [\"api\"]\n[limits]\ndeadline = \"2s\"")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/hang"));
    let answer = host.get(&format!("/two/fetch?url={url}"));
    // The guest learns of it while it still has time to answer, which is what the reserve is for.
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().starts_with("error "), "{}", answer.text());
    let child = &host.children(answer.call(), 1)[0];
    assert_eq!(child["code"], "upstream-timeout", "{child}");
    assert_eq!(child["boundary"], "upstream", "{child}");
}

#[test]
fn a_silent_body_is_cut_when_it_is_idle_too_long() {
    let host = two("[limits]\nidle = \"300ms\"").start();
    let answer = host.get("/two/drip?ms=60000");
    assert_eq!((answer.status, answer.end), (200, End::Cut));
    assert_eq!(host.closing(answer.call())["code"], "deadline-exceeded");
}

#[test]
fn a_body_that_never_ends_is_cut_when_it_is_too_long() {
    for (setup, path) in [
        (two("[limits]\nstream = \"500ms\""), "/two/drip?ms=20"),
        (three("[limits]\nstream = \"500ms\""), "/three/drip?ms=20"),
    ] {
        let host = setup.start();
        let answer = host.get(path);
        assert_eq!((answer.status, answer.end), (200, End::Cut));
        assert!(!answer.body.is_empty());
        assert_eq!(host.closing(answer.call())["outcome"], "fault");
    }
}
