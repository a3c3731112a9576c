//! When: moments as people write them, in UTC.

use holdfast_store::ledger::day_of;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The moment of a text, in milliseconds since 1970: of a day its beginning.
pub(super) fn parse(text: &str, now: i64) -> Result<i64, String> {
    let words = text.trim().to_ascii_lowercase();
    let today = now - now.rem_euclid(DAY);
    let found = match words.as_str() {
        "now" => Some(now),
        "today" => Some(today),
        "yesterday" => Some(today - DAY),
        words => before(words, now)
            .or_else(|| date(words))
            .or_else(|| weekday(words, today)),
    };
    found.ok_or_else(|| {
        format!(
            "`{}` is no moment such as \"today\", \"yesterday\", \"last tuesday\", \"7d\", \"24h\" or \"2026-11-01\"",
            text.escape_debug()
        )
    })
}

/// `7d`, `24h`.
fn before(words: &str, now: i64) -> Option<i64> {
    let (number, unit) = match (words.strip_suffix('d'), words.strip_suffix('h')) {
        (Some(number), _) => (number, DAY),
        (None, Some(number)) => (number, HOUR),
        (None, None) => return None,
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<i64>().ok().filter(|_| digits)?;
    now.checked_sub(number.checked_mul(unit)?)
}

/// `2026-11-01`.
pub(crate) fn date(words: &str) -> Option<i64> {
    let plain = words.len() == 10 && words.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let mut parts = words.split('-').filter(|_| plain);
    let mut number = || parts.next()?.parse().ok();
    let day = day_of(number()?, number()?, number()?)?;
    Some(day * DAY)
}

/// `last tuesday`: the last one that is over, so never today.
fn weekday(words: &str, today: i64) -> Option<i64> {
    let name = words.strip_prefix("last ")?.trim();
    let wanted = DAYS.iter().position(|day| *day == name)?;
    // The first day of 1970 was a Thursday.
    let weekday = (today / DAY + 3).rem_euclid(7);
    let back = (weekday - i64::try_from(wanted).ok()? - 1).rem_euclid(7) + 1;
    Some(today - back * DAY)
}
