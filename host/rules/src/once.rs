//! `once`: the same key takes effect once.
//!
//! A request that changes something and carries `Idempotency-Key` claims a row of that name before it runs. Whoever asks again with the
//! same key gets what the first one was answered, byte for byte; while it runs a word to wait, or that answer if he would rather wait
//! (`Prefer: wait=SECONDS`); and for another request under the same key a refusal. The row is put on record before the answer is: what a client has seen is kept. What is not run at all (shed, refused) is not
//! kept. Where the host dies in between, a call that had not changed anything yet is as if it had never been; one that may have is in
//! doubt, and a person says what came of it.
//!
//! The key of one caller is no other's, nor is it one at another operation.
//!
//! What a person has to approve first has a row too, with or without a key: the row is claimed with the approval, in one unit of work, so
//! that an approval is used by one execution, and only by one that was begun. What can be undone has one because it is what undoing it
//! begins with.

mod accept;
mod argument;
mod claim;
mod field;
mod key;
mod lasting;
pub(crate) mod outcome;
mod patience;
mod post;
mod refusals;
mod row;
mod rows;
mod undo;
mod values;
mod wanted;

pub(crate) use field::{Field, Fields, fields};
pub use key::KEY_BYTES_MAX;
pub(crate) use key::row_of;
pub use outcome::{BODY_BYTES_MAX, REPLAYED};
pub(crate) use refusals::{unreadable, waits_for};
pub use rows::{Executions, KEEP_MIN, LEASE, RENEW_EVERY};
pub use undo::{NotUndone, undoing};
pub(crate) use values::{read, written};

use crate::Parts;
use crate::contract;
use crate::effects::{self, Lasts, Needs, Terms};
use crate::trail::{Basis, Trail};
use crate::whole::{NotWhole, whole};
use holdfast_call::{
    BoxFuture, Call, Entry, Fault, HostCode, Layer, Message, Next, Notices, Payload, Reply,
    Sources, Target,
};
use holdfast_store::executions::{Claim, Claimed, Undo};
use http::Method;
use outcome::Ended;
use patience::{Claimant, Patience};
use row::{Holding, Row};
pub(crate) use rows::Hand;
use rows::Rows;
use std::sync::Arc;

/// What `once` needs to know about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether what changes something must carry a key.
    pub keys: Keys,
}

/// What `once` needs to know about a capability: which of its operations change something. Without it none of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes(pub &'static [&'static str]);

/// Whether what changes something must carry a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It may.
    Accepted,
    /// It must.
    Required,
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Once {
        sources: parts.sources.clone(),
        executions: parts.executions.clone(),
        notices: parts.notices.clone(),
        trail: parts.trail.clone(),
        patience: Patience::default(),
    })
}

struct Once {
    sources: Sources,
    executions: Arc<Executions>,
    trail: Arc<Trail>,
    notices: Arc<dyn Notices>,
    patience: Patience,
}

impl Layer for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn run<'a>(&'a self, mut call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        if !changes(&call) {
            if effects::withholds(&call) {
                call.meter.withhold();
            }
            if matches!(call.target, Target::Service(_)) {
                // What only looks comes to nothing that messages could go out with.
                call.outbox = None;
            }
            return match uses_a_secret(&call) {
                true => Box::pin(async move {
                    self.trail.intent(&call, Basis::None).await?;
                    next.run(call).await
                }),
                false => next.run(call),
            };
        }
        if let Target::Capability { .. } = &call.target {
            return Box::pin(self.effect(call, next));
        }
        if call.journal.is_some() {
            return Box::pin(self.goes_on(call, next));
        }
        let left = accept::is_left(&call);
        let terms = match left {
            // The service is asked when it is delivered.
            true => Terms::LEFT,
            false => effects::of(&call),
        };
        call.meter.set_effect(terms.effect);
        let header = call.key.take();
        let written = match argument::of(&call, header) {
            Ok(written) => written,
            Err(fault) => return Box::pin(async { Err(fault) }),
        };
        match (&written, terms.needs) {
            (_, Needs::Declaration) => return Box::pin(async { Err(refusals::undeclared()) }),
            (None, _) if wants_key(&call) => {
                return Box::pin(async { Err(refusals::key_wanted()) });
            }
            (None, Needs::Nothing) if terms.undo.is_none() && terms.lasts == Lasts::No => {
                return Box::pin(async move {
                    self.trail.intent(&call, Basis::None).await?;
                    let outbox = post::outbox(&mut call);
                    let above = call.execution.clone();
                    let reply = next.run(call).await;
                    post::alone(self.executions.rows(), &outbox, above, reply).await
                });
            }
            (Some(_), _) | (None, Needs::Nothing | Needs::Approval) => {}
        }
        Box::pin(self.once(call, written, terms, next))
    }
}

