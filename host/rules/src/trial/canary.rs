//! The rule of a canary, pure: how large a share of the callers a new version has, when it gets a larger one, and when it is put back.
//!
//! A new version begins with the share that the policy says, and goes on to a tenth, a half and all of the callers, fifty calls at each
//! stage. Who is among the first is among the next as well. Beside it the version before serves all others, so that the two are compared
//! over the same minutes:
//!
//! | what its calls show | what puts it back |
//! |---|---|
//! | faults at safe calls that the version before answers | more than five, and more than twice the rate of the version before |
//! | safe calls that take half as long again as the slowest hundredth of the version before, and longer than that at the same call | more than five |
//! | faults that cannot be asked again | those of three callers or more, where twice as large a part of its callers meet one, and three standard deviations more, than of the callers of the version before |
//! | nothing but faults, in all fifty calls | that |
//!
//! The first two cannot be brought about from outside, since the version before is asked the same. The third counts callers and not calls:
//! whoever sends what makes any version fail is one. It says so at once, and does not wait for the fiftieth call.

use super::verdict::{CALLS, FAULTS_FORGIVEN, KNOWN_LEAST, Record, Seen};
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

/// As many callers must have met a fault that nothing confirms.
pub const CALLERS_LEAST: usize = 3;
/// The callers that are told apart among those of one version; of more, no more are counted.
pub const CALLERS_MAX: usize = 4_096;
/// How many of the last safe calls of the version before say how long one takes.
const SPANS: usize = 128;
/// What is no slower by this much is not slow, whatever the part.
pub const SLOWER_LEAST: Duration = Duration::from_millis(5);
/// The stages after the first, in thousandths.
const STAGES: [u32; 2] = [100, 500];

/// What takes no longer than this is as fast as what took `span`.
pub(super) fn beyond(span: Duration) -> Duration {
    (span + span / 2).max(span + SLOWER_LEAST)
}

/// A share of the callers, in thousandths: from one to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(1_000);

    /// So many thousandths; none is no share, and more than all neither.
    #[must_use]
    pub const fn of(thousandths: u32) -> Option<Self> {
        if thousandths == 0 || thousandths > 1_000 {
            return None;
        }
        Some(Self(thousandths))
    }

    /// In thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Whether a caller is among them, by a number that is drawn for it evenly. Who is in a share is in every larger one.
    #[must_use]
    pub const fn takes(self, drawn: u64) -> bool {
        drawn % 1_000 < self.0 as u64
    }

    /// The share of the next stage.
    fn next(self) -> Self {
        let larger = STAGES.into_iter().find(|stage| *stage > self.0);
        larger.map_or(Self::ALL, Self)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10, self.0 % 10);
        match part {
            0 => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{part}%"),
        }
    }
}

/// Why a version is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The version before answers the same calls.
    Faults(u32),
    /// It takes longer for the same calls.
    Slow(u32),
    /// So many callers of so many met a fault.
    Callers(usize, usize),
    /// It answered nothing.
    Nothing,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults(faults) => write!(
                f,
                "{faults} of its calls ended in faults that the version before does not have"
            ),
            Self::Slow(slow) => write!(
                f,
                "{slow} of its calls took half as long again as nearly all of the version before, which answers the same ones sooner"
            ),
            Self::Callers(met, callers) => write!(
                f,
                "{met} of its {callers} callers met a fault, more than twice the part of the callers of the version before"
            ),
            Self::Nothing => write!(f, "none of its first {CALLS} calls was answered"),
        }
    }
}

/// What becomes of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on as it is.
    On,
    /// It has this share from now on.
    Wider(Share),
    /// It is over: the new version serves everybody.
    Passed,
    /// It is over: the new version serves nobody.
    Back(Gate),
}

/// What was seen of the callers of one version.
#[derive(Clone, Debug, Default)]
struct Callers {
    all: HashSet<u64>,
    failed: HashSet<u64>,
}

impl Callers {
    fn met(&mut self, caller: u64, failed: bool) {
        if self.all.len() < CALLERS_MAX || self.all.contains(&caller) {
            self.all.insert(caller);
            if failed {
                self.failed.insert(caller);
            }
        }
    }

    fn rate(&self) -> f64 {
        part(self.failed.len(), self.all.len())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a few thousand callers, compared as parts"
)]
fn part(of: usize, all: usize) -> f64 {
    of as f64 / all.max(1) as f64
}

