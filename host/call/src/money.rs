//! Money, exactly: whole billionths of a US dollar, as prices are written and costs are counted. No fraction is ever rounded away, because
//! a tenth of a cent for a million requests is money.

use std::fmt;

/// An amount in billionths of a US dollar (nano-USD). The largest is what a signed 64-bit number holds, 9.2 billion dollars, so that every
/// store takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoUsd(pub u64);

/// A rate: billionths of a thousandth of a US dollar (pico-USD) for each unit of something. A token may cost less than a nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PicoUsd(pub u64);

/// The nano-USD of a dollar.
const DOLLAR: u64 = 1_000_000_000;
/// The digits behind the point that are worth something.
const DIGITS: usize = 9;
/// Those of a rate.
const RATE_DIGITS: usize = 12;
/// The pico-USD of a nano-USD.
const PICOS: u128 = 1_000;

impl NanoUsd {
    /// The most there is.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// Reads `0.0004 USD`: whole dollars and up to nine digits behind the point. `None` where it is anything else, or more than
    /// [`Self::MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = Self(parsed(text, DIGITS)?);
        (all <= Self::MAX).then_some(all)
    }

    /// The whole nano-USD of so many pico-USD, rounded up: who is paid does not round in our favour.
    #[must_use]
    pub fn of_picos(picos: u128) -> Self {
        let nanos = u64::try_from(picos.div_ceil(PICOS)).unwrap_or(u64::MAX);
        Self(nanos).min(Self::MAX)
    }

    /// Both together, at most [`Self::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).min(Self::MAX)
    }

    /// The number as every store takes it.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The amount that a store has; nothing, where that is less than nothing.
    #[must_use]
    pub fn of_i64(nanos: i64) -> Self {
        Self(u64::try_from(nanos).unwrap_or(0))
    }
}

impl PicoUsd {
    /// Reads `0.0000025 USD`: whole dollars and up to twelve digits behind the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parsed(text, RATE_DIGITS).map(Self)
    }

    /// What so many units come to, in pico-USD.
    #[must_use]
    pub fn of(self, units: u64) -> u128 {
        u128::from(self.0) * u128::from(units)
    }
}

/// An amount in the smallest parts that so many digits behind the point can tell.
fn parsed(text: &str, places: usize) -> Option<u64> {
    let number = text.strip_suffix("USD")?.trim_end_matches(' ');
    let (dollars, rest) = match number.split_once('.') {
        Some((dollars, rest)) => (dollars, Some(rest)),
        None => (number, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(dollars) || !rest.is_none_or(|rest| digits(rest) && rest.len() <= places) {
        return None;
    }
    let parts = match rest {
        Some(rest) => format!("{rest:0<places$}").parse::<u64>().ok()?,
        None => 0,
    };
    let dollar = 10u64.checked_pow(u32::try_from(places).ok()?)?;
    let whole = dollars.parse::<u64>().ok()?.checked_mul(dollar)?;
    whole.checked_add(parts)
}

impl fmt::Display for NanoUsd {
    /// As it is written: `0.0004 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, self.0, DOLLAR, DIGITS)
    }
}

impl fmt::Display for PicoUsd {
    /// As it is written: `0.0000025 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, self.0, DOLLAR * 1_000, RATE_DIGITS)
    }
}

fn shown(f: &mut fmt::Formatter<'_>, amount: u64, dollar: u64, places: usize) -> fmt::Result {
    let (dollars, parts) = (amount / dollar, amount % dollar);
    if parts == 0 {
        return write!(f, "{dollars} USD");
    }
    let parts = format!("{parts:0>places$}");
    write!(f, "{dollars}.{} USD", parts.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_amount_is_read_to_the_last_digit_or_not_at_all() {
        for (text, nanos) in [
            ("0.0004 USD", 400_000),
            ("3 USD", 3 * DOLLAR),
            ("12.5USD", 12 * DOLLAR + 500_000_000),
            ("0.000000001 USD", 1),
            ("9223372036.854775807 USD", NanoUsd::MAX.0),
        ] {
            assert_eq!(NanoUsd::parse(text), Some(NanoUsd(nanos)), "{text}");
        }
        for text in [
            "",
            "USD",
            "1",
            "1 EUR",
            "1 usd",
            ".5 USD",
            "1. USD",
            "-1 USD",
            "+1 USD",
            "1e3 USD",
            "1,5 USD",
            "1.5.5 USD",
            " 1 USD",
            "1\tUSD",
            "0.0000000001 USD",
            "9223372036.854775808 USD",
            "99999999999999999999 USD",
            "$1",
        ] {
            assert_eq!(NanoUsd::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_rate_is_read_to_a_thousandth_of_that_and_a_sum_is_rounded_up() {
        let rate = PicoUsd::parse("0.0000025 USD").unwrap();
        assert_eq!(rate, PicoUsd(2_500_000));
        assert_eq!(rate.to_string(), "0.0000025 USD");
        assert_eq!(PicoUsd::parse("0.000000000001 USD"), Some(PicoUsd(1)));
        assert_eq!(PicoUsd::parse("0.0000000000001 USD"), None);
        assert_eq!(NanoUsd::of_picos(rate.of(3)), NanoUsd(7_500));
        assert_eq!(NanoUsd::of_picos(PicoUsd(1).of(1)), NanoUsd(1));
        assert_eq!(NanoUsd::of_picos(0), NanoUsd(0));
        assert_eq!(NanoUsd::of_picos(u128::MAX), NanoUsd::MAX);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0..=NanoUsd::MAX.0) {
            let amount = NanoUsd(nanos);
            prop_assert_eq!(NanoUsd::parse(&amount.to_string()), Some(amount));
        }
    }
}
