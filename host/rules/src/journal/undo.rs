//! What an execution did, for whoever has to make an end of it: which of its steps can be undone, and what a step is said to have come to of which
//! nobody knows.

use super::book::Book;
use super::entry;
use super::reading::Reading;
use crate::once::{self, outcome};
use holdfast_call::{CallId, Caller, Fault, HostCode, StepName, Verdict, WallTime};
use holdfast_store::executions::ExecutionKey;
use holdfast_store::runs::Entry;

/// A step of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// What was asked for.
    pub what: String,
    /// Under what its row is kept, if whoever was asked keeps one: a service of this host.
    pub row: Option<ExecutionKey>,
    /// The call that it was; none, as long as nobody knows what came of it.
    pub call: Option<CallId>,
}

/// The steps of an execution that asked somebody, in order. `caller` is whoever began it, at this `service`.
#[must_use]
pub fn steps(entries: &[Entry], seed: [u8; 32], caller: &Caller, service: &str) -> Vec<Step> {
    let reading = Reading::new(seed, Book::new(Vec::new(), 0));
    let caller = caller.through(&service.into());
    let asked = entries.iter().filter(|entry| !entry::is_sleep(&entry.what));
    let steps = asked.map(|entry| {
        let name = StepName {
            at: WallTime(0),
            name: reading.drawn(b"step", u64::from(entry.ordinal)),
        };
        let (target, operation) = entry.what.split_once(' ').unwrap_or((&entry.what, ""));
        let service = target.starts_with("service:");
        let came = entry.came.as_ref();
        Step {
            number: entry.ordinal,
            what: entry.what.clone(),
            row: service.then(|| once::row_of(&caller, target, operation, &name.to_string())),
            call: came.and_then(|came| Some(outcome::read(&came.bytes)?.0)),
        }
    });
    steps.collect()
}

/// What a service is told of a step of which nobody knows what came of it. `call` is the name of its execution.
#[must_use]
pub fn indeterminate(call: &str) -> Vec<u8> {
    let code = HostCode::Indeterminate;
    let verdict = Verdict {
        boundary: code.meaning().boundary,
        stage: "journal",
        cause: "a person has said that nobody knows what came of it".to_owned(),
        evidence: Vec::new(),
        next: format!("holdfast run show {call}"),
    };
    let detail = "It is not known whether this was done.";
    let id = CallId::parse(call).unwrap_or_else(|| CallId::new(WallTime(0), [0; 16]));
    outcome::of_fault(&Fault::host(code, detail, verdict), id)
}
