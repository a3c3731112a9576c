//! Values with a unit: durations (`"250ms"`), sizes (`"64KiB"` or a number of bytes), shares (`"60%"`) and amounts (`"0.0004 USD"`). A number without its unit is
//! refused where it could mean two things.

use holdfast_call::NanoUsd;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// A value as written: a number or a text. What it means depends on the key, so it is read later, when every mistake can be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// `12`.
    Integer(i64),
    /// `"12s"`.
    Text(String),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text with a unit")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Integer(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
                i64::try_from(value)
                    .map(Raw::Integer)
                    .map_err(|_| E::custom("number too large"))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The units of time, longest first, each in nanoseconds.
const TIMES: &[(&str, u64)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// The units of size, largest first, each in bytes.
const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Raw {
    /// Nanoseconds of a duration such as `"250ms"`.
    pub(crate) fn nanos(&self) -> Result<u64, String> {
        match self {
            Self::Text(text) => quantity(text, TIMES).ok_or_else(|| {
                format!("`{text}` is not a duration such as \"250ms\", \"30s\" or \"15m\"")
            }),
            Self::Integer(number) => Err(format!(
                "a duration needs its unit: \"{number}ms\" or \"{number}s\", with quotes"
            )),
        }
    }

    /// A duration.
    pub(crate) fn duration(&self) -> Result<Duration, String> {
        self.nanos().map(Duration::from_nanos)
    }

    /// A duration of a second to a week: how long something is still of use to people.
    pub(crate) fn up_to_a_week(&self) -> Result<Duration, String> {
        let span = self.duration()?;
        if (Duration::from_secs(1)..=Duration::from_secs(7 * 86_400)).contains(&span) {
            return Ok(span);
        }
        Err("is at least \"1s\" and at most a week (\"168h\")".to_owned())
    }

    /// A size in bytes.
    pub(crate) fn bytes(&self) -> Result<u64, String> {
        match self {
            Self::Text(text) => quantity(text, SIZES).ok_or_else(|| {
                format!(
                    "`{text}` is not a size such as \"64KiB\" or \"128MiB\", or a number of bytes"
                )
            }),
            Self::Integer(number) => {
                u64::try_from(*number).map_err(|_| format!("{number} is less than nothing"))
            }
        }
    }

    /// An amount of money.
    pub(crate) fn money(&self) -> Result<NanoUsd, String> {
        let wrong = |text: &str| {
            format!(
                "{text} is not an amount such as \"0.0004 USD\": US dollars, at most nine digits behind the point"
            )
        };
        match self {
            Self::Text(text) => NanoUsd::parse(text).ok_or_else(|| wrong(&format!("`{text}`"))),
            Self::Integer(number) => Err(wrong(&number.to_string())),
        }
    }

    /// A plain count.
    pub(crate) fn count(&self) -> Result<u64, String> {
        match self {
            Self::Integer(number) => {
                u64::try_from(*number).map_err(|_| format!("{number} is less than nothing"))
            }
            Self::Text(text) => Err(format!("`{text}` is not a plain number (without quotes)")),
        }
    }
}

/// A whole number and a unit of the list, nothing else; `None` also where the product does not fit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(word, _)| *word == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The shortest exact way to write a duration.
#[must_use]
pub fn duration_text(nanos: u64) -> String {
    shortest(nanos, TIMES).unwrap_or_else(|| format!("{nanos}ns"))
}

/// The shortest exact way to write a size.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    shortest(bytes, SIZES).unwrap_or_else(|| format!("{bytes}B"))
}

fn shortest(value: u64, units: &[(&str, u64)]) -> Option<String> {
    units
        .iter()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
        .map(|(word, factor)| format!("{}{word}", value / factor))
}
