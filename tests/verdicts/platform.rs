//! The host itself, or the machine it runs on.

use super::got;
use super::matrix::Row;
use crate::harness::{Chaos, Does, Flow, Guest, Host, Setup, rest, until};
use rustix::process::{Resource, Rlimit, prlimit};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const TRUTH: &str = "platform";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![memory(), slots()];
    rows.extend(sockets());
    rows
}

/// All guests together may have less memory than one of them.
fn memory() -> Row {
    let host = Setup::new()
        .service("two", Guest::Case("wasi02"), "")
        .policy("memory = \"48MiB\"")
        .start();
    Row::new(
        "no memory is left for guests",
        TRUTH,
        "overloaded",
        &got(&host, "/two/grow"),
    )
}

/// Another service has the last slot of the pool.
fn slots() -> Row {
    let case = Guest::Case("wasi02");
    let host = Setup::new()
        .service("two", case, "")
        .service("beside", case, "")
        .policy("slots = 1\npool = \"safe\"")
        .start();
    let _held = host.ask("GET", "/two/never").write();
    until("a call to be in flight", || {
        (host.metric("holdfast_in_flight", "service:two") > 0.0).then_some(())
    });
    Row::new(
        "no slot is left for guests",
        TRUTH,
        "overloaded",
        &got(&host, "/beside/ok"),
    )
}

/// The host may open no file more, and a connection is one.
fn sockets() -> [Row; 2] {
    let chaos = Chaos::start(Does::Serves);
    let host = Setup::new()
        .naive("proxy", &chaos.url(""), "attempts = 1")
        .start();
    let mut client = host.ask("GET", "/").connect();
    let_in(&mut client);
    no_more_files(&host);
    write!(
        client,
        "GET /proxy/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let answer = Flow::read(client).finish();
    let asking = host.closing(answer.call());
    let asked = host.children(answer.call(), 1).remove(0);
    [
        Row::new(
            "no socket is left for an upstream",
            TRUTH,
            "upstream-unreachable",
            &asked,
        ),
        Row::new(
            "a service that passes that on",
            TRUTH,
            "upstream-unreachable",
            &asking,
        ),
    ]
}

/// Asks once, so that the connection is certainly there before there can be no other.
fn let_in(client: &mut TcpStream) {
    write!(client, "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
}

/// The next file that the host opens is one too many.
fn no_more_files(host: &Host) {
    // What is open for a moment only is seen in one look and not in the next.
    let looks = (0..5).filter_map(|_| {
        rest();
        free(host)
    });
    let next = looks.min();
    let limit = Rlimit {
        current: next,
        maximum: next,
    };
    prlimit(Some(host.pid()), Resource::Nofile, limit).unwrap();
}

/// The number that the next file would have.
fn free(host: &Host) -> Option<u64> {
    let place = format!("/proc/{}/fd", host.pid().as_raw_nonzero());
    let entries = std::fs::read_dir(place).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let open: Vec<u64> = names.map(|name| name.parse().unwrap()).collect();
    (0..).find(|number| !open.contains(number))
}
