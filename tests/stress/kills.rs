//! The assumption: a host may die at any moment. So it is killed a thousand times under a load of every kind, and after each time it is
//! asked for what it had acknowledged: it is there, what has a key was done once, and what has none was not done twice.

use super::a03_cost::read;
use crate::harness::{Guest, Host, Setup, Upstream, encoded, scaled, until};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CLIENTS: usize = 8;
/// 0.000123457 USD: a price whose sums are round nowhere.
const PRICE: u64 = 123_457;
/// How long an answer may take of a host that is not killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An order under a key.
    Keyed,
    /// An order without one.
    Plain,
    /// A value to be kept.
    Kept,
}

/// What a client has asked for, and whether he was told that it is done.
#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    /// The name of the order, or the value.
    name: String,
    /// What came back, if anything did.
    told: Option<(u16, String)>,
}

fn host(upstream: &Upstream) -> Host {
    Setup::new()
        .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .policy("call_log = 0\n[budget]\nhost = \"100000 USD / month\"")
        .policy("[services.two]\nupstreams = [\"api\"]\n[services.kv]\nkv = [\"default\"]")
        .upstream("api", upstream)
        .policy("[upstreams.api.price]\nrequest = \"0.000123457 USD\"")
        .start()
}

/// The status and the body of the answer, if a whole one came.
fn ask(to: SocketAddr, method: &str, path: &str, more: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\n{more}content-length: 0\r\n");
    write!(stream, "{head}connection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = match head.to_ascii_lowercase().contains("transfer-encoding") {
        true => joined(body)?,
        false => body.to_owned(),
    };
    Some((status, body))
}

/// A body without the lengths of its chunks, if it came to its end.
fn joined(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..length)?);
        chunks = rest.get(length + 2..)?;
    }
}

fn order(host: &Host, upstream: &Upstream, name: &str, keyed: bool) -> Option<(u16, String)> {
    let url = encoded(&upstream.url(&format!("/ok?n={name}")));
    let path = format!("/two/fetch?method=POST&body=order&url={url}");
    let key = format!("idempotency-key: {name}\r\n");
    ask(host.gateway, "POST", &path, if keyed { &key } else { "" })
}

/// Asks for one thing after the other until nobody answers any more.
fn client(host: &Host, upstream: &Upstream, me: &str, told: &AtomicUsize) -> Vec<Asked> {
    let mut all = Vec::new();
    for nth in 0.. {
        let kind = [Kind::Keyed, Kind::Plain, Kind::Keyed, Kind::Kept][nth % 4];
        let name = format!("{me}-{nth}");
        let answer = match kind {
            Kind::Keyed | Kind::Plain => order(host, upstream, &name, kind == Kind::Keyed),
            Kind::Kept => {
                let path = format!("/kv/set?key={}&value={name}", owner(me));
                ask(host.gateway, "POST", &path, "")
            }
        };
        let gone = answer.is_none();
        all.push(Asked {
            kind,
            name,
            told: answer,
        });
        if gone {
            break;
        }
        told.fetch_add(1, Ordering::Relaxed);
    }
    all
}

/// The key that a client keeps his values under, in every round the same.
fn owner(me: &str) -> &str {
    me.split('-').next().unwrap()
}

