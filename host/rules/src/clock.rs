//! Where time and chance come from in the running host: the one file that reads a clock.
//!
//! Everything else asks [`Clock`] and [`Random`], so that a test or a simulation owns both.

use holdfast_call::{BoxFuture, Clock, Moment, Random, Sources, WallTime};
use rand::Rng as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The machine's clock. Its line begins when it is made.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    start: Instant,
}

impl HostClock {
    /// A clock whose line begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Moment {
        Moment::START.after(self.start.elapsed())
    }

    #[expect(
        clippy::disallowed_types,
        reason = "this is the clock that everything else asks"
    )]
    fn wall(&self) -> WallTime {
        // A machine whose clock stands before 1970 gets 1970: wall time is for people, nothing is decided by it.
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        WallTime(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        if moment == Moment::FAR {
            return Box::pin(std::future::pending());
        }
        let at = self
            .start
            .checked_add(Duration::from_nanos(moment.as_nanos()));
        Box::pin(async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        })
    }
}

/// The random source of the machine: one generator for each thread, seeded by the operating system, so no thread waits for another.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostRandom;

/// The clock and the random bytes of this machine.
#[must_use]
pub fn of_this_machine() -> Sources {
    Sources {
        clock: Arc::new(HostClock::start()),
        random: Arc::new(HostRandom),
    }
}

impl Random for HostRandom {
    fn sixteen(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[tokio::test]
    async fn a_sleep_ends_no_earlier_than_its_moment() {
        let clock = HostClock::start();
        let moment = clock.now().after(Duration::from_millis(3));
        clock.sleep_until(moment).await;
        assert!(clock.now() >= moment);
    }

    #[test]
    fn a_sleep_that_nobody_polls_needs_no_timer() {
        // Outside of a runtime a registered timer would panic.
        drop(HostClock::start().sleep_until(Moment::START));
        drop(HostClock::start().sleep_until(Moment::FAR));
    }

    #[test]
    fn wall_time_is_after_this_was_written() {
        assert!(HostClock::start().wall() > WallTime(1_780_000_000_000_000));
    }

    #[test]
    fn random_bytes_do_not_repeat() {
        let seen: HashSet<_> = (0..1_000).map(|_| HostRandom.sixteen()).collect();
        assert_eq!(seen.len(), 1_000);
    }
}
