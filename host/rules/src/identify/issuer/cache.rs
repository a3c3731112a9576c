//! When an issuer's keys are read, and how long they are used: the pure core.
//!
//! | what | when |
//! |---|---|
//! | they are read | each [`FRESH`] (a file: more often), and after one that failed each [`FAILED_EVERY`] |
//! | they are read for a token whose key is not known | once in [`ASKED_EVERY`], however many such tokens come |
//! | they are used | up to [`STALE_MAX`] after they were read: an issuer may be gone for a while |

use crate::identify::token::KeySet;
use holdfast_call::Moment;
use std::sync::Arc;
use std::time::Duration;

/// How long keys are used before they are read again.
pub const FRESH: Duration = Duration::from_secs(10 * 60);

/// How often they are read at most because a token names a key that is not known.
pub const ASKED_EVERY: Duration = Duration::from_secs(30);

/// How soon they are read again after that has failed.
pub const FAILED_EVERY: Duration = Duration::from_secs(30);

/// How long keys are used that cannot be read again.
pub const STALE_MAX: Duration = Duration::from_secs(60 * 60);

/// The keys of an issuer, and when they are read next.
#[derive(Debug)]
pub(super) struct Cache {
    every: Duration,
    keys: Option<(Arc<KeySet>, Moment)>,
    last: Last,
    reading: Reading,
    /// When they are read next.
    due: Moment,
    /// When they were last asked for by a token.
    asked: Option<Moment>,
}

/// What came of the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// They were read.
    Read,
    /// They could not be, or never were yet.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    No,
    UnderWay,
}

/// What becomes of a token whose key is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The keys are being read, or will be at once.
    Wait,
    /// They were asked for a short while ago.
    NotNow,
}

impl Cache {
    pub(super) fn new(every: Duration, now: Moment) -> Self {
        Self {
            every,
            keys: None,
            last: Last::Failed,
            reading: Reading::No,
            due: now,
            asked: None,
        }
    }

    /// The keys, as long as they may be used.
    pub(super) fn keys(&self, now: Moment) -> Option<Arc<KeySet>> {
        let (keys, read) = self.keys.as_ref()?;
        (now.since(*read) <= STALE_MAX).then(|| keys.clone())
    }

    pub(super) fn last(&self) -> Last {
        self.last
    }

    /// When they are to be read next.
    pub(super) fn due(&self) -> Moment {
        self.due
    }

    /// A token's key is not among them.
    pub(super) fn ask(&mut self, now: Moment) -> Ask {
        if self.reading == Reading::UnderWay || self.due <= now {
            return Ask::Wait;
        }
        if self
            .asked
            .is_some_and(|asked| now.since(asked) < ASKED_EVERY)
        {
            return Ask::NotNow;
        }
        self.asked = Some(now);
        self.due = now;
        Ask::Wait
    }

    /// They are being read.
    pub(super) fn begin(&mut self) {
        self.reading = Reading::UnderWay;
    }

    /// They were read, or could not be.
    pub(super) fn end(&mut self, keys: Option<KeySet>, now: Moment) {
        self.reading = Reading::No;
        match keys {
            Some(keys) => {
                self.keys = Some((Arc::new(keys), now));
                self.last = Last::Read;
                self.due = now.after(self.every);
            }
            None => {
                self.last = Last::Failed;
                self.due = now.after(FAILED_EVERY.min(self.every));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::token::testing::keys;

    const BEGAN: Moment = Moment::from_nanos(1_000_000_000_000);

    fn at(seconds: u64) -> Moment {
        BEGAN.after(Duration::from_secs(seconds))
    }

    fn read() -> Cache {
        let mut cache = Cache::new(FRESH, BEGAN);
        cache.begin();
        cache.end(Some(keys()), BEGAN);
        cache
    }

    #[test]
    fn keys_are_read_each_ten_minutes_and_sooner_where_that_fails() {
        let mut cache = Cache::new(FRESH, BEGAN);
        assert_eq!(cache.due(), BEGAN);
        cache.begin();
        cache.end(None, at(1));
        assert_eq!(cache.due(), at(31));
        cache.begin();
        cache.end(Some(keys()), at(32));
        assert_eq!(cache.due(), at(632));
    }

    #[test]
    fn a_flood_of_unknown_keys_asks_once_in_thirty_seconds() {
        let mut cache = read();
        assert_eq!(cache.ask(at(5)), Ask::Wait);
        assert_eq!(cache.due(), at(5));
        // As long as nobody has begun, and as long as it lasts, all wait for the same one.
        assert_eq!(cache.ask(at(5)), Ask::Wait);
        cache.begin();
        assert_eq!(cache.ask(at(6)), Ask::Wait);
        cache.end(Some(keys()), at(7));
        let mut readings = 1;
        for second in 7..600 {
            if cache.ask(at(second)) == Ask::Wait {
                readings += 1;
                cache.begin();
                cache.end(Some(keys()), at(second));
            }
        }
        // At 5, 35, 65, … 575.
        assert_eq!(readings, 20);
    }

    #[test]
    fn keys_that_cannot_be_read_again_are_used_for_an_hour() {
        let mut cache = read();
        for minute in 0..70 {
            cache.begin();
            cache.end(None, at(minute * 60));
            assert_eq!(cache.last(), Last::Failed);
            assert_eq!(cache.keys(at(minute * 60)).is_some(), minute <= 60);
        }
        assert!(cache.keys(at(3_600)).is_some() && cache.keys(at(3_601)).is_none());
        cache.end(Some(keys()), at(4_300));
        assert!(cache.keys(at(4_300)).is_some());
    }
}
