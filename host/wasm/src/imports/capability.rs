//! A use of a capability as a child call of values: what it comes back with is all that the guest learns.

use super::frames::Task;
use super::seated::seated;
use crate::guest::Guest;
use holdfast_call::{Answer, Asked, Fault, HostCode, Payload, Reply, Target, Value};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Why a use gave no value.
pub(super) enum Unanswered {
    /// The guest has made all the calls that it may make.
    NoCallLeft,
    /// The call came back with a fault.
    Fault(Fault),
    /// The host gave no answer that could be understood.
    Nothing,
}

/// Makes the call, on a task of the serving runtime like every other child's, and waits for its one value.
pub(super) async fn ask(
    guest: &mut Guest,
    name: &'static str,
    resource: Arc<str>,
    operation: &'static str,
    values: Vec<Value>,
) -> Result<Value, Unanswered> {
    let Some((scope, _life)) = guest.hooks.next() else {
        return Err(Unanswered::NoCallLeft);
    };
    let target = Target::Capability { name, resource };
    let payload = Payload::Values(operation.into(), values);
    let asked = scope.ask(target, operation.into(), None, payload);
    match reply(guest.hooks.serving(), asked).await {
        Some(reply) => taken(reply),
        None => Err(Unanswered::Nothing),
    }
}

/// Waits for a child call of values, which runs on a task of the serving runtime. None if that is gone, as in a host that goes down.
pub(super) async fn reply(serving: &Handle, asked: Asked) -> Option<Reply> {
    let Asked { reply, seat, .. } = asked;
    let (out, back) = oneshot::channel();
    let _task = Task::spawn(serving, &seat, async move {
        // A guest that is gone wants no answer.
        let _ = out.send(reply.await);
    });
    seated(seat, back).await.ok()
}

fn taken(reply: Reply) -> Result<Value, Unanswered> {
    match reply {
        Ok(Answer::Values(values)) => values.into_list().pop().ok_or(Unanswered::Nothing),
        Ok(answer @ Answer::Http(_)) => {
            answer.close();
            Err(Unanswered::Nothing)
        }
        Err(fault) => Err(Unanswered::Fault(fault)),
    }
}

impl Unanswered {
    /// The code, as a stranger may read it.
    pub(super) fn code(&self) -> String {
        match self {
            Self::Fault(fault) => fault.code().to_string(),
            Self::NoCallLeft => HostCode::CallsExhausted.as_str().to_owned(),
            Self::Nothing => HostCode::Internal.as_str().to_owned(),
        }
    }

    /// The sentence beside it.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Fault(fault) => fault.detail().to_owned(),
            Self::NoCallLeft => HostCode::CallsExhausted.meaning().title.to_owned(),
            Self::Nothing => HostCode::Internal.meaning().title.to_owned(),
        }
    }
}
