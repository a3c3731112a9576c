//! Whether a service's guests may begin in the task that serves their connection.
//!
//! A guest is driven there for up to a tick, which nobody can take from it. Many short ones of one service, one after the other, would hold
//! the serving threads as a spinning one does. So a service whose guests were seen to compute for long runs on the lane for a while, where
//! services take turns; the others never do, because the detour costs them more than their work.

use holdfast_call::{Clock, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// CPU time of one poll that makes a service a heavy one. Fifty times what a small answer takes.
pub const HEAVY: Duration = Duration::from_millis(1);
/// For how long it is one, from the last such poll on.
pub const SPAN: Duration = Duration::from_secs(1);

/// The pace of one version of a service.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// Until when it is heavy, in nanoseconds of the clock; nothing if it is not.
    until: AtomicU64,
}

impl Pace {
    /// Of a service that nobody knows anything of yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            until: AtomicU64::new(0),
        })
    }

    /// One of its guests was polled on a serving thread, and took so much CPU time.
    pub fn note(&self, used: Duration) {
        if used >= HEAVY {
            let until = self.clock.now().after(SPAN);
            self.until.fetch_max(until.as_nanos(), Relaxed);
        }
    }

    /// Whether its guests go to the lane at once.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return false;
        }
        if self.clock.now() < Moment::from_nanos(until) {
            return true;
        }
        // Another mark may have been set meanwhile; then that one stands.
        let _ = self.until.compare_exchange(until, 0, Relaxed, Relaxed);
        false
    }
}
