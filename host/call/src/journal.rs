//! A journal, as those see it who serve its call: what has come of the effects that the guest asked for. That of a durable execution is kept
//! so that another instance, after a crash, is told the same again and goes on at the first of which nothing is known; that of a captured
//! call, so that whoever wants to know what happened can run it once more.
//!
//! A guest is the same for the same answers in the same order. So each effect is one entry, and what came of them is let through one at a
//! time, in the order in which it was written down, and only once the guest can go no further without one. Its clock shows the time of the
//! last one, its sleep is an entry like any other, and its random numbers come from a seed.

use crate::call::Call;
use crate::future::BoxFuture;
use crate::id::CallId;
use crate::pipeline::{Next, Reply};
use crate::time::WallTime;
use std::fmt;
use std::sync::Arc;

/// What a journal is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// That another instance goes on with a durable execution where this one was cut off. All that it asks and is answered is whole.
    Execution,
    /// That a call can be run again by whoever looks at it. It must not be another call for that: what is too long to be kept goes on as
    /// it comes, and its limits are those of any call.
    Capture,
}

/// The journal of one call, for as long as one instance serves it.
pub trait Journal: Send + Sync {
    /// What it is kept for.
    fn purpose(&self) -> Purpose;

    /// What the guest's random numbers are made of.
    fn seed(&self) -> [u8; 32];

    /// A name that the guest asks for: a new one each time, the same ones each time it is run.
    fn new_id(&self) -> CallId;

    /// What the guest's clock shows, in nanoseconds since 1970: the time of the last result, and one more for each read since.
    fn read_clock(&self) -> u64;

    /// The number of the next entry, from 1: what the guest asks for, in the order in which it does.
    fn next_ordinal(&self) -> u32;

    /// The name that the guest is told of the call that the entry `ordinal` is: the same one each time it is run. `id` is the call's own.
    fn told(&self, ordinal: u32, id: CallId) -> CallId;

    /// The guest sleeps until the clock is past `until` (nanoseconds since 1970). Ready when that was let through; an entry from now on.
    fn sleep(self: Arc<Self>, until: u64) -> BoxFuture<'static, ()>;

    /// The call that is the execution itself, as far as this instance brings it.
    fn root<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply>;

    /// A child call is an entry: what is on record of it is given back once it is let through, and else it is made.
    fn step<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply>;

    /// Whoever asked for the entry `ordinal` has its result, or does not want it any more.
    fn taken(&self, ordinal: u32);

    /// The guest can go no further: one more result is let through, if there is one and the last one was taken.
    fn idle(&self);

    /// How many results were let through.
    fn let_through(&self) -> u64;

    /// Whether what the guest does now was done before.
    fn standing(&self) -> Standing;
}

impl dyn Journal + '_ {
    /// Whether it is that of a durable execution.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.purpose() == Purpose::Execution
    }
}

/// Whether what a guest does was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes: it is only told what it was told then, and what it logs was logged.
    Again,
    /// No.
    Anew,
}

/// The name of an entry, the same however often and on whichever host it is tried: by it whoever is asked knows what he has done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepName {
    /// When it was first tried.
    pub at: WallTime,
    /// What nobody can guess, and no other entry has.
    pub name: [u8; 16],
}

impl StepName {
    /// The name of the `n`th thing that it makes.
    #[must_use]
    pub fn id(self, n: u32) -> CallId {
        let name = u128::from_be_bytes(self.name);
        CallId::new(self.at, name.wrapping_add(u128::from(n)).to_be_bytes())
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.name))
    }
}

/// The place of one who waits for the result of an entry; dropped when he has it, or does not want it any more.
#[derive(Default)]
pub struct Seat(Option<(Arc<dyn Journal>, u32)>);

impl Seat {
    pub(crate) fn of(journal: &Option<Arc<dyn Journal>>, ordinal: u32) -> Self {
        Self(journal.clone().map(|journal| (journal, ordinal)))
    }

    /// The place of whoever waits for the entry `ordinal` of `journal`.
    #[must_use]
    pub fn at(journal: Arc<dyn Journal>, ordinal: u32) -> Self {
        Self(Some((journal, ordinal)))
    }

    /// Whether there is a journal at all.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Whether what is waited for goes on although nobody waits for it any more, and is handed over whole.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.0.as_ref().is_some_and(|seat| seat.0.is_lasting())
    }

    /// The name that the guest is told of the call, whose own one is `id`.
    #[must_use]
    pub fn told(&self, id: CallId) -> CallId {
        match &self.0 {
            Some((journal, ordinal)) => journal.told(*ordinal, id),
            None => id,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((journal, ordinal)) = self.0.take() {
            journal.taken(ordinal);
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((_, ordinal)) => write!(f, "Seat({ordinal})"),
            None => f.write_str("Seat"),
        }
    }
}
