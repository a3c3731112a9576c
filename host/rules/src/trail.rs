//! The audit trail of calls: that a call is about to change something is on record before it does, what came of it before anybody is told.
//!
//! A call that may change something has two records, an intent and an outcome, and both are on the disk before it goes on; where they cannot
//! be, it is refused. Of any other call one record is handed over before it is answered and written within milliseconds: where too many wait,
//! the call waits too, so nothing is lost. What is still to come after the head of an answer is a record of its own at the end. Callers who
//! are turned away can come in any number, so of them only so many a second are named; the others are counted, and the count is on record.
//!
//! Nothing of a payload is on record but a keyed hash, by which the one who has the host's key can tell whether a given payload was it.

mod entry;
mod flood;

use self::entry::{Came, Kind, Record, Who};
use self::flood::{Flood, Seen};
use crate::once::{changes, written};
use holdfast_call::time::in_time;
use holdfast_call::{
    BoxFuture, Call, Clock, Closing, Entry, Fault, HostCode, Outcome, Payload, Verdict,
};
use holdfast_store::{Audit, AuditError};
use ring::hmac;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How long a call that has been served waits for its record, at most. Its deadline may be over by then.
const OUTCOME_MAX: Duration = Duration::from_secs(5);
/// How long a caller is told to wait where nothing can be put on record.
const AGAIN: Duration = Duration::from_secs(1);
/// How many bytes of a keyed hash are on record: enough that no two payloads of one host have the same.
const HASH_BYTES: usize = 16;

/// What the key is made for that the hashes are made with.
const PURPOSE: &[u8] = b"the hashes of the audit log";

/// Which calls are on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// Every one.
    #[default]
    All,
    /// Those that may change something.
    Changes,
}

/// Whether the answer goes on after its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// It does.
    On,
    /// What is on record is all of it.
    NoFurther,
}

/// Where calls are put on record. One without a log puts nothing anywhere.
#[derive(Default)]
pub struct Trail {
    to: Option<To>,
    unrecorded: AtomicU64,
}

struct To {
    audit: Audit,
    secret: hmac::Key,
    kept: Kept,
    clock: Arc<dyn Clock>,
    flood: Flood,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename = "turned-away")]
struct TurnedAway {
    calls: u64,
}

impl Trail {
    /// Calls are put on record there; what is hashed is hashed with this key.
    #[must_use]
    pub fn new(audit: Audit, key: &[u8; 32], kept: Kept, clock: Arc<dyn Clock>) -> Self {
        let secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), PURPOSE);
        let to = To {
            audit,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
            kept,
            clock,
            flood: Flood::default(),
        };
        Self {
            to: Some(to),
            unrecorded: AtomicU64::new(0),
        }
    }

    /// How many calls were served without being on record: those at the end of which the log held too much already, and, while a damaged log
    /// takes nothing, all that change nothing.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Relaxed)
    }

    /// The keyed hash of what is asked, for a call that changes nothing: one that does says it in its intent.
    pub(crate) fn args(&self, call: &Call) -> Option<String> {
        let to = self.to.as_ref().filter(|to| to.kept == Kept::All)?;
        let something = match &call.payload {
            Payload::Http(request) => request.uri().query().is_some(),
            Payload::Values(_, list) => !list.is_empty(),
        };
        (something && !changes(call)).then(|| to.args(call))
    }

    /// Puts on record that this call is about to change something. `key` is what makes it the same as an earlier one.
    ///
    /// # Errors
    /// It is not on record, so it must not be done.
    pub(crate) fn intent(
        &self,
        call: &Call,
        basis: Basis<'_>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        let Some(to) = &self.to else {
            return Box::pin(async { Ok(()) });
        };
        let (key, approval) = match basis {
            Basis::None => (None, None),
            Basis::Row { key, approval } => (key, approval),
        };
        let key = key.map(|key| to.hash(&[key.as_bytes()]));
        let record = Record {
            kind: Kind::Intent,
            call: call.id,
            intent: None,
            who: Some(Who::of(call)),
            args: Some(&to.args(call)),
            key: key.as_deref(),
            approval,
            came: None,
        };
        let (durable, meter) = (to.audit.durable(&record), call.meter.clone());
        Box::pin(async move {
            let number = durable.await.map_err(|error| {
                refused(
                    &error,
                    "Nothing was done: it cannot be put on record at present.",
                )
            })?;
            meter.set_intent(number);
            Ok(())
        })
    }

    /// Puts on record what a call came to, before its caller is told.
    ///
    /// # Errors
    /// It is not on record, so its caller must not be told that it was done.
    pub(crate) async fn outcome(
        &self,
        closing: &Closing,
        args: Option<&str>,
        goes: Goes,
    ) -> Result<(), Fault> {
        let Some(to) = &self.to else {
            return Ok(());
        };
        let record = of(closing, args, goes);
        let deadline = to.clock.now().after(OUTCOME_MAX);
        if closing.reading.intent.is_some() {
            let done = in_time(&*to.clock, deadline, to.audit.durable(&record)).await;
            return done
                .unwrap_or_else(|| Err(late()))
                .map(|_| ())
                .map_err(|error| {
                    refused(
                        &error,
                        "It may have been done, but what came of it cannot be put on record.",
                    )
                });
        }
        if to.kept == Kept::Changes || to.passes_over(closing).await == Seen::Counted {
            return Ok(());
        }
        let handed = in_time(&*to.clock, deadline, to.audit.soon(&record)).await;
        match handed.unwrap_or_else(|| Err(late())) {
            Ok(()) => Ok(()),
            // What was written is not what is there, and nothing is written on top of it: whoever changes nothing is served all the same.
            Err(AuditError::Damaged(_) | AuditError::Key(_)) => {
                self.unrecorded.fetch_add(1, Relaxed);
                Ok(())
            }
            // It may be the host telling its operator that this is so.
            Err(_) if closing.entry == Entry::Host => {
                self.unrecorded.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(error) => Err(refused(
                &error,
                "What is asked cannot be put on record at present.",
            )),
        }
    }

    /// Puts on record how a call ended of which the head is on record, or that it was dropped before it had one.
    pub(crate) fn end(&self, closing: &Closing, args: Option<&str>, before: Before) {
        let Some(to) = &self.to else {
            return;
        };
        let changes = closing.reading.intent.is_some();
        if to.kept == Kept::Changes && !changes {
            return;
        }
        let record = match before {
            Before::Nothing => of(closing, args, Goes::NoFurther),
            Before::Head => Record {
                kind: Kind::End,
                call: closing.id,
                intent: closing.reading.intent,
                who: None,
                args: None,
                key: None,
                approval: None,
                came: Some(Came::to(closing)),
            },
        };
        if to.audit.put(&record).is_err() {
            self.unrecorded.fetch_add(1, Relaxed);
        }
    }
}

