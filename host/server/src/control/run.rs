//! Durable executions, as the operator sees them, and what he may do with them.

use super::words::Response;
use crate::executions::HostExecutions;
use holdfast_store::executions::Held;
use holdfast_store::runs::{Entry, RunRow, RunState};
use serde::{Deserialize, Serialize};

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
    /// Let one go on.
    Resume {
        /// Which.
        call: String,
    },
    /// End one; what it did stays done.
    Kill {
        /// Which.
        call: String,
    },
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
    /// How many steps it has taken.
    pub steps: u64,
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
            Self::Resume { call } => Some(("run resume", format!("call:{call}"))),
            Self::Kill { call } => Some((
                "run kill",
                format!("call:{call} nothing that it did is undone"),
            )),
            Self::List | Self::Show { .. } => None,
        }
    }
}

/// Answers.
///
/// # Errors
/// There is no such execution, or the database fails.
pub(super) async fn answer(
    executions: &HostExecutions,
    asked: RunRequest,
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
            let said = |bytes: &[u8]| holdfast_rules::journal::said(bytes);
            Response::Run(Box::new(RunShown {
                run: line(row),
                steps: entries.into_iter().map(step).collect(),
                outcome: outcome.as_deref().map(said),
            }))
        }
        RunRequest::Resume { call } => match executions.resume(&call).await.map_err(failed)? {
            Held::Yes => Response::Text(format!("{call} goes on")),
            Held::Lost => {
                return Err(format!(
                    "{call} neither waits nor is paused: `holdfast run ls` lists them"
                ));
            }
        },
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

fn nowhere(call: &str) -> String {
    format!(
        "there is no execution {call}: `holdfast run ls` lists them, those that are done as long as outcomes are kept"
    )
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
        came: came.map(|came| holdfast_rules::journal::said(&came.bytes)),
    }
}
