//! Durable executions, as the operator sees them, and what he may do with them.

use super::cancel;
use super::words::Response;
use crate::executions::HostExecutions;
use data_encoding::HEXLOWER;
use holdfast_call::{Pipeline, Target};
use holdfast_rules::capture::{FORM, Kept, Kind, Record, Step, World};
use holdfast_rules::journal;
use holdfast_store::executions::Held;
use holdfast_store::runs::{Entry, RunRow, RunState, Word};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is asked of durable executions. One is named by the call that began it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum RunRequest {
    /// All of them.
    List,
    /// One, with what it did.
    Show {
        /// Which.
        call: String,
    },
    /// One, with all that is on record of it, so that it can be run again.
    Record {
        /// Which.
        call: String,
    },
    /// Let one go on.
    Resume {
        /// Which.
        call: String,
        /// What is to be said before of a step of which nobody knows what came of it.
        word: Option<StepWord>,
    },
    /// End one, and undo what it did, the last first.
    Cancel {
        /// Which.
        call: String,
    },
    /// End one; what it did stays done.
    Kill {
        /// Which.
        call: String,
    },
}

/// What a person says of a step of which nobody knows what came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum StepWord {
    /// It was not done.
    NotDone(u32),
    /// Its service is told that nobody knows.
    Indeterminate(u32),
}

/// A durable execution. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLine {
    /// The call that began it.
    pub call: String,
    /// Its service.
    pub service: String,
    /// The version that it was begun with.
    pub digest: String,
    /// Who asked.
    pub caller: String,
    /// What for.
    pub operation: String,
    /// `ready`, `running`, `waiting`, `paused` or `done`.
    pub state: String,
    /// Until when it waits.
    pub until_ms: Option<u64>,
    /// When it began.
    pub began_ms: u64,
    /// How many steps it has taken in this round.
    pub steps: u64,
    /// In which round it is: one more each time that its service had it go on as new.
    pub rounds: u64,
    /// How often it was begun since it last came further.
    pub starts: u64,
    /// Why it stands where it does.
    pub reason: String,
}

/// A step of one. Times are nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLine {
    /// The how-manieth thing that was asked for.
    pub number: u32,
    /// What.
    pub what: String,
    /// When it was asked for.
    pub began_ns: u64,
    /// When what came of it was written down; absent, where nobody knows.
    pub ended_ns: Option<u64>,
    /// The how-manieth result it is.
    pub place: Option<u32>,
    /// What came of it, in a word.
    pub came: Option<String>,
}

/// One of them, with what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunShown {
    /// The execution.
    pub run: RunLine,
    /// Its steps, in the order in which they were asked for.
    pub steps: Vec<StepLine>,
    /// What it came to, in a word.
    pub outcome: Option<String>,
}

impl RunRequest {
    /// What of it changes something, and what that is done to.
    pub(super) fn deed(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Resume { call, word } => {
                let said = match word {
                    None => String::new(),
                    Some(StepWord::NotDone(step)) => format!(" step {step} was not done"),
                    Some(StepWord::Indeterminate(step)) => format!(" step {step} is indeterminate"),
                };
                Some(("run resume", format!("call:{call}{said}")))
            }
            Self::Cancel { call } => Some(("run cancel", format!("call:{call}"))),
            Self::Kill { call } => Some((
                "run kill",
                format!("call:{call} nothing that it did is undone"),
            )),
            Self::List | Self::Show { .. } | Self::Record { .. } => None,
        }
    }
}

