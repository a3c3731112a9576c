//! One record of the trail, as it is written: flat, with the names of the closing line, and without what is not known or nought.

use holdfast_call::{
    Boundary, Call, CallId, Caller, Closing, Effect, Entry, HostCode, Outcome, Target, Trace, Why,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Display;
use std::sync::Arc;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// That a call is about to change something.
    Intent,
    /// What it came to.
    Outcome,
    /// What a call came to that changes nothing, or did not get that far.
    Call,
    /// How the answer ended of which the head is on record.
    End,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Call => "call",
            Self::End => "end",
        }
    }
}

/// A record.
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) call: CallId,
    /// The number of the record that says what it was to do.
    pub(super) intent: Option<u64>,
    pub(super) who: Option<Who<'a>>,
    /// The keyed hash of what was asked.
    pub(super) args: Option<&'a str>,
    /// The keyed hash of what makes it the same as another call.
    pub(super) key: Option<&'a str>,
    /// The approval that it uses.
    pub(super) approval: Option<&'a str>,
    pub(super) came: Option<Came<'a>>,
}

/// Who asks for what, and why.
pub(super) struct Who<'a> {
    parent: Option<CallId>,
    trace: &'a Trace,
    entry: Entry,
    target: &'a Target,
    digest: Option<&'a Arc<str>>,
    operation: &'a str,
    caller: &'a Caller,
    why: &'a Why,
    effect: Option<Effect>,
}

impl<'a> Who<'a> {
    /// Of a call that is under way.
    pub(super) fn of(call: &'a Call) -> Self {
        let registered = call.registered.as_ref();
        Self {
            parent: call.parent,
            trace: &call.trace,
            entry: call.entry,
            target: &call.target,
            digest: registered.and_then(|registered| registered.digest.as_ref()),
            operation: &call.operation,
            caller: &call.caller,
            why: &call.why,
            effect: call.meter.effect(),
        }
    }

    /// Of one that has been served.
    pub(super) fn was(closing: &'a Closing) -> Self {
        Self {
            parent: closing.parent,
            trace: &closing.trace,
            entry: closing.entry,
            target: &closing.target,
            digest: closing.digest.as_ref(),
            operation: &closing.operation,
            caller: &closing.caller,
            why: &closing.why,
            effect: closing.reading.effect,
        }
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if let Some(parent) = self.parent {
            map.serialize_entry("parent", parent.text().as_str())?;
        }
        map.serialize_entry(
            "trace",
            &Shown(format_args!("{:032x}", self.trace.trace_id)),
        )?;
        map.serialize_entry("entry", self.entry.as_str())?;
        match self.target {
            Target::Service(name) => map.serialize_entry("service", &**name)?,
            Target::Capability { .. } => map.serialize_entry("target", &Shown(self.target))?,
        }
        if let Some(digest) = self.digest {
            map.serialize_entry("digest", &**digest)?;
        }
        map.serialize_entry("operation", self.operation)?;
        if let Some(effect) = self.effect {
            map.serialize_entry("effect", effect.as_str())?;
        }
        map.serialize_entry("caller", &Shown(self.caller))?;
        // What is said, not what was seen.
        map.serialize_entry("why", self.why.as_str())?;
        map.serialize_entry("lane", "claimed")
    }
}

/// What a call came to.
pub(super) struct Came<'a> {
    closing: &'a Closing,
    so_far: SoFar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SoFar {
    Head,
    All,
}

impl<'a> Came<'a> {
    /// All of it.
    pub(super) fn to(closing: &'a Closing) -> Self {
        Self {
            closing,
            so_far: SoFar::All,
        }
    }

    /// The head of an answer that goes on.
    pub(super) fn so_far(closing: &'a Closing) -> Self {
        Self {
            closing,
            so_far: SoFar::Head,
        }
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let closing = self.closing;
        if let Some(status) = closing.status {
            map.serialize_entry("status", &status)?;
        }
        if self.so_far == SoFar::Head {
            return map.serialize_entry("outcome", "streams");
        }
        map.serialize_entry("outcome", closing.outcome.as_str())?;
        self.fault(map)?;
        let micros = u32::try_from(closing.took.as_micros()).unwrap_or(u32::MAX);
        map.serialize_entry("ms", &(f64::from(micros) / 1_000.0))?;
        let reading = &closing.reading;
        if let Some(first) = reading.replays {
            map.serialize_entry("replays", first.text().as_str())?;
        }
        if let Some(how) = reading.degraded {
            map.serialize_entry("degraded", how.as_str())?;
        }
        let numbers = [
            ("cpu_us", reading.cpu_nanos / 1_000),
            ("mem_bytes", reading.mem_bytes),
            ("attempts", u64::from(reading.attempts)),
            ("cost_nanousd", reading.cost.0),
            ("bytes_in", reading.bytes_in),
            ("bytes_out", reading.bytes_out),
        ];
        for (name, number) in numbers {
            if number > 0 {
                map.serialize_entry(name, &number)?;
            }
        }
        map.serialize_entry("spent_us", &Spent(closing))
    }

    fn fault<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let fault = match &self.closing.outcome {
            Outcome::Answered => return Ok(()),
            Outcome::Cancelled => {
                map.serialize_entry("code", HostCode::Cancelled.as_str())?;
                return map.serialize_entry("boundary", Boundary::Caller.as_str());
            }
            Outcome::Failed(fault) => fault,
        };
        let verdict = fault.verdict();
        map.serialize_entry("code", &Shown(fault.code()))?;
        map.serialize_entry("boundary", verdict.boundary.as_str())?;
        map.serialize_entry("stage", verdict.stage)?;
        map.serialize_entry("cause", cut(&verdict.cause, TEXT_BYTES_MAX))?;
        map.serialize_entry("evidence", &Evidence(&verdict.evidence))?;
        map.serialize_entry("next", cut(&verdict.next, TEXT_BYTES_MAX))
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.kind.as_str())?;
        map.serialize_entry("call", self.call.text().as_str())?;
        if let Some(intent) = self.intent {
            map.serialize_entry("intent", &intent)?;
        }
        if let Some(who) = &self.who {
            who.write(&mut map)?;
        }
        for (name, text) in [
            ("args", self.args),
            ("key", self.key),
            ("approval", self.approval),
        ] {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some(came) = &self.came {
            came.write(&mut map)?;
        }
        map.end()
    }
}

/// The longest text of a verdict that is on record, in bytes. A trap quotes a whole backtrace, a guest writes what it likes, and JSON may make
/// six bytes of one: all of it together must be a record that the log takes.
const TEXT_BYTES_MAX: usize = 1_024;
/// The same of a thing that was seen.
const SEEN_BYTES_MAX: usize = 512;
/// How much of what was seen is on record, in entries.
const EVIDENCE_MAX: usize = 8;

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or(text)
}

/// What shows itself.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Where the time went, in microseconds.
struct Spent<'a>(&'a Closing);

impl Serialize for Spent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let accounts = self.0.spent.accounts().into_iter();
        let accounts = accounts.map(|(name, nanos)| (name, nanos / 1_000));
        serializer.collect_map(accounts.filter(|(_, micros)| *micros > 0))
    }
}

struct Evidence<'a>(&'a [(&'static str, String)]);

impl Serialize for Evidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seen = self.0.iter().take(EVIDENCE_MAX);
        serializer.collect_map(seen.map(|(name, value)| (name, cut(value, SEEN_BYTES_MAX))))
    }
}
