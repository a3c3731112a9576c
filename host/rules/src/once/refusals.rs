//! What callers and operators are told where a call is not run.

use holdfast_call::{CallId, Fault, HostCode, Refusal, Verdict};
use holdfast_store::approvals::{CALLER_MAX, SERVICE_MAX};
use holdfast_store::db::DbError;
use holdfast_store::queue::{Depth, Room};
use std::time::Duration;

/// How long a caller is told to wait at most before he asks again for a call that runs.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long he is told to wait for the database.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// How long he is told to wait for somebody to look at what waits, or for a service to come to what is left for it.
const CROWDED_WAIT: Duration = Duration::from_secs(60);

/// What a refusal names the approval that a call waits for.
const WAITS_FOR: &str = "approval";

const RULE: &str = "the same key takes effect once";

fn refused(
    code: HostCode,
    detail: &str,
    seen: impl Into<String>,
    limit: &str,
    change: &str,
) -> Refusal {
    Refusal {
        code,
        layer: "once",
        detail: detail.to_owned(),
        rule: RULE.to_owned(),
        seen: seen.into(),
        limit: limit.to_owned(),
        change: change.to_owned(),
        retry_after: None,
    }
}

/// What was written is no key.
pub(super) fn no_key(why: &str, written: &str) -> Fault {
    let seen = format!("{} bytes", written.len());
    refused(
        HostCode::InvalidInput,
        why,
        seen,
        "255 bytes",
        "the header Idempotency-Key",
    )
    .into()
}

/// There are two of them.
pub(super) fn two_keys() -> Fault {
    refused(
        HostCode::InvalidInput,
        "Idempotency-Key and the argument idempotency-key are not the same: send one of them.",
        "two keys",
        "one key",
        "the header Idempotency-Key, or the argument",
    )
    .into()
}

/// The policy wants a key, and there is none.
pub(super) fn key_wanted() -> Fault {
    refused(
        HostCode::InvalidInput,
        "This needs a key: send one as `Idempotency-Key`, and the same one when you ask again.",
        "no Idempotency-Key",
        "idempotency = \"require\"",
        "idempotency under [services.NAME] in holdfast.toml",
    )
    .into()
}

/// The body is longer than one that is read whole.
pub(super) fn too_long(bytes_max: usize) -> Fault {
    refused(
        HostCode::PayloadTooLarge,
        "A request with a key is read whole, and this one is too long for that.",
        "more",
        &format!("{bytes_max} bytes"),
        "the request: without a key it is streamed",
    )
    .into()
}

/// Somebody is at it.
pub(super) fn running(left: Duration) -> Fault {
    let mut refusal = refused(
        HostCode::InProgress,
        "The same request is still running; ask again for what comes of it.",
        "a call with the same key",
        "one at a time",
        "wait",
    );
    refusal.retry_after = Some(left.min(WAIT_MAX));
    refusal.into()
}

/// It goes on, and nobody can ask again what comes of it.
pub(super) fn begun(name: &str) -> Fault {
    refused(
        HostCode::Indeterminate,
        "It was begun and goes on, but it has no key, so what comes of it cannot be asked for: to ask again would begin another one.",
        format!("the execution {name}"),
        "a durable operation that is waited for, or has a key",
        &format!("the request: with an Idempotency-Key; holdfast run show {name} says what comes of this one"),
    )
    .into()
}

/// Somebody else has taken it over.
pub(super) fn lost() -> Fault {
    let mut refusal = refused(
        HostCode::InProgress,
        "The request was taken over by another host; ask again for what comes of it.",
        "the row of the execution is another's",
        "one holder",
        "the pauses of this host: it held the row for longer than its lease without saying so",
    );
    refusal.retry_after = Some(WAIT_MAX);
    refusal.into()
}

/// The key was used for another request.
pub(super) fn other_payload() -> Fault {
    refused(
        HostCode::KeyReused,
        "The key was used before, for another request.",
        "another body, query, type or method under the same key",
        "one request a key",
        "the request: a new key for each new one",
    )
    .into()
}

/// Nobody knows what came of the first call.
pub(super) fn in_doubt(call: &str) -> Fault {
    let first = CallId::parse(call).map_or_else(String::new, |id| id.to_string());
    let refusal = refused(
        HostCode::Indeterminate,
        "An earlier request with this key was cut short, and it is not known what came of it. Somebody has to look.",
        format!("the call {first}, which had begun to change something"),
        "an effect is had once",
        &format!("holdfast explain {first}; then holdfast executions release {first}"),
    );
    refusal.into()
}

