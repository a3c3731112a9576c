//! An upstream that has a bad day: it does with each request what it was told to do with it, counts what it took in, and forgets nothing.

mod acts;
mod does;
mod nowhere;
mod seed;

pub(crate) use does::{Does, wire};
pub(crate) use nowhere::{NAMELESS, closed_port};
pub(crate) use seed::number;

use super::upstream::{Seen, request};
use acts::{Then, act, reset};
use std::collections::VecDeque;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

struct Shared {
    script: VecDeque<Does>,
    usual: Does,
    connections: usize,
    seen: Vec<(Instant, Seen)>,
    /// How many requests came in all, which chance is drawn for.
    count: u64,
}

impl Shared {
    /// What is to be done with the next request.
    fn next(&mut self) -> Does {
        self.script.pop_front().unwrap_or(self.usual)
    }

    /// What is to be done with a connection before anything of it is read, if anything is.
    fn at_once(&mut self) -> Option<Does> {
        let at_once = |does: &Does| matches!(does, Does::Slams | Does::Deafens);
        let scripted = self.script.front().copied().unwrap_or(self.usual);
        at_once(&scripted).then(|| self.next())
    }
}

/// A running one. It lives as long as the test process, which is short.
pub(crate) struct Chaos {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Chaos {
    /// On a free port of 127.0.0.1. `usual` is what it does where it was told nothing else.
    pub(crate) fn start(usual: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            script: VecDeque::new(),
            usual,
            connections: 0,
            seen: Vec::new(),
            count: 0,
        };
        let this = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Mutex::new(shared)),
        };
        let shared = this.shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    // Whoever goes away ends the connection, whichever write or read finds it.
                    let _ = connection(&stream, &shared);
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
        self.shared.lock().unwrap().usual = does;
    }

    /// The URL of `path` on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same under a scheme that it does not speak.
    pub(crate) fn https(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The requests that it read, and forgets them.
    pub(crate) fn taken(&self) -> Vec<(Instant, Seen)> {
        std::mem::take(&mut self.shared.lock().unwrap().seen)
    }

    /// How many requests it has read in all.
    pub(crate) fn count(&self) -> u64 {
        self.shared.lock().unwrap().count
    }

    /// How many connections were opened to it, and forgets them.
    pub(crate) fn opened(&self) -> usize {
        std::mem::take(&mut self.shared.lock().unwrap().connections)
    }
}

fn connection(stream: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let at_once = {
        let mut shared = shared.lock().unwrap();
        shared.connections += 1;
        shared.at_once()
    };
    match at_once {
        Some(Does::Deafens) => return acts::ignore(stream),
        Some(_) => return reset(stream),
        None => {}
    }
    let mut reader = BufReader::new(stream);
    while let Some(seen) = request(&mut reader)? {
        let head = seen.head.clone();
        let (does, nth) = {
            let mut shared = shared.lock().unwrap();
            shared.seen.push((Instant::now(), seen));
            shared.count += 1;
            (shared.next(), shared.count)
        };
        if act(does, stream, &head, nth)? == Then::Ends {
            return Ok(());
        }
    }
    Ok(())
}
