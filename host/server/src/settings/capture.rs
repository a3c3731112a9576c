//! `capture`: which calls of a service are kept so that they can be run again; and `[capture]`, how many of them and for how long. That is
//! read at start.

use crate::settings::reader::Reader;
use crate::settings::units::{Raw, size_text};
use crate::settings::upstream::within;
use serde::Deserialize;
use std::time::Duration;

/// The least and the most that can be kept, in bytes: a call may have eight mebibytes.
const KEEP_MIN: u64 = 16 << 20;
const KEEP_MAX: u64 = 1 << 40;
/// What is kept if nothing is said.
const KEEP: u64 = 256 << 20;
/// How many days they are kept if nothing is said: last Tuesday is among them.
const KEEP_DAYS: u64 = 7;
/// The most that can be asked for.
const KEEP_DAYS_MAX: u64 = 366;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which calls of a service are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// None.
    #[default]
    Off,
    /// Those that ended with a fault, or were cut.
    Faults,
    /// All.
    All,
}

impl Capture {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Faults => "faults",
            Self::All => "all",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "faults" => Ok(Self::Faults),
            "all" => Ok(Self::All),
            _ => Err(format!(
                "`{}` is neither \"off\" nor \"faults\" nor \"all\"",
                text.escape_debug()
            )),
        }
    }
}

/// `[capture]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenCapture {
    pub(crate) keep: Option<Raw>,
    pub(crate) keep_days: Option<u64>,
}

/// How much of what is captured is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureKeep {
    /// How many bytes; the oldest go first.
    pub bytes: u64,
    /// How many days, where there is room.
    pub days: u64,
}

impl Default for CaptureKeep {
    fn default() -> Self {
        Self {
            bytes: KEEP,
            days: KEEP_DAYS,
        }
    }
}

impl CaptureKeep {
    /// For how long.
    #[must_use]
    pub fn age(self) -> Duration {
        DAY.saturating_mul(u32::try_from(self.days).unwrap_or(u32::MAX))
    }
}

pub(super) fn check(written: WrittenCapture, reader: &mut Reader<'_>) -> CaptureKeep {
    let default = CaptureKeep::default();
    CaptureKeep {
        bytes: reader.or("capture.keep", written.keep, default.bytes, |raw| {
            within(raw.bytes()?, KEEP_MIN, KEEP_MAX)
        }),
        days: reader.or(
            "capture.keep_days",
            written.keep_days,
            default.days,
            |days| within(days, 1, KEEP_DAYS_MAX),
        ),
    }
}

/// The rows of `holdfast policy`.
pub(super) fn rows(keep: CaptureKeep) -> [(&'static str, String); 2] {
    [
        ("capture.keep", size_text(keep.bytes)),
        ("capture.keep_days", keep.days.to_string()),
    ]
}
