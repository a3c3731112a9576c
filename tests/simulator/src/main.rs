//! `sim`: plays seeds one after the other, and says which of them broke what, and how it is played again.

use holdfast_simulator::{Faults, Report, play};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many lines of its story are told of a seed that broke something.
const TAIL_LINES: usize = 60;
/// How many seeds may break something before no more are played.
const BROKEN_MAX: usize = 3;

/// What is asked.
struct Asked {
    first: u64,
    seeds: u64,
    /// On how many threads; none, for one on each processor.
    threads: Option<u64>,
    trace: Tell,
}

/// How much of its story is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    All,
    Tail,
}

/// What all seeds came to together.
#[derive(Default)]
struct Sum {
    played: u64,
    turns: u64,
    units: u64,
    syncs: u64,
    hours: u64,
    faults: Faults,
    broken: Vec<Report>,
    failed: Option<String>,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            return told(
                &format!("{why}: sim [--seeds N] [--first S] [--seed S] [--threads N] [--trace]"),
                2,
            );
        }
    };
    let sum = played(&asked);
    if let Some(why) = &sum.failed {
        return told(&format!("the simulation failed: {why}"), 2);
    }
    let mut text = String::new();
    for report in &sum.broken {
        text += &story(report, asked.trace);
    }
    text += &format!(
        "{} seeds, {} broken: {} turns, {} units of work, {} syncs, {} hours simulated; {}",
        sum.played,
        sum.broken.len(),
        sum.turns,
        sum.units,
        sum.syncs,
        sum.hours,
        sum.faults
    );
    told(&text, u8::from(!sum.broken.is_empty()))
}

fn told(text: &str, code: u8) -> ExitCode {
    // Where nobody listens, the code still says it.
    let _ = writeln!(io::stdout().lock(), "{text}");
    ExitCode::from(code)
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        first: 1,
        seeds: 1_000,
        threads: None,
        trace: Tell::Tail,
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let next = words.next().and_then(|next| next.parse::<u64>().ok());
            next.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--first" => asked.first = number()?,
            "--seed" => (asked.first, asked.seeds) = (number()?, 1),
            "--threads" => asked.threads = Some(number()?),
            "--trace" => asked.trace = Tell::All,
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(asked)
}

/// Plays the seeds, on some threads: each seed is a world of its own.
fn played(asked: &Asked) -> Sum {
    let sum = Mutex::new(Sum::default());
    let next = AtomicU64::new(asked.first);
    let end = asked.first.saturating_add(asked.seeds);
    let all = || thread::available_parallelism().map_or(1, |all| all.get() as u64);
    let threads = asked.threads.unwrap_or_else(all);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sum.lock().is_ok_and(|sum| sum.is_over()) {
                        return;
                    }
                    let report = play(seed).map_err(|error| format!("seed {seed}: {error}"));
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(report, asked.trace);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.broken.sort_unstable_by_key(|report| report.seed);
    sum
}

impl Sum {
    fn is_over(&self) -> bool {
        self.broken.len() >= BROKEN_MAX || self.failed.is_some()
    }

    fn add(&mut self, report: Result<Report, String>, tell: Tell) {
        let report = match report {
            Ok(report) => report,
            Err(why) => {
                self.failed = Some(why);
                return;
            }
        };
        self.played += 1;
        self.turns += report.turns;
        self.units += report.units;
        self.syncs += report.syncs;
        self.hours += report.millis / 3_600_000;
        self.faults = self.faults.and(report.faults);
        if report.broken.is_some() {
            self.broken.push(report);
        } else if tell == Tell::All {
            // Where nobody listens, nothing is lost.
            let _ = writeln!(io::stdout().lock(), "{}", report.trace.join("\n"));
            let hash: String = report
                .hash
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let _ = writeln!(io::stdout().lock(), "seed {}: {hash}", report.seed);
        }
    }
}

/// What became of a seed that broke something.
fn story(report: &Report, tell: Tell) -> String {
    let Some(broken) = &report.broken else {
        return String::new();
    };
    let lines = match tell {
        Tell::All => report.trace.len(),
        Tell::Tail => TAIL_LINES,
    };
    let from = report.trace.len().saturating_sub(lines);
    let tail = report.trace.get(from..).unwrap_or_default().join("\n");
    let (seed, invariant, how) = (report.seed, &broken.invariant, &broken.how);
    format!(
        "{tail}\nseed {seed} broke an invariant. {invariant}: {how}\nAgain: make sim SEED={seed}\n\n"
    )
}
