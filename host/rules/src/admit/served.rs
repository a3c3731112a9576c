//! How long calls are served where there is no place to spare: what decides whether waiting for one has a point.
//!
//! Only those are counted that were served while every place was taken, for the next one will run beside as many; and so a target with free
//! places pays nothing for it. Who went away before it was served counts with the time it had: it would have needed longer. The median,
//! because a few slow ones say nothing about the next. Pure: spans are handed in.

use holdfast_call::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// So many of the last ones are looked at.
const KEPT: usize = 32;
/// Fewer than these say nothing.
pub(super) const LEAST: usize = 8;
/// What happened longer ago than this is another story: a target that was slow then may be well now.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(60);

/// The last spans and when they ended, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Served(VecDeque<(Moment, Duration)>);

impl Served {
    /// One was served, in so long.
    pub(super) fn add(&mut self, now: Moment, span: Duration) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, span));
    }

    /// What more than half of the last ones took at least; `None` while too few are known.
    pub(super) fn median(&self, now: Moment) -> Option<Duration> {
        let recent = |(ended, _): &&(Moment, Duration)| now.since(*ended) <= FORGOTTEN;
        let mut spans = [Duration::ZERO; KEPT];
        let mut known = 0;
        for (slot, (_, span)) in spans.iter_mut().zip(self.0.iter().filter(recent)) {
            *slot = *span;
            known += 1;
        }
        if known < LEAST {
            return None;
        }
        let spans = spans.get_mut(..known)?;
        // Of two in the middle the shorter one: a call is not refused for what half of the others did not need.
        let (_, median, _) = spans.select_nth_unstable((known - 1) / 2);
        Some(*median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment::START.after(Duration::from_secs(1_000) + Duration::from_millis(ms))
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn of(spans: impl IntoIterator<Item = u64>) -> Option<Duration> {
        let mut served = Served::default();
        spans
            .into_iter()
            .for_each(|span| served.add(at(0), ms(span)));
        served.median(at(0))
    }

    #[test]
    fn a_few_say_nothing_and_the_slow_ones_are_not_the_median() {
        assert_eq!(of([5; LEAST - 1]), None);
        assert_eq!(of([5; LEAST]), Some(ms(5)));
        assert_eq!(of([1, 9_000, 2, 9_000, 3, 9_000, 4, 5, 6]), Some(ms(5)));
        assert_eq!(of([1, 1, 1, 1, 9_000, 9_000, 9_000, 9_000]), Some(ms(1)));
    }

    #[test]
    fn only_the_last_ones_count() {
        let slow_then_fast = [1_000; 100].into_iter().chain([10; 17]);
        assert_eq!(of(slow_then_fast), Some(ms(10)));
    }

    #[test]
    fn what_was_long_ago_says_nothing() {
        let mut served = Served::default();
        (0..8).for_each(|_| served.add(at(0), ms(9_000)));
        assert_eq!(served.median(at(60_000)), Some(ms(9_000)));
        assert_eq!(served.median(at(60_001)), None);
        (0..7).for_each(|_| served.add(at(60_001), ms(9_000)));
        assert_eq!(served.median(at(60_001)), None, "old ones do not help");
        served.add(at(60_001), ms(9_000));
        assert_eq!(served.median(at(60_001)), Some(ms(9_000)));
    }

    proptest! {
        /// Told in one sentence: too little time is what more than half of those of the last minute did not come out with.
        #[test]
        fn it_refuses_what_more_than_half_did_not_do_in_time(
            steps in prop::collection::vec((0u64..9_000, 0u64..500), 0..60),
            left in 0u64..500,
        ) {
            let mut served = Served::default();
            let mut list = Vec::new();
            let mut now = 0;
            for (pause, span) in steps {
                now += pause;
                served.add(at(now), ms(span));
                list.push((now, span));
                let last = list.iter().rev().take(KEPT).filter(|(ended, _)| now - ended <= 60_000);
                let last: Vec<_> = last.map(|(_, span)| *span).collect();
                let longer = last.iter().filter(|span| **span > left).count();
                let expected = last.len() >= LEAST && longer * 2 > last.len();
                let refused = served.median(at(now)).is_some_and(|median| ms(left) < median);
                prop_assert_eq!(refused, expected);
            }
        }
    }
}