/// Answers.
///
/// # Errors
/// There is no such execution, or the database fails.
pub(super) async fn answer(
    executions: &HostExecutions,
    pipeline: &Arc<Pipeline>,
    asked: RunRequest,
    uid: u32,
) -> Result<Response, String> {
    let failed = |error| format!("failed to {error}");
    Ok(match asked {
        RunRequest::List => {
            let rows = executions.runs().await.map_err(failed)?;
            Response::Runs(rows.into_iter().map(line).collect())
        }
        RunRequest::Show { call } => {
            let shown = executions.run(&call).await.map_err(failed)?;
            let (row, entries, outcome) = shown.ok_or_else(|| nowhere(&call))?;
            let said = |bytes: &[u8]| journal::said(bytes);
            Response::Run(Box::new(RunShown {
                run: line(row),
                steps: entries.into_iter().map(step).collect(),
                outcome: outcome.as_deref().map(said),
            }))
        }
        RunRequest::Record { call } => {
            let shown = executions.run(&call).await.map_err(failed)?;
            let begun = executions.begun(&call).await.map_err(failed)?;
            let (Some((row, entries, outcome)), Some(begun)) = (shown, begun) else {
                return Err(nowhere(&call));
            };
            let target = Target::Service(row.service.as_str().into());
            let known = pipeline.registry().get(&target);
            let world = known.and_then(|known| known.settings.get::<World>().cloned());
            let world = world
                .ok_or_else(|| format!("{call} is of {}, which is not loaded", row.service))?;
            Response::Record(Box::new(record(
                row,
                &entries,
                outcome.as_deref(),
                begun,
                &world,
            )))
        }
        RunRequest::Resume { call, word } => {
            if let Some(word) = word {
                said(executions, &call, word).await?;
            }
            match executions.resume(&call).await.map_err(failed)? {
                Held::Yes => Response::Text(format!("{call} goes on")),
                Held::Lost => {
                    return Err(format!(
                        "{call} neither waits nor is paused: `holdfast run ls` lists them"
                    ));
                }
            }
        }
        RunRequest::Cancel { call } => {
            Response::Text(cancel::run(executions, pipeline, &call, uid).await?)
        }
        RunRequest::Kill { call } => match executions.kill(&call).await.map_err(failed)? {
            Held::Yes => Response::Text(format!("{call} is ended; nothing that it did is undone")),
            Held::Lost => {
                return Err(format!(
                    "{call} is none that goes on: `holdfast run ls` lists them"
                ));
            }
        },
    })
}

async fn said(executions: &HostExecutions, call: &str, word: StepWord) -> Result<(), String> {
    let (step, word) = match word {
        StepWord::NotDone(step) => (step, Word::NotDone),
        StepWord::Indeterminate(step) => (step, Word::Came(journal::indeterminate(call))),
    };
    let said = executions.say(call, step, word).await;
    match said.map_err(|error| format!("failed to {error}"))? {
        Held::Yes => Ok(()),
        Held::Lost => Err(format!(
            "step {step} of {call} is none of which nobody knows what came of it, or the execution is not paused: `holdfast run show {call}`"
        )),
    }
}

pub(super) fn nowhere(call: &str) -> String {
    format!(
        "there is no execution {call}: `holdfast run ls` lists them, those that are done as long as outcomes are kept"
    )
}

fn record(
    row: RunRow,
    entries: &[Entry],
    outcome: Option<&[u8]>,
    (seed, asked): ([u8; 32], Vec<u8>),
    world: &World,
) -> Record {
    Record {
        form: FORM,
        kind: Kind::Execution,
        call: row.call,
        service: row.service,
        digest: row.digest,
        caller: row.caller,
        operation: row.operation,
        began_ns: row.began_ms.saturating_mul(1_000_000),
        seed: HEXLOWER.encode(&seed),
        world: (*world.0).clone(),
        asked: Kept::of(&asked),
        steps: entries.iter().map(Step::of).collect(),
        outcome: outcome.map(Kept::of),
        gaps: Vec::new(),
        stand_ins: Vec::new(),
    }
}

fn line(row: RunRow) -> RunLine {
    let (state, until_ms) = match row.state {
        RunState::Ready => ("ready", None),
        RunState::Running => ("running", None),
        RunState::Waiting(until) => ("waiting", Some(until)),
        RunState::Paused => ("paused", None),
        RunState::Done => ("done", None),
    };
    RunLine {
        call: row.call,
        service: row.service,
        digest: row.digest,
        caller: row.caller,
        operation: row.operation,
        state: state.to_owned(),
        until_ms,
        began_ms: row.began_ms,
        steps: row.entries,
        rounds: row.rounds,
        starts: row.starts,
        reason: row.reason,
    }
}

fn step(entry: Entry) -> StepLine {
    let came = entry.came.as_ref();
    StepLine {
        number: entry.ordinal,
        what: entry.what,
        began_ns: entry.began_ns,
        ended_ns: came.map(|came| came.ended_ns),
        place: came.map(|came| came.place),
        came: came.map(|came| journal::said(&came.bytes)),
    }
}
