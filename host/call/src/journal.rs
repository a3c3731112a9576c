//! The journal of a durable execution, as those see it who serve it: what has come of the effects that its guest asked for, so that another
//! instance, after a crash, is told the same again and goes on at the first of which nothing is known.
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

/// The journal of one durable execution, for as long as one instance runs it.
pub trait Journal: Send + Sync {
    /// What the guest's random numbers are made of.
    fn seed(&self) -> [u8; 32];

    /// Sixteen bytes for a name that the guest asks for: new ones each time, the same ones each time it is run.
    fn sixteen(&self) -> [u8; 16];

    /// What the guest's clock shows, in nanoseconds since 1970: the time of the last result, and one more for each read since.
    fn read_clock(&self) -> u64;

    /// The number of the next entry, from 1: what the guest asks for, in the order in which it does.
    fn next_ordinal(&self) -> u32;

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

    /// Whether there is a journal at all. What is written there goes on although nobody waits for it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
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
