//! Schedules: at which moments a service is asked for something, and what is due now. A pure core: whoever fires asks it.
//!
//! A tick is a moment that a schedule names. Which ticks there are does not depend on the host or on when it was started, so that all hosts
//! mean the same ones: an interval counts from the beginning of 1970, and a line of cron names them in its time zone. A tick that nobody
//! has fired a minute after its time was missed.

use crate::contract::Front;
use crate::effects::function_without_arguments;
use cronexpr::{Crontab, MakeTimestamp};
use holdfast_call::contract::Contract;
use jiff as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How late a tick is still fired. Whoever comes later than that finds it missed.
pub const LATE_MAX: Duration = Duration::from_secs(60);
/// The shortest interval between two ticks.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest.
pub const EVERY_MAX: Duration = Duration::from_secs(366 * 86_400);
/// How many missed ticks are counted at most when somebody comes back.
const MISSED_MAX: u64 = 1_000;

/// When a schedule fires.
#[derive(Clone)]
pub enum When {
    /// As soon as the last time has ended.
    Always,
    /// After each such interval.
    Every(Duration),
    /// At the minutes that a line of cron names.
    Cron(Arc<Line>),
}

/// A line of cron in a time zone.
pub struct Line {
    text: String,
    zone: String,
    crontab: Crontab,
}

/// What happens at a tick when the last one has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Nothing: it is skipped.
    #[default]
    Skip,
    /// It fires when the last one has ended.
    Queue,
}

/// One schedule of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: Arc<str>,
    /// When it fires.
    pub when: When,
    /// What is asked for: a method and a path, or a function without parameters by its operation.
    pub operation: Arc<str>,
    /// What happens at a tick when the last one has not ended.
    pub overlap: Overlap,
    /// What becomes of ticks that were missed.
    pub missed: Missed,
}

/// What becomes of ticks that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are counted.
    #[default]
    Counted,
    /// The last of them is made up for, too.
    MadeUpFor,
}

/// What is due, as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The tick to fire.
    pub tick: Option<i64>,
    /// The moment up to which everything is then done with.
    pub upto: i64,
    /// How many ticks before it were missed.
    pub missed: u64,
}

impl Schedule {
    /// The same with its operation as the component names it.
    ///
    /// # Errors
    /// The component has no such operation, and what to change.
    pub fn found(&self, contract: &Contract, front: Front) -> Result<Self, String> {
        let operation = match self.operation.contains(' ') {
            true if front == Front::Own => Ok(self.operation.clone()),
            true => Err(format!(
                "`{}` is asked over plain HTTP, which the component does not serve",
                self.operation
            )),
            false => function_without_arguments(contract, &self.operation),
        };
        let operation = operation.map_err(|why| format!("schedule {}: {why}", self.name))?;
        Ok(Self {
            operation,
            ..self.clone()
        })
    }
}

impl When {
    /// Reads an interval: nothing at all, or a second to a year.
    ///
    /// # Errors
    /// It is neither.
    pub fn every(span: Duration) -> Result<Self, String> {
        if span.is_zero() {
            return Ok(Self::Always);
        }
        if !(EVERY_MIN..=EVERY_MAX).contains(&span) || span.subsec_millis() > 0 {
            return Err(
                "is \"0s\", again as soon as it has ended, or whole seconds up to a year"
                    .to_owned(),
            );
        }
        Ok(Self::Every(span))
    }

