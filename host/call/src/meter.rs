//! What one call has used so far. Shared by whoever works for the call; read once, by the closing line.

use crate::below::Below;
use crate::id::CallId;
use crate::money::NanoUsd;
use crate::spent::TimeLedger;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const BEGUN: u8 = 1;
const DONE: u8 = 2;

/// Counters of one call. Each only grows.
#[derive(Debug, Default)]
pub struct Meter {
    cpu_nanos: AtomicU64,
    mem_bytes: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    attempts: AtomicU32,
    cost_nanousd: AtomicU64,
    lines_dropped: AtomicU64,
    calls_dropped: AtomicU64,
    start: AtomicU8,
    /// One more than the number of the record, so that nought is none.
    intent: AtomicU64,
    /// One more than the place in [`Effect::ALL`], so that nought is none.
    effect: AtomicU8,
    withheld: AtomicBool,
    /// One more than the place in [`Degraded::ALL`], so that nought is none.
    degraded: AtomicU8,
    replays: OnceLock<CallId>,
    time: TimeLedger,
    below: Below,
}

/// What an operation that changes something is declared to be by the author of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: nobody has said.
    Undeclared,
    /// Done twice it is as if it were done once.
    Idempotent,
    /// Another operation undoes it.
    Undo,
    /// Nothing undoes it.
    Irreversible,
}

impl Effect {
    /// All there are, the gravest last.
    pub const ALL: [Self; 4] = [
        Self::Undeclared,
        Self::Idempotent,
        Self::Undo,
        Self::Irreversible,
    ];

    /// The word of the manifest, the log and the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undeclared => "undeclared",
            Self::Idempotent => "idempotent",
            Self::Undo => "undo",
            Self::Irreversible => "irreversible",
        }
    }
}

/// What a call was answered in the place of its service, because a budget is nearly spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degraded {
    /// What the service answered to the same call before.
    Cached,
    /// What its operator has written.
    Answer,
    /// What another service answers.
    Service,
}

impl Degraded {
    const ALL: [Self; 3] = [Self::Cached, Self::Answer, Self::Service];

    /// The word of the log and the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Answer => "answer",
            Self::Service => "service",
        }
    }
}

/// How far the start of what serves a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing was started for this call.
    None,
    /// It was begun. Where the call has failed, the start has.
    Begun,
    /// It succeeded.
    Done,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// CPU time of the guest's thread while it ran this call, in nanoseconds.
    pub cpu_nanos: u64,
    /// The most memory the instance had at once, summed over its memories, in bytes.
    pub mem_bytes: u64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes answered.
    pub bytes_out: u64,
    /// How often the implementation was tried.
    pub attempts: u32,
    /// What the tries cost that may have come to what is paid for.
    pub cost: NanoUsd,
    /// Log lines of the guest beyond its limit, which were dropped.
    pub lines_dropped: u64,
    /// Calls that the guest asked for so far beyond its limit that they were not even refused.
    pub calls_dropped: u64,
    /// The number of the audit log's record that says what it was to change, if it was to change something.
    pub intent: Option<u64>,
    /// What its operation is declared to be, if it was to change something.
    pub effect: Option<Effect>,
    /// The call that was asked first under its key, whose answer it was given, if it did not run itself.
    pub replays: Option<CallId>,
    /// What it was answered in the place of its service, if a budget is nearly spent.
    pub degraded: Option<Degraded>,
}

impl Meter {
    /// Where its time goes.
    #[must_use]
    pub fn time(&self) -> &TimeLedger {
        &self.time
    }

    /// What became of the calls that it made.
    #[must_use]
    pub fn below(&self) -> &Below {
        &self.below
    }

    /// Adds CPU time.
    pub fn add_cpu(&self, used: Duration) {
        let nanos = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanos.fetch_add(nanos, Relaxed);
    }

    /// Notes how much memory the instance has.
    pub fn note_memory(&self, bytes: u64) {
        self.mem_bytes.fetch_max(bytes, Relaxed);
    }

    /// Adds body bytes received.
    pub fn add_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Relaxed);
    }

    /// Adds body bytes answered.
    pub fn add_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    /// Notes one more attempt.
    pub fn add_attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    /// Adds what a try costs.
    pub fn add_cost(&self, cost: NanoUsd) {
        self.cost_nanousd.fetch_add(cost.0, Relaxed);
    }

    /// Notes log lines that were dropped.
    pub fn add_lines_dropped(&self, lines: u64) {
        self.lines_dropped.fetch_add(lines, Relaxed);
    }

    /// Notes one more call that was not even refused.
    pub fn add_call_dropped(&self) {
        self.calls_dropped.fetch_add(1, Relaxed);
    }

    /// Notes the number of the record that says what it is to change.
    pub fn set_intent(&self, number: u64) {
        self.intent.store(number.saturating_add(1), Relaxed);
    }

    /// Notes what its operation is declared to be.
    pub fn set_effect(&self, effect: Effect) {
        self.effect.store(effect as u8 + 1, Relaxed);
    }

    /// What its operation is declared to be, if it is to change something.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        let place = self.effect.load(Relaxed).checked_sub(1)?;
        Effect::ALL.get(usize::from(place)).copied()
    }

    /// Notes that nothing may be changed for it: it was not asked as what changes something, and that has to be approved first.
    pub fn withhold(&self) {
        self.withheld.store(true, Relaxed);
    }

    /// Whether nothing may be changed for it.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.withheld.load(Relaxed)
    }

    /// Notes that it is given what this call was answered, which was asked first. The first to say so counts.
    pub fn set_replays(&self, first: CallId) {
        // Whatever came to a second one came to the first.
        let _ = self.replays.set(first);
    }

    /// The call whose answer it is given, if it did not run itself.
    #[must_use]
    pub fn replays(&self) -> Option<CallId> {
        self.replays.get().copied()
    }

    /// Notes what it is answered in the place of its service.
    pub fn set_degraded(&self, how: Degraded) {
        self.degraded.store(how as u8 + 1, Relaxed);
    }

    /// What it was answered in the place of its service, if anything.
    #[must_use]
    pub fn degraded(&self) -> Option<Degraded> {
        let place = self.degraded.load(Relaxed).checked_sub(1)?;
        Degraded::ALL.get(usize::from(place)).copied()
    }

    /// Notes that what serves the call is being started.
    pub fn start_begun(&self) {
        self.start.store(BEGUN, Relaxed);
    }

    /// Notes that what serves the call has started.
    pub fn start_done(&self) {
        self.start.store(DONE, Relaxed);
    }

    /// How far the start of what serves the call has come.
    #[must_use]
    pub fn start(&self) -> Start {
        match self.start.load(Relaxed) {
            BEGUN => Start::Begun,
            DONE => Start::Done,
            _ => Start::None,
        }
    }

    /// All counters.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            cpu_nanos: self.cpu_nanos.load(Relaxed),
            mem_bytes: self.mem_bytes.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            cost: NanoUsd(self.cost_nanousd.load(Relaxed)),
            lines_dropped: self.lines_dropped.load(Relaxed),
            calls_dropped: self.calls_dropped.load(Relaxed),
            intent: self.intent.load(Relaxed).checked_sub(1),
            effect: self.effect(),
            replays: self.replays(),
            degraded: self.degraded(),
        }
    }
}
