//! What only one call at a time may do, one call at a time does, on whichever host.
//!
//! 1. The naive snippet: look whether somebody is at it, write that I am, do it, write that I am done.
//! 2. The missing rule: two who look at the same moment are both at it; one that dies leaves it locked for ever; one that was asleep while
//!    its lock ran out wakes up and writes over what the next one has written.
//! 3. The tax: a lock server, its client, a clock that all agree on, and a fence in every write that nobody must forget.
//! 4. The snippet again: take the lease, do it.
//! 5. The pipeline's version: the lease is a row that runs out by the clock of the database, and goes with the call that took it, however that
//!    ends. Every key that the call changes it changes under its leases, without saying so, and not once one of them is another's.
//! 6. The checklist is below.

use crate::harness::postgres::Postgres;
use crate::harness::{Guest, Host, Setup, until};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread::scope;

const GRANTED: &str = "kv = [\"default\"]";

fn setup() -> Setup {
    Setup::new()
        .service("kv", Guest::Case("kv"), GRANTED)
        .service("other", Guest::Case("kv"), GRANTED)
        .service("bare", Guest::Case("kv"), "")
}

const POLICY: &str = "[services.kv]\nkv = [\"default\"]\n[services.other]\nkv = [\"default\"]";

fn alone() -> Host {
    setup().policy(POLICY).start()
}

/// A host on the database of a server.
fn on(url: &str) -> Host {
    setup().on_server(url).policy(POLICY).start()
}

