//! A new binary takes over, and nobody is refused.
//!
//! 1. The naive snippet: stop the old one, start the new one.
//! 2. The missing rule: who listens meanwhile. Connections that are refused, that wait in a queue nobody reads any more, or that were taken
//!    by a host which then ended.
//! 3. The tax: a balancer in front, and a second machine.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the service manager keeps the socket, and the system the queue. A host that ends takes no more, and serves whom it took;
//!    the one that begins reads the queue once its services are there.
//! 6. The checklist is below.

use super::two;
use crate::harness::Setup;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const CALLERS: u32 = 4;
const TAKEOVERS: u32 = 3;

/// Asks on a connection of its own, and reads the answer to its end.
fn ask(to: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(to).expect("a connection was refused");
    // A bound for a host that hangs; not what is waited for.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("a request was cut");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer was cut");
    answer
}

/// Ends the callers, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_connection_is_refused_and_no_request_is_without_its_answer_while_hosts_change() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let mut host = two("").socket(socket).start();
    assert_eq!(host.gateway, at);
    let (stop, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(at, "/two/ok");
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    // In a piece whose length is told before, or which says itself that it is the last.
                    let whole = ["\r\n\r\nok\n", "3\r\nok\n\r\n0\r\n\r\n"];
                    assert!(whole.iter().any(|end| answer.ends_with(end)), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _end = End(&stop);
        for _ in 0..TAKEOVERS {
            let before = answered.load(Ordering::Relaxed);
            host.terminate();
            assert_eq!(host.ended(), Some(0), "{}", host.stderr());
            host.again();
            assert_eq!(host.gateway, at);
            crate::harness::until("answers of the next host", || {
                (answered.load(Ordering::Relaxed) > before + 2 * CALLERS).then_some(())
            });
        }
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_connection_that_was_taken_before_the_end_is_served_before_the_end() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut host = two("").socket(socket).start();
    let mut quiet = TcpStream::connect(host.gateway).unwrap();
    // Another connection behind it is answered, so this one was taken as well.
    assert!(ask(host.gateway, "/two/ok").starts_with("HTTP/1.1 200 "));
    host.terminate();
    quiet
        .write_all(b"GET /two/ok HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    quiet.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(host.ended(), Some(0));
}

#[test]
fn a_socket_that_is_none_is_said() {
    let (code, said) = Setup::new().environment("LISTEN_FDS", "1").refused();
    assert_eq!(code, Some(1));
    assert!(
        said.contains("socket 1 of LISTEN_FDS cannot be used"),
        "{said}"
    );
}
