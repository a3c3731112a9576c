//! One JSON object a line, fields in a fixed order. Written by hand into a buffer that is kept: this runs for every call.

use crate::logs::stamp::Stamp;
use holdfast_call::problem::push_escaped;
use holdfast_call::{
    Boundary, Closing, Fault, GuestLine, HostCode, Level, NanoUsd, Outcome, Target, WallTime,
};
use std::fmt::{Display, Write as _};

/// A call's closing line.
pub(super) fn closing(out: &mut String, stamp: &mut Stamp, closing: &Closing) {
    begin(out, stamp, closing.wall, level_of(&closing.outcome), "call");
    text(out, "call", closing.id.text().as_str());
    if let Some(parent) = closing.parent {
        text(out, "parent", parent.text().as_str());
    }
    trace(out, closing.trace.trace_id);
    if let Some(service) = service_of(closing) {
        text(out, "service", service);
    }
    if let Some(digest) = &closing.digest {
        text(out, "digest", digest);
    }
    text(out, "operation", &closing.operation);
    shown(out, "caller", &closing.caller);
    text(out, "why", closing.why.as_str());
    if let Some(effect) = closing.reading.effect {
        text(out, "effect", effect.as_str());
    }
    if let Some(first) = closing.reading.replays {
        text(out, "replays", first.text().as_str());
    }
    if let Some(how) = closing.reading.degraded {
        text(out, "degraded", how.as_str());
    }
    text(out, "outcome", closing.outcome.as_str());
    match &closing.outcome {
        Outcome::Answered => {}
        Outcome::Cancelled => {
            text(out, "code", HostCode::Cancelled.as_str());
            text(out, "boundary", Boundary::Caller.as_str());
        }
        Outcome::Failed(fault) => {
            shown(out, "code", fault.code());
            text(out, "boundary", fault.verdict().boundary.as_str());
        }
    }
    out.push_str(",\"ms\":");
    push_millis(out, closing.took.as_nanos());
    let reading = &closing.reading;
    number(out, "cpu_us", reading.cpu_nanos / 1_000);
    spent(out, closing);
    number(out, "mem_bytes", reading.mem_bytes);
    number(out, "attempts", u64::from(reading.attempts));
    if reading.cost > NanoUsd::default() {
        number(out, "cost_nanousd", reading.cost.0);
    }
    if let Some(status) = closing.status {
        number(out, "status", u64::from(status));
    }
    number(out, "bytes_in", reading.bytes_in);
    number(out, "bytes_out", reading.bytes_out);
    text(out, "entry", closing.entry.as_str());
    if let Target::Capability { .. } = closing.target {
        shown(out, "target", &closing.target);
    }
    if reading.lines_dropped > 0 {
        number(out, "lines_dropped", reading.lines_dropped);
    }
    if reading.calls_dropped > 0 {
        number(out, "calls_dropped", reading.calls_dropped);
    }
    if let Some(fault) = fault_of(&closing.outcome) {
        verdict(out, fault);
    }
    out.push('}');
}

/// Where the time went, in microseconds.
fn spent(out: &mut String, closing: &Closing) {
    key(out, "spent_us");
    let mut between = '{';
    for (name, nanos) in closing.spent.accounts() {
        out.push(between);
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        push_number(out, nanos / 1_000);
        between = ',';
    }
    out.push('}');
}

/// A guest's line.
pub(super) fn guest(out: &mut String, stamp: &mut Stamp, line: &GuestLine) {
    begin(out, stamp, line.wall, line.level, &line.text);
    text(out, "call", line.id.text().as_str());
    trace(out, line.trace.trace_id);
    match &line.target {
        Target::Service(name) => text(out, "service", name),
        Target::Capability { .. } => shown(out, "target", &line.target),
    }
    text(out, "from", "guest");
    out.push('}');
}

/// A line of the host.
pub(super) fn host(out: &mut String, stamp: &mut Stamp, wall: WallTime, level: Level, words: &str) {
    begin(out, stamp, wall, level, words);
    text(out, "from", "host");
    out.push('}');
}

/// How much the end of a call matters. A rule that said no as it was meant to is routine.
pub(super) fn level_of(outcome: &Outcome) -> Level {
    let Some(fault) = fault_of(outcome) else {
        return Level::Info;
    };
    match fault.verdict().boundary {
        Boundary::Caller | Boundary::Policy | Boundary::Routing | Boundary::Lifecycle => {
            Level::Info
        }
        Boundary::Application | Boundary::Upstream | Boundary::Configuration => Level::Warn,
        Boundary::Storage | Boundary::Platform => Level::Error,
    }
}

/// The fault of an outcome, if it is one.
pub(super) fn fault_of(outcome: &Outcome) -> Option<&Fault> {
    match outcome {
        Outcome::Failed(fault) => Some(fault),
        Outcome::Answered | Outcome::Cancelled => None,
    }
}

/// The service that a line is about: the one called, or the one that asked for a capability.
pub(super) fn service_of(closing: &Closing) -> Option<&str> {
    match &closing.target {
        Target::Service(name) => Some(name),
        Target::Capability { .. } => closing.caller.service().map(|name| &**name),
    }
}

/// Milliseconds with three decimals.
pub(super) fn push_millis(out: &mut String, nanos: u128) {
    let micros = nanos / 1_000;
    // Writing to a string cannot fail.
    let _ = write!(out, "{}.{:03}", micros / 1_000, micros % 1_000);
}

/// Appends `text` with everything escaped that could steer a terminal or end a JSON string.
pub(super) fn push_clean(out: &mut String, text: &str) {
    let plain = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push_str(text);
    } else {
        push_escaped(out, text);
    }
}

fn begin(out: &mut String, stamp: &mut Stamp, wall: WallTime, level: Level, words: &str) {
    out.push_str("{\"ts\":\"");
    stamp.push(out, wall);
    out.push_str("\",\"level\":\"");
    out.push_str(level.as_str());
    out.push_str("\",\"msg\":\"");
    push_clean(out, words);
    out.push('"');
}

fn key(out: &mut String, key: &str) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
}

fn text(out: &mut String, name: &str, value: &str) {
    key(out, name);
    out.push('"');
    push_clean(out, value);
    out.push('"');
}

fn number(out: &mut String, name: &str, value: u64) {
    key(out, name);
    push_number(out, value);
}

fn push_number(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

fn trace(out: &mut String, id: u128) {
    key(out, "trace");
    let _ = write!(out, "\"{id:032x}\"");
}

/// A value that shows itself, escaped on its way.
fn shown(out: &mut String, name: &str, value: &dyn Display) {
    key(out, name);
    out.push('"');
    push_shown(out, value);
    out.push('"');
}

/// Appends what a value shows of itself, escaped.
pub(super) fn push_shown(out: &mut String, value: &dyn Display) {
    struct Clean<'a>(&'a mut String);
    impl std::fmt::Write for Clean<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            push_clean(self.0, text);
            Ok(())
        }
    }
    let _ = write!(Clean(out), "{value}");
}

fn verdict(out: &mut String, fault: &Fault) {
    let verdict = fault.verdict();
    text(out, "stage", verdict.stage);
    text(out, "cause", &verdict.cause);
    key(out, "evidence");
    out.push('{');
    for (place, (name, value)) in verdict.evidence.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push('"');
        push_clean(out, name);
        out.push_str("\":\"");
        push_clean(out, value);
        out.push('"');
    }
    out.push('}');
    text(out, "next", &verdict.next);
}
