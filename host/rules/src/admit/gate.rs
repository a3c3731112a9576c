//! The door of the host: open, or draining; and how many calls from outside are in it.

use super::pressure::Shedding;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Whether the host takes new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Open,
    /// It does not; what is in flight goes on to its end.
    Draining,
    /// It does not, and what is in flight is cut.
    Cutting,
}

/// The host takes no new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining;

/// The door of the host. Nested calls pass it inside the call they belong to.
#[derive(Debug, Default)]
pub struct HostGate {
    draining: AtomicBool,
    cutting: AtomicBool,
    in_flight: AtomicUsize,
    left: Notify,
    /// How many classes are sent away: read by every call, so it has a place of its own beside what it was decided by.
    classes: AtomicU8,
    shedding: Mutex<Shedding>,
}

impl HostGate {
    /// Whom the host sends away from now on.
    pub fn shed(&self, shedding: Shedding) {
        *self.shedding.lock().unwrap_or_else(PoisonError::into_inner) = shedding;
        self.classes.store(shedding.classes, SeqCst);
    }

    /// Whom it sends away, and for what.
    #[must_use]
    pub fn shedding(&self) -> Shedding {
        if self.classes.load(SeqCst) == 0 {
            return Shedding::default();
        }
        *self.shedding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no new calls from now on. There is no way back: a host that drains is about to end.
    pub fn start_draining(&self) {
        self.draining.store(true, SeqCst);
        self.left.notify_waiters();
    }

    /// What is dropped from now on is dropped by the host.
    pub fn start_cutting(&self) {
        self.cutting.store(true, SeqCst);
        self.start_draining();
    }

    /// Whether it takes new calls.
    #[must_use]
    pub fn state(&self) -> Gate {
        if self.cutting.load(SeqCst) {
            Gate::Cutting
        } else if self.draining.load(SeqCst) {
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
            Gate::Draining | Gate::Cutting => Err(Draining),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{done, poll};
    use holdfast_call::BoxFuture;

    #[test]
    fn a_draining_host_lets_nobody_in_and_is_idle_once_the_last_one_left() {
        let host = Arc::new(HostGate::default());
        let (first, second) = (host.enter().unwrap(), host.enter().unwrap());
        host.start_draining();
        assert_eq!(host.state(), Gate::Draining);
        assert_eq!(host.enter().unwrap_err(), Draining);
        let mut idle: BoxFuture<'_, ()> = Box::pin(host.idle());
        assert!(poll(&mut idle).is_pending());
        drop(first);
        assert!(poll(&mut idle).is_pending());
        assert_eq!(host.in_flight(), 1);
        drop(second);
        done(&mut idle);
    }

    #[test]
    fn a_host_without_calls_is_idle_at_once() {
        let host = HostGate::default();
        let mut idle: BoxFuture<'_, ()> = Box::pin(host.idle());
        done(&mut idle);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_last_one_to_leave_is_never_missed() {
        for _ in 0..200 {
            let host = Arc::new(HostGate::default());
            let tickets: Vec<_> = (0..8).map(|_| host.enter().unwrap()).collect();
            for ticket in tickets {
                tokio::spawn(async move { drop(ticket) });
            }
            host.start_draining();
            host.idle().await;
            assert_eq!(host.in_flight(), 0);
        }
    }
}
