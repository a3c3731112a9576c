//! The end is orderly.
//!
//! 1. The naive snippet: the process is told to stop, and stops.
//! 2. The missing rule: what of the calls in flight. Half an answer, a write that nobody knows the end of.
//! 3. The tax: a hook in every service, a pause in every deployment script.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: no new connections, `draining` for new calls on old ones, time for what runs, then the cut; a second signal cuts at once.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, End, Flow, Guest, Upstream, begin_in, encoded, until};
use std::io::Write;

#[test]
fn what_runs_is_finished() {
    let mut host = two("").policy("drain_ms = 30000").start();
    let mut flow = host.ask("GET", "/two/drip?n=20&ms=50").open();
    flow.next().unwrap();
    host.terminate();
    let answer = flow.finish();
    assert_eq!((answer.status, answer.end), (200, End::Whole));
    assert_eq!(host.ended(), Some(0));
}

#[test]
fn a_new_call_on_an_open_connection_is_told() {
    let mut host = two("").policy("drain_ms = 20000").start();
    let mut held = host.ask("GET", "/two/drip?ms=50").open();
    held.next().unwrap();
    let mut open = std::net::TcpStream::connect(host.gateway).unwrap();
    write!(open, "GET /two/ok HTTP/1.1\r\nhost: {}\r\n", host.gateway).unwrap();
    host.terminate();
    until("the door to be closed", || {
        std::net::TcpStream::connect(host.gateway)
            .is_err()
            .then_some(())
    });
    // The request that was begun before is finished after: it is a new call on an open connection.
    write!(open, "connection: close\r\n\r\n").unwrap();
    Flow::read(open).finish().fault("draining");
    drop(held);
    host.ended();
}

#[test]
fn whoever_came_before_the_end_is_answered() {
    for _ in 0..8 {
        let mut host = two("").policy("drain_ms = 20000").start();
        let mut open: Vec<_> = (0..32)
            .map(|_| std::net::TcpStream::connect(host.gateway).unwrap())
            .collect();
        for stream in &mut open {
            let head = format!("GET /two/ok HTTP/1.1\r\nhost: {}\r\n", host.gateway);
            write!(stream, "{head}connection: close\r\n\r\n").unwrap();
        }
        host.terminate();
        for stream in open {
            let answer = Flow::read(stream).finish();
            if answer.status != 200 {
                answer.fault("draining");
            }
            assert_eq!(answer.end, End::Whole);
        }
        assert_eq!(host.ended(), Some(0));
    }
}

#[test]
fn whoever_asks_whether_the_host_is_ready_is_told_that_it_drains() {
    let mut host = two("").policy("drain_ms = 600000").start();
    let mut held = host.ask("GET", "/two/drip?ms=50").open();
    held.next().unwrap();
    host.terminate();
    until("the host to say that it drains", || {
        let answer = Ask::new(host.admin, "GET", "/readyz").send();
        (answer.status == 503 && answer.text() == "draining\n").then_some(())
    });
    // Its owner is told as well, and what runs runs on.
    held.next().unwrap();
    host.terminate();
    host.ended();
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let mut host = two("").policy("drain_ms = 300").start();
    let mut flow = host.ask("GET", "/two/drip?ms=50").open();
    flow.next().unwrap();
    host.terminate();
    assert_eq!(flow.finish().end, End::Cut);
    host.ended();
}

#[test]
fn a_second_signal_cuts_at_once() {
    let mut host = two("").policy("drain_ms = 600000").start();
    let mut flow = host.ask("GET", "/two/drip?ms=50").open();
    flow.next().unwrap();
    host.terminate();
    until("the door to be closed", || {
        std::net::TcpStream::connect(host.gateway)
            .is_err()
            .then_some(())
    });
    host.terminate();
    assert_eq!(flow.finish().end, End::Cut);
    host.ended();
}

#[test]
fn what_was_cut_has_its_closing_line_all_the_same() {
    let mut host = two("").policy("drain_ms = 300").start();
    let mut streams: Vec<_> = (0..4)
        .map(|_| host.ask("GET", "/two/drip?ms=50").open())
        .collect();
    for flow in &mut streams {
        flow.next().unwrap();
    }
    let silent: Vec<_> = (0..4)
        .map(|_| host.ask("GET", "/two/never").write())
        .collect();
    until("all of them to run", || {
        (host.metric("holdfast_in_flight", "two") >= 8.0).then_some(())
    });
    host.terminate();
    host.ended();
    drop((streams, silent));
    let lines = host.closings();
    let of = |path: &str| {
        let ends = |line: &&serde_json::Value| line["operation"] == format!("GET {path}");
        lines.iter().filter(ends).count()
    };
    assert_eq!((of("/drip"), of("/never")), (4, 4), "{lines:?}");
    assert!(
        lines.iter().all(|line| line["code"] == "draining"),
        "{lines:?}"
    );
}

#[test]
fn what_was_cut_behind_its_answer_has_one_too() {
    let upstream = Upstream::start();
    let mut host = two("upstreams = [\"api\"]")
        .policy("drain_ms = 300\n[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/hang"));
    let answer = host.get(&format!("/two/fetch-after-answer?url={url}"));
    assert_eq!(answer.text(), "answered\n");
    until("the upstream to be asked", || {
        (!upstream.seen().is_empty()).then_some(())
    });
    host.terminate();
    host.ended();
    // The host cut it, and nobody else.
    for line in [
        host.closing(answer.call()),
        host.children(answer.call(), 1).remove(0),
    ] {
        assert_eq!(
            (&line["code"], &line["boundary"]),
            (&"draining".into(), &"lifecycle".into())
        );
    }
}

#[test]
fn an_idle_host_ends_at_once() {
    let mut host = two("").policy("drain_ms = 600000").start();
    assert_eq!(
        Ask::new(host.gateway, "GET", "/two/ok").send().text(),
        "ok\n"
    );
    host.terminate();
    assert_eq!(host.ended(), Some(0));
}

#[test]
fn a_host_whose_words_nobody_reads_serves_and_ends_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let plugins = dir.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    // A line for each of them is far more than a pipe holds.
    for nth in 0..2_000 {
        std::fs::write(plugins.join(format!("No Service {nth}.wasm")), b"").unwrap();
    }
    std::fs::write(plugins.join("here.wasm"), Guest::Case("wasi02").bytes()).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = free.local_addr().unwrap();
    drop(free);
    let listen = gateway.to_string();
    let words = ["serve", "--listen", &listen, "--admin", "127.0.0.1:0"];
    let mut host = begin_in(dir.path(), &words, std::process::Stdio::piped());
    until("the service to be served", || {
        std::net::TcpStream::connect(gateway).ok()?;
        (Ask::new(gateway, "GET", "/here/ok").send().status == 200).then_some(())
    });
    let pid = rustix::process::Pid::from_child(&host);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = until("the host to end", || host.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}
