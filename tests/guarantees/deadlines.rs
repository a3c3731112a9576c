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
use crate::harness::{End, Guest, Setup, Upstream, encoded, full, h2_unread};

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
fn a_reader_that_takes_nothing_holds_nothing_for_longer_than_idle() {
    for (setup, name) in [
        (two("[limits]\nidle = \"300ms\""), "two"),
        (three("[limits]\nidle = \"300ms\""), "three"),
    ] {
        let host = setup.start();
        let mut flow = host.ask("GET", &format!("/{name}/flood-body")).open();
        flow.next().unwrap();
        let id = flow.header("holdfast-call").unwrap().to_owned();
        let closing = host.closing(&id);
        assert_eq!(closing["code"], "deadline-exceeded", "{closing}");
        assert_eq!(closing["boundary"], "caller", "{closing}");
        assert_eq!(host.metric("holdfast_open_streams", name), 0.0);
        assert_eq!(flow.finish().end, End::Cut);
    }
}

#[test]
fn a_stream_of_http_2_without_a_window_holds_nothing_and_harms_no_other() {
    let host = two("[limits]\nidle = \"300ms\"").start();
    let (first, second) = h2_unread(host.gateway, "/two/flood-body", "/two/ok", |id| {
        let closing = host.closing(id);
        assert_eq!(closing["code"], "deadline-exceeded", "{closing}");
        assert_eq!(host.metric("holdfast_open_streams", "two"), 0.0);
    });
    assert_eq!(second.text(), "ok\n");
    assert_eq!(first, End::Cut);
}

#[test]
fn a_guest_that_streams_may_ask_others_until_its_stream_must_end() {
    let upstream = Upstream::start();
    let manifest = "upstreams = [\"api\"]\n[limits]\ndeadline = \"400ms\"\nstream = \"20s\"";
    let host = two(manifest)
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/"));
    let answer = host.get(&format!("/two/fetch-mid-stream?ms=600&url={url}"));
    assert_eq!(answer.text(), "begun\nstatus 200\n");
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
