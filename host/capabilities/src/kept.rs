//! What all that services keep in the host's database has in common: whose it is, and what is said where it is not done.

use holdfast_call::{Call, Failure, FailureKind, Fault, HostCode, Refusal, Target, Verdict};
use holdfast_store::db::DbError;
use std::fmt;
use std::time::Duration;

/// How long a guest is told to wait for the database.
const AGAIN: Duration = Duration::from_secs(1);

/// The service that asks. The guest does not say it, so it cannot say another one's.
pub(crate) fn service(call: &Call) -> Result<String, Failure> {
    match call.asker.as_ref().map(|asker| &asker.target) {
        Some(Target::Service(name)) => Ok(name.to_string()),
        Some(Target::Capability { .. }) | None => Err(nobody()),
    }
}

/// A fault as it is, for the pipeline to hand on.
pub(crate) fn passed(fault: Fault) -> Failure {
    let cause = fault.verdict().cause.clone();
    Failure::new(FailureKind::Passed(fault), cause)
}

/// What is asked is not one of the operations.
pub(crate) fn no_operation() -> Failure {
    Failure::new(
        FailureKind::NoSuchOperation,
        "no such operation of what a service keeps",
    )
}

/// A call that no service makes keeps nothing.
pub(crate) fn nobody() -> Failure {
    Failure::new(
        FailureKind::Internal,
        "nobody is known whose keys, leases or numbers are meant",
    )
}

/// What is given breaks a rule. The guest may read which one.
pub(crate) fn invalid(stage: &'static str, why: String) -> Fault {
    let verdict = Verdict {
        boundary: HostCode::InvalidInput.meaning().boundary,
        stage,
        cause: why.clone(),
        evidence: Vec::new(),
        next: "mend the service".to_owned(),
    };
    Fault::host(HostCode::InvalidInput, why, verdict)
}

/// A service has as many of something as any may have.
pub(crate) fn too_many(stage: &'static str, what: &str, most: &dyn fmt::Display) -> Fault {
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: stage,
        detail: format!("There are {most} {what} already, and there cannot be more."),
        rule: format!("there is a bound to the {what}"),
        seen: format!("{most} {what}, and one more is asked for"),
        limit: format!("{most} {what}"),
        change: "nothing: mend the service, which needs fewer names".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

/// The database did not do it, or nobody knows.
pub(crate) fn away(stage: &'static str, error: &DbError) -> Fault {
    let detail = match error {
        DbError::Ambiguous(_) => "It may have been done: the database failed while it kept it.",
        _ => "It was not done: what must last cannot be kept at present.",
    };
    let verdict = Verdict {
        boundary: HostCode::StorageUnavailable.meaning().boundary,
        stage,
        cause: error.to_string(),
        evidence: Vec::new(),
        next: "holdfast doctor".to_owned(),
    };
    Fault::host(HostCode::StorageUnavailable, detail, verdict).retry_after(AGAIN)
}
