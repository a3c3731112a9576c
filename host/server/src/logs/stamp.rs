//! Wall time as text (RFC 3339, UTC, microseconds). Lines come in bursts of one second, so the text of the second is kept.

use holdfast_call::WallTime;
use std::fmt::Write as _;

/// The second that was written last, and its text.
#[derive(Default)]
pub(super) struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    /// Appends the time.
    pub(super) fn push(&mut self, out: &mut String, wall: WallTime) {
        let second = wall.0 / 1_000_000;
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            push_second(&mut self.text, second);
        }
        out.push_str(&self.text);
        out.push('.');
        let micros = wall.0 % 1_000_000;
        let mut place = 100_000;
        while place > 0 {
            out.push(char::from(
                b'0' + u8::try_from(micros / place % 10).unwrap_or(0),
            ));
            place /= 10;
        }
        out.push('Z');
    }
}

/// A time, to the microsecond.
pub(crate) fn instant(wall: WallTime) -> String {
    let mut text = String::new();
    Stamp::default().push(&mut text, wall);
    text
}

/// The day of a time.
pub(crate) fn date(wall: WallTime) -> String {
    let mut text = String::new();
    push_second(&mut text, wall.0 / 1_000_000);
    text.chars().take_while(|c| *c != 'T').collect()
}

/// Days are counted from 1 March of the year 0, so that the leap day is the last of its year; an era is 400 years.
fn push_second(out: &mut String, second: u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = second / 86_400 + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600 % 24, second / 60 % 60, second % 60);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    );
}