    /// Reads a line of cron: minute, hour, day of month, month, day of week, in a time zone.
    ///
    /// # Errors
    /// It is none, or names no moment at all.
    pub fn cron(text: &str, zone: &str) -> Result<Self, String> {
        let plain = |text: &str| text.split(' ').filter(|part| !part.is_empty()).count();
        if plain(text) != 5 || plain(zone) != 1 || text.contains(char::is_control) {
            return Err(format!(
                "`{}` is no line of cron: minute, hour, day of month, month and day of week, as in \"0 3 * * *\"; the zone is a name of its own",
                text.escape_debug()
            ));
        }
        let crontab = cronexpr::parse_crontab(&format!("{text} {zone}"));
        let crontab = crontab.map_err(|error| {
            format!(
                "`{}` in `{}` cannot be read: {}",
                text.escape_debug(),
                zone.escape_debug(),
                error.to_string().replace('\n', " ")
            )
        })?;
        let line = Line {
            text: text.to_owned(),
            zone: zone.to_owned(),
            crontab,
        };
        let never = || format!("`{text}` names no moment in the next four years");
        line.after(0).ok_or_else(never)?;
        Ok(Self::Cron(Arc::new(line)))
    }

    /// The first tick after a moment, in milliseconds since 1970; none, where there are no moments.
    #[must_use]
    pub fn after(&self, ms: i64) -> Option<i64> {
        match self {
            Self::Always => None,
            Self::Every(span) => {
                let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1);
                ms.div_euclid(span).checked_add(1)?.checked_mul(span)
            }
            Self::Cron(line) => line.after(ms),
        }
    }

    /// What is due now, if everything up to `last` is done with. Ticks that are not late are fired one by one, in their order; those that are
    /// too late are missed all together, and the last of them is fired where that is made up for.
    #[must_use]
    pub fn due(&self, last: i64, now: i64, what: Missed) -> Option<Due> {
        let first = self.after(last).filter(|tick| *tick <= now)?;
        let late = i64::try_from(LATE_MAX.as_millis()).unwrap_or(0);
        let in_time = now.saturating_sub(late);
        if first >= in_time {
            return Some(Due {
                tick: Some(first),
                upto: first,
                missed: 0,
            });
        }
        let (mut upto, mut missed) = (first, 1);
        while let Some(next) = self.after(upto).filter(|next| *next < in_time) {
            upto = next;
            missed += 1;
            if missed == MISSED_MAX {
                // Nobody looks at each of so many.
                upto = in_time.saturating_sub(1).max(upto);
                break;
            }
        }
        Some(Due {
            tick: (what == Missed::MadeUpFor).then_some(upto),
            upto,
            missed,
        })
    }
}

impl Line {
    fn after(&self, ms: i64) -> Option<i64> {
        let from = MakeTimestamp::from_millisecond(ms).ok()?;
        let next = self.crontab.find_next(from).ok()?;
        Some(next.timestamp().as_millisecond())
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(span) => write!(f, "every {} s", span.as_secs()),
            Self::Cron(line) => write!(f, "{} {}", line.text, line.zone),
        }
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "When({self})")
    }
}

