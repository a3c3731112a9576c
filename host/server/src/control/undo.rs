//! Undoing a call: a call of its own, by the operator, through the same pipeline, with a key by which it is done once.

use super::call::operators;
use crate::entry::request;
use holdfast_call::{Answer, Call, Payload, Pipeline, Target, Value, Why};
use holdfast_rules::contract;
use holdfast_rules::once::undoing;
use holdfast_store::executions::Undoable;
use std::sync::Arc;

/// How often a reversal that fails may be tried: each try that has failed is kept like any other call.
const TRIES_MAX: u32 = 64;

/// Undoes `call`; what to tell the operator. What succeeded is not done again: asked again, it is told what came of it. What failed is.
///
/// # Errors
/// It is not undone, and why.
pub(super) async fn run(
    pipeline: &Arc<Pipeline>,
    call: &str,
    undoable: &Undoable,
    uid: u32,
) -> Result<String, String> {
    for nth in 1..=TRIES_MAX {
        // Whoever undoes it at the same time asks for the same try.
        let reversal = reversal(pipeline, call, undoable, uid)?;
        let reversal = Call {
            key: Some(format!("undo:{call}:{nth}").into()),
            ..reversal
        };
        let (id, what) = (
            reversal.id,
            format!("{} {}", undoable.undo.service, reversal.operation),
        );
        match tried(pipeline, reversal).await {
            (_, None) => {
                return Ok(format!(
                    "{call} is undone, by {what} (holdfast explain {id})"
                ));
            }
            (Try::Before, Some(_)) => {}
            (Try::Now, Some(how)) => {
                return Err(format!(
                    "{call} is not undone: {what} ended in {how} (holdfast explain {id})"
                ));
            }
        }
    }
    Err(format!(
        "{call} is not undone: it was tried {TRIES_MAX} times, and failed each time"
    ))
}

/// When what is told of a try has happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    /// It was made before, and this is what was kept of it.
    Before,
    /// Now, if it was made at all.
    Now,
}

/// Makes it; how it failed, if it did.
async fn tried(pipeline: &Arc<Pipeline>, reversal: Call) -> (Try, Option<String>) {
    let meter = reversal.meter.clone();
    let reply = pipeline.run(reversal).await;
    let made = meter.read().attempts > 0;
    let answer = match reply {
        Ok(answer) => answer,
        // A fault that was kept is that of the call that ended in it.
        Err(fault) if fault.instance().is_some() => return (Try::Before, Some(fault.to_string())),
        Err(fault) => return (Try::Now, Some(fault.to_string())),
    };
    let not = match &answer {
        Answer::Http(response) if response.status().as_u16() >= 400 => {
            Some(response.status().to_string())
        }
        Answer::Values(given) => match given.list() {
            [.., Value::Result(Err(_))] => Some("an error".to_owned()),
            _ => None,
        },
        Answer::Http(_) => None,
    };
    answer.close();
    (if made { Try::Now } else { Try::Before }, not)
}

/// The call that undoes it.
fn reversal(
    pipeline: &Arc<Pipeline>,
    call: &str,
    undoable: &Undoable,
    uid: u32,
) -> Result<Call, String> {
    let Undoable { undo, outcome, .. } = undoable;
    let target = Target::Service(undo.service.as_str().into());
    let registered = pipeline.registry().get(&target);
    let settings = registered
        .as_ref()
        .and_then(|known| known.settings.get::<contract::Settings>());
    let exports = settings.map(|settings| &*settings.contract);
    let payload = undoing(&undo.operation, outcome, exports)
        .map_err(|not| format!("{call} is not undone: {not}"))?;
    let (payload, operation) = match payload {
        Payload::Http(mut asked) => {
            let uri = format!("http://{}.internal{}", undo.service, asked.uri());
            let uri = uri.parse().map_err(|error| format!("`{uri}`: {error}"))?;
            *asked.uri_mut() = uri;
            let operation = request::operation(asked.method(), asked.uri().path());
            (Payload::Http(asked), operation)
        }
        Payload::Values(operation, arguments) => {
            (Payload::Values(operation.clone(), arguments), operation)
        }
    };
    let why = Why::claimed(&format!("holdfast undo {call}")).unwrap_or_else(Why::undeclared);
    let to = (undo.service.as_str().into(), operation);
    Ok(operators(pipeline, to, payload, why, uid))
}
