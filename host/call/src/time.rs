//! Time as the host sees it: moments on one monotonic line, wall time for people, and the [`Clock`] that tells both.
//!
//! Nothing in the host reads a clock but through [`Clock`], so that a test (or the simulator) owns time.

use crate::future::BoxFuture;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// A moment on the host's monotonic line, in nanoseconds since the host started. Never comparable between hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The beginning of the line.
    pub const START: Self = Self(0);
    /// Later than every deadline: what a call without a bound inherits.
    pub const FAR: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the host started.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the host started.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `span` later, or [`Moment::FAR`] where that would not fit.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// How much later `self` is than `earlier`; nothing if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Wall time, in microseconds since 1970 (UTC). For logs and ids; never for measuring or for deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Whole milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }
}

/// The only clock there is.
pub trait Clock: Send + Sync {
    /// Now, on the monotonic line.
    fn now(&self) -> Moment;
    /// Now, for people.
    fn wall(&self) -> WallTime;
    /// A future that is ready once `moment` has come. It registers a timer when it is first polled, not before.
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()>;
}

/// What `work` comes to by `deadline`; after that it is dropped. Work that is done at the last moment counts as done. The timer is made only
/// once the work has to wait.
pub async fn in_time<T>(
    clock: &dyn Clock,
    deadline: Moment,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut timer = None;
    poll_fn(|cx| {
        if let Poll::Ready(value) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        let timer = timer.get_or_insert_with(|| clock.sleep_until(deadline));
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_saturates_instead_of_wrapping() {
        assert_eq!(Moment::FAR.after(Duration::from_secs(1)), Moment::FAR);
        assert_eq!(Moment::START.since(Moment::FAR), Duration::ZERO);
        assert_eq!(Moment::START.after(Duration::MAX), Moment::FAR);
    }
}
