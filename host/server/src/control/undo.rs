//! Undoing a call: a call of its own, by the operator, through the same pipeline, with a key by which it is done once.

use super::call::operators;
use crate::entry::request;
use holdfast_call::{Answer, Payload, Pipeline, Target, Value, Why};
use holdfast_rules::contract;
use holdfast_rules::once::undoing;
use holdfast_store::executions::Undoable;
use std::sync::Arc;

/// Undoes `call`; what to tell the operator. Asked again it tells what came of it the first time.
///
/// # Errors
/// It is not undone, and why.
pub(super) async fn run(
    pipeline: &Arc<Pipeline>,
    call: &str,
    undoable: Undoable,
    uid: u32,
) -> Result<String, String> {
    let Undoable { undo, outcome } = undoable;
    let target = Target::Service(undo.service.as_str().into());
    let registered = pipeline.registry().get(&target);
    let settings = registered
        .as_ref()
        .and_then(|known| known.settings.get::<contract::Settings>());
    let exports = settings.map(|settings| &*settings.contract);
    let payload = undoing(&undo.operation, &outcome, exports)
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
    let to = (undo.service.as_str().into(), operation.clone());
    let mut reversal = operators(pipeline, to, payload, why, uid);
    reversal.key = Some(format!("undo:{call}").into());
    let id = reversal.id;
    let failed = |how: &str| {
        Err(format!(
            "{call} is not undone: {} {operation} ended in {how} (holdfast explain {id})",
            undo.service
        ))
    };
    let answer = match pipeline.run(reversal).await {
        Ok(answer) => answer,
        Err(fault) => return failed(&fault.to_string()),
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
    match not {
        Some(how) => failed(&how),
        None => Ok(format!(
            "{call} is undone, by {} {operation} (holdfast explain {id})",
            undo.service
        )),
    }
}
