//! Bodies flow both ways.
//!
//! 1. The naive snippet: read a chunk, write a chunk.
//! 2. The missing rule: who holds what in between. A gateway that collects a body first needs as much memory as its biggest one, and an
//!    event arrives when the last one does.
//! 3. The tax: flags per route, buffers per proxy, a special path for events.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a body is passed on as it comes, at the pace of its reader; a call ends when its answer has ended.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{End, Guest, Setup, h2_get};

fn notes() -> Setup {
    Setup::new().service("notes", Guest::Service("notes"), "")
}

#[test]
fn a_body_comes_back_as_it_goes() {
    let host = two("").service("three", Guest::Case("wasi03"), "").start();
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    for path in ["/two/echo", "/three/echo"] {
        let answer = host.ask("POST", path).body(body.clone()).send();
        assert_eq!((answer.status, answer.end), (200, End::Whole), "{path}");
        assert!(answer.body == body, "{path} changed the body");
        let closing = host.closing(answer.call());
        assert_eq!(closing["bytes_in"], body.len(), "{closing}");
        assert_eq!(closing["bytes_out"], body.len(), "{closing}");
    }
}

#[test]
fn the_answer_begins_before_the_request_has_ended() {
    let host = notes().start();
    let answer = host
        .ask("POST", "/notes/upper")
        .header("te", "trailers")
        .chunks(&["quiet ", "please"], &[])
        .send();
    assert_eq!(
        (answer.text().as_str(), answer.end),
        ("QUIET PLEASE", End::Whole)
    );
    assert_eq!(answer.trailers, [("x-bytes".to_owned(), "12".to_owned())]);
}

#[test]
fn an_event_arrives_before_the_last_one() {
    let host = notes().start();
    let mut flow = host.ask("GET", "/notes/events?n=1000&ms=20").open();
    assert_eq!(flow.header("content-type"), Some("text/event-stream"));
    let first = String::from_utf8(flow.next().unwrap()).unwrap();
    assert!(first.starts_with("id: 1\n"), "{first}");
    assert!(host.metric("holdfast_open_streams", "notes") >= 1.0);
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_back() {
    for (setup, path) in [
        (two(""), "/two/flood-body"),
        (three(""), "/three/flood-body"),
    ] {
        let host = setup.start();
        let (before, _) = host.weight();
        let mut flow = host.ask("GET", path).open();
        flow.next().unwrap();
        // The guest writes without end; what nobody reads is not written. Other calls are the clock here.
        for _ in 0..50 {
            let ok = path.rsplit_once('/').unwrap().0;
            assert_eq!(host.get(&format!("{ok}/ok")).text(), "ok\n");
        }
        let (after, _) = host.weight();
        assert!(after < before + 64 * 1024, "from {before} to {after} KiB");
    }
}

#[test]
fn trailers_pass_both_ways() {
    let host = two("").service("three", Guest::Case("wasi03"), "").start();
    for path in ["/two/trailers", "/three/trailers"] {
        let answer = host
            .ask("POST", path)
            .header("te", "trailers")
            .chunks(&["body"], &[("x-sum", "4")])
            .send();
        assert_eq!(
            answer.line("trailer x-sum").as_deref(),
            Some("4"),
            "{path}: {}",
            answer.text()
        );
        assert_eq!(
            answer.trailers,
            [("x-end".to_owned(), "seen".to_owned())],
            "{path}"
        );
    }
}

#[test]
fn http_2_is_served_with_prior_knowledge() {
    let host = notes().start();
    let answer = h2_get(host.gateway, "/notes/count?n=2");
    assert_eq!(
        (answer.text().as_str(), answer.end),
        ("note 1\nnote 2\n", End::Whole)
    );
    assert!(answer.header("holdfast-call").is_some());
}

#[test]
fn a_whole_flood_is_whole() {
    let host = three("").start();
    let answer = host.get("/three/flood-body?bytes=5000000");
    assert_eq!((answer.body.len(), answer.end), (5_000_000, End::Whole));
    assert_eq!(host.get("/three/drip?n=3&ms=5").text(), "...");
}
