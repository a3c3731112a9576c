//! Cancelling a durable execution: it is ended, and what its steps did is undone, the last first, as far as their services declare how.

use super::run::nowhere;
use super::undo;
use crate::executions::HostExecutions;
use holdfast_call::{Caller, Pipeline};
use holdfast_rules::journal::{Step, steps};
use holdfast_rules::once::{NotUndone, undoing};
use holdfast_store::runs::RunState;
use std::fmt::Write as _;
use std::sync::Arc;

/// Ends it and undoes what it did; what to tell the operator. Asked again it goes on with what is not undone yet: nothing is undone twice.
///
/// # Errors
/// There is none of this name, it has come to its end by itself, or a step is not undone, and why.
pub(super) async fn run(
    executions: &HostExecutions,
    pipeline: &Arc<Pipeline>,
    call: &str,
    uid: u32,
) -> Result<String, String> {
    let failed = |error| format!("failed to {error}");
    let shown = executions.run(call).await.map_err(failed)?;
    let begun = executions.begun(call).await.map_err(failed)?;
    let (Some((row, ..)), Some((seed, _))) = (shown, begun) else {
        return Err(nowhere(call));
    };
    if row.state != RunState::Done {
        // Whoever has it begins nothing more, and what comes of what he has begun is not taken down any more.
        executions.kill(call).await.map_err(failed)?;
    }
    let caller = Caller::parse(&row.caller).ok_or("its caller cannot be read")?;
    let shown = executions.run(call).await.map_err(failed)?;
    let (_, entries, _) = shown.ok_or_else(|| nowhere(call))?;
    let mut text = format!("{call} is ended");
    for step in steps(&entries, seed, &caller, &row.service).iter().rev() {
        // Writing to a string cannot fail.
        let _ = match undone(executions, pipeline, step, uid).await {
            Ok(how) => write!(text, "\nstep {} {}: {how}", step.number, step.what),
            Err(why) => {
                return Err(format!(
                    "{text}\nstep {} {}: {why}\nthe steps before it are not undone either; `holdfast run cancel {call}` goes on",
                    step.number, step.what
                ));
            }
        };
    }
    Ok(text)
}

/// Undoes what a step did; what is to be said of it.
async fn undone(
    executions: &HostExecutions,
    pipeline: &Arc<Pipeline>,
    step: &Step,
    uid: u32,
) -> Result<String, String> {
    let undoable = executions.undoable_step(step).await;
    match undoable.map_err(|error| format!("failed to {error}"))? {
        Some(undoable) => match undoing(&undoable.undo.operation, &undoable.outcome, None) {
            Err(NotUndone::Failed(how)) => {
                Ok(format!("it had ended in {how}, and has done nothing"))
            }
            Ok(_) | Err(_) => undo::run(pipeline, &undoable.call, &undoable, uid).await,
        },
        None if step.call.is_none() => {
            Ok("it is not known what came of it; look whether it was done".to_owned())
        }
        None => Ok("nothing undoes it".to_owned()),
    }
}
