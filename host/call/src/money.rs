//! Money, exactly: whole billionths of a US dollar, as prices are written and costs are counted. No fraction is ever rounded away, because
//! a tenth of a cent for a million requests is money.

use std::fmt;

/// An amount in billionths of a US dollar (nano-USD). The largest is what a signed 64-bit number holds, 9.2 billion dollars, so that every
/// store takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoUsd(pub u64);

/// The nano-USD of a dollar.
const DOLLAR: u64 = 1_000_000_000;
/// The digits behind the point that are worth something.
const DIGITS: usize = 9;

impl NanoUsd {
    /// The most there is.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// Reads `0.0004 USD`: whole dollars and up to nine digits behind the point. `None` where it is anything else, or more than
    /// [`Self::MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix("USD")?.trim_end_matches(' ');
        let (dollars, rest) = match number.split_once('.') {
            Some((dollars, rest)) => (dollars, Some(rest)),
            None => (number, None),
        };
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(dollars) || !rest.is_none_or(|rest| digits(rest) && rest.len() <= DIGITS) {
            return None;
        }
        let nanos = match rest {
            Some(rest) => format!("{rest:0<DIGITS$}").parse::<u64>().ok()?,
            None => 0,
        };
        let whole = dollars.parse::<u64>().ok()?.checked_mul(DOLLAR)?;
        let all = Self(whole.checked_add(nanos)?);
        (all <= Self::MAX).then_some(all)
    }
}

impl fmt::Display for NanoUsd {
    /// As it is written: `0.0004 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, nanos) = (self.0 / DOLLAR, self.0 % DOLLAR);
        if nanos == 0 {
            return write!(f, "{dollars} USD");
        }
        let nanos = format!("{nanos:0>DIGITS$}");
        write!(f, "{dollars}.{} USD", nanos.trim_end_matches('0'))
    }
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

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0..=NanoUsd::MAX.0) {
            let amount = NanoUsd(nanos);
            prop_assert_eq!(NanoUsd::parse(&amount.to_string()), Some(amount));
        }
    }
}
