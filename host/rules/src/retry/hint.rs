//! What an upstream says about being asked again: `retry-after` in each of its forms, and the headers that some providers add.
//!
//! An upstream may write anything here. What cannot be read is as if it were not there; nothing it writes is believed without a bound
//! (`decide.rs`).

use http::HeaderMap;
use std::time::{Duration, UNIX_EPOCH};

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing that can be read.
    Nothing,
    /// To ask again after this time.
    After(Duration),
    /// That it is worth asking again, but not when.
    Worthwhile,
    /// Not to ask again.
    Never,
}

/// Providers of models say `true` or `false` in it, and mean it more than their status.
const SHOULD_RETRY: &str = "x-should-retry";
/// The time in milliseconds; where it is there, it is the more exact one.
const AFTER_MS: &str = "retry-after-ms";
const AFTER: &str = "retry-after";

impl Hint {
    /// What the headers say. `wall` is the time for people, in seconds since 1970: a date is meant by it.
    #[must_use]
    pub fn of(headers: &HeaderMap, wall: u64) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let should = text(SHOULD_RETRY);
        if should.is_some_and(|said| said.eq_ignore_ascii_case("false")) {
            return Self::Never;
        }
        let millis = text(AFTER_MS).and_then(|said| number(said, 0.001));
        let after = millis.or_else(|| {
            let said = text(AFTER)?;
            number(said, 1.0).or_else(|| date(said, wall))
        });
        match (after, should) {
            (Some(after), _) => Self::After(after),
            (None, Some(said)) if said.eq_ignore_ascii_case("true") => Self::Worthwhile,
            (None, _) => Self::Nothing,
        }
    }
}

/// A number of units. Whole ones are what the standard has; parts of one are what some write.
fn number(said: &str, unit: f64) -> Option<Duration> {
    // What else a float may be written as (`inf`, `1e9`, `-1`) is no time.
    if said.is_empty()
        || !said
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let seconds = said.parse::<f64>().ok()? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// A date in any form of RFC 9110, section 5.6.7; one in the past is now.
fn date(said: &str, wall: u64) -> Option<Duration> {
    let date = httpdate::parse_http_date(said).ok()?;
    let seconds = date
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Some(Duration::from_secs(seconds.saturating_sub(wall)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the standard's own example.
    const WALL: u64 = 784_111_777;

    fn of(headers: &[(&'static str, &str)]) -> Hint {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        Hint::of(&headers, WALL - 10)
    }

    #[test]
    fn every_form_of_retry_after_is_understood() {
        let after = |millis| Hint::After(Duration::from_millis(millis));
        let table = [
            ("0", after(0)),
            ("120", after(120_000)),
            (" 7 ", after(7_000)),
            ("1.5", after(1_500)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", after(10_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", after(10_000)),
            ("Sun Nov  6 08:49:37 1994", after(10_000)),
            // In the past: now.
            ("Sun, 06 Nov 1994 08:49:20 GMT", after(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", after(0)),
            // More than any clock has.
            ("99999999999999999999999999", Hint::After(Duration::MAX)),
            // Not one of them.
            ("", Hint::Nothing),
            ("-1", Hint::Nothing),
            ("1e9", Hint::Nothing),
            ("inf", Hint::Nothing),
            ("NaN", Hint::Nothing),
            ("1.2.3", Hint::Nothing),
            (".", Hint::Nothing),
            ("soon", Hint::Nothing),
            ("Sun, 99 Nov 1994 08:49:37 GMT", Hint::Nothing),
        ];
        for (said, hint) in table {
            assert_eq!(of(&[("retry-after", said)]), hint, "{said:?}");
        }
    }

    #[test]
    fn the_more_exact_word_is_the_one_that_counts() {
        let both = [("retry-after", "9"), ("retry-after-ms", "250")];
        assert_eq!(of(&both), Hint::After(Duration::from_millis(250)));
        let unreadable = [("retry-after", "9"), ("retry-after-ms", "soon")];
        assert_eq!(of(&unreadable), Hint::After(Duration::from_secs(9)));
        assert_eq!(of(&[("x-should-retry", "TRUE")]), Hint::Worthwhile);
        assert_eq!(of(&[("x-should-retry", "perhaps")]), Hint::Nothing);
        let never = [("x-should-retry", "False"), ("retry-after", "1")];
        assert_eq!(of(&never), Hint::Never);
        assert_eq!(of(&[]), Hint::Nothing);
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_there_does_harm(said in "[ -~]{0,40}", wall in any::<u64>()) {
            let mut headers = HeaderMap::new();
            for name in [AFTER, AFTER_MS, SHOULD_RETRY] {
                headers.insert(name, HeaderValue::from_str(&said).unwrap());
            }
            let _ = Hint::of(&headers, wall);
        }
    }
}