/// A canary that goes on.
#[derive(Clone, Debug)]
pub struct Canary {
    share: Share,
    well: u32,
    confirmed: u32,
    shared: u32,
    alone: u32,
    slow: u32,
    callers: Callers,
    before: Record,
    before_callers: Callers,
    /// In nanoseconds; the oldest is overwritten.
    spans: Vec<u64>,
    noted: usize,
}

impl Canary {
    /// One that begins with this share.
    #[must_use]
    pub fn beginning(share: Share) -> Self {
        Self {
            share,
            well: 0,
            confirmed: 0,
            shared: 0,
            alone: 0,
            slow: 0,
            callers: Callers::default(),
            before: Record::default(),
            before_callers: Callers::default(),
            spans: Vec::with_capacity(SPANS),
            noted: 0,
        }
    }

    /// The share of the new version.
    #[must_use]
    pub fn share(&self) -> Share {
        self.share
    }

    /// A call of the version before has ended: whether in a fault of its own, and after how long, if it was a safe one.
    pub fn before(&mut self, caller: u64, failed: bool, took: Option<Duration>) {
        self.before_callers.met(caller, failed);
        if failed {
            self.before.faults += 1;
            return;
        }
        self.before.well += 1;
        let Some(took) = took else { return };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        match self.spans.get_mut(self.noted % SPANS) {
            Some(oldest) => *oldest = nanos,
            None => self.spans.push(nanos),
        }
        self.noted += 1;
    }

    /// From when on a safe call of the new version is slow; nothing, as long as too little is known.
    #[must_use]
    pub fn slow_from(&self) -> Option<Duration> {
        if self.spans.len() < SPANS {
            return None;
        }
        let mut spans = self.spans.clone();
        // All but the slowest hundredth.
        let (_, slowest, _) = spans.select_nth_unstable(SPANS - 1 - SPANS / 100);
        Some(beyond(Duration::from_nanos(*slowest)))
    }

    /// A call of the new version was slow, and the version before answers the same one sooner.
    pub fn slow(&mut self) -> Step {
        self.slow += 1;
        self.stands()
    }

    /// A call of the new version has ended.
    pub fn step(&mut self, caller: u64, seen: Seen) -> Step {
        match seen {
            Seen::Well => self.well += 1,
            Seen::Confirmed => self.confirmed += 1,
            Seen::Shared => {
                self.shared += 1;
                self.before.faults += 1;
            }
            Seen::Alone => self.alone += 1,
        }
        self.callers.met(caller, seen == Seen::Alone);
        self.stands()
    }

    fn stands(&mut self) -> Step {
        if let Some(gate) = self.crossed() {
            return Step::Back(gate);
        }
        if self.calls() < CALLS {
            return Step::On;
        }
        let next = self.share.next();
        if next == Share::ALL {
            return Step::Passed;
        }
        *self = Self {
            before: self.before,
            before_callers: std::mem::take(&mut self.before_callers),
            spans: std::mem::take(&mut self.spans),
            noted: self.noted,
            ..Self::beginning(next)
        };
        Step::Wider(next)
    }

    fn calls(&self) -> u32 {
        self.well + self.confirmed + self.shared + self.alone
    }

    fn crossed(&self) -> Option<Gate> {
        let before = self.before.well + self.before.faults;
        let twice = 2 * u64::from(CALLS) * self.before.faults;
        if self.confirmed > FAULTS_FORGIVEN && u64::from(self.confirmed) * before.max(1) > twice {
            return Some(Gate::Faults(self.confirmed));
        }
        if self.slow > FAULTS_FORGIVEN {
            return Some(Gate::Slow(self.slow));
        }
        if self.before.well < KNOWN_LEAST {
            return None;
        }
        let (met, callers) = (self.callers.failed.len(), self.callers.all.len());
        let (rate, usual) = (self.callers.rate(), self.before_callers.rate());
        let deviation = (usual * (1.0 - usual) * part(1, callers)).sqrt();
        if met >= CALLERS_LEAST && rate > (2.0 * usual).max(usual + 3.0 * deviation) {
            return Some(Gate::Callers(met, callers));
        }
        let nothing = self.well == 0 && self.shared == 0 && self.calls() >= CALLS;
        nothing.then_some(Gate::Nothing)
    }
}

#[cfg(test)]
mod tests;
