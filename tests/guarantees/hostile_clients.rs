//! What one client may hold of the gateway, before there is a call that a service's limits could bind.
//!
//! 1. The naive snippet: `listen(8080)`, and a thread or a buffer for whoever comes.
//! 2. The missing rule: how many connections, how long a head, how much of it. One client with one machine holds everything, for nothing.
//! 3. The tax: a proxy in front, with a page of numbers that nobody has tested.
//! 4. The snippet again, unchanged.
//! 5. The entry: every number has a name under `[listen.limits]`, and whoever passes it is let go while the others are served.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, Host, scaled, until};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn limited(limits: &str) -> Host {
    two("")
        .policy(&format!("[listen.limits]\n{limits}"))
        .start()
}

/// A connection on which `bytes` were sent.
fn saying(host: &Host, bytes: &[u8]) -> TcpStream {
    let mut stream = Ask::new(host.gateway, "GET", "/").connect();
    // It may be closed already.
    let _ = stream.write_all(bytes);
    stream
}

/// Everything that comes until the connection ends.
fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset ends it as a close does.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

const ONE: &[u8] = b"GET /two/ok HTTP/1.1\r\nhost: a\r\n\r\n";

/// Waits for the answer to one request, and leaves the connection open.
fn asked(host: &Host) -> TcpStream {
    let mut stream = saying(host, ONE);
    let read = stream.read(&mut [0; 4096]);
    assert!(read.is_ok_and(|read| read > 0), "it is served");
    stream
}

#[test]
fn an_address_holds_so_many_connections_and_no_more() {
    let host = limited("connections_per_address = 3");
    // The admin pages' connections are counted by themselves.
    let held: Vec<_> = (0..3).map(|_| asked(&host)).collect();
    assert_eq!(rest(saying(&host, ONE)), "");
    until("the operator to be told", || {
        host.log_text()
            .contains("connections_per_address")
            .then_some(())
    });
    drop(held);
    until("a free one", || {
        let served = rest(saying(&host, b"GET /two/ok HTTP/1.0\r\nhost: a\r\n\r\n"));
        served.contains(" 200 ").then_some(())
    });
}

#[test]
fn behind_a_trusted_proxy_is_everybody() {
    let host = two("")
        .policy(
            "trusted_proxies = [\"127.0.0.1/32\"]\n[listen.limits]\nconnections_per_address = 2",
        )
        .start();
    let held: Vec<_> = (0..6).map(|_| asked(&host)).collect();
    assert_eq!(held.len(), 6);
}

#[test]
fn a_connection_beyond_all_waits_for_one_that_ends() {
    let host = limited("connections = 2");
    let held = [asked(&host), asked(&host)];
    let waiting = saying(&host, b"GET /two/ok HTTP/1.0\r\nhost: a\r\n\r\n");
    drop(held);
    assert!(rest(waiting).contains(" 200 "));
}

#[test]
fn a_head_has_a_size_a_number_of_fields_and_a_target_of_some_length() {
    let host = limited("fields = 5\nhead_bytes = \"8KiB\"\ntarget_bytes = \"100B\"");
    let get = |target: &str, fields: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
        rest(saying(&host, text.as_bytes()))
    };
    assert!(get("/two/ok", &"a: b\r\n".repeat(3)).contains(" 200 "));
    assert!(get("/two/ok", &"a: b\r\n".repeat(4)).contains(" 431 "));
    let large = format!("a: {}\r\n", "b".repeat(9_000));
    assert!(get("/two/ok", &large).contains(" 431 "));
    let long = get(&format!("/two/ok?{}", "a".repeat(100)), "");
    assert!(long.contains(" 414 ") && long.contains("target-too-long"));
    let expects = get("/two/ok", "expect: more\r\n");
    assert!(expects.contains(" 417 ") && expects.contains("expectation-failed"));
}

#[test]
fn over_http_2_too_many_fields_are_a_fault_with_an_id() {
    let host = limited("fields = 3");
    let answer = crate::harness::h2_get_with(host.gateway, "/two/ok", &["a", "b", "c", "d"]);
    answer.fault("fields-too-large");
}

#[test]
fn a_body_has_a_size() {
    let host = limited("body_bytes = \"1KiB\"");
    let post = || host.ask("POST", "/two/echo");
    assert_eq!(post().body(vec![b'a'; 1_024]).send().body.len(), 1_024);
    post()
        .body(vec![b'a'; 1_025])
        .send()
        .fault("payload-too-large");
    let chunk = "a".repeat(600);
    let answer = post().chunks(&[&chunk, &chunk], &[]).write();
    let text = rest(answer);
    assert!(!text.ends_with("0\r\n\r\n"), "it is cut: {text}");
}

/// Holds `count` connections of a slow kind, and sees that others are served and every slow one is let go.
#[track_caller]
fn slow(host: &Host, kind: &str, count: usize, begin: impl Fn() -> TcpStream) {
    let held: Vec<_> = (0..count).map(|_| begin()).collect();
    for _ in 0..20 {
        assert_eq!(host.get("/two/ok").text(), "ok\n", "{kind}");
    }
    for stream in held {
        // Its end comes, or this read runs out of patience and fails.
        let mut stream = stream;
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{kind}"),
        }
    }
    assert_eq!(host.get("/two/ok").text(), "ok\n", "{kind}");
}

#[test]
fn slow_clients_are_let_go_while_others_are_served() {
    let host = two("[limits]\nidle = \"1s\"\nplaces = 1000")
        .policy("[limits]\nplaces = 1000\n[listen.limits]\nhead = \"1s\"\nidle = \"1s\"\nwrite = \"1s\"")
        .start();
    let count = scaled(40, 500);
    slow(&host, "silent", count, || saying(&host, b""));
    slow(&host, "a slow head", count, || {
        saying(&host, b"GET /two/ok HTTP/1.1\r\nhos")
    });
    slow(&host, "a slow head over HTTP/2", count, || {
        saying(
            &host,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\0",
        )
    });
    slow(&host, "a slow body", scaled(20, 500), || {
        saying(
            &host,
            b"POST /two/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\na",
        )
    });
    slow(&host, "an idle one", count, || saying(&host, ONE));
}

#[test]
fn a_request_that_breaks_off_is_never_its_services_fault() {
    let host = two("")
        .service("three", crate::harness::Guest::Case("wasi03"), "")
        .start();
    // What comes after the good chunk is none; sent at once, and after the guest has begun to answer.
    for (name, wait) in [
        ("two", false),
        ("two", true),
        ("three", false),
        ("three", true),
    ] {
        let head = format!(
            "POST /{name}/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
        );
        let mut stream = saying(&host, head.as_bytes());
        let mut text = String::new();
        while wait && !text.contains("hello") {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).unwrap();
            text.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        stream.write_all(b"ZZ\r\nhello\r\n").unwrap();
        text.push_str(&rest(stream));
        let call = text.split("holdfast-call: ").nth(1).unwrap();
        let closing = host.closing(call.lines().next().unwrap());
        assert_eq!(closing["outcome"], "fault", "{closing}");
        assert_eq!(closing["boundary"], "caller", "{closing}");
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    }
}