fn said(host: &Host, path: &str) -> String {
    let answer = host.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

/// The leases that are held, as the host tells its operator.
fn locks(host: &Host) -> Vec<Value> {
    let listed = host.command(&["locks", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let lines = listed.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn wait_for_locks(host: &Host, count: usize) -> Vec<Value> {
    until(&format!("{count} leases"), || {
        let held = locks(host);
        (held.len() == count).then_some(held)
    })
}

/// Asks until the lease is no other call's.
fn had(host: &Host, path: &str) -> String {
    until("the lease to be free", || {
        let said = said(host, path);
        (!said.starts_with("held")).then_some(said)
    })
}

#[test]
fn a_lease_is_held_once_and_numbered_and_renewed_and_let_go() {
    let host = alone();
    let twice = said(&host, "/kv/lease-twice?key=l");
    assert_eq!(twice, "held lost true 3");
    // The handle was still held when the call ended.
    let again = had(&host, "/kv/lease?key=l&end=release");
    assert_eq!(again, "4: nothing, nothing, released");
    let renewed = said(
        &host,
        "/kv/lease-renewed?key=l&ttl=2000&wait=600&rounds=4&after=v",
    );
    assert_eq!(renewed, "set");
}

#[test]
fn it_is_let_go_when_its_call_ends_however_that_ends() {
    let host = alone();
    assert_eq!(
        host.get("/kv/lease?key=l&ttl=60000&end=trap").status,
        500,
        "the guest traps"
    );
    had(&host, "/kv/lease?key=l&ttl=60000");
    wait_for_locks(&host, 0);
    // A client that goes away.
    let client = host
        .ask("GET", "/kv/lease?key=l&ttl=60000&wait=50000")
        .begin();
    wait_for_locks(&host, 1);
    assert!(said(&host, "/kv/lease?key=l").starts_with("held"));
    drop(client);
    had(&host, "/kv/lease?key=l&ttl=60000");
    wait_for_locks(&host, 0);
}

#[test]
fn locks_tells_who_holds_what_since_when_until_when_and_why() {
    let host = alone();
    let _client = host
        .ask("GET", "/kv/lease?key=l&ttl=60000&wait=50000")
        .begin();
    let held = wait_for_locks(&host, 1).remove(0);
    assert_eq!(
        (&held["service"], &held["name"]),
        (&"kv".into(), &"l".into())
    );
    let (since, until) = (held["since_ms"].as_u64(), held["until_ms"].as_u64());
    assert_eq!(until.unwrap() - since.unwrap(), 60_000);
    let text = host.command(&["locks"]).out;
    assert!(text.contains(held["call"].as_str().unwrap()), "{text}");
    assert!(text.contains(held["why"].as_str().unwrap()), "{text}");
    // Another service's lease of this name is its own, and no way to this one.
    assert!(said(&host, "/other/lease-twice?key=l").starts_with("held lost true"));
    assert!(said(&host, "/kv/lease?key=l").starts_with("held"));
}

#[test]
fn every_limit_bites_and_who_keeps_nothing_has_no_lease_and_no_number() {
    let host = alone();
    for path in [
        "/kv/lease?key=l&ttl=999",
        "/kv/lease?key=l&ttl=60001",
        "/kv/lease?key=",
        "/kv/number?key=",
        &format!("/kv/lease?key={}", "l".repeat(10_000)),
        &format!("/kv/number?key={}", "n".repeat(10_000)),
    ] {
        let refused = said(&host, path);
        assert!(refused.starts_with("invalid-input"), "{path}: {refused}");
    }
    assert_eq!(said(&host, "/kv/lease-many?count=16"), "16");
    let many = had(&host, "/kv/lease-many?count=17");
    assert!(
        many.starts_with("capability-denied: There are 16"),
        "{many}"
    );
    for path in ["/bare/lease?key=l", "/bare/number?key=n"] {
        let answer = host.get(path);
        assert!(answer.text().starts_with("capability-denied"), "{path}");
        let line = host.children(answer.call(), 1).remove(0);
        assert_eq!(line["code"], "capability-denied");
    }
    let (one, other) = (said(&host, "/bare/id"), said(&host, "/bare/id"));
    assert!(one.len() == 36 && one.as_bytes()[14] == b'7', "{one}");
    assert_ne!(one, other);
}

#[test]
fn two_hosts_number_without_a_gap() {
    let url = Postgres::database();
    let hosts = [on(&url), on(&url)];
    let mut numbers: Vec<u64> = scope(|threads| {
        let workers = (0..8).map(|worker| {
            let host = &hosts[worker % 2];
            threads.spawn(move || {
                let take = || said(host, "/kv/number?key=n").parse().unwrap();
                (0..8).map(|_| take()).collect::<Vec<_>>()
            })
        });
        let workers: Vec<_> = workers.collect();
        let taken = workers.into_iter().map(|worker| worker.join().unwrap());
        taken.flatten().collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
    assert_eq!(said(&hosts[0], "/other/number?key=n"), "1");
}

#[test]
fn what_a_killed_host_held_is_anothers_once_it_has_run_out_and_its_own_again_at_once() {
    let url = Postgres::database();
    let (mut one, other) = (on(&url), on(&url));
    let _client = one
        .ask("GET", "/kv/lease?key=l&ttl=3000&wait=50000")
        .begin();
    let held = wait_for_locks(&other, 1).remove(0);
    one.kill();
    let fence: i64 = had(&other, "/kv/lease?key=l&after=v")
        .split_once(':')
        .unwrap()
        .0
        .parse()
        .unwrap();
    assert!(fence > held["fence"].as_i64().unwrap());
    one.again();
    let _client = one
        .ask("GET", "/kv/lease?key=l&ttl=60000&wait=50000")
        .begin();
    wait_for_locks(&other, 1);
    one.restart();
    // The minute has not passed; but the life that held it has.
    assert!(!said(&other, "/kv/lease?key=l").starts_with("held"));
}

#[test]
fn a_holder_that_slept_while_its_lease_ran_out_writes_nothing() {
    let url = Postgres::database();
    let (one, other) = (on(&url), on(&url));
    scope(|threads| {
        let asleep = threads.spawn(|| {
            said(
                &one,
                "/kv/lease?key=l&ttl=3000&before=first&wait=2000&after=late&end=release",
            )
        });
        until("the first to have written", || {
            (said(&other, "/kv/get?key=guarded") == "first").then_some(())
        });
        kill_process(one.pid(), Signal::STOP).unwrap();
        let taken = had(&other, "/kv/lease?key=l&after=second");
        assert!(taken.ends_with("set, kept"), "{taken}");
        kill_process(one.pid(), Signal::CONT).unwrap();
        let slept = asleep.join().unwrap();
        assert!(
            slept.contains("set, other capability-denied: The lease l of this call has run out"),
            "{slept}"
        );
        assert!(slept.ends_with("not released"), "{slept}");
    });
    assert_eq!(said(&one, "/kv/get?key=guarded"), "second");
}

#[test]
fn it_is_never_held_twice_while_hosts_and_connections_are_killed() {
    let server = Postgres::start();
    let url = server.create();
    let (mut one, other) = (on(&url), on(&url));
    let mut counted = BTreeSet::new();
    for _ in 0..3 {
        let told = scope(|threads| {
            let hosts = [&one, &other];
            let workers = (0..6).map(|worker| {
                let host = hosts[worker % 2];
                threads.spawn(move || count(host))
            });
            let workers: Vec<_> = workers.collect();
            for _ in 0..5 {
                server.sql(
                    "postgres",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'db%'",
                );
                wait_for_count(&other);
            }
            let told = workers.into_iter().map(|worker| worker.join().unwrap());
            told.flatten().collect::<Vec<_>>()
        });
        for number in told {
            assert!(counted.insert(number), "{number} was counted twice");
        }
        let _under_way = one.ask("GET", "/kv/count?key=l&ttl=1000").begin();
        one.restart();
    }
    assert!(!counted.is_empty());
    let last: u64 = said(&one, "/kv/get?key=n").parse().unwrap();
    assert!(last >= *counted.last().unwrap());
    // What nobody was told of may have been counted too: of the calls whose connection was cut nothing is known.
    assert!(last >= counted.len() as u64);
}

/// Counts under the lease some times; the numbers that it was told are written.
fn count(host: &Host) -> Vec<u64> {
    let told = (0..20).filter_map(|_| {
        let answer = host.get("/kv/count?key=l&ttl=1000&wait=5").text();
        answer.strip_prefix("counted ")?.parse().ok()
    });
    told.collect()
}

/// Waits until one more was counted, so that what is cut next is another one's connection.
fn wait_for_count(host: &Host) {
    let number = || said(host, "/kv/get?key=n").parse::<u64>().ok();
    let before = until("a number", || Some(number().unwrap_or(0)));
    until("one more", || {
        let answer = host.get("/kv/count?key=l&ttl=1000").text();
        let now = answer.strip_prefix("counted ")?.parse::<u64>().ok()?;
        (now > before).then_some(())
    });
}
