//! `[compile]` of the policy: what compiling one component may use.
//!
//! A component is compiled in a process of its own; these limits are that process's. What reaches one is refused, and nothing else is
//! harmed.

use crate::settings::reader::Reader;
use crate::settings::units::{Raw, duration_text, size_text};
use holdfast_wasm::compile::job::CompileLimits;
use serde::Deserialize;
use std::time::Duration;

/// `[compile]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenCompile {
    pub(crate) memory: Option<Raw>,
    pub(crate) cpu: Option<Raw>,
    pub(crate) wall: Option<Raw>,
    pub(crate) output: Option<Raw>,
}

/// Less than the program itself needs compiles nothing; more than a machine has is a slip.
const MEMORY: (u64, u64) = (256 << 20, 1 << 40);
const OUTPUT: (u64, u64) = (1 << 20, 1 << 34);
const SPAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));

pub(super) fn check(written: WrittenCompile, reader: &mut Reader<'_>) -> CompileLimits {
    let default = CompileLimits::default();
    CompileLimits {
        memory: reader.or("compile.memory", written.memory, default.memory, |raw| {
            size(&raw, MEMORY)
        }),
        cpu: reader.or("compile.cpu", written.cpu, default.cpu, |raw| span(&raw)),
        wall: reader.or("compile.wall", written.wall, default.wall, |raw| span(&raw)),
        output: reader.or("compile.output", written.output, default.output, |raw| {
            size(&raw, OUTPUT)
        }),
    }
}

fn size(raw: &Raw, (least, most): (u64, u64)) -> Result<u64, String> {
    let bytes = raw.bytes()?;
    if (least..=most).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!(
        "{} is not between {} and {}",
        size_text(bytes),
        size_text(least),
        size_text(most)
    ))
}

/// Whole seconds: the system counts a process's CPU time in no smaller unit.
fn span(raw: &Raw) -> Result<Duration, String> {
    let (least, most) = SPAN;
    let span = raw.duration()?;
    if span.subsec_nanos() == 0 && (least..=most).contains(&span) {
        return Ok(span);
    }
    Err(format!(
        "{} is no whole number of seconds between 1s and 24h",
        text(span)
    ))
}

/// The rows of `holdfast policy`.
pub(super) fn rows(limits: &CompileLimits) -> [(&'static str, String); 4] {
    [
        ("compile.memory", size_text(limits.memory)),
        ("compile.cpu", text(limits.cpu)),
        ("compile.wall", text(limits.wall)),
        ("compile.output", size_text(limits.output)),
    ]
}

fn text(span: Duration) -> String {
    duration_text(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}
