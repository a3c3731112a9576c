//! The calls of a trace as the audit log has them, in the form of closing lines: for a host whose call log is short, or gone.

use crate::logs::instant;
use anyhow::Context as _;
use holdfast_call::{CallId, WallTime};
use holdfast_store::audit::{AuditLine, Since, directory, read};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

/// How much earlier or later than a call the others of its trace are looked for, in microseconds: longer than any call can take.
const AROUND: u64 = 3_600_000_000;

/// What the records say of every call of the trace that this one belongs to, in the order of their records; empty if it is not on record.
///
/// # Errors
/// The log cannot be read.
pub(super) fn of_trace(data: &Path, id: CallId) -> anyhow::Result<Vec<Value>> {
    let log = directory(data);
    let mut trace = None;
    around(&log, id, |line| {
        if call_of(line.text) == Some(id.text().as_str()) {
            trace = trace_of(line.text).map(str::to_owned);
        }
        match trace {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    })?;
    let Some(trace) = trace else {
        return Ok(Vec::new());
    };
    let mut calls = Calls::default();
    around(&log, id, |line| {
        let known = call_of(line.text).is_some_and(|call| calls.places.contains_key(call));
        if known || trace_of(line.text) == Some(&trace) {
            calls.add(line);
        }
        ControlFlow::Continue(())
    })?;
    Ok(calls.lines())
}

fn around(
    log: &Path,
    id: CallId,
    mut each: impl FnMut(&AuditLine<'_>) -> ControlFlow<()>,
) -> anyhow::Result<()> {
    let made = id.made_at().0;
    let since = Since::Time(WallTime(made.saturating_sub(AROUND)));
    let until = made.saturating_add(AROUND);
    let shown = log.display();
    read(log, since, |line| match line.at.0 > until {
        true => ControlFlow::Break(()),
        false => each(line),
    })
    .with_context(|| format!("cannot read the audit log {shown}"))
}

/// The call that a record is about. The host wrote the record, and its name is one of the first things in it.
fn call_of(text: &str) -> Option<&str> {
    member(text, "\"call\":\"")
}

fn trace_of(text: &str) -> Option<&str> {
    member(text, "\"trace\":\"")
}

fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Calls, each put together of its records.
#[derive(Default)]
struct Calls {
    places: HashMap<String, usize>,
    lines: Vec<Map<String, Value>>,
}

impl Calls {
    fn add(&mut self, line: &AuditLine<'_>) {
        let Ok(Value::Object(record)) = serde_json::from_str(line.text) else {
            return;
        };
        let Some(call) = record.get("call").and_then(Value::as_str) else {
            return;
        };
        let next = self.lines.len();
        let place = *self.places.entry(call.to_owned()).or_insert(next);
        if place == next {
            self.lines.push(Map::new());
        }
        if let Some(known) = self.lines.get_mut(place) {
            known.extend(record);
            known.insert("ts".to_owned(), json!(instant(line.at)));
        }
    }

    fn lines(self) -> Vec<Value> {
        let whole = self.lines.into_iter().map(|mut line| {
            if !line.contains_key("outcome") {
                line.extend(without_end());
            }
            Value::Object(line)
        });
        whole.collect()
    }
}

/// What is to be said of a call of which only the intent is on record.
fn without_end() -> Map<String, Value> {
    let said = [
        ("code", "indeterminate"),
        ("boundary", "platform"),
        ("stage", "record"),
        (
            "cause",
            "it was about to change something, and what came of it is not on record: it still runs, or the host died",
        ),
        (
            "next",
            "holdfast executions ls, and what the other side says",
        ),
    ];
    said.into_iter()
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect()
}
