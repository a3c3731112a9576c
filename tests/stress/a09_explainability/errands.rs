//! What the clients ask for: every kind of call that there is, each with a reason that no other has.

use super::record::Rebuilt;
use crate::harness::{Answer, Ask, Does, Host, encoded, wire};
use std::collections::BTreeSet;

/// A kind of call: method, path, and how the record names what it is for. `URL` stands for the upstream, `NTH` for its number.
const KINDS: [(&str, &str, &str, &str); 14] = [
    ("GET", "/two/ok", "two", "GET /ok"),
    ("POST", "/two/echo", "two", "POST /echo"),
    (
        "POST",
        "/two/fetch?method=POST&body=order&url=URL",
        "two",
        "POST /fetch",
    ),
    ("GET", "/two/fetch?url=URL", "two", "GET /fetch"),
    ("GET", "/front/count?n=1", "front", "GET /count"),
    (
        "POST",
        "/tasks/todo/parse",
        "tasks",
        "acme:tasks/todo@1.0.0#parse",
    ),
    ("GET", "/two/panic", "two", "GET /panic"),
    ("GET", "/late/never", "late", "GET /never"),
    ("GET", "/cpu/loop", "cpu", "GET /loop"),
    ("POST", "/closed/echo", "closed", "POST /echo"),
    ("GET", "/nobody/here", "(none)", "GET /nobody/here"),
    ("GET", "/pays/look/NTH", "pays", "GET /look/NTH"),
    ("GET", "/kv/set?key=kNTH&value=v", "kv", "GET /set"),
    ("GET", "/two/drip?ms=20", "two", "GET /drip"),
];

/// The ways in which some of them end: well, and with these codes.
pub(super) const WAYS: [&str; 8] = [
    "",
    "service-fault",
    "deadline-exceeded",
    "cpu-exhausted",
    "unauthenticated",
    "no-such-service",
    "budget-exhausted",
    "cancelled",
];

/// One of them.
pub(super) struct Errand {
    nth: usize,
    method: &'static str,
    path: String,
    service: &'static str,
    operation: String,
}

/// What a client knows of a call.
pub(super) struct Told {
    pub(super) call: String,
    pub(super) why: String,
    pub(super) caller: String,
    pub(super) service: String,
    pub(super) operation: String,
    pub(super) status: u16,
    /// The code of the fault, if it was one.
    pub(super) code: String,
    keyed: Keyed,
}

/// Whether a call carried a key, and whether it was answered what another had been.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyed {
    No,
    First,
    Again,
}

/// So many things for an upstream to do, of which every fourth is not to serve.
pub(super) fn bad_days(count: usize) -> Vec<Does> {
    let bad = [
        Does::Answers(500, ""),
        Does::Resets,
        Does::Answers(404, ""),
        Does::Writes(wire::BAD_STATUS),
        Does::Hangs,
        Does::Answers(503, ""),
    ];
    let nth = |nth: usize| match nth % 4 {
        2 => bad[nth / 4 % bad.len()],
        _ => Does::Serves,
    };
    (0..count / KINDS.len() * 2).map(nth).collect()
}

impl Errand {
    /// The one with this number.
    pub(super) fn new(nth: usize, api: &str) -> Self {
        let (method, path, service, operation) = KINDS[nth % KINDS.len()];
        let number = nth.to_string();
        let url = encoded(&format!("{api}/pay/{nth}"));
        Self {
            nth,
            method,
            path: path.replace("URL", &url).replace("NTH", &number),
            service,
            operation: operation.replace("NTH", &number),
        }
    }

    /// Sends it, with a key of `ann` every other time, and again if it carries a key by which it is known.
    pub(super) fn send(&self, host: &Host, key: &str) -> Vec<Told> {
        let keyed = (self.operation == "POST /fetch").then(|| format!("order-{}", self.nth));
        let times = if keyed.is_some() { 2 } else { 1 };
        let once = |time: usize| {
            let why = format!("errand {}, time {time}", self.nth);
            let (ask, caller) = self.ask(host, key, &why);
            let answer = match &keyed {
                Some(name) => ask.header("idempotency-key", name).send(),
                None if self.operation == "GET /drip" => left(ask),
                None => ask.send(),
            };
            self.told(why, caller, &answer, keyed.as_deref())
        };
        (0..times).map(once).collect()
    }

    fn ask(&self, host: &Host, key: &str, why: &str) -> (Ask, &'static str) {
        let mut ask = host
            .ask(self.method, &self.path)
            .header("holdfast-why", why);
        if self.service == "tasks" {
            ask = ask
                .header("content-type", "application/json")
                .body("{\"lines\": [\"pay the rent\"]}");
        } else if self.method == "POST" {
            ask = ask.body("CANARY");
        }
        match self.nth / KINDS.len() % 2 {
            0 => (ask, "anonymous"),
            _ => (
                ask.header("authorization", &format!("Bearer {key}")),
                "principal:ann",
            ),
        }
    }

    fn told(&self, why: String, caller: &str, answer: &Answer, key: Option<&str>) -> Told {
        let problem = serde_json::from_str::<serde_json::Value>(&answer.text()).ok();
        let code = problem.and_then(|problem| Some(problem["code"].as_str()?.to_owned()));
        let replayed = answer.header("idempotency-replayed").is_some();
        let code = match self.operation.as_str() {
            "GET /drip" => Some("cancelled".to_owned()),
            _ => code,
        };
        Told {
            call: answer.call().to_owned(),
            why,
            caller: caller.to_owned(),
            service: self.service.to_owned(),
            operation: self.operation.clone(),
            status: answer.status,
            code: code.unwrap_or_default(),
            keyed: match (key, replayed) {
                (None, _) => Keyed::No,
                (Some(_), false) => Keyed::First,
                (Some(_), true) => Keyed::Again,
            },
        }
    }
}

/// Goes away in the middle of the answer.
fn left(ask: Ask) -> Answer {
    let mut flow = ask.open();
    flow.next().expect("the beginning of an answer");
    Answer {
        status: flow.status,
        headers: flow.headers.clone(),
        body: Vec::new(),
        trailers: Vec::new(),
        end: crate::harness::End::Cut,
    }
}

/// What carried a key was done once, under a key that no other has on record, and what was answered again was not done again.
pub(super) fn keys_are_as_sent(rebuilt: &Rebuilt, told: &[Told]) {
    let mut hashes = BTreeSet::new();
    for one in told {
        let record = rebuilt.call(&one.call);
        let below = rebuilt.tree(&one.call).len() - 1;
        match &one.keyed {
            Keyed::No => assert_eq!(record.text("key"), "", "{}", record.shown()),
            Keyed::First => {
                let new = hashes.insert(record.text("key"));
                assert!(new && below == 1, "{}", record.shown());
            }
            Keyed::Again => {
                let ran = record.number("attempts") + below as u64;
                assert_eq!(ran, 0, "{}", record.shown());
            }
        }
    }
    assert!(!hashes.is_empty() && !hashes.contains(""));
}
