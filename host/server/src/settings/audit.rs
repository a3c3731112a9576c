//! `[audit]` of the policy: what is on record, how much of it is kept, and where a copy of what vouches for it goes. Read at start.

use crate::settings::reader::Reader;
use crate::settings::units::{Raw, size_text};
use crate::settings::upstream::within;
use holdfast_rules::trail::Kept;
use holdfast_store::audit::AUDIT_BYTES_MIN;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The most that can be kept, in bytes.
const KEEP_MAX: u64 = 1 << 40;
/// What is kept if nothing is said: some ten million calls.
const KEEP: u64 = 4 << 30;

/// How many days of it are kept if nothing is said: a year, and the month in which somebody looks back at it.
const KEEP_DAYS: u64 = 400;
/// The most that can be asked for. What is to be kept for ever is exported.
const KEEP_DAYS_MAX: u64 = 36_500;

/// `[audit]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenAudit {
    pub(crate) calls: Option<String>,
    pub(crate) keep: Option<Raw>,
    pub(crate) keep_days: Option<u64>,
    pub(crate) copy: Option<String>,
}

/// The audit log of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLog {
    /// Which calls are on record.
    pub calls: Kept,
    /// How many bytes are kept; the oldest go first.
    pub keep: u64,
    /// How many days, where there is room.
    pub keep_days: u64,
    /// The file that gets a copy of the checkpoints, if there is one.
    pub copy: Option<PathBuf>,
}

impl Default for AuditLog {
    fn default() -> Self {
        Self {
            calls: Kept::default(),
            keep: KEEP,
            keep_days: KEEP_DAYS,
            copy: None,
        }
    }
}

pub(super) fn check(written: WrittenAudit, folder: &Path, reader: &mut Reader<'_>) -> AuditLog {
    let default = AuditLog::default();
    AuditLog {
        calls: reader.or(
            "audit.calls",
            written.calls.as_deref(),
            default.calls,
            parse_calls,
        ),
        keep: reader.or("audit.keep", written.keep, default.keep, |raw| {
            within(raw.bytes()?, AUDIT_BYTES_MIN, KEEP_MAX)
        }),
        keep_days: reader.or(
            "audit.keep_days",
            written.keep_days,
            default.keep_days,
            |days| within(days, 1, KEEP_DAYS_MAX),
        ),
        copy: written.copy.map(|file| folder.join(file)),
    }
}

fn parse_calls(text: &str) -> Result<Kept, String> {
    match text {
        "all" => Ok(Kept::All),
        "changes" => Ok(Kept::Changes),
        _ => Err(format!(
            "`{}` is neither \"all\" nor \"changes\"",
            text.escape_debug()
        )),
    }
}

/// The rows of `holdfast policy`.
pub(super) fn rows(audit: &AuditLog) -> [(&'static str, String); 4] {
    let calls = match audit.calls {
        Kept::All => "all",
        Kept::Changes => "changes",
    };
    let copy = match &audit.copy {
        Some(file) => file.display().to_string(),
        None => "none".to_owned(),
    };
    [
        ("audit.calls", calls.to_owned()),
        ("audit.keep", size_text(audit.keep)),
        ("audit.keep_days", audit.keep_days.to_string()),
        ("audit.copy", copy),
    ]
}
