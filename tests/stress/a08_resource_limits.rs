//! The assumption: resources are limited. So: every limit that there is, each passed by a service or a client of its own and all of them at
//! the same time, beside neighbours who use what the others use up. Each is told the code that its limit promises, nobody pays for another,
//! and afterwards the host holds nothing that it did not hold before.

mod attacks;
mod strangers;

use super::sums;
use crate::harness::{Chaos, Does, Guest, Host, Over, Setup, Upstream, full, rest, scaled, until};
use attacks::{Attack, attacks};
use holdfast_call::NanoUsd;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What each of the two who pay may send, and what each of two callers may ask.
const PAID: usize = 10;
const RATED: usize = 20;
/// Keys of the greedy service, and letters of one caller that may wait for a person.
const KEYS: usize = 10;
const LETTERS: usize = 64;

/// Answers of a busy host that are nobody's fault; whoever passes a limit of his own may meet them, his neighbours may not.
const BUSY: &[&str] = &["overloaded", "deadline-exceeded", "upstream-throttled"];

/// Who is asked beside those who pass their limits.
fn neighbours(setup: Setup, paid: &Chaos) -> Setup {
    let pays = format!(
        "upstreams = [\"paid\"]\n[config]\nupstream = \"{}\"\n[limits]\nplaces = 300",
        paid.url("")
    );
    setup
        .service("beside", Guest::Case("wasi02"), "priority = \"critical\"")
        .service(
            "kv-beside",
            Guest::Case("kv"),
            "priority = \"critical\"\nkv = [\"default\"]",
        )
        .service("pays-beside", Guest::Service("proxy"), &pays)
}

fn host(chaos: &Chaos, paid: &Chaos, slow: &Upstream) -> Host {
    let policy = format!(
        "memory = \"512MiB\"\ntrusted_proxies = [\"127.0.0.1/32\"]\ncallers = [\"*\"]\n\
         [listen.limits]\nconnections_per_address = 8\nhead_bytes = \"32KiB\"\nfields = 50\ntarget_bytes = \"2KiB\"\nbody_bytes = \"64KiB\"\n\
         [limits]\nplaces = 300\n[budget]\nhost = \"1000 USD / month\"\n\
         [services.calls]\nupstreams = [\"api\"]\n[services.crowds]\nupstreams = [\"slow\"]\n[services.holds]\nupstreams = [\"api\"]\n\
         [services.kv]\nkv = [\"default\"]\n[services.kv.limits]\nkv_keys = {KEYS}\nkv_bytes = \"10KiB\"\n\
         [services.beside]\npriority = \"critical\"\n[services.kv-beside]\npriority = \"critical\"\nkv = [\"default\"]\n[services.leases]\nkv = [\"default\"]\n\
         [services.pays]\nupstreams = [\"paid\"]\nbudget = \"0.004 USD / month\"\n\
         [services.pays-beside]\nupstreams = [\"paid\"]\nbudget = \"0.004 USD / month\"\n\
         [services.rated.rate]\ncaller = \"100/d burst {RATED}\"\n\
         [upstreams.api]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n\
         [upstreams.slow]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nplaces = 2\n\
         [upstreams.paid]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\nplaces = 600\n[upstreams.paid.price]\nrequest = \"0.0004 USD\"",
        chaos.url(""),
        slow.url(""),
        paid.url(""),
    );
    let setup = attacks::services(Setup::new(), paid);
    neighbours(setup, paid).policy(&policy).start()
}

/// Everybody at once: so many callers for each attack, those who never get so far as to be a call, and the neighbours until the last of the
/// others is done.
fn storm(host: &Host, attacks: &[Attack], counted: &AtomicUsize) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let beside = [
            scope.spawn(|| serves(host, &over)),
            scope.spawn(|| counts(host, &over, counted)),
        ];
        let done = Over(&over);
        std::thread::scope(|scope| {
            for (nth, attack) in attacks.iter().enumerate() {
                for caller in 0..attack.callers {
                    scope.spawn(move || attack.run(host, nth, caller));
                }
            }
            scope.spawn(|| strangers::all(host));
        });
        drop(done);
        for one in beside {
            one.join().unwrap();
        }
    });
}

/// A neighbour whom all of them leave alone.
fn serves(host: &Host, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let answer = host.get("/beside/ok");
        assert_eq!(answer.text(), "ok\n", "{answer:?}");
        rest();
    }
}

