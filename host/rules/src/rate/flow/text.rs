//! How a quota is written: `"50/s"`, `"100/m burst 20"`. Without a burst, what flows in a window may come at once.

use super::Quota;
use std::fmt;
use std::time::Duration;

/// The windows that have a letter, in seconds.
const WINDOWS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
/// More than a million a second is more than any host serves, and than nanoseconds count well.
const PER_SECOND_MAX: u64 = 1_000_000;

impl Quota {
    /// Reads a quota.
    ///
    /// # Errors
    /// It is none, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a rate such as \"50/s\", \"100/m\" or \"5/h burst 2\" (s, m, h or d)",
                text.escape_debug()
            )
        };
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(number(burst).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let (count, letter) = rate.split_once('/').ok_or_else(wrong)?;
        let count = number(count).ok_or_else(wrong)?;
        let window = WINDOWS.iter().find(|(known, _)| *known == letter);
        let (_, seconds) = window.ok_or_else(wrong)?;
        let burst = burst.unwrap_or(count);
        if count == 0 || burst == 0 {
            return Err(format!("`{text}` lets nobody come: at least 1"));
        }
        if u64::from(count) > seconds * PER_SECOND_MAX {
            return Err(format!("`{text}` is more than {PER_SECOND_MAX} a second"));
        }
        let quota = Self::new(count, Duration::from_secs(*seconds), burst);
        if quota.burst != burst {
            return Err(format!("`{text}` has a burst that takes decades to flow"));
        }
        Ok(quota)
    }
}

/// Digits alone: a sign or a space would be taken by `parse` or by people.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_window = |known: u64| self.window == Duration::from_secs(known);
        match WINDOWS.iter().find(|(_, known)| is_window(*known)) {
            Some((letter, _)) => write!(f, "{}/{letter}", self.count)?,
            None => write!(f, "{} in {:?}", self.count, self.window)?,
        }
        if self.burst != self.count {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in [
            "50/s",
            "100/m burst 20",
            "5/h burst 50",
            "1/d",
            "4294967295/d",
        ] {
            assert_eq!(Quota::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Quota::parse("50/s burst 50").unwrap().to_string(), "50/s");
        let quota = Quota::parse("100/m burst 20").unwrap();
        assert_eq!((quota.count(), quota.burst()), (100, 20));
        assert_eq!(quota.window(), Duration::from_secs(60));
        assert_eq!(quota.takes(1), Duration::from_millis(600));
    }

    #[test]
    fn what_is_no_rate_is_refused_and_said_why() {
        for (text, why) in [
            ("", "is not a rate"),
            ("50", "is not a rate"),
            ("50/", "is not a rate"),
            ("/s", "is not a rate"),
            ("50/w", "is not a rate"),
            ("50/S", "is not a rate"),
            (" 50/s", "is not a rate"),
            ("50 /s", "is not a rate"),
            ("+50/s", "is not a rate"),
            ("-1/s", "is not a rate"),
            ("1.5/s", "is not a rate"),
            ("50/s burst", "is not a rate"),
            ("50/s burst +2", "is not a rate"),
            ("50/s  burst 2", "is not a rate"),
            ("50/s burst 2 burst 3", "is not a rate"),
            ("99999999999/s", "is not a rate"),
            ("0/s", "at least 1"),
            ("1/s burst 0", "at least 1"),
            ("1000001/s", "a second"),
            ("1/d burst 99999", "decades"),
        ] {
            let refused = Quota::parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
