//! Callers who are turned away, as many as there may be: some of each second are named on record, the others are counted.

use holdfast_call::Moment;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many of one second are named.
const NAMED_MAX: u64 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// How a caller who was turned away is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// In a record of his own.
    Named,
    /// In a number.
    Counted,
}

/// The callers of this second.
#[derive(Default)]
pub(super) struct Flood {
    window: Mutex<Window>,
    /// Those that were counted and that no record speaks of; looked at without the lock.
    counted: AtomicU64,
}

#[derive(Default)]
struct Window {
    began: Option<Moment>,
    named: u64,
}

impl Flood {
    /// One more.
    pub(super) fn one(&self, now: Moment) -> Seen {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.is_over(now) {
            *window = Window {
                began: Some(now),
                named: 0,
            };
        }
        if window.named < NAMED_MAX {
            window.named += 1;
            return Seen::Named;
        }
        self.counted.fetch_add(1, Relaxed);
        Seen::Counted
    }

    /// How many were counted, once their second is over; told once.
    pub(super) fn over(&self, now: Moment) -> Option<u64> {
        if self.counted.load(Relaxed) == 0 {
            return None;
        }
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = window.is_over(now).then(|| self.counted.swap(0, Relaxed));
        counted.filter(|counted| *counted > 0)
    }
}

impl Window {
    fn is_over(&self, now: Moment) -> bool {
        self.began.is_none_or(|began| now.since(began) >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_each_second_are_named_and_the_others_counted_once() {
        let flood = Flood::default();
        let at = |ms| Moment::START.after(Duration::from_millis(ms));
        for second in 0..3 {
            let begins = second * 1_000;
            for place in 0..NAMED_MAX + 50 {
                let seen = match place < NAMED_MAX {
                    true => Seen::Named,
                    false => Seen::Counted,
                };
                assert_eq!(flood.one(at(begins + place)), seen, "{second} {place}");
            }
            assert_eq!(flood.over(at(begins + 999)), None);
            assert_eq!(flood.over(at(begins + 1_000)), Some(50));
            assert_eq!(flood.over(at(begins + 1_000)), None);
        }
    }
}
