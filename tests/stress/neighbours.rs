//! The assumption: what one service's guests do is that service's own affair. So: every way to misbehave, asked for by 64 callers at once, and
//! beside it 22 services of other people.

use super::hostile::{End, HOSTILE, hostile};
use crate::harness::{Guest, Host, full, scaled, until};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const CALLERS: usize = 64;
const NEIGHBOURS: usize = 22;

/// The memory of all guests together, in KiB. The callers of a guest that grows want twice that.
const BUDGET: usize = 512 << 10;
/// What the host itself may hold besides, in KiB: its code, its components, what is in flight.
const HOST: usize = 256 << 10;

/// The 99th percentile of a neighbour's call may be twice what it is without the hostile, and this, in milliseconds.
const SLOWER: f64 = 50.0;

/// Calls of the neighbours, one after the other and service by service, until somebody ends it. What the log says of how long 99 of 100
/// took at most, in milliseconds.
fn neighbours(host: &Host, end: impl Fn(usize) -> bool) -> f64 {
    let before = std::fs::metadata(host.log()).unwrap().len();
    let mut calls = 0;
    while calls == 0 || !end(calls) {
        let path = format!("/n{}/ok", calls % NEIGHBOURS);
        assert_eq!(host.get(&path).text(), "ok\n", "{path}");
        calls += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    // A line is written a moment after its answer.
    let mut took = until("all calls to be in the log", || {
        let took = logged(host, before);
        (took.len() >= calls).then_some(took)
    });
    took.sort_by(f64::total_cmp);
    took[(took.len() - 1) * 99 / 100]
}

/// How long each of the calls of `/ok` took that the log tells of from `place` on, in milliseconds.
pub(super) fn logged(host: &Host, place: u64) -> Vec<f64> {
    let mut log = File::open(host.log()).unwrap();
    log.seek(SeekFrom::Start(place)).unwrap();
    BufReader::new(log)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(&line.unwrap()).ok())
        .filter(|line| line["operation"] == "GET /ok")
        .filter_map(|line| line["ms"].as_f64())
        .collect()
}

/// So many calls of a hostile path, by all callers at once. How each of them ends is `hostile.rs`'s affair.
fn crowd(host: &Host, path: &str, calls: usize) {
    let left = AtomicUsize::new(calls);
    let take = |left: usize| left.checked_sub(1);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while left
                    .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    host.get(path);
                }
            });
        }
    });
}

/// What the neighbours of a crowd noticed of it.
struct Noticed {
    /// How long 99 of 100 calls took at most, in milliseconds.
    p99: f64,
    /// The most that the host held meanwhile, in KiB.
    highest: usize,
}

/// A crowd, and the neighbours' calls while it is there, of which none fails.
fn noticed(host: &Host, path: &str, calls: usize) -> Noticed {
    let faults = || host.metric("holdfast_calls_total", "boundary=\"application\"");
    let (stop, before) = (AtomicBool::new(false), faults());
    let highest = AtomicUsize::new(0);
    let p99 = std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            neighbours(host, |_| {
                highest.fetch_max(host.weight().0, Ordering::Relaxed);
                stop.load(Ordering::Relaxed)
            })
        });
        let end = End(&stop);
        crowd(host, path, calls);
        drop(end);
        beside.join().unwrap()
    });
    until("a guest of it to have ended", || {
        (faults() > before).then_some(())
    });
    Noticed {
        p99,
        highest: highest.into_inner(),
    }
}

#[test]
fn whatever_a_crowd_does_to_one_service_the_others_serve_on() {
    let mut setup = hostile();
    for number in 0..NEIGHBOURS {
        setup = setup.service(&format!("n{number}"), Guest::Case("wasi02"), "");
    }
    let host = setup.policy("memory = \"512MiB\"").start();
    let alone = neighbours(&host, |calls| calls >= scaled(100, 3000));
    // Each slot of the pool keeps some memory once it has been used. After some crowds, all that such a crowd uses have been.
    for (path, _, _) in HOSTILE.iter().cycle().take(scaled(0, 4) * HOSTILE.len()) {
        noticed(&host, path, CALLERS);
    }
    let (before, _) = host.weight();
    let mut slower = Vec::new();
    for (path, _, _) in HOSTILE {
        let Noticed { p99, highest } = noticed(&host, path, scaled(CALLERS, 1000));
        assert!(highest <= BUDGET + HOST, "{path}: {highest} KiB");
        if p99 > alone * 2.0 + SLOWER {
            slower.push(format!("{path}: {p99} ms beside it, {alone} ms alone"));
        }
    }
    let (after, _) = host.weight();
    if full() {
        assert!(slower.is_empty(), "{slower:#?}");
        assert!(
            after * 5 <= before * 6,
            "{before} KiB before, {after} KiB after"
        );
    }
}
