//! Seeds: none breaks an invariant, and each is always the same story.

#![cfg(test)]

use holdfast_simulator::{Report, play};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many seeds are played: as many as an issue asks for, where all counts are full ones.
fn seeds() -> u64 {
    match std::env::var("HOLDFAST_SCALE").is_ok_and(|scale| scale == "full") {
        true => 10_000,
        false => 300,
    }
}

fn played(seed: u64) -> Report {
    play(seed).unwrap()
}

fn holds(report: &Report) {
    let seed = report.seed;
    if let Some(broken) = &report.broken {
        let tail = report.trace.len().saturating_sub(40);
        let tail = report.trace[tail..].join("\n");
        panic!(
            "{tail}\nseed {seed}: {}: {}\nAgain: make sim SEED={seed}",
            broken.invariant, broken.how
        );
    }
}

#[test]
fn no_seed_breaks_an_invariant() {
    let (next, end) = (AtomicU64::new(2_000_000), 2_000_000 + seeds());
    let faults = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < end
                {
                    let report = played(seed);
                    holds(&report);
                    faults.fetch_add(report.faults.all(), Ordering::Relaxed);
                }
            });
        }
    });
    let faults = faults.into_inner();
    assert!(
        faults > seeds() * 10,
        "hardly anything went wrong: {faults}"
    );
}

#[test]
fn a_seed_is_always_the_same_story() {
    for seed in 3_000_000..3_000_012 {
        let [first, second] = [played(seed), played(seed)];
        let differs = first
            .trace
            .iter()
            .zip(&second.trace)
            .find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.faults, second.faults, "seed {seed}");
    }
}

#[test]
fn another_seed_is_another_story() {
    assert_ne!(played(3_000_000).hash, played(3_000_001).hash);
}
