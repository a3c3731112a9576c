//! The CPU time of one poll, without a call into the system for each.
//!
//! A thread's CPU time is asked of the system; twice for each poll, that was a twentieth of a small call. The monotonic clock is read
//! without the system, and no thread uses more CPU time than passes on it: so a short poll is billed what passed. Only a long one, in which
//! the machine may have done something else, is measured, from the last time that this thread was asked; a mark that is at most [`FRESH`]
//! old.
//!
//! What is billed is never less than what was used, and never more than what passed. Between the two lies, in a poll that was interrupted,
//! at most [`SHORT`] or [`FRESH`].

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::Cell;
use std::time::Duration;

/// Polls up to here are billed what passed. A thread that is put aside for another is away for longer.
pub const SHORT: Duration = Duration::from_micros(100);
/// How old a mark may be when a poll begins.
pub const FRESH: Duration = Duration::from_micros(250);

/// What this thread's clocks said at one moment, in nanoseconds.
#[derive(Clone, Copy)]
struct Mark {
    passed: u64,
    used: u64,
}

thread_local! {
    static LAST: Cell<Option<Mark>> = const { Cell::new(None) };
}

/// What `work` comes to, and the CPU time it took.
#[must_use]
pub fn of<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let from = passed();
    let stale = |last: Mark| from.saturating_sub(last.passed) > nanos(FRESH);
    let last = match LAST.get() {
        Some(last) if !stale(last) => last,
        Some(_) | None => mark(),
    };
    let value = work();
    let passed = passed().saturating_sub(from);
    let billed = if passed <= nanos(SHORT) {
        passed
    } else {
        mark().used.saturating_sub(last.used).min(passed)
    };
    (value, Duration::from_nanos(billed))
}

/// The CPU time that this thread has used since it began.
#[must_use]
pub fn of_thread() -> Duration {
    Duration::from_nanos(read(ClockId::ThreadCPUTime))
}

/// Asks both clocks, and remembers what they said.
fn mark() -> Mark {
    let mark = Mark {
        passed: passed(),
        used: read(ClockId::ThreadCPUTime),
    };
    LAST.set(Some(mark));
    mark
}

fn passed() -> u64 {
    read(ClockId::Monotonic)
}

fn read(clock: ClockId) -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    let whole = u64::try_from(tv_sec).unwrap_or(0) * 1_000_000_000;
    whole + u64::try_from(tv_nsec).unwrap_or(0)
}

const fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}
