//! Queues: what a service leaves for another one, or for itself, to be done later.
//!
//! What is sent lies in the outbox of the call that sends it until that has come to something; where there is none (a call that only
//! looks, an answer whose head has left) it goes out at once. Whose queue is meant stands in the target, so that the pipeline has decided
//! whether this service may send there.

mod asked;
mod refusals;

use crate::kept;
use asked::{Said, said};
use holdfast_call::message::{Message, NotHeld, Outbox};
use holdfast_call::{
    Admitted, Answer, BoxFuture, Call, Failure, Implementation, Moment, Payload, Scope, Target,
    Value, Values,
};
use holdfast_store::db::Database;
use holdfast_store::queue::{self, Bell, Fits, Gauge, Room, Sent};
use std::sync::Arc;

/// The operation that sends messages.
pub const SEND: &str = "send";

/// The operations that change something, where nothing holds what is sent.
pub const CHANGES: &[&str] = &[SEND];

/// The stage of all that is refused here.
const STAGE: &str = "queue";

/// Says how much each queue may have.
pub trait Rooms: Send + Sync {
    /// How much the queue of this service may have.
    fn of(&self, queue: &Arc<str>) -> Room;
}

/// The queue of a service, as a target of calls.
#[derive(Clone)]
pub struct Queue {
    /// Where it is kept.
    pub database: Database,
    /// Whose it is.
    pub name: Arc<str>,
    /// How much is in it.
    pub gauge: Arc<Gauge>,
    /// How much may be.
    pub rooms: Arc<dyn Rooms>,
    /// Rings when something was sent.
    pub bell: Arc<Bell>,
}

impl Implementation for Queue {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let this = self.clone();
        Box::pin(async move {
            let (mut call, scope) = admitted.into_parts();
            let nothing = Payload::Values(call.operation.clone(), Vec::new());
            let payload = std::mem::replace(&mut call.payload, nothing);
            let Payload::Values(operation, values) = payload else {
                return Err(kept::no_operation());
            };
            let (SEND, [Value::List(list)]) = (&*operation, values.as_slice()) else {
                return Err(kept::no_operation());
            };
            let all: Result<Vec<_>, _> = list.iter().map(said).collect();
            let all = all.map_err(|why| kept::passed(refusals::invalid(why)))?;
            let messages = this.messages(&call, &scope, all)?;
            let (outbox, now) = (call.outbox.clone(), scope.clock().now());
            drop(call);
            let ids = this.send(messages, outbox, now).await?;
            Ok(Answer::Values(Values::new(vec![Value::List(ids)])))
        })
    }
}

impl Queue {
    /// Sends; the names of the messages.
    async fn send(
        &self,
        messages: Vec<Message>,
        outbox: Option<Arc<Outbox>>,
        now: Moment,
    ) -> Result<Vec<Value>, Failure> {
        let ids = messages.iter().map(|message| message.id.to_string());
        let ids = ids.map(Value::Text).collect();
        let room = self.rooms.of(&self.name);
        let fits = self.gauge.fits(&self.name, &messages, room, now).await;
        match fits.map_err(|error| kept::passed(kept::away(STAGE, &error)))? {
            Fits::Yes => {}
            Fits::No { there, wanted } => {
                let full = refusals::full(&self.name, there, wanted, room);
                return Err(kept::passed(full));
            }
        }
        let messages = match outbox {
            Some(outbox) => match outbox.hold(messages) {
                Ok(()) => return Ok(ids),
                Err(NotHeld::Full) => return Err(kept::passed(refusals::crowd())),
                Err(NotHeld::Closed(messages)) => messages,
            },
            None => messages,
        };
        let sent = Sent {
            receipt: None,
            messages,
        };
        let sent = queue::settle(&self.database, sent).await;
        sent.map_err(|error| kept::passed(kept::away(STAGE, &error)))?;
        self.bell.ring();
        Ok(ids)
    }

    /// What was said, with what the host knows of it.
    fn messages(
        &self,
        call: &Call,
        scope: &Scope,
        all: Vec<Said>,
    ) -> Result<Vec<Message>, Failure> {
        kept::service(call)?;
        let sent_by = call.parent.ok_or_else(kept::nobody)?;
        let message = |(place, said): (u32, Said)| Message {
            id: call
                .step
                .map_or_else(|| scope.new_id(), |step| step.id(place)),
            queue: self.name.clone(),
            operation: None,
            body: said.body,
            content_type: said.content_type,
            attributes: said.attributes,
            lane: said.lane,
            // A step that is taken twice sends once.
            dedupe: said
                .dedupe
                .or_else(|| Some(format!("{}/{place}", call.step?))),
            delay: said.delay,
            sent_by,
            caller: call.caller.clone(),
            why: call.why.clone(),
            trace: call.trace,
        };
        Ok((0..).zip(all).map(message).collect())
    }
}

/// The target that the queue of a service is.
#[must_use]
pub fn target(name: Arc<str>) -> Target {
    Target::Capability {
        name: "queue",
        resource: name,
    }
}

#[cfg(test)]
mod tests;