impl PartialEq for When {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for When {}

impl Overlap {
    /// Reads a word of the settings.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "skip" => Some(Self::Skip),
            "queue" => Some(Self::Queue),
            _ => None,
        }
    }

    /// The word of the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn every(seconds: u64) -> When {
        When::every(Duration::from_secs(seconds)).unwrap()
    }

    /// The moment, as RFC 3339 has it.
    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    fn ticks(when: &When, from: &str, count: usize) -> Vec<String> {
        let mut at = at(from);
        let next = std::iter::from_fn(|| {
            at = when.after(at)?;
            Some(jiff::Timestamp::from_millisecond(at).unwrap().to_string())
        });
        next.take(count).collect()
    }

    #[test]
    fn an_interval_has_the_same_ticks_for_everybody() {
        let when = every(10);
        assert_eq!(when.after(0), Some(10 * SECOND));
        assert_eq!(when.after(9_999), Some(10 * SECOND));
        assert_eq!(when.after(10_000), Some(20 * SECOND));
        assert_eq!(when.after(-1), Some(0));
        assert_eq!(when.after(i64::MAX), None);
        assert_eq!(every(0), When::Always);
        assert_eq!(When::Always.after(0), None);
        for wrong in [
            Duration::from_millis(999),
            Duration::from_millis(1_500),
            EVERY_MAX * 2,
        ] {
            assert!(When::every(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_line_of_cron_is_meant_in_its_zone() {
        let utc = When::cron("30 3 * * *", "UTC").unwrap();
        assert_eq!(
            ticks(&utc, "2026-11-28T12:00:00Z", 1),
            ["2026-11-29T03:30:00Z"]
        );
        let vienna = When::cron("30 3 * * *", "Europe/Vienna").unwrap();
        assert_eq!(
            ticks(&vienna, "2026-10-24T00:00:00Z", 3),
            [
                "2026-10-24T01:30:00Z",
                "2026-10-25T02:30:00Z",
                "2026-10-26T02:30:00Z"
            ],
            "clocks go back on the 25th"
        );
    }

    #[test]
    fn the_hour_that_is_not_there_and_the_one_that_is_there_twice_fire_once_a_day() {
        let vienna = When::cron("30 2 * * *", "Europe/Vienna").unwrap();
        for (from, days) in [("2026-03-27T12:00:00Z", 4), ("2026-10-23T12:00:00Z", 4)] {
            let fired = ticks(&vienna, from, days);
            let mut dates: Vec<_> = fired.iter().map(|tick| &tick[..10]).collect();
            dates.dedup();
            assert!(dates.len() >= days - 1, "{fired:?}");
        }
    }

    #[test]
    fn what_is_no_line_of_cron_says_so() {
        for (text, zone) in [
            ("", "UTC"),
            ("* * * *", "UTC"),
            ("* * * * * *", "UTC"),
            ("60 * * * *", "UTC"),
            ("* * * * *", "Nowhere/Town"),
            ("* * * * *", ""),
            ("* * * *", "* UTC"),
            ("* *\n* * *", "UTC"),
            ("0 0 30 2 *", "UTC"),
        ] {
            assert!(When::cron(text, zone).is_err(), "{text:?} {zone:?}");
        }
    }

    #[test]
    fn ticks_are_fired_in_their_order_as_long_as_they_are_not_late() {
        let when = every(1);
        let now = 10 * MINUTE + 500;
        assert_eq!(when.due(10 * MINUTE, now, Missed::Counted), None);
        let due = when
            .due(10 * MINUTE - 3 * SECOND, now, Missed::Counted)
            .unwrap();
        assert_eq!(due.tick, Some(10 * MINUTE - 2 * SECOND));
        assert_eq!((due.upto, due.missed), (10 * MINUTE - 2 * SECOND, 0));
    }

    #[test]
    fn what_is_late_is_missed_and_made_up_for_once_where_that_is_asked() {
        let when = every(3_600);
        let now = 3 * DAY + 30 * MINUTE;
        for (what, tick) in [(Missed::Counted, None), (Missed::MadeUpFor, Some(3 * DAY))] {
            let due = when.due(2 * DAY, now, what).unwrap();
            let expected = Due {
                tick,
                upto: 3 * DAY,
                missed: 24,
            };
            assert_eq!(due, expected);
            assert_eq!(when.due(due.upto, now, what), None);
        }
        // The last one is in time although others were not.
        let due = when.due(2 * DAY, 3 * DAY + 10, Missed::Counted).unwrap();
        assert_eq!((due.tick, due.upto, due.missed), (None, 3 * DAY - HOUR, 23));
        let due = when.due(due.upto, 3 * DAY + 10, Missed::Counted).unwrap();
        assert_eq!((due.tick, due.missed), (Some(3 * DAY), 0));
    }

    #[test]
    fn whoever_comes_back_after_years_is_done_soon() {
        let when = every(1);
        let due = when.due(0, 400 * DAY, Missed::Counted).unwrap();
        assert_eq!(due.missed, MISSED_MAX);
        let next = when.due(due.upto, 400 * DAY, Missed::Counted).unwrap();
        assert_eq!(next.missed, 0, "{next:?}");
    }
}
