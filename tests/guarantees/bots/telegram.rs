//! Telegram as a bot sees it: updates that come until they are asked for from a later number on, and messages that it is sent.

use crate::harness::{Seen, request, rest};
use serde_json::{Value, json};
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The token, in lower case, as heads are shown to tests.
pub(super) const TOKEN: &str = "123456:canary-token";
/// How often it looks for updates before it says that there is none: about a second.
const LOOKS: u32 = 40;

#[derive(Default)]
struct State {
    updates: Vec<Value>,
    /// Whether updates come again though they were confirmed.
    repeats: bool,
    /// What it says to requests for updates, and to messages, where it does not serve them.
    polls: Option<u16>,
    sends: Vec<u16>,
    /// Whether a message is read, and neither taken nor answered.
    hangs: bool,
    polled: usize,
    hung: usize,
    sent: Vec<Value>,
}

/// It lives as long as the test process, which is short.
#[derive(Clone)]
pub(super) struct Telegram {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Telegram {
    /// On a free port.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let telegram = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let served = telegram.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                // Whoever goes away ends the connection.
                std::thread::spawn(move || served.serve(&stream));
            }
        });
        telegram
    }

    /// Its origin.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody writes this in a chat.
    pub(super) fn writes(&self, number: u64, chat: u64, text: &str) {
        let message = json!({ "chat": { "id": chat }, "text": text });
        self.happens(json!({ "update_id": number, "message": message }));
    }

    /// Something happens that bots are told of.
    pub(super) fn happens(&self, update: Value) {
        self.state.lock().unwrap().updates.push(update);
    }

    /// Updates come again, or not, though they were confirmed.
    pub(super) fn repeats(&self, repeats: bool) {
        self.state.lock().unwrap().repeats = repeats;
    }

    /// It says this to whoever asks for updates, or serves him.
    pub(super) fn polls_end(&self, status: Option<u16>) {
        self.state.lock().unwrap().polls = status;
    }

    /// It says these to the messages that it is sent next.
    pub(super) fn sends_end(&self, statuses: &[u16]) {
        self.state.lock().unwrap().sends.extend(statuses);
    }

    /// It answers no message from now on, and takes none; or does again.
    pub(super) fn hangs(&self, hangs: bool) {
        self.state.lock().unwrap().hangs = hangs;
    }

    /// How often it was asked for updates.
    pub(super) fn polled(&self) -> usize {
        self.state.lock().unwrap().polled
    }

    /// How many messages it has left without an answer.
    pub(super) fn hung(&self) -> usize {
        self.state.lock().unwrap().hung
    }

    /// The chats and texts of the messages that it took, in their order.
    pub(super) fn sent(&self) -> Vec<(u64, String)> {
        let state = self.state.lock().unwrap();
        let said = state.sent.iter().map(|message| {
            let text = message["text"].as_str().unwrap().to_owned();
            (message["chat_id"].as_u64().unwrap(), text)
        });
        said.collect()
    }

    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        while let Some(seen) = request(&mut reader).ok()? {
            let (status, body) = self.said(&seen)?;
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + &body).as_bytes()).ok()?;
        }
        None
    }

    /// What it answers, if it does.
    fn said(&self, seen: &Seen) -> Option<(u16, String)> {
        let path = seen.head.split(' ').nth(1)?;
        let Some(asked) = path.strip_prefix(&format!("/bot{TOKEN}/")) else {
            return Some((401, String::new()));
        };
        match asked.split_once("?offset=") {
            Some(("getupdates", rest)) => {
                let offset = rest.split('&').next()?.parse().ok()?;
                Some(self.updates(offset))
            }
            _ => self.takes(&seen.body),
        }
    }

    /// Waits for updates from this number on.
    fn updates(&self, offset: u64) -> (u16, String) {
        self.state.lock().unwrap().polled += 1;
        for _ in 0..LOOKS {
            rest();
            let state = self.state.lock().unwrap();
            if let Some(status) = state.polls {
                return (status, String::new());
            }
            let old = |update: &Value| update["update_id"].as_u64().is_some_and(|id| id < offset);
            if state.repeats || !state.updates.iter().all(old) {
                let mut found = state.updates.clone();
                found.retain(|update| state.repeats || !old(update));
                return (200, json!({ "ok": true, "result": found }).to_string());
            }
        }
        (200, json!({ "ok": true, "result": [] }).to_string())
    }

    /// Takes a message.
    fn takes(&self, body: &[u8]) -> Option<(u16, String)> {
        let mut state = self.state.lock().unwrap();
        if state.hangs {
            state.hung += 1;
            drop(state);
            self.wait_for_the_end();
            return None;
        }
        if !state.sends.is_empty() {
            return Some((state.sends.remove(0), String::new()));
        }
        state.sent.push(serde_json::from_slice(body).ok()?);
        Some((200, json!({ "ok": true }).to_string()))
    }

    /// Until it no longer hangs, which is when nobody waits for this answer any more.
    fn wait_for_the_end(&self) {
        while self.state.lock().unwrap().hangs {
            rest();
        }
    }
}