impl Once {
    /// Something outside is about to be changed: that is on record first, and so is that the execution has had an effect.
    async fn effect(&self, call: Box<Call>, next: Next<'_>) -> Reply {
        if call.above.as_ref().is_some_and(|above| above.is_withheld()) {
            return Err(refusals::withheld());
        }
        if post::is_held(&call) {
            return next.run(call).await;
        }
        self.trail.intent(&call, Basis::None).await?;
        if let Some(execution) = call.execution.clone() {
            execution.effect().await?;
        }
        next.run(call).await
    }

    async fn once(
        &self,
        mut call: Box<Call>,
        written: Option<Arc<str>>,
        terms: Terms,
        next: Next<'_>,
    ) -> Reply {
        let key = match &written {
            Some(written) => {
                Some(key::read(written).map_err(|why| refusals::no_key(why, written))?)
            }
            None => None,
        };
        let body = body(&mut call).await?;
        let left = match accept::is_left(&call) {
            true => Some(accept::message(
                &call,
                &body,
                key.as_deref(),
                &self.sources,
            )?),
            false => None,
        };
        let row = match &key {
            Some(key) => key::row(&call, key),
            None => key::row_of_its_own(&call),
        };
        let rows = self.executions.rows();
        let rows = rows.ok_or_else(refusals::nowhere)?;
        let fingerprint = key::fingerprint(&call, &body);
        let claim = Claim {
            key: row,
            fingerprint,
            call: call.id.to_string(),
            caller: call.caller.to_string(),
            operation: format!("{} {}", call.target, call.operation),
            holder: rows.holder(),
            lease: LEASE,
            undo: terms.undo.as_deref().and_then(|undo| undo_at(&call, undo)),
            run: None,
            wanted: match terms.needs {
                Needs::Approval => Some(wanted::of(&call, &fingerprint, &body)),
                Needs::Nothing | Needs::Declaration => None,
            },
        };
        if terms.lasts == Lasts::Yes {
            return self.lasting(call, claim, key.as_deref(), &body).await;
        }
        let clock = &self.sources.clock;
        let who = Claimant::of(&call);
        let claimed = self.patience.claimed(rows, clock, claim, who).await;
        let (claimed, began) = claimed.map_err(|error| refusals::unavailable(&error))?;
        let hold = match claimed {
            Claimed::Yours(hold) => hold,
            Claimed::Done(outcome) => return again(&outcome, &call),
            not => return Err(self.not_yours(&not, &call)),
        };
        let above = call.execution.take();
        let clock = clock.clone();
        let (rows, until) = (rows.clone(), Rows::until(began));
        let notices = Some(self.notices.clone());
        let row = Row::new(hold, rows, clock, notices, above, until);
        let hand: Arc<dyn Hand> = row.clone();
        row.rows.hold(&row.hold, &hand);
        self.held(call, (key.as_deref(), row), left, next).await
    }

    /// Why a row is not the claimer's; who has to know of it is told.
    fn not_yours(&self, claimed: &Claimed, call: &Call) -> Fault {
        match claimed {
            Claimed::Running(left) => refusals::running(*left),
            Claimed::OtherPayload => refusals::other_payload(),
            Claimed::InDoubt(first) => {
                self.notices.tell(row::in_doubt(first));
                refusals::in_doubt(first)
            }
            Claimed::Unapproved(id) => {
                self.notices.tell(wanted::notice(call, id));
                refusals::unapproved(id)
            }
            Claimed::Denied(id) => refusals::denied(id),
            Claimed::Crowded => refusals::crowded(),
            // Its row was taken, or what came of it known.
            Claimed::Yours(_) | Claimed::Done(_) => refusals::nowhere(),
        }
    }

    /// Runs the call under its row, and keeps what comes of it before anybody sees that.
    async fn held(
        &self,
        mut call: Box<Call>,
        (key, row): (Option<&str>, Arc<Row>),
        left: Option<Message>,
        next: Next<'_>,
    ) -> Reply {
        let (id, meter) = (call.id, call.meter.clone());
        let holding = Holding::new(row.clone(), id, call.deadline);
        // Whoever goes away does not undo what he has begun.
        let _shield = call.tree.shield();
        let basis = Basis::Row {
            key,
            approval: row.hold.approval.as_deref(),
        };
        if let Err(fault) = self.trail.intent(&call, basis).await {
            holding.forget(Vec::new()).await?;
            return Err(fault);
        }
        call.execution = Some(row.clone());
        let outbox = post::outbox(&mut call);
        let reply = match left {
            Some(message) => {
                let room = accept::room(&call);
                accept::take_on(message, room, &outbox, &row.rows, &self.sources).await
            }
            None => next.run(call).await,
        };
        let Ended { reply, outcome } = outcome::ended(reply, id).await;
        match &reply {
            Err(fault) if meter.read().attempts == 0 || is_want_of_room(fault) => {
                holding.forget(outcome).await?;
            }
            Ok(_) | Err(_) => holding.finish(outcome, post::sent(&outbox, &reply)).await?,
        }
        reply
    }
}

