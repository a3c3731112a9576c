//! The assumption: what one service's guests do is that service's own affair. So: every way to misbehave, asked for by 64 callers at once, and
//! beside it 22 services of other people.

use super::hostile::{End, HOSTILE, hostile};
use crate::harness::{Guest, Host, full, scaled, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CALLERS: usize = 64;
const NEIGHBOURS: usize = 22;

/// The memory of all guests together, in KiB. The callers of a guest that grows want twice that.
const BUDGET: usize = 512 << 10;
/// What the host itself may hold besides, in KiB: its code, its components, what is in flight.
const HOST: usize = 256 << 10;

/// The 99th percentile of a neighbour's call may be twice what it is without the hostile, and this.
const SLOWER: Duration = Duration::from_millis(50);

/// Calls of the neighbours, one after the other and service by service, until somebody ends it. How long each took.
fn neighbours(host: &Host, end: impl Fn(usize) -> bool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !end(took.len()) {
        let path = format!("/n{}/ok", took.len() % NEIGHBOURS);
        let began = Instant::now();
        let answer = host.get(&path);
        took.push(began.elapsed());
        assert_eq!(answer.text(), "ok\n", "{path}");
        std::thread::sleep(Duration::from_millis(2));
    }
    took
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[(took.len() - 1) * 99 / 100]
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
    p99: Duration,
    /// The most that the host held meanwhile, in KiB.
    highest: usize,
}

/// A crowd, and the neighbours' calls while it is there, of which none fails.
fn noticed(host: &Host, path: &str, calls: usize) -> Noticed {
    let faults = || host.metric("holdfast_calls_total", "boundary=\"application\"");
    let (stop, before) = (AtomicBool::new(false), faults());
    let highest = AtomicUsize::new(0);
    let took = std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            neighbours(host, |calls| {
                highest.fetch_max(host.weight().0, Ordering::Relaxed);
                stop.load(Ordering::Relaxed) && calls > 0
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
        p99: p99(took),
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
    let alone = p99(neighbours(&host, |calls| calls >= scaled(100, 3000)));
    // What the pool keeps warm for so many callers at once is there after the first crowd.
    for (path, _, _) in HOSTILE {
        noticed(&host, path, CALLERS);
    }
    let (before, _) = host.weight();
    let mut slower = Vec::new();
    for (path, _, _) in HOSTILE {
        let Noticed { p99, highest } = noticed(&host, path, scaled(CALLERS, 1000));
        assert!(highest <= BUDGET + HOST, "{path}: {highest} KiB");
        if full() && p99 > alone * 2 + SLOWER {
            slower.push(format!("{path}: {p99:?} beside it, {alone:?} alone"));
        }
    }
    assert!(slower.is_empty(), "{slower:#?}");
    neighbours(&host, |calls| calls >= scaled(100, 3000));
    let (after, _) = host.weight();
    let told = format!("{before} KiB before, {after} KiB after");
    assert!(after * 5 <= before * 6, "{told}");
}
