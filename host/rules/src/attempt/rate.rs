//! How many tries a second an upstream gets, all services together: an even flow, of which one second's worth may come at once.
//!
//! The generic cell rate algorithm: one moment is all that is kept, by when everything granted so far would have flowed evenly.

use holdfast_call::Moment;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much of the flow may come at once.
pub const BURST: Duration = Duration::from_secs(1);

/// The flow to one upstream.
#[derive(Debug, Default)]
pub struct Rate(Mutex<Flow>);

/// By when all that was granted would have flowed evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow(Option<Moment>);

/// Whether a try may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It may, and is counted.
    Now,
    /// It may at this moment, if nobody else comes first.
    Later(Moment),
}

impl Rate {
    /// Asks for a try of `per_second` a second.
    pub fn take(&self, per_second: u32, now: Moment) -> Grant {
        // A flow is one value: a panic elsewhere does not leave it half done.
        let mut flow = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flow.take(per_second, now)
    }
}

impl Flow {
    fn take(&mut self, per_second: u32, now: Moment) -> Grant {
        let each = Duration::from_secs(1) / per_second.max(1);
        let flown = self.0.map_or(now, |flown| flown.max(now));
        let ahead = flown.since(now);
        let allowed = BURST.saturating_sub(each);
        if ahead > allowed {
            return Grant::Later(now.after(ahead - allowed));
        }
        self.0 = Some(flown.after(each));
        Grant::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_an_even_flow() {
        let mut flow = Flow::default();
        for _ in 0..10 {
            assert_eq!(flow.take(10, at(0)), Grant::Now);
        }
        assert_eq!(flow.take(10, at(0)), Grant::Later(at(100)));
        assert_eq!(flow.take(10, at(99)), Grant::Later(at(100)));
        assert_eq!(flow.take(10, at(100)), Grant::Now);
        assert_eq!(flow.take(10, at(100)), Grant::Later(at(200)));
        // One a second is one a second, and not two.
        let mut flow = Flow::default();
        assert_eq!(flow.take(1, at(0)), Grant::Now);
        assert_eq!(flow.take(1, at(999)), Grant::Later(at(1_000)));
        assert_eq!(flow.take(1, at(1_000)), Grant::Now);
    }

    proptest! {
        /// However tries come, no span of time has more than its flow and one burst; and who comes when he was told is let through.
        #[test]
        fn no_span_has_more_than_its_flow(per_second in 1..50u32, steps in prop::collection::vec(0..400u64, 1..200)) {
            let (mut flow, mut now, mut granted) = (Flow::default(), 0, Vec::new());
            for later in steps {
                now += later;
                match flow.take(per_second, at(now)) {
                    Grant::Now => granted.push(now),
                    Grant::Later(then) => {
                        prop_assert!(then > at(now));
                        let mut other = flow;
                        prop_assert_eq!(other.take(per_second, then), Grant::Now);
                    }
                }
            }
            for (place, first) in granted.iter().enumerate() {
                for (count, last) in granted[place..].iter().enumerate() {
                    let span = last - first;
                    let most = u64::from(per_second) * span / 1_000 + u64::from(per_second) + 1;
                    prop_assert!(count as u64 <= most, "{} in {} ms", count, span);
                }
            }
        }
    }
}
