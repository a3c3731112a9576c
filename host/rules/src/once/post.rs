//! What a call has sent goes out with what the call came to, or not at all.
//!
//! A call has come to something if its answer is below 400, or its result no error. What it has sent then is kept in the same unit of work
//! as its outcome, or in one of its own where it has no row, and before its answer is given. A delivery is done with in that same unit.

use super::refusals::{lost, unavailable};
use super::rows::Rows;
use holdfast_call::{Answer, Call, Execution, Fault, Outbox, Reply, Target, Value};
use holdfast_store::executions::Held;
use holdfast_store::queue::Sent;
use std::sync::Arc;

/// Gives the call of a service an outbox of its own; a delivery has come with one.
pub(super) fn outbox(call: &mut Call) -> Arc<Outbox> {
    match &call.outbox {
        Some(outbox) if !call.nested() => outbox.clone(),
        Some(_) | None => {
            let own = Arc::<Outbox>::default();
            call.outbox = Some(own.clone());
            own
        }
    }
}

/// Whether a call only leaves something in the outbox of the one that makes it: then nothing is changed yet.
pub(super) fn is_held(call: &Call) -> bool {
    let queue = matches!(call.target, Target::Capability { name: "queue", .. });
    queue && call.outbox.as_ref().is_some_and(|outbox| outbox.is_open())
}

/// What is to go out with what the call came to; what it sends from now on goes out by itself.
pub(super) fn sent(outbox: &Outbox, reply: &Reply) -> Sent {
    let messages = outbox.close();
    match has_come_to_something(reply) {
        true => Sent {
            receipt: outbox.receipt().cloned(),
            messages,
        },
        false => Sent::default(),
    }
}

fn has_come_to_something(reply: &Reply) -> bool {
    match reply {
        Ok(Answer::Http(response)) => {
            !response.status().is_client_error() && !response.status().is_server_error()
        }
        Ok(Answer::Values(values)) => !matches!(values.list(), [Value::Result(Err(_))]),
        Err(_) => false,
    }
}

/// Sends what is to go out with a call that has no row. The execution that it is part of has had an effect then, and that is on record before.
pub(super) async fn alone(
    rows: Option<&Arc<Rows>>,
    outbox: &Outbox,
    above: Option<Arc<dyn Execution>>,
    reply: Reply,
) -> Reply {
    let sent = sent(outbox, &reply);
    let (Some(rows), false) = (rows, sent.receipt.is_none() && sent.messages.is_empty()) else {
        return reply;
    };
    let Err(fault) = gone_out(rows, sent, above).await else {
        return reply;
    };
    if let Ok(answer) = reply {
        answer.close();
    }
    Err(fault)
}

async fn gone_out(
    rows: &Arc<Rows>,
    sent: Sent,
    above: Option<Arc<dyn Execution>>,
) -> Result<(), Fault> {
    if let Some(above) = above.filter(|_| !sent.messages.is_empty()) {
        above.effect().await?;
    }
    match rows.send(sent).await {
        Ok(Held::Yes) => Ok(()),
        Ok(Held::Lost) => Err(lost()),
        Err(error) => Err(unavailable(&error)),
    }
}
