//! The door of the host: open, or draining; and how many calls from outside are in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::sync::Notify;

/// Whether the host takes new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Open,
    /// It does not; what is in flight goes on to its end.
    Draining,
}

/// The host takes no new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining;

/// The door of the host. Nested calls pass it inside the call they belong to.
#[derive(Debug, Default)]
pub struct HostGate {
    draining: AtomicBool,
    in_flight: AtomicUsize,
    left: Notify,
}

impl HostGate {
    /// Takes no new calls from now on. There is no way back: a host that drains is about to end.
    pub fn start_draining(&self) {
        self.draining.store(true, SeqCst);
        self.left.notify_waiters();
    }

    /// Whether it takes new calls.
    #[must_use]
    pub fn state(&self) -> Gate {
        if self.draining.load(SeqCst) {
            Gate::Draining
        } else {
            Gate::Open
        }
    }

    /// How many calls from outside are in flight, their answers included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// Ready once no call is in flight. Meaningful while draining; else a new one may come at once.
    pub async fn idle(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Registered before the count is read, so that the last one to leave is not missed.
            left.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Lets a call in.
    ///
    /// # Errors
    /// The host is draining.
    pub fn enter(self: &Arc<Self>) -> Result<Ticket, Draining> {
        // Counted before the state is read: whoever drains sees either the count or a call that is refused.
        self.in_flight.fetch_add(1, SeqCst);
        let ticket = Ticket(self.clone());
        match self.state() {
            Gate::Open => Ok(ticket),
            Gate::Draining => Err(Draining),
        }
    }
}

/// A call in the host. It leaves when this is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<HostGate>);

impl Drop for Ticket {
    fn drop(&mut self) {
        let before = self.0.in_flight.fetch_sub(1, SeqCst);
        if before == 1 {
            self.0.left.notify_waiters();
        }
    }
}
