//! How long an upstream usually takes to begin its answer to a service: the last tries that went well, and what lies among them.
//!
//! Who has less time left than the fastest tenth took would only pay for an answer that comes too late.

use std::time::Duration;

/// How many tries are remembered. Enough for a tenth to mean something, few enough to forget yesterday's weather.
const REMEMBERED: usize = 32;
/// With fewer than these nothing is known.
const KNOWN_MIN: usize = 8;

/// The last tries that went well.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// In nanoseconds: they are compared for every call.
    spans: [u64; REMEMBERED],
    /// How many there ever were.
    seen: usize,
}

impl Latency {
    /// One more.
    pub fn note(&mut self, span: Duration) {
        if let Some(oldest) = self.spans.get_mut(self.seen % REMEMBERED) {
            *oldest = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        }
        self.seen = self.seen.wrapping_add(1);
    }

    /// What a tenth of them took at most; nothing, as long as too few are known.
    #[must_use]
    pub fn fastest(&self) -> Duration {
        self.part(10)
    }

    /// Whether a try that has so long may succeed: at least the fastest tenth had no more. Counting them is all that it takes, for each call.
    #[must_use]
    pub fn fits(&self, left: Duration) -> bool {
        let known = self.seen.min(REMEMBERED);
        if known < KNOWN_MIN {
            return true;
        }
        let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let (spans, _) = self.spans.split_at(known);
        spans.iter().filter(|span| **span <= left).count() > known / 10
    }

    /// What half of them took at most.
    #[must_use]
    pub fn usual(&self) -> Duration {
        self.part(2)
    }

    /// What one in so many took at most.
    fn part(&self, of: usize) -> Duration {
        let known = self.seen.min(REMEMBERED);
        if known < KNOWN_MIN {
            return Duration::ZERO;
        }
        let mut spans = self.spans;
        // What is not known yet would be the shortest.
        let (spans, _) = spans.split_at_mut(known);
        let (_, part, _) = spans.select_nth_unstable(known / of);
        Duration::from_nanos(*part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        for millis in millis {
            latency.note(Duration::from_millis(millis));
        }
        latency
    }

    #[test]
    fn a_tenth_and_a_half_of_what_was_seen() {
        let latency = of((1..=20).rev().map(|nth| nth * 100));
        assert_eq!(latency.fastest(), Duration::from_millis(300));
        assert_eq!(latency.usual(), Duration::from_millis(1_100));
    }

    #[test]
    fn what_fits_is_what_is_no_faster_than_the_fastest_tenth() {
        for known in [1, 7, 8, 9, 20, 31, 32, 40] {
            let latency = of((1..=known).map(|nth| nth * 37 % 50));
            for left in 0..60 {
                let left = Duration::from_millis(left);
                assert_eq!(
                    latency.fits(left),
                    left >= latency.fastest(),
                    "{known} {left:?}"
                );
            }
        }
    }

    #[test]
    fn with_too_few_nothing_is_known() {
        assert_eq!(of([900; 7]).fastest(), Duration::ZERO);
        assert_eq!(of([900; 8]).fastest(), Duration::from_millis(900));
    }

    #[test]
    fn what_is_long_past_counts_no_more() {
        let latency = of([9_000; 100].into_iter().chain([10; REMEMBERED]));
        assert_eq!(
            (latency.fastest(), latency.usual()),
            (Duration::from_millis(10), Duration::from_millis(10))
        );
    }
}
