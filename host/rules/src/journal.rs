//! `journal`: a durable execution is written down effect by effect, below its guest, and goes on wherever it was cut off.
//!
//! A request to an operation that is declared durable begins an execution and waits for what comes of it (`once`); the execution is a call of
//! its own, made by whichever host takes it. Each child call of it is an entry: its intent is on record before it is made, and what came of it
//! before the guest learns it. After a crash another instance is told the same results in the same order, asks for the same, and goes on at
//! the first of which nothing is known. What may have been begun is sent again only where that is harmless or whoever is asked knows it
//! again by its name; else the execution waits for a person. A guest that asks for something else than the record says has its execution
//! paused with the first difference.
//!
//! [`book`] says what is let through when; [`run`] does it.

mod beginning;
pub mod book;
pub(crate) mod entry;
mod halt;
pub(crate) mod reading;
mod root;
mod run;
mod sleep;
mod step;
#[cfg(test)]
mod tests;
mod undo;

pub(crate) use beginning::beginning;
pub use beginning::{Beginning, begun_with};
pub use entry::{BYTES_MAX, killed, said};
pub use run::{Begun, Run, TURN};
pub use step::waits_for_approval;
pub use undo::{Step, indeterminate, steps};

use crate::Parts;
use holdfast_call::{BoxFuture, Call, Layer, Next, Reply};
use http::HeaderName;

/// That a service has durable operations, among its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// How many entries an execution has at most.
    pub steps: u32,
}

/// Which of a capability's operations that change something may be done twice as if they were done once, among its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeatable(pub &'static [&'static str]);

/// The header in which an upstream takes a name by which it knows a request again, among its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub HeaderName);

pub(crate) fn layer(_parts: &Parts) -> Box<dyn Layer> {
    Box::new(Journalled)
}

struct Journalled;

impl Layer for Journalled {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        match call.journal.clone() {
            None => next.run(call),
            Some(journal) if call.nested() => journal.step(call, next),
            Some(journal) => journal.root(call, next),
        }
    }
}