/// Whether the call may change something, as far as its operation says.
pub(crate) fn changes(call: &Call) -> bool {
    // What the host itself sends, it tells its operator: also, and above all, where nothing can be put on record any more.
    if call.entry == Entry::Host {
        return false;
    }
    match (&call.payload, &call.target) {
        (Payload::Http(request), _) => !matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        ),
        (Payload::Values(operation, _), Target::Service(_)) => {
            let registered = call.registered.as_ref();
            let typed = registered.and_then(|known| known.settings.get::<contract::Settings>());
            let function = typed.and_then(|typed| {
                let (interface, function) = typed.contract.operation(operation)?;
                Some(typed.safe.has(interface, function))
            });
            function != Some(true)
        }
        // To use a secret changes nothing.
        (Payload::Values(operation, _), Target::Capability { .. }) => {
            let registered = call.registered.as_ref();
            let changes = registered.and_then(|known| known.settings.get::<Changes>());
            changes.is_some_and(|changes| changes.0.contains(&&**operation))
        }
    }
}

/// Whether a guest has the host use a secret for it. That changes nothing, but what is signed may change something elsewhere.
fn uses_a_secret(call: &Call) -> bool {
    matches!(
        call.target,
        Target::Capability {
            name: "secrets",
            ..
        }
    )
}

/// Whether whoever asks has said by which key it is known again.
pub(crate) fn is_keyed(call: &Call) -> bool {
    // Two keys that differ are refused further on.
    !matches!(argument::of(call, call.key.clone()), Ok(None))
}

fn wants_key(call: &Call) -> bool {
    // A message has a name, and whoever takes it is told.
    if call.entry == Entry::Queue {
        return false;
    }
    let registered = call.registered.as_ref();
    let settings = registered.and_then(|known| known.settings.get::<Settings>());
    settings.is_some_and(|settings| settings.keys == Keys::Required)
}

/// How the call is undone: by this operation of its own service.
fn undo_at(call: &Call, operation: &str) -> Option<Undo> {
    match &call.target {
        Target::Service(service) => Some(Undo {
            service: service.to_string(),
            operation: operation.to_owned(),
        }),
        Target::Capability { .. } => None,
    }
}

/// The whole of what is asked, as bytes; the call still carries it.
async fn body(call: &mut Call) -> Result<bytes::Bytes, Fault> {
    let nothing = Payload::Values("".into(), Vec::new());
    let (payload, bytes) = match std::mem::replace(&mut call.payload, nothing) {
        Payload::Http(request) => {
            let (head, body) = request.into_parts();
            // What was read whole before, within a limit of its own, is no more for being looked at here.
            let there = body.as_whole().map_or(0, bytes::Bytes::len);
            let read = whole(body, BODY_BYTES_MAX.max(there))
                .await
                .map_err(|not| match not {
                    NotWhole::TooLong => refusals::too_long(BODY_BYTES_MAX),
                    NotWhole::Cut(fault) => fault,
                })?;
            let bytes = read.bytes.clone();
            (
                Payload::Http(http::Request::from_parts(head, read.again())),
                bytes,
            )
        }
        Payload::Values(operation, list) => {
            let written = list.iter().map(values::written).collect();
            let text = serde_json::Value::Array(written).to_string();
            (Payload::Values(operation, list), text.into())
        }
    };
    call.payload = payload;
    Ok(bytes)
}

/// What the first call was answered.
fn again(outcome: &[u8], call: &Call) -> Reply {
    match outcome::replayed(outcome, call) {
        Some((first, reply)) if outcome::fits(&reply, &call.payload) => {
            call.meter.set_replays(first);
            reply
        }
        Some(_) | None => Err(refusals::unreadable()),
    }
}

/// Whether the service did not get to run, because there was no room for it.
fn is_want_of_room(fault: &Fault) -> bool {
    matches!(
        fault.host_code(),
        Some(HostCode::Overloaded | HostCode::Draining | HostCode::Quarantined)
    )
}

#[cfg(test)]
mod tests;
