//! An upstream that counts what takes effect, and can be stopped at any boundary of it.

use crate::harness::{Seen, request, until};
use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Somebody is there, and nothing was read of what he wants.
    Before,
    /// It has taken effect, and nobody was told.
    After,
}

/// What came under one path: the keys, and what was asked with each.
pub(crate) type Effects = BTreeMap<String, Vec<(Option<String>, String)>>;

#[derive(Default)]
struct State {
    /// Each request that was read whole: its path, key and body.
    requests: Vec<(String, Option<String>, String)>,
    connections: usize,
    /// At which request it stops, counted from the first.
    stops_at: Option<(usize, Point)>,
    stopped: bool,
    /// How long each answer takes.
    slow: Duration,
}

/// The upstream. It lives as long as the test process, which is short.
#[derive(Clone)]
pub(crate) struct Counter {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Counter {
    /// On a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let counter = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let served = counter.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        counter
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Each answer takes so long from now on.
    pub(crate) fn slow(&self, slow: Duration) {
        self.state.lock().unwrap().slow = slow;
    }

    /// It stops at the next request but so many.
    pub(crate) fn stop_after(&self, more: usize, point: Point) {
        let mut state = self.state.lock().unwrap();
        state.stopped = false;
        state.stops_at = Some((state.connections + more + 1, point));
    }

    /// Waits until it has stopped; whoever waits for it there waits in vain, and all others are served again.
    pub(crate) fn wait_until_stopped(&self) {
        until("the upstream to be asked", || {
            self.state.lock().unwrap().stopped.then_some(())
        });
    }

    /// How many requests it was sent whole.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    /// What took effect: under one key once, without a key each time.
    pub(crate) fn effects(&self) -> Effects {
        let mut effects = Effects::new();
        for (path, key, body) in self.state.lock().unwrap().requests.clone() {
            let under = effects.entry(path).or_default();
            let asked = (key, body);
            if asked.0.is_none() || !under.contains(&asked) {
                under.push(asked);
            }
        }
        effects
    }

    fn serve(&self, stream: TcpStream) {
        let (number, stops) = {
            let mut state = self.state.lock().unwrap();
            state.connections += 1;
            let number = state.connections;
            let stops = state.stops_at.filter(|(at, _)| *at == number);
            (number, stops.map(|(_, point)| point))
        };
        if stops == Some(Point::Before) {
            return self.stops(stream);
        }
        let Ok(Some(seen)) = request(&mut BufReader::new(stream.try_clone().unwrap())) else {
            return;
        };
        if !seen.whole {
            return;
        }
        self.state.lock().unwrap().requests.push(apart(&seen));
        if stops == Some(Point::After) {
            return self.stops(stream);
        }
        let slow = self.state.lock().unwrap().slow;
        std::thread::sleep(slow * u32::try_from(1 + number * 7 % 5).unwrap());
        let (path, _, _) = apart(&seen);
        let said = format!("did {path}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
            said.len()
        );
        // Whoever has asked may be dead by now.
        let _ = (&stream).write_all(head.as_bytes());
    }

    fn stops(&self, stream: TcpStream) {
        self.state.lock().unwrap().stopped = true;
        // Held until whoever waits there is gone.
        std::mem::forget(stream);
    }
}

fn apart(seen: &Seen) -> (String, Option<String>, String) {
    let path = seen.head.split(' ').nth(1).unwrap_or_default().to_owned();
    let key = seen
        .head
        .lines()
        .find_map(|line| line.strip_prefix("idempotency-key: "));
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    (path, key.map(str::to_owned), body)
}
