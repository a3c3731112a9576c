//! A connection is worth what is done on it.
//!
//! 1. The naive snippet: `listen(8080)`.
//! 2. The missing rule: how long a peer may hold a connection on which nothing happens. A thousand silent ones, and nobody else gets in.
//! 3. The tax: a proxy in front, with a page of timeouts.
//! 4. The snippet again, unchanged.
//! 5. The entry: whoever says nothing, begins and does not go on, or takes nothing of what is ready for him, is let go; and what was cut
//!    never looks like what has ended.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, Host, h2_without_window, until};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// A connection on which only `bytes` were sent.
fn saying(ask: &Ask, bytes: &[u8]) -> TcpStream {
    let mut stream = ask.connect();
    stream.write_all(bytes).unwrap();
    stream
}

/// The beginning of HTTP/2: the preface, and settings without any.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const ONE: &[u8] = b"GET /two/ok HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_connection_of_no_use_is_closed() {
    let host = two("[limits]\nidle = \"300ms\"").start();
    // The first call makes the host open the files of its audit log.
    assert_eq!(host.get("/two/ok").status, 200);
    until("the call to be on record, and signed", || {
        let files = std::fs::read_dir(host.dir().join("data/audit"));
        files.is_ok_and(|files| files.count() >= 2).then_some(())
    });
    let (_, before) = host.weight();
    let gateway = host.ask("GET", "/");
    let admin = Ask::new(host.admin, "GET", "/");
    let mut unread = host.ask("GET", "/two/flood-body").open();
    std::thread::scope(|scope| {
        scope.spawn(|| h2_without_window(host.gateway, "/nobody"));
        end(&gateway, &admin);
    });
    // It has not read a byte of its body, and is let go all the same.
    until("every connection to be gone", || {
        (host.weight().1 <= before).then_some(())
    });
    unread.next().unwrap();
}

/// Waits for the end of connections on which little or nothing is said.
fn end(gateway: &Ask, admin: &Ask) {
    let silent = [
        saying(gateway, b""),
        saying(gateway, b"P"),
        saying(gateway, b"PRI * HTTP/2.0\r\n"),
        saying(gateway, b"GET /two/ok HT"),
        saying(gateway, HTTP2),
        saying(gateway, ONE),
        saying(admin, b""),
        saying(admin, HTTP2),
    ];
    for (index, mut stream) in silent.into_iter().enumerate() {
        // Whatever was said last, the end follows it; a read that only runs out of time fails otherwise.
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{index}"),
        }
    }
}

#[test]
fn a_connection_on_which_something_happens_is_kept() {
    let host = two("").start();
    let mut stream = host.ask("GET", "/").connect();
    for _ in 0..3 {
        stream.write_all(ONE).unwrap();
        let mut some = [0; 4096];
        let read = stream.read(&mut some).unwrap();
        assert!(some[..read].starts_with(b"HTTP/1.1 200"));
    }
    // A long answer to somebody who takes his time.
    let answer = host.get("/two/drip?n=3&ms=200");
    assert_eq!(answer.text(), "...");
}

/// Asks over HTTP/1.0 and reads until the connection ends.
fn old(host: &Host, path: &str) -> (Vec<u8>, std::io::Result<usize>) {
    let request = format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n");
    let mut stream = saying(&host.ask("GET", path), request.as_bytes());
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    (answer, end)
}

#[test]
fn http_1_0_tells_a_cut_answer_from_one_that_has_ended() {
    let host = two("[limits]\nidle = \"300ms\"").start();
    let (whole, end) = old(&host, "/two/drip?n=3&ms=20");
    assert!(end.is_ok() && whole.ends_with(b"..."), "{end:?}");
    let request = b"GET /two/drip?ms=20 HTTP/1.0\r\nhost: a\r\n\r\n";
    let mut half = saying(&host.ask("GET", "/"), request);
    half.read_exact(&mut [0; 8]).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let end = half.read_to_end(&mut Vec::new());
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset)
    );
    let (cut, end) = old(&host, "/two/drip?ms=60000");
    let end = end.map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(cut.is_empty() || cut.starts_with(b"HTTP/1.0 200"));
}
