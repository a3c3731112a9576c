//! What is said where a bucket does not do what it is asked: to the guest, and to the operator.

use holdfast_call::{Failure, FailureKind, Fault, HostCode, Refusal, Verdict};
use holdfast_store::db::DbError;
use holdfast_store::kv::{Full, MANY_BYTES_MAX, Measure};
use std::time::Duration;

/// How long a guest is told to wait for the database.
const AGAIN: Duration = Duration::from_secs(1);

/// The stage of all that is refused here.
const STAGE: &str = "kv";

/// A fault as it is, for the pipeline to hand on.
pub(super) fn passed(fault: Fault) -> Failure {
    let cause = fault.verdict().cause.clone();
    Failure::new(FailureKind::Passed(fault), cause)
}

/// What is asked is not one of the operations.
pub(super) fn no_operation() -> Failure {
    Failure::new(
        FailureKind::NoSuchOperation,
        "no such operation of a bucket",
    )
}

/// A call that no service makes has no keys.
pub(super) fn nobody() -> Failure {
    Failure::new(
        FailureKind::Internal,
        "nobody is known whose keys are meant",
    )
}

/// What is given breaks a rule. The guest may read which one.
pub(super) fn invalid(why: String) -> Fault {
    let verdict = Verdict {
        boundary: HostCode::InvalidInput.meaning().boundary,
        stage: STAGE,
        cause: why.clone(),
        evidence: Vec::new(),
        next: "mend the service".to_owned(),
    };
    Fault::host(HostCode::InvalidInput, why, verdict)
}

/// The value is no number, so nothing can be added to it.
pub(super) fn no_number() -> Fault {
    invalid("the value of this key is no whole number in decimal digits".to_owned())
}

/// The sum cannot be held.
pub(super) fn beyond() -> Fault {
    invalid("the sum is beyond what 64 bits hold".to_owned())
}

/// Too much at once.
pub(super) fn together() -> Fault {
    invalid(format!(
        "at most {MANY_BYTES_MAX} bytes of values go together"
    ))
}

/// There is no room for it.
pub(super) fn full(service: &str, full: Full) -> Fault {
    let Full {
        what,
        used,
        wanted,
        limit,
    } = full;
    let (key, words) = match what {
        Measure::Bytes => ("kv_bytes", "bytes of keys and values"),
        Measure::Keys => ("kv_keys", "keys"),
    };
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: STAGE,
        detail: format!(
            "The quota of {limit} {words} has no room for this; deleting keys makes some."
        ),
        rule: "a service keeps no more than its quota".to_owned(),
        seen: format!("{used} {words} are kept, and with this it would be {wanted}"),
        limit: format!("{key} = {limit}"),
        change: format!(
            "{key} under [limits] in {service}.toml or [services.{service}.limits] in holdfast.toml"
        ),
        retry_after: None,
    };
    refusal.into()
}

/// The database did not do it, or nobody knows.
pub(super) fn away(error: &DbError) -> Fault {
    let detail = match error {
        DbError::Ambiguous(_) => "It may have been done: the database failed while it kept it.",
        _ => "It was not done: what must last cannot be kept at present.",
    };
    let verdict = Verdict {
        boundary: HostCode::StorageUnavailable.meaning().boundary,
        stage: STAGE,
        cause: error.to_string(),
        evidence: Vec::new(),
        next: "holdfast doctor".to_owned(),
    };
    Fault::host(HostCode::StorageUnavailable, detail, verdict).retry_after(AGAIN)
}
