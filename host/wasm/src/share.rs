//! One service's share of the memory of all guests: its guests together hold no more than they leave free.
//!
//! So one service has at most half of the budget, and whatever a crowd asks of it, the next service finds room. It is the rule of the
//! pool's slots too.

use crate::memory::{HostMemory, Reserved};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the guests of one service hold. Shared by all of their stores.
#[derive(Debug)]
pub struct Share {
    host: Arc<HostMemory>,
    held: AtomicU64,
}

impl Share {
    /// The share of one more service, which holds nothing yet.
    #[must_use]
    pub fn of(host: &Arc<HostMemory>) -> Arc<Self> {
        Arc::new(Self {
            host: host.clone(),
            held: AtomicU64::new(0),
        })
    }

    /// Draws on the budget, wholly or not at all. Instances that wait for their next call give way to a guest that is within its share.
    pub fn reserve(&self, bytes: u64) -> Reserved {
        match self.draw(bytes) {
            Reserved::Granted => Reserved::Granted,
            Reserved::Refused if self.is_within(bytes, self.host.idle_bytes()) => {
                self.host.relieve();
                self.draw(bytes)
            }
            Reserved::Refused => Reserved::Refused,
        }
    }

    /// Gives back what was drawn.
    pub fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
        self.host.release(bytes);
    }

    /// The most that one more draw can have, in bytes.
    #[must_use]
    pub fn left(&self) -> u64 {
        let free = self.host.max().saturating_sub(self.host.used());
        free.saturating_sub(self.held.load(Relaxed)) / 2
    }

    fn draw(&self, bytes: u64) -> Reserved {
        if self.host.draw(bytes) == Reserved::Refused {
            return Reserved::Refused;
        }
        self.held.fetch_add(bytes, Relaxed);
        // Two draws at once may both be refused where one would fit, and never both be granted where only one does.
        if self.is_within(0, 0) {
            return Reserved::Granted;
        }
        self.release(bytes);
        Reserved::Refused
    }

    /// Whether, with so many bytes more and so many idle ones given back, its guests hold no more than is free. The idle ones may be its
    /// own: what waits never stands in the way of what runs.
    fn is_within(&self, more: u64, idle: u64) -> bool {
        let held = self
            .held
            .load(Relaxed)
            .saturating_sub(idle)
            .saturating_add(more);
        let used = self.host.used().saturating_sub(idle).saturating_add(more);
        held <= self.host.max().saturating_sub(used)
    }
}