/// What a call that changes something does so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis<'a> {
    /// Nothing but that it is allowed.
    None,
    /// A row of its own.
    Row {
        /// What makes it the same as another call, if anything does.
        key: Option<&'a str>,
        /// The approval that it uses.
        approval: Option<&'a str>,
    },
}

/// What of a call is on record when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// At most that it was to change something.
    Nothing,
    /// The head of its answer.
    Head,
}

impl To {
    /// Whether the call is one of more callers that were turned away than are named.
    async fn passes_over(&self, closing: &Closing) -> Seen {
        let turned_away = match &closing.outcome {
            Outcome::Failed(fault) => {
                closing.reading.attempts == 0 || fault.host_code() == Some(HostCode::NoSuchService)
            }
            Outcome::Answered | Outcome::Cancelled => false,
        };
        let now = self.clock.now();
        if let Some(calls) = self.flood.over(now) {
            // Where it cannot be written, the next call is told so.
            let _ = self.audit.soon(&TurnedAway { calls }).await;
        }
        match turned_away {
            true => self.flood.one(now),
            false => Seen::Named,
        }
    }

    /// The keyed hash of what is asked: the query and, where it is there as a whole, the body; or the values.
    fn args(&self, call: &Call) -> String {
        match &call.payload {
            Payload::Http(request) => {
                let query = request.uri().query().unwrap_or_default().as_bytes();
                let body = request.body().as_whole().map(|body| &body[..]);
                self.hash(&[query, body.unwrap_or_default()])
            }
            Payload::Values(_, list) => {
                let list = list.iter().map(written).collect();
                self.hash(&[serde_json::Value::Array(list).to_string().as_bytes()])
            }
        }
    }

    fn hash(&self, parts: &[&[u8]]) -> String {
        let mut hash = hmac::Context::with_key(&self.secret);
        for part in parts {
            // Its length first, so that nothing of one part can pass for the beginning of the next.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.sign();
        let hash = hash.as_ref();
        data_encoding::HEXLOWER.encode(hash.get(..HASH_BYTES).unwrap_or(hash))
    }
}

fn of<'a>(closing: &'a Closing, args: Option<&'a str>, goes: Goes) -> Record<'a> {
    let intent = closing.reading.intent;
    Record {
        kind: match intent {
            Some(_) => Kind::Outcome,
            None => Kind::Call,
        },
        call: closing.id,
        intent,
        who: intent.is_none().then(|| Who::was(closing)),
        args,
        key: None,
        approval: None,
        came: Some(match goes {
            Goes::On => Came::so_far(closing),
            Goes::NoFurther => Came::to(closing),
        }),
    }
}

fn late() -> AuditError {
    AuditError::Failing("it does not answer in time".to_owned())
}

fn refused(error: &AuditError, detail: &str) -> Fault {
    let verdict = Verdict {
        boundary: HostCode::StorageUnavailable.meaning().boundary,
        stage: "record",
        cause: error.to_string(),
        evidence: Vec::new(),
        next: "holdfast doctor; holdfast audit verify".to_owned(),
    };
    Fault::host(HostCode::StorageUnavailable, detail, verdict).retry_after(AGAIN)
}

#[cfg(test)]
mod tests;
