//! What the host is asked to do until the power fails, by many at once: effects at upstreams that count, some of them keyed and all of them
//! priced, and keys and values. What each was answered is known, and how far the record had come by then.

use super::disk::Trace;
use crate::harness::{
    Answer, Ask, Guest, Host, Over, Recorder, Setup, encoded, request, rest, scaled, until,
};
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How many clients there are.
const CLIENTS: usize = 6;
/// 0.01 USD: what an effect costs.
pub(super) const PRICE: i64 = 10_000_000;
/// How many payments the budget of one upstream is good for.
pub(super) const TICKETS_MAX: usize = 10;

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// An effect, under a key.
    Order,
    /// An effect without one.
    Letter,
    /// An effect that there is soon no money for.
    Ticket,
    /// A value for a key.
    Set,
    /// One more, of one number for all.
    Add,
}

impl Errand {
    pub(super) fn of(nth: usize) -> Self {
        [
            Self::Order,
            Self::Letter,
            Self::Ticket,
            Self::Set,
            Self::Add,
        ][nth % 5]
    }

    /// What the upstream is asked for.
    pub(super) fn path(self, nth: usize) -> String {
        format!("/{self:?}/{nth}").to_ascii_lowercase()
    }
}

/// Somebody who asked.
pub(super) struct Told {
    pub(super) nth: usize,
    /// How many records there were before he asked.
    pub(super) asked: usize,
    /// How many there were when he had his answer, and the answer.
    pub(super) answered: Option<(usize, Answer)>,
}

impl Told {
    pub(super) fn errand(&self) -> Errand {
        Errand::of(self.nth)
    }

    /// The answer, if he had it before that record and it is the one that was hoped for.
    pub(super) fn served(&self, cut: usize) -> Option<&Answer> {
        let (at, answer) = self.answered.as_ref()?;
        (*at <= cut && answer.status == 200).then_some(answer)
    }
}