/// How often the upstream was sent each order, of what it has seen from `from` on.
fn orders(upstream: &Upstream, from: usize) -> HashMap<String, usize> {
    let mut orders = HashMap::new();
    for seen in upstream.seen().iter().skip(from) {
        if let Some(rest) = seen.head.strip_prefix("post /ok?n=") {
            let name = rest.split(' ').next().unwrap();
            *orders.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    orders
}

/// Whether a person has to say what came of it.
fn in_doubt(answer: &(u16, String)) -> bool {
    answer.1.contains("\"code\":\"indeterminate\"")
}

/// Asks again for everything that has a key, and then counts what the upstream was sent in this round.
fn judge(host: &Host, upstream: &Upstream, from: usize, round: usize, asked: &[Vec<Asked>]) {
    let keyed = asked.iter().flatten().filter(|one| one.kind == Kind::Keyed);
    let again: Vec<_> = keyed
        .map(|one| {
            let answer = order(host, upstream, &one.name, true);
            let answer = answer.unwrap_or_else(|| panic!("round {round}: no answer for {one:?}"));
            match &one.told {
                Some(told) => assert_eq!(&answer, told, "round {round}: {one:?}"),
                None => assert!(
                    answer.0 == 200 || in_doubt(&answer),
                    "round {round}: {one:?} came to {answer:?}"
                ),
            }
            (one, answer)
        })
        .collect();
    let sent = orders(upstream, from);
    let times = |name: &str| sent.get(name).copied().unwrap_or_default();
    for (one, answer) in again {
        let done = times(&one.name);
        assert!(
            done == 1 || (done == 0 && in_doubt(&answer)),
            "round {round}: {one:?} was sent {done} times: {answer:?}"
        );
    }
    for one in asked.iter().flatten().filter(|one| one.kind == Kind::Plain) {
        let done = times(&one.name);
        assert!(done <= 1, "round {round}: {one:?} was sent {done} times");
        if one.told.is_some() {
            assert_eq!(done, 1, "round {round}: {one:?}");
        }
    }
}

/// What each client had kept last is there, or what he was about to.
fn kept(host: &Host, round: usize, asked: &[Vec<Asked>], last: &mut HashMap<String, String>) {
    for (client, asked) in asked.iter().enumerate() {
        let me = format!("c{client}");
        let mut may_be = None;
        for one in asked.iter().filter(|one| one.kind == Kind::Kept) {
            match &one.told {
                Some((200, _)) => {
                    last.insert(me.clone(), one.name.clone());
                }
                Some(other) => panic!("round {round}: {other:?}"),
                None => may_be = Some(one.name.clone()),
            }
        }
        let found = host.get(&format!("/kv/get?key={me}")).text();
        let known = last.get(&me).is_none_or(|known| *known == found);
        if !known || may_be.as_ref() == Some(&found) {
            assert_eq!(may_be, Some(found.clone()), "round {round}: {me} {last:?}");
            last.insert(me, found);
        }
    }
}

/// One life of the host, from the first request to its death.
fn life(host: &Host, upstream: &Upstream, round: usize) -> Vec<Vec<Asked>> {
    let told = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (told, me) = (&told, format!("c{client}-r{round}"));
                scope.spawn(move || self::client(host, upstream, &me, told))
            })
            .collect();
        // At another moment each time.
        let enough = round * 7 % 41;
        until("enough to be done", || {
            (told.load(Ordering::Relaxed) >= enough).then_some(())
        });
        std::thread::sleep(Duration::from_micros(
            u64::try_from(round % 97 * 131).unwrap(),
        ));
        kill_process(host.pid(), Signal::KILL).unwrap();
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn serves(host: &Host) {
    for service in ["two", "kv"] {
        until("the service to be there", || {
            (host.listed(service)?["state"] == "serving").then_some(())
        });
    }
}

#[test]
fn what_was_acknowledged_is_there_and_nothing_was_done_twice_however_often_it_is_killed() {
    let upstream = Upstream::start();
    let mut host = host(&upstream);
    let mut last = HashMap::new();
    serves(&host);
    for round in 0..scaled(6, 1_000) {
        let from = upstream.seen().len();
        let asked = life(&host, &upstream, round);
        host.restart();
        serves(&host);
        judge(&host, &upstream, from, round, &asked);
        kept(&host, round, &asked, &mut last);
        let listed = host.command(&["executions", "ls", "--json"]).out;
        let runs = listed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|line| line["state"] == "running");
        assert_eq!(runs, None, "round {round}");
        if round % 100 == 0 {
            verified(&host);
        }
    }
    verified(&host);
    let sent = orders(&upstream, 0).values().sum::<usize>() as u64;
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    let (sums, amount, unconfirmed, _) = read(&host);
    assert_eq!(
        (sums.entries, sums.hours, sums.settled),
        (amount, amount, amount)
    );
    assert_eq!((sums.reserved.0, sums.open.0), (0, 0));
    assert!(
        amount.0 - unconfirmed.0 <= sent * PRICE && sent * PRICE <= amount.0,
        "{sent}: {amount}, {unconfirmed}"
    );
}

fn verified(host: &Host) {
    let said = host.command(&["audit", "verify"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
}
