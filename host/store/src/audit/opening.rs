//! The first record of a segment: whose log it is, why a new segment was begun, and what became of the ones before.

use super::disk::Source;
use super::format::{FRAME_BYTES, LINE_BYTES_MAX, head};
use crate::error::StoreError;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _};

/// The form of the segments.
const FORMAT: u32 = 1;

/// Why a segment was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Because {
    /// It is the first.
    Start,
    /// The one before was full.
    Size,
    /// A day was over.
    Day,
    /// The one before could not be written any more: what the disk said.
    Failure(String),
}

/// What stands after the end of the segment before, if anything does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Before {
    /// Nothing.
    #[default]
    Whole,
    /// What was written and never acknowledged.
    Void,
}

/// The first record of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "segment")]
pub(super) struct Opening {
    format: u32,
    /// Whose log it is.
    pub(super) host: String,
    pub(super) because: Because,
    #[serde(default)]
    pub(super) before: Before,
    /// What was written before this record is given up from here on, to keep within the budget.
    pub(super) kept_from: u64,
}

impl Opening {
    pub(super) fn new(host: String, because: Because, before: Before, kept_from: u64) -> Self {
        Self {
            format: FORMAT,
            host,
            because,
            before,
            kept_from,
        }
    }
}

/// The beginning of a segment, as it says itself.
pub(super) struct Beginning {
    pub(super) opening: Opening,
    /// The hash of the record before it, in hexadecimal digits.
    pub(super) prev: Vec<u8>,
    /// When it was begun, in microseconds since 1970.
    pub(super) ts: u64,
}

/// Reads how a segment begins; `None` if that cannot be understood.
pub(super) fn beginning(source: &dyn Source, name: &str) -> Result<Option<Beginning>, StoreError> {
    let bytes_max = (FRAME_BYTES + LINE_BYTES_MAX) as u64;
    let mut reader = BufReader::new(source.read(name)?.take(bytes_max));
    let (mut header, mut line) = (Vec::new(), Vec::new());
    let read = reader.read_until(b'\n', &mut header);
    read.and_then(|_| reader.read_until(b'\n', &mut line))
        .map_err(|error| StoreError::read(std::path::Path::new(name), error))?;
    let understood = || {
        let line = line.strip_suffix(b"\n")?;
        let head = head(line)?;
        Some(Beginning {
            opening: serde_json::from_slice(line).ok()?,
            prev: head.prev.to_vec(),
            ts: head.ts,
        })
    };
    Ok(understood())
}