/// Nobody has approved it yet.
pub(super) fn unapproved(id: &str) -> Fault {
    let refusal: Fault = refused(
        HostCode::ApprovalRequired,
        "A person has to approve this first, and is asked to; send the very same request again once that is done.",
        format!("no approval; {id} waits for one"),
        "one approval for each action that cannot be undone",
        &format!("holdfast approve show {id}; then holdfast approve grant {id} --why \"…\""),
    )
    .into();
    refusal.with(WAITS_FOR, id)
}

/// The approval that a call waits for, if that is why it was refused.
pub(crate) fn waits_for(fault: &Fault) -> Option<&str> {
    let evidence = fault.verdict().evidence.iter();
    let mut waits = evidence.filter(|(key, _)| *key == WAITS_FOR);
    waits.next().map(|(_, id)| id.as_str())
}

/// It would be done for a call that was asked as if it changed nothing, at a path where a person has to approve what is done.
pub(super) fn withheld() -> Fault {
    refused(
        HostCode::ApprovalRequired,
        "A request that changes nothing by its method changes nothing here: what is done at this path has to be approved.",
        "an effect of a GET",
        "one approval for each action that cannot be undone",
        "the request: with the method that [effects] of the manifest names it can be approved",
    )
    .into()
}

/// Somebody has looked at it, and did not approve it.
pub(super) fn denied(id: &str) -> Fault {
    let refusal = refused(
        HostCode::ApprovalRequired,
        "A person has looked at this and did not approve it.",
        format!("{id} was denied"),
        "one approval for each action that cannot be undone",
        &format!("holdfast approve show {id}"),
    );
    refusal.into()
}

/// So many wait to be approved that no more can.
pub(super) fn crowded() -> Fault {
    let mut refusal = refused(
        HostCode::RateLimited,
        "Too many requests wait to be approved; ask again once somebody has looked at them.",
        "no place for one more",
        &format!("{CALLER_MAX} of a caller, {SERVICE_MAX} of a service"),
        "holdfast approve ls; then holdfast approve grant or deny them",
    );
    refusal.retry_after = Some(CROWDED_WAIT);
    refusal.into()
}

/// Nobody has declared what it does, and the policy does not have that.
pub(super) fn undeclared() -> Fault {
    refused(
        HostCode::Forbidden,
        "This is not allowed: its service does not declare what it does.",
        "an operation that is not declared",
        "undeclared = \"refuse\"",
        "[effects] of the service's manifest, or undeclared in holdfast.toml",
    )
    .into()
}

/// The database does not do its part.
pub(super) fn unavailable(error: &DbError) -> Fault {
    let verdict = Verdict {
        boundary: HostCode::StorageUnavailable.meaning().boundary,
        stage: "once",
        cause: error.to_string(),
        evidence: Vec::new(),
        next: "holdfast doctor".to_owned(),
    };
    let detail = "What must last cannot be kept at present.";
    Fault::host(HostCode::StorageUnavailable, detail, verdict).retry_after(STORE_WAIT)
}

/// Nobody has said where rows are kept.
pub(super) fn nowhere() -> Fault {
    unavailable(&DbError::Failing("there is no database".to_owned()))
}

/// An outcome that was kept is not one that anybody can read.
pub(crate) fn unreadable() -> Fault {
    unavailable(&DbError::Corrupt("the outcome of a call".to_owned()))
}

/// The queue of the service has no room for a request that would go into it.
pub(super) fn full(queue: &str, there: Depth, room: Room) -> Fault {
    let refusal = Refusal {
        code: HostCode::Overloaded,
        layer: "once",
        detail: "There is no room for this request now.".to_owned(),
        rule: "a queue has no more than its limit, dead letters included".to_owned(),
        seen: format!(
            "{} messages of {} bytes are in it",
            there.messages, there.bytes
        ),
        limit: format!("{} messages, {} bytes", room.messages, room.bytes),
        change: format!(
            "`holdfast queue ls` says what is there; queue_messages and queue_bytes under [services.{queue}.limits] in holdfast.toml"
        ),
        retry_after: Some(CROWDED_WAIT),
    };
    refusal.into()
}
