//! Whether a service's guests may begin in the task that serves their connection.
//!
//! A guest is driven there for up to a tick, which nobody can take from it. Many short ones of one service, one after the other, would hold
//! the serving threads as a spinning one does. So a service whose guests were seen to compute for long runs on the lane for a while, where
//! services take turns; the others never do, because the detour costs them more than their work.

use holdfast_call::{Clock, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// CPU time of one poll that makes a service a heavy one. A hundred times what a small answer takes, and far more than a poll can be billed
/// by mistake (`cpu_time.rs`).
pub const HEAVY: Duration = Duration::from_millis(2);
/// How many such polls within [`SPAN`] it takes: one alone may be the machine's doing.
pub const STRIKES: u32 = 3;
/// For how long it is one, from the last such poll on.
pub const SPAN: Duration = Duration::from_secs(1);

/// The pace of one version of a service.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// When the first of the strikes was, in nanoseconds of the clock, and how many there were since.
    first: AtomicU64,
    strikes: AtomicU32,
    /// Until when it is heavy, likewise; nothing if it is not.
    until: AtomicU64,
}

impl Pace {
    /// Of a service that nobody knows anything of yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            first: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
            until: AtomicU64::new(0),
        })
    }

    /// One of its guests was polled on a serving thread, and took so much CPU time.
    pub fn note(&self, used: Duration) {
        if used < HEAVY {
            return;
        }
        let now = self.clock.now();
        let first = Moment::from_nanos(self.first.load(Relaxed));
        // Two who note at once may count one strike too few or too many; nobody is hurt by either.
        if now.since(first) > SPAN {
            self.first.store(now.as_nanos(), Relaxed);
            self.strikes.store(1, Relaxed);
        } else if self.strikes.fetch_add(1, Relaxed) + 1 >= STRIKES {
            self.until.fetch_max(now.after(SPAN).as_nanos(), Relaxed);
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
