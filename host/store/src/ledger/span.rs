//! For which time a budget is: an hour, a day or a month of the calendar, in UTC.

use std::fmt;
use std::time::Duration;

/// A time of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl Span {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// The word of the settings and of the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The span of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.as_str() == word)
    }

    /// When the one began in which `now` is; both in milliseconds since 1970.
    #[must_use]
    pub fn start(self, now: i64) -> i64 {
        match self {
            Self::Hour => now - now.rem_euclid(HOUR),
            Self::Day => now - now.rem_euclid(DAY),
            Self::Month => {
                let (year, month) = month_of(now.div_euclid(DAY));
                first_of(year, month) * DAY
            }
        }
    }

    /// For how long the one that began at `start` still goes on.
    #[must_use]
    pub fn left(self, start: i64, now: i64) -> Duration {
        let end = match self {
            Self::Hour => start.saturating_add(HOUR),
            Self::Day => start.saturating_add(DAY),
            Self::Month => match month_of(start.div_euclid(DAY)) {
                (year, 12) => first_of(year + 1, 1) * DAY,
                (year, month) => first_of(year, month + 1) * DAY,
            },
        };
        Duration::from_millis(u64::try_from(end.saturating_sub(now)).unwrap_or(0))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The year and month of a day, counted from 1970. Years are taken to begin in March, so that the day that comes and goes is their last, and
/// in eras of four hundred, after which the calendar repeats itself.
fn month_of(day: i64) -> (i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month)
}

/// A day of the calendar, counted from 1970; none, if there is no such day.
#[must_use]
pub fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let known = (1..=12).contains(&month) && (1..=31).contains(&day);
    let found = first_of(year, month) + day - 1;
    (known && month_of(found) == (year, month)).then_some(found)
}

/// The first day of a month, counted from 1970.
fn first_of(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert_eq!(day_of(1970, 1, 1), Some(0));
        assert_eq!(day_of(2024, 2, 29), Some(19_782));
        for (year, month, day) in [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31)] {
            assert_eq!(day_of(year, month, day), None);
        }
    }

    #[test]
    fn spans_begin_where_the_calendar_says() {
        // Thursday, 29 February 2024, 13:14:15 UTC.
        let now = 1_709_212_455_000;
        assert_eq!(Span::Hour.start(now), 1_709_211_600_000);
        assert_eq!(Span::Day.start(now), 1_709_164_800_000);
        assert_eq!(Span::Month.start(now), 1_706_745_600_000);
        let start = Span::Month.start(now);
        assert_eq!(
            Span::Month.left(start, now),
            Duration::from_millis(1_709_251_200_000 - 1_709_212_455_000)
        );
        // The last moment of a year.
        let now = 1_735_689_599_999;
        for span in Span::ALL {
            let left = span.left(span.start(now), now);
            assert_eq!(left, Duration::from_millis(1), "{span}");
        }
    }

    proptest! {
        #[test]
        fn each_moment_is_in_one_span_and_the_next_begins_where_it_ends(now in 0..4_102_444_800_000i64) {
            for span in Span::ALL {
                let start = span.start(now);
                let left = i64::try_from(span.left(start, now).as_millis()).unwrap();
                prop_assert!(start <= now && left > 0);
                prop_assert_eq!(span.start(now + left), now + left);
                prop_assert_eq!(span.start(now + left - 1), start);
                prop_assert_eq!(Span::parse(span.as_str()), Some(span));
            }
        }
    }
}
