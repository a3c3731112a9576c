//! Who waits for the writer of the audit log: a line with limits of its own for those who want an answer when their record lasts, and for
//! those who only want to be sure that it will be written.

use super::error::AuditError;
use super::log::Pending;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Who is told what became of a record.
pub(super) enum Answer {
    /// The one who waits until it lasts: the number of the record.
    Durable(oneshot::Sender<Result<u64, AuditError>>),
    /// Nobody: it is written for certain, unless the host dies.
    Soon,
}

impl Answer {
    /// Tells it; whoever stopped waiting is not missed.
    pub(super) fn give(self, what: Result<u64, AuditError>) {
        if let Self::Durable(waiting) = self {
            let _ = waiting.send(what);
        }
    }
}

/// A record in the line.
pub(super) struct Item {
    pub(super) record: Pending,
    pub(super) answer: Answer,
    /// Its place, free again when it is let go.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// How many of those who wait want to be answered.
    durable: usize,
    /// How many must wait for the writer to be woken; none, while he is not asleep. Waking him for each costs more than writing it.
    wakes: Option<usize>,
    closed: bool,
}

/// The line.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Somebody is there.
    Some,
    /// The time is over.
    Late,
    /// Nobody is there, and nobody will come.
    Closed,
}

impl Line {
    /// Puts a record at the end, unless the line is closed.
    pub(super) fn push(&self, item: Item) -> Result<(), AuditError> {
        let mut state = self.state();
        if state.closed {
            return Err(AuditError::Closed);
        }
        if matches!(item.answer, Answer::Durable(_)) {
            state.durable += 1;
        }
        state.waiting.push_back(item);
        let enough = |wakes| state.durable > 0 || state.waiting.len() >= wakes;
        if state.wakes.is_some_and(enough) {
            state.wakes = None;
            drop(state);
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits until somebody is there, at most so long.
    pub(super) fn wait(&self, most: Option<Duration>) -> Woken {
        let empty = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let mut state = self.state();
        state.wakes = Some(1);
        let mut state = match most {
            None => self
                .changed
                .wait_while(state, empty)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.changed.wait_timeout_while(state, most, empty);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.wakes = None;
        match (state.waiting.is_empty(), state.closed) {
            (false, _) => Woken::Some,
            (true, true) => Woken::Closed,
            (true, false) => Woken::Late,
        }
    }

    /// Waits a little for more, as long as nobody waits for an answer.
    pub(super) fn gather(&self, window: Duration, enough: usize) {
        let quiet =
            |state: &mut State| state.durable == 0 && state.waiting.len() < enough && !state.closed;
        let mut state = self.state();
        state.wakes = Some(enough);
        let waited = self.changed.wait_timeout_while(state, window, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.wakes = None;
    }

    /// Takes the first ones, as long as `room` says so.
    pub(super) fn take(&self, mut room: impl FnMut(&Item) -> Room) -> Vec<Item> {
        let mut state = self.state();
        let mut taken = Vec::new();
        while let Some(item) = state.waiting.pop_front_if(|item| room(item) == Room::Yes) {
            if matches!(item.answer, Answer::Durable(_)) {
                state.durable -= 1;
            }
            taken.push(item);
        }
        taken
    }

    /// Nobody comes any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Yes,
    No,
}
