//! What must be true. Each unit of work tells what came of it when it is done, in the order in which the database does them, whether or not
//! the one who asked for it ever hears of it; so what is told here is what happened, and not what a host believes.

mod leases;
mod money;
mod once;
mod queue;
mod runs;

pub(crate) use queue::Origin;
pub(crate) use runs::KILLED;

use crate::disk::SharedClock;
use crate::look::Seen;
use crate::stage::Kept;
use holdfast_store::db::DbError;
use holdfast_store::executions::Held;
use std::cell::RefCell;
use std::sync::Arc;

/// What is known, and the first thing that was not as it must be.
pub(crate) struct Truth {
    clock: Arc<SharedClock>,
    broken: RefCell<Option<Broken>>,
    queue: RefCell<queue::State>,
    once: RefCell<once::State>,
    runs: RefCell<runs::State>,
    leases: RefCell<leases::State>,
    money: RefCell<money::State>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub invariant: String,
    /// What was seen.
    pub how: String,
}

impl Truth {
    pub(crate) fn new(clock: Arc<SharedClock>) -> Self {
        Self {
            clock,
            broken: RefCell::default(),
            queue: RefCell::default(),
            once: RefCell::default(),
            runs: RefCell::default(),
            leases: RefCell::default(),
            money: RefCell::default(),
        }
    }

    /// Something is not as it must be. The first such thing is kept.
    pub(crate) fn broken(&self, invariant: &str, how: String) {
        self.broken.borrow_mut().get_or_insert_with(|| Broken {
            invariant: invariant.to_owned(),
            how,
        });
    }

    /// The first thing that was not as it must be.
    pub(crate) fn verdict(&self) -> Option<Broken> {
        self.broken.borrow().clone()
    }

    /// What was seen of the whole database is compared with what is known.
    pub(crate) fn look(&self, seen: &Seen) {
        self.look_at_queue(seen);
        self.look_at_once(seen);
        self.look_at_runs(seen);
        self.look_at_leases(seen);
        self.look_at_money(seen);
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}

/// Whether what was asked of a row was done.
fn kept(held: &Result<Held, DbError>) -> Kept {
    match held {
        Ok(Held::Yes) => Kept::Yes,
        Err(DbError::Ambiguous(_)) => Kept::Unknown,
        Ok(Held::Lost) | Err(_) => Kept::No,
    }
}

/// What is known of something after one more try of it.
fn more(known: Kept, tried: Kept) -> Kept {
    match (known, tried) {
        (Kept::Yes, _) | (_, Kept::Yes) => Kept::Yes,
        (Kept::Unknown, _) | (_, Kept::Unknown) => Kept::Unknown,
        (Kept::No, Kept::No) => Kept::No,
    }
}