/// An upstream that remembers how long the record was when it was asked, before it answers.
pub(super) struct Bank {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Bank {
    fn start(trace: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&this.seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (trace, seen) = (trace.clone(), Arc::clone(&seen));
                std::thread::spawn(move || {
                    // Whoever goes away ends the connection, whichever write or read finds it.
                    let _ = serve(&stream, &trace, &seen);
                });
            }
        });
        this
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked for this path.
    pub(super) fn count(&self, path: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, seen)| seen == path).count()
    }

    /// How often it was asked for anything.
    pub(super) fn all(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(
    stream: &TcpStream,
    trace: &Path,
    seen: &Mutex<Vec<(u64, String)>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = request(&mut reader)?.filter(|request| request.whole) {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        seen.lock().unwrap().push((length(trace), path.to_owned()));
        let mut writer = stream;
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")?;
    }
    Ok(())
}

fn length(trace: &Path) -> u64 {
    std::fs::metadata(trace).unwrap().len()
}

/// What was done, and to what disk.
pub(super) struct Recording {
    pub(super) trace: Trace,
    pub(super) told: Vec<Told>,
    /// What the upstreams were asked for, and how many records there were then.
    pub(super) seen: Vec<(usize, String)>,
    pub(super) api: Bank,
    pub(super) tickets: Bank,
    /// How many records there were when the service was there for the first time.
    pub(super) began: usize,
    /// The upstreams look at its file still.
    _recorder: Recorder,
}

impl Recording {
    /// Has a host of its own asked in so many lives, each of which ends in the middle of it.
    pub(super) fn make(lives: usize) -> Self {
        let recorder = Recorder::build();
        let [api, tickets] = [(); 2].map(|()| Bank::start(recorder.trace()));
        let load = Load {
            trace: recorder.trace(),
            next: AtomicUsize::new(0),
            told: Mutex::default(),
        };
        let mut host = setup(&api, &tickets).recorded(&recorder).start();
        let mut began = None;
        for life in 1..=lives {
            if life > 1 {
                host.again();
            }
            serves(&host);
            began.get_or_insert_with(|| length(&load.trace));
            load.put_on(&mut host, [&api, &tickets]);
        }
        let trace = Trace::read(&load.trace);
        trace.is_all_of(&host.dir().join("data")).unwrap();
        let at = |(length, rest)| (trace.at(length), rest);
        let told = load.told.into_inner().unwrap().into_iter();
        let told = told.map(|(nth, asked, answered)| Told {
            nth,
            asked: trace.at(asked),
            answered: answered.map(at),
        });
        let seen = [&api, &tickets].map(|bank| bank.seen.lock().unwrap().clone());
        Self {
            told: told.collect(),
            seen: seen
                .concat()
                .into_iter()
                .map(|(length, path)| (trace.at(length), path))
                .collect(),
            began: trace.at(began.unwrap_or(0)),
            trace,
            api,
            tickets,
            _recorder: recorder,
        }
    }

    /// A host like the one that was recorded, that has nothing yet.
    pub(super) fn setup(&self) -> Setup {
        setup(&self.api, &self.tickets)
    }

    /// How the request is made.
    pub(super) fn ask(&self, host: &Host, nth: usize) -> Ask {
        ask(host.gateway, [&self.api, &self.tickets], nth)
    }

    /// How often the upstreams were asked for a path before that record.
    pub(super) fn seen(&self, cut: usize, path: &str) -> usize {
        let seen = self.seen.iter();
        seen.filter(|(at, seen)| *at <= cut && seen == path).count()
    }
}

fn setup(api: &Bank, tickets: &Bank) -> Setup {
    let upstream = |name: &str, bank: &Bank, budget: &str| {
        format!(
            "[upstreams.{name}]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nattempts = 1\nbreaker = false\n{budget}\n\
             [upstreams.{name}.price]\nrequest = \"0.01 USD\"",
            bank.url("")
        )
    };
    Setup::new()
        .service(
            "two",
            Guest::Case("wasi02"),
            "upstreams = [\"api\", \"tickets\"]",
        )
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .policy("[budget]\nhost = \"100000 USD / month\"")
        .policy(
            "[services.two]\nupstreams = [\"api\", \"tickets\"]\n[services.kv]\nkv = [\"default\"]",
        )
        .policy(&upstream("api", api, ""))
        .policy(&upstream(
            "tickets",
            tickets,
            "budget = \"0.10 USD / month\"",
        ))
}

pub(super) fn serves(host: &Host) {
    for service in ["two", "kv"] {
        until("the service to be there", || {
            (host.listed(service)?["state"] == "serving").then_some(())
        });
    }
}

fn ask(to: SocketAddr, [api, tickets]: [&Bank; 2], nth: usize) -> Ask {
    let errand = Errand::of(nth);
    let fetch = |bank: &Bank| {
        let url = encoded(&bank.url(&errand.path(nth)));
        Ask::new(
            to,
            "POST",
            &format!("/two/fetch?method=POST&body=x&url={url}"),
        )
    };
    match errand {
        Errand::Order => fetch(api).header("idempotency-key", &format!("order-{nth}")),
        Errand::Letter => fetch(api),
        Errand::Ticket => fetch(tickets),
        Errand::Set => Ask::new(to, "GET", &format!("/kv/set?key=k{nth}&value=v{nth}")),
        Errand::Add => Ask::new(to, "GET", "/kv/add?key=sum"),
    }
}

/// Which errand it was, how long the record was before it, and how long it was when there was an answer.
type Noted = (usize, u64, Option<(u64, Answer)>);

/// Those who ask, as long as the host is recorded.
struct Load {
    trace: PathBuf,
    next: AtomicUsize,
    told: Mutex<Vec<Noted>>,
}

impl Load {
    /// Asks until enough were answered, and kills the host while others wait.
    fn put_on(&self, host: &mut Host, banks: [&Bank; 2]) {
        let enough = self.told.lock().unwrap().len() + scaled(100, 400);
        let (over, to) = (AtomicBool::new(false), host.gateway);
        std::thread::scope(|scope| {
            let over = &over;
            for _ in 0..CLIENTS {
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let nth = self.next.fetch_add(1, Ordering::Relaxed);
                        let asked = length(&self.trace);
                        let answer = ask(to, banks, nth).attempt();
                        let answered = answer.map(|answer| (length(&self.trace), answer));
                        let died = answered.is_none();
                        self.told.lock().unwrap().push((nth, asked, answered));
                        if died {
                            return;
                        }
                    }
                });
            }
            let _over = Over(over);
            while self.told.lock().unwrap().len() < enough {
                rest();
            }
            host.terminate();
            host.ended();
        });
    }
}
