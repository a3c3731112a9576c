//! An upstream that has a bad day: it does with each request what it was told to do with it, counts what it took in, and forgets nothing.

use super::upstream::{Seen, request};
use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What it does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Answers 200 and `done`.
    Serves,
    /// Answers with this status and these header lines.
    Answers(u16, &'static str),
    /// Answers 200 where the head of the request holds this line, and else 401.
    Wants(&'static str),
    /// Takes the connection and resets it before it has read a byte.
    Slams,
    /// Reads the request, and resets the connection.
    Resets,
    /// Sends the head and half of the body, and resets the connection.
    Breaks,
    /// Says that it sends more than it does, and closes the connection.
    Shortens,
    /// Answers what is no HTTP.
    Babbles,
    /// Answers after a while.
    Dawdles(Duration),
    /// Never answers.
    Hangs,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Does>,
    seen: Vec<(Instant, Seen)>,
}

/// A running one. It lives as long as the test process, which is short.
pub(crate) struct Chaos {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    usual: Arc<Mutex<Does>>,
}

impl Chaos {
    /// On a free port of 127.0.0.1. `usual` is what it does where it was told nothing else.
    pub(crate) fn start(usual: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
            usual: Arc::new(Mutex::new(usual)),
        };
        let (shared, usual) = (this.shared.clone(), this.usual.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, usual) = (shared.clone(), usual.clone());
                std::thread::spawn(move || {
                    // Whoever goes away ends the connection, whichever write or read finds it.
                    let _ = connection(&stream, &shared, &usual);
                });
            }
        });
        this
    }

    /// Does this with the requests that come next, one after the other.
    pub(crate) fn next(&self, script: &[Does]) {
        self.shared.lock().unwrap().script.extend(script);
    }

    /// Does this from now on.
    pub(crate) fn usually(&self, does: Does) {
        *self.usual.lock().unwrap() = does;
    }

    /// The URL of `path` on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests that it read, and forgets them.
    pub(crate) fn taken(&self) -> Vec<(Instant, Seen)> {
        std::mem::take(&mut self.shared.lock().unwrap().seen)
    }
}

fn connection(
    stream: &TcpStream,
    shared: &Mutex<Shared>,
    usual: &Mutex<Does>,
) -> std::io::Result<()> {
    let slams = {
        let script = &mut shared.lock().unwrap().script;
        script.pop_front_if(|does| matches!(does, Does::Slams))
    };
    if slams.is_some() {
        return reset(stream);
    }
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while let Some(seen) = request(&mut reader)? {
        let scripted = {
            let mut shared = shared.lock().unwrap();
            head.clone_from(&seen.head);
            shared.seen.push((Instant::now(), seen));
            shared.script.pop_front()
        };
        let does = scripted.unwrap_or_else(|| *usual.lock().unwrap());
        let mut writer = stream;
        match does {
            Does::Serves => answer(stream, 200, "", "done")?,
            Does::Answers(status, headers) => answer(stream, status, headers, "CANARY-upstream")?,
            Does::Wants(line) if head.lines().any(|known| known == line) => {
                answer(stream, 200, "", "done")?;
            }
            Does::Wants(_) => answer(stream, 401, "", "who are you?")?,
            Does::Dawdles(span) => {
                std::thread::sleep(span);
                answer(stream, 200, "", "late")?;
            }
            Does::Slams | Does::Resets => return reset(stream),
            Does::Breaks => {
                writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
                // Only what has arrived can be followed by a reset without being lost.
                std::thread::sleep(Duration::from_millis(50));
                return reset(stream);
            }
            Does::Shortens => {
                return writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nless");
            }
            Does::Babbles => return writer.write_all(b"CANARY, but no HTTP\r\n\r\n"),
            Does::Hangs => {
                std::io::copy(&mut reader, &mut std::io::sink())?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())
}

/// Closes it so that the other side sees a reset.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    stream.shutdown(std::net::Shutdown::Read)
}