/// A neighbour who keeps a number, of which no step is lost.
fn counts(host: &Host, over: &AtomicBool, counted: &AtomicUsize) {
    while !over.load(Ordering::Relaxed) {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = host.get("/kv-beside/add?key=n");
        assert_eq!(answer.text(), number.to_string(), "{answer:?}");
        rest();
    }
}

/// The codes of each service's calls and of what these asked for.
fn codes(host: &Host) -> BTreeMap<String, BTreeSet<String>> {
    let lines = host.closings();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let services = lines.iter().filter(|line| line["service"].is_string());
    let of: BTreeMap<_, _> = services
        .map(|line| (text(line, "call"), text(line, "service")))
        .collect();
    let mut codes = BTreeMap::<_, BTreeSet<_>>::new();
    for line in &lines {
        let service = of.get(&text(line, "parent"));
        let service = service.cloned().unwrap_or_else(|| text(line, "service"));
        let code = text(line, "code");
        let of_service = codes.entry(service).or_default();
        if !code.is_empty() {
            of_service.insert(code);
        }
    }
    codes
}

/// Waits until nothing of the storm is held any more.
fn given_back(host: &Host) {
    for gauge in [
        "holdfast_in_flight",
        "holdfast_open_streams",
        "holdfast_pool_instances",
        "holdfast_idle_instances",
        "holdfast_guest_memory_bytes",
    ] {
        until(&format!("{gauge} to be nought"), || {
            (host.metric(gauge, "") == 0.0).then_some(())
        });
    }
    until("no lease to be held", || {
        host.command(&["locks", "--json"])
            .out
            .is_empty()
            .then_some(())
    });
}

/// Every refusal has the code of its limit, and the neighbours have none.
fn judge(host: &Host, attacks: &[Attack]) {
    let codes = codes(host);
    for attack in attacks {
        let seen = &codes[attack.service];
        assert!(seen.contains(attack.code), "{}: {seen:?}", attack.service);
        let others = seen
            .iter()
            .filter(|code| *code != attack.code && !BUSY.contains(&code.as_str()))
            .filter(|code| !attack.also.contains(&code.as_str()));
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "{}: {others:?}", attack.service);
    }
    for service in ["beside", "kv-beside"] {
        assert!(codes[service].is_empty(), "{service}: {codes:?}");
    }
}

#[test]
fn every_limit_is_passed_at_once_and_each_is_told_its_own_and_all_is_given_back() {
    let (chaos, paid) = (Chaos::start(Does::Serves), Chaos::start(Does::Serves));
    let slow = Upstream::start();
    let mut host = host(&chaos, &paid, &slow);
    let attacks = attacks(&chaos, &slow);
    let counted = AtomicUsize::new(0);
    // The first ones have the host open what it keeps open, and every place of the pool grown once.
    for _ in 0..scaled(1, 4) {
        storm(&host, &attacks, &counted);
        given_back(&host);
    }
    let before = host.weight();
    for _ in 0..scaled(1, 10) {
        storm(&host, &attacks, &counted);
        given_back(&host);
    }
    judge(&host, &attacks);

    let served = |service: &str| {
        let lines = host.closings();
        let of = |line: &&Value| {
            line["service"] == service && line["outcome"] == "ok" && line["parent"].is_null()
        };
        lines.iter().filter(of).count()
    };
    // Each has what is his, to the last one.
    assert_eq!(
        (served("rated"), paid.count()),
        (2 * RATED, 2 * PAID as u64)
    );
    assert_eq!((served("pays"), served("pays-beside")), (PAID, PAID));
    let waiting = host.command(&["approve", "ls", "--json"]).out;
    assert_eq!(waiting.lines().count(), LETTERS);
    let kept = host.get("/kv/list").text();
    assert_eq!(kept.split(' ').nth(1), Some(KEYS.to_string().as_str()));
    assert_eq!(host.metric("holdfast_log_dropped_total", ""), 0.0);

    let idle = || host.metric("holdfast_upstream_connections_idle", "") as usize;
    until("no more to be open than before", || {
        (host.weight().1 <= before.1 + idle()).then_some(())
    });
    let after = host.weight();
    if full() {
        assert!(after.0 * 5 <= before.0 * 6, "{before:?}, {after:?} KiB");
    }
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    let sums = sums(&host);
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
    assert_eq!((sums.entries, sums.hours), (sums.settled, sums.settled));
    assert_eq!(sums.settled.0, 2 * PAID as u64 * 400_000);
}
