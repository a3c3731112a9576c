//! How many of a service's tries of one upstream may be second ones: a fifth of the first ones, and one a second.
//!
//! Without it, an upstream that begins to fail would get three times the load just when it can bear it least. Counted over the last ten
//! seconds.

use crate::window::{SECONDS, Window};
use holdfast_call::Moment;

/// Second tries for each first one, in per cent.
pub const SHARE_PERCENT: u64 = 20;
/// Second tries a second that are always allowed, so that a service with few calls has some.
pub const FLOOR_PER_SECOND: u64 = 1;

/// What was tried lately.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// First tries, and second ones.
    tries: Window,
}

/// Whether a second try may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// It may, and is counted.
    Granted,
    /// There are too many already.
    Spent,
}

impl Budget {
    /// Counts a first try.
    pub fn first(&mut self, now: Moment) {
        self.tries.at(now).one += 1;
    }

    /// Asks for a second one.
    pub fn again(&mut self, now: Moment) -> Draw {
        let made = self.tries.sum(now);
        let allowed = made.one * SHARE_PERCENT / 100 + FLOOR_PER_SECOND * SECONDS;
        if made.other >= allowed {
            return Draw::Spent;
        }
        self.tries.at(now).other += 1;
        Draw::Granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_service_with_few_calls_has_one_second_try_a_second() {
        let mut budget = Budget::default();
        let draws: Vec<_> = (0..11).map(|_| budget.again(at(0))).collect();
        assert_eq!(draws[..10], [Draw::Granted; 10]);
        assert_eq!(draws[10], Draw::Spent);
        // What was drawn counts until its second has left the window.
        assert_eq!(budget.again(at(9_999)), Draw::Spent);
        assert_eq!(budget.again(at(10_000)), Draw::Granted);
    }

    proptest! {
        /// In whatever order tries come, no window of ten whole seconds has more second ones than are allowed for its first ones.
        #[test]
        fn no_window_has_more_than_its_share(steps in prop::collection::vec((any::<bool>(), 0..900u64), 1..400)) {
            let mut budget = Budget::default();
            let (mut now, mut firsts, mut agains) = (0u64, Vec::new(), Vec::new());
            for (first, later) in steps {
                now += later;
                if first {
                    budget.first(at(now));
                    firsts.push(now / 1_000);
                    continue;
                }
                let window = |made: &[u64]| made.iter().filter(|second| **second + 10 > now / 1_000).count();
                let allowed = window(&firsts) / 5 + 10;
                let expected = if window(&agains) < allowed { Draw::Granted } else { Draw::Spent };
                prop_assert_eq!(budget.again(at(now)), expected);
                if expected == Draw::Granted {
                    agains.push(now / 1_000);
                }
            }
        }
    }
}
