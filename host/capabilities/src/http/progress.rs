//! How far the body of a request has come, seen by the two who share it: the connection that sends it, and the exchange that waits.
//!
//! The exchange asks whom a pause is owed to, whether the body failed, and whether the connection can be used again; and when its call
//! ends, it cuts the body, so that the upstream sees a cut and the guest's body is let go.

use futures_util::task::AtomicWaker;
use holdfast_call::{Fault, Moment};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;

/// Where the body stands.
#[derive(Clone, Debug)]
pub(super) enum Stand {
    /// The upstream takes it, since then.
    Taken(Moment),
    /// Its sender is waited for.
    Awaited,
    /// All of it was handed to the connection, then.
    Finished(Moment),
    /// Its sender failed.
    Failed(Fault),
    /// Its call ended before it did.
    Cut,
}

/// Shared by a request's body and its exchange.
#[derive(Debug)]
pub(super) struct Progress {
    stand: Mutex<Stand>,
    waker: AtomicWaker,
}

impl Progress {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            stand: Mutex::new(Stand::Taken(now)),
            waker: AtomicWaker::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the body stands now.
    pub(super) fn stand(&self) -> Stand {
        self.lock().clone()
    }

    /// Moves the body on. What has ended stays ended.
    pub(super) fn note(&self, next: Stand) {
        let mut stand = self.lock();
        if matches!(*stand, Stand::Taken(_) | Stand::Awaited) {
            *stand = next;
        }
    }

    /// Cuts the body, unless it has ended.
    pub(super) fn cut(&self) {
        self.note(Stand::Cut);
        self.waker.wake();
    }

    /// Has the connection's task woken when the body is cut.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }
}
