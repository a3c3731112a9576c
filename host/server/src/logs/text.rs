//! The log for people: the same values, one line each, the usual ones without their names. Control characters are escaped here too.

use crate::logs::json::{fault_of, level_of, push_clean, push_millis, push_shown, service_of};
use crate::logs::stamp::Stamp;
use holdfast_call::{Closing, GuestLine, Level, NanoUsd, Target, WallTime};
use std::fmt::Write as _;

/// A call's closing line.
pub(super) fn closing(out: &mut String, stamp: &mut Stamp, closing: &Closing) {
    begin(out, stamp, closing.wall, level_of(&closing.outcome));
    push_clean(out, service_of(closing).unwrap_or("-"));
    if let Target::Capability { .. } = closing.target {
        out.push_str(" -> ");
        push_shown(out, &closing.target);
    }
    out.push(' ');
    push_clean(out, &closing.operation);
    out.push(' ');
    out.push_str(closing.outcome.as_str());
    if let Some(status) = closing.status {
        // Writing to a string cannot fail.
        let _ = write!(out, " {status}");
    }
    out.push(' ');
    push_millis(out, closing.took.as_nanos());
    let reading = &closing.reading;
    let _ = write!(
        out,
        "ms cpu={}us mem={} in={} out={} attempts={} call={}",
        reading.cpu_nanos / 1_000,
        reading.mem_bytes,
        reading.bytes_in,
        reading.bytes_out,
        reading.attempts,
        closing.id
    );
    if reading.cost > NanoUsd::default() {
        let _ = write!(out, " cost=\"{}\"", reading.cost);
    }
    if let Some(effect) = reading.effect {
        let _ = write!(out, " effect={}", effect.as_str());
    }
    if let Some(first) = reading.replays {
        let _ = write!(out, " replays={first}");
    }
    if let Some(how) = reading.degraded {
        let _ = write!(out, " degraded={}", how.as_str());
    }
    if let Some(parent) = closing.parent {
        let _ = write!(out, " parent={parent}");
    }
    out.push_str(" caller=\"");
    push_shown(out, &closing.caller);
    out.push_str("\" why=\"");
    push_clean(out, closing.why.as_str());
    out.push('"');
    if let Some(fault) = fault_of(&closing.outcome) {
        let verdict = fault.verdict();
        out.push_str(" code=");
        push_shown(out, fault.code());
        let _ = write!(out, " boundary={} stage=", verdict.boundary.as_str());
        push_clean(out, verdict.stage);
        out.push_str(" cause=\"");
        push_clean(out, &verdict.cause);
        out.push('"');
        for (name, value) in &verdict.evidence {
            out.push(' ');
            push_clean(out, name);
            out.push_str("=\"");
            push_clean(out, value);
            out.push('"');
        }
        out.push_str(" next=\"");
        push_clean(out, &verdict.next);
        out.push('"');
    }
}

/// A guest's line.
pub(super) fn guest(out: &mut String, stamp: &mut Stamp, line: &GuestLine) {
    begin(out, stamp, line.wall, line.level);
    match &line.target {
        Target::Service(name) => push_clean(out, name),
        Target::Capability { .. } => push_shown(out, &line.target),
    }
    out.push_str(" says: ");
    push_clean(out, &line.text);
    let _ = write!(out, " call={}", line.id);
}

/// A line of the host.
pub(super) fn host(out: &mut String, stamp: &mut Stamp, wall: WallTime, level: Level, words: &str) {
    begin(out, stamp, wall, level);
    push_clean(out, words);
}

fn begin(out: &mut String, stamp: &mut Stamp, wall: WallTime, level: Level) {
    stamp.push(out, wall);
    // Writing to a string cannot fail.
    let _ = write!(out, " {:5} ", level.as_str());
}
