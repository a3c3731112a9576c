//! The logs: how much of each there is, how much comes in a day, and how far back that reaches within what it may take.

use super::{Boundary, Finding, State};
use crate::cli::cost::when;
use crate::settings::Policy;
use crate::settings::units::size_text;
use holdfast_call::{Clock as _, WallTime};
use holdfast_rules::clock::HostClock;
use holdfast_store::audit::{self, Since};
use holdfast_store::calls;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

const HERE: Boundary = Boundary::Storage;
const DAY_MS: i64 = 86_400_000;
/// What came in less time says nothing of a day.
const AGE_LEAST_MS: i64 = 10 * 60_000;
/// A first line that is longer is none of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// One log.
pub struct Kept {
    /// Which one, as the settings call it.
    pub name: &'static str,
    /// What there is of it, in bytes.
    pub bytes: u64,
    /// Since when, in milliseconds since 1970; none while nothing is in it.
    pub since: Option<i64>,
    /// How much of it is kept, in bytes; none where nothing takes it away.
    pub keep: Option<u64>,
    /// For how many days it is to be kept.
    pub keep_days: Option<u64>,
}

/// Looks at each log that there is.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    let now = i64::try_from(HostClock::start().wall().0 / 1_000).unwrap_or(i64::MAX);
    let records = policy.data.join("audit");
    findings.push(judge(
        &Kept {
            name: "audit",
            bytes: bytes_in(&records),
            since: first_record(&records),
            keep: Some(policy.audit.keep),
            keep_days: Some(policy.audit.keep_days),
        },
        now,
    ));
    if policy.call_log > 0 {
        let log = policy.data.join(crate::assembly::CALLS);
        let oldest = calls::oldest_call(&log).ok().flatten();
        findings.push(judge(
            &Kept {
                name: "call_log",
                bytes: bytes_in(&log),
                since: oldest.as_deref().and_then(stamp),
                keep: Some(policy.call_log),
                keep_days: None,
            },
            now,
        ));
    }
    if let Some(file) = &policy.log_file {
        findings.push(judge(
            &Kept {
                name: "log_file",
                bytes: std::fs::metadata(file).map_or(0, |about| about.len()),
                since: first_line(file).as_deref().and_then(stamp),
                keep: None,
                keep_days: None,
            },
            now,
        ));
    }
}

/// Says how much of a log there is, and what comes of it.
#[must_use]
pub fn judge(log: &Kept, now: i64) -> Finding {
    let Kept {
        name, bytes, keep, ..
    } = *log;
    let of = keep.map(|keep| format!(" of {}", size_text(keep)));
    let mut text = format!("{name}: {}{}", round(bytes), of.unwrap_or_default());
    let age = log.since.map_or(0, |since| now.saturating_sub(since));
    if age < AGE_LEAST_MS {
        text.push_str(match bytes {
            0 => ", nothing is in it yet",
            _ => ", too young to say how much comes in a day",
        });
        return Finding::new(HERE, "logs", State::Ok, text);
    }
    let day = per_day(bytes, age);
    text.push_str(&format!(", {} a day", round(day)));
    let Some(keep) = keep.filter(|_| day > 0) else {
        return Finding::new(HERE, "logs", State::Ok, text);
    };
    let days = keep / day;
    text.push_str(&match days {
        0 => ": there is room for less than a day".to_owned(),
        days => format!(": there is room for {days} days"),
    });
    let wanted = log.keep_days.unwrap_or(1);
    if days >= wanted || age < DAY_MS {
        return Finding::new(HERE, "logs", State::Ok, text);
    }
    let next = match log.keep_days {
        Some(wanted) => format!("it is to be kept for {wanted}: give it more (`[audit] keep`)"),
        None => format!("give it more (`{name}`)"),
    };
    Finding::new(HERE, "logs", State::Warn, text).next(next)
}

fn per_day(bytes: u64, age: i64) -> u64 {
    let day = u128::from(bytes) * u128::from(DAY_MS.unsigned_abs());
    u64::try_from(day / u128::from(age.unsigned_abs()).max(1)).unwrap_or(u64::MAX)
}

/// A size without what nobody reads.
fn round(bytes: u64) -> String {
    let unit = match bytes {
        0..0x10_0000 => 1 << 10,
        0x10_0000..0x4000_0000 => 1 << 20,
        0x4000_0000.. => 1 << 30,
    };
    size_text(bytes.div_ceil(unit) * unit)
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let files = entries.flatten().filter_map(|entry| entry.metadata().ok());
    files.map(|about| about.len()).sum()
}

fn first_record(directory: &Path) -> Option<i64> {
    let mut first: Option<WallTime> = None;
    // What cannot be read is told by `holdfast audit verify`.
    let _ = audit::read(directory, Since::Beginning, |line| {
        first = Some(line.at);
        ControlFlow::Break(())
    });
    i64::try_from(first?.0 / 1_000).ok()
}

fn first_line(file: &Path) -> Option<String> {
    let mut line = String::new();
    let mut reader = BufReader::new(File::open(file).ok()?.take(LINE_BYTES_MAX));
    reader.read_line(&mut line).ok()?;
    Some(line)
}

/// The first moment in a line of a log, in milliseconds since 1970: it stands at its beginning, or first in an object of JSON.
fn stamp(line: &str) -> Option<i64> {
    let at = line.find(|c: char| c.is_ascii_digit())?;
    let text = line.get(at..at + 19)?;
    let (date, time) = text.split_once('T')?;
    let mut parts = time.split(':').map(str::parse::<i64>);
    let mut number = || parts.next()?.ok();
    let seconds = (number()? * 60 + number()?) * 60 + number()?;
    Some(when::date(date)? + seconds * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_line_is_read_in_both_forms() {
        let at = Some(1_793_836_800_000 + (8 * 3_600 + 7 * 60 + 9) * 1_000);
        for line in [
            "{\"ts\":\"2026-11-05T08:07:09.123456Z\",\"level\":\"info\"}",
            "2026-11-05T08:07:09.123456Z INFO  ready",
        ] {
            assert_eq!(stamp(line), at);
        }
        for line in ["", "no moment", "7", "{\"ts\":\"2026-13-05T08:07:09\"}"] {
            assert_eq!(stamp(line), None, "{line}");
        }
    }

    #[test]
    fn a_log_is_judged_by_what_comes_in_a_day() {
        let log = |bytes, keep_days| Kept {
            name: "audit",
            bytes,
            since: Some(0),
            keep: Some(4 << 30),
            keep_days,
        };
        let judged = |log: &Kept, days: i64| {
            let found = judge(log, days * DAY_MS);
            (found.state, found.said)
        };
        let (state, said) = judged(&log(40 << 20, Some(400)), 4);
        assert_eq!(state, State::Ok);
        assert_eq!(
            said,
            "audit: 40MiB of 4GiB, 10MiB a day: there is room for 409 days"
        );
        let (state, said) = judged(&log(400 << 20, Some(400)), 4);
        assert_eq!(state, State::Warn);
        assert!(said.ends_with("room for 40 days"), "{said}");
        // Without a time it is to be kept for, a day is enough.
        assert_eq!(judged(&log(400 << 20, None), 4).0, State::Ok);
        assert_eq!(judged(&log(40 << 30, None), 4).0, State::Warn);
        let young = judge(&log(1, None), 60_000).said;
        assert!(young.ends_with("too young to say how much comes in a day"));
        let none = Kept {
            since: None,
            ..log(0, None)
        };
        assert_eq!(
            judge(&none, DAY_MS).said,
            "audit: 0B of 4GiB, nothing is in it yet"
        );
    }
}
