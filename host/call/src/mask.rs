//! How an implementation's failure is masked: one table from what happened to what a stranger may know.
//!
//! The cause and the evidence of a [`Failure`] may quote a trap, a path or an upstream; they go into the verdict, for the operator alone.
//! Whoever ends an answer's body asks here too, so that a failure after the head has the same code as one before it.

use crate::codes::HostCode;
use crate::fault::{Failure, FailureKind, Fault, Verdict};
use std::time::Duration;

/// How long a caller should wait for a place in the pool or for memory.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the caller sees of `failure`.
#[must_use]
pub fn fault(failure: &Failure) -> Fault {
    if let FailureKind::Passed(fault) = &failure.kind {
        return fault.clone();
    }
    let row = row(&failure.kind);
    let verdict = Verdict {
        boundary: row.code.meaning().boundary,
        stage: row.stage,
        cause: failure.cause.clone(),
        evidence: failure.evidence.clone(),
        next: match &failure.kind {
            FailureKind::Denied { change } => change.clone(),
            _ => row.next.to_owned(),
        },
    };
    let fault = Fault::host(row.code, row.detail, verdict);
    match row.code {
        HostCode::Overloaded => fault.retry_after(RETRY_AFTER),
        _ => fault,
    }
}

struct Row {
    code: HostCode,
    stage: &'static str,
    detail: &'static str,
    next: &'static str,
}

const fn row(kind: &FailureKind) -> Row {
    const fn of(
        code: HostCode,
        stage: &'static str,
        detail: &'static str,
        next: &'static str,
    ) -> Row {
        Row {
            code,
            stage,
            detail,
            next,
        }
    }
    match kind {
        FailureKind::Trapped => of(
            HostCode::ServiceFault,
            "guest",
            "The service failed.",
            "the service's own lines of this call",
        ),
        FailureKind::CpuExhausted => of(
            HostCode::CpuExhausted,
            "guest",
            "The service used all of its CPU time.",
            "limits.cpu or limits.fuel",
        ),
        FailureKind::MemoryExhausted => of(
            HostCode::MemoryExhausted,
            "guest",
            "The service used all of its memory.",
            "limits.memory, or the limit that is named",
        ),
        FailureKind::HostMemoryExhausted => of(
            HostCode::Overloaded,
            "guest",
            "The host has no memory free for the service.",
            "memory in the policy",
        ),
        FailureKind::PoolExhausted => of(
            HostCode::Overloaded,
            "guest",
            "The host has no free place.",
            "slots in the policy",
        ),
        FailureKind::BadResponse => of(
            HostCode::BadResponse,
            "guest",
            "The service gave an answer that cannot be passed on.",
            "the service's own lines of this call",
        ),
        FailureKind::DeadlineExceeded => of(
            HostCode::DeadlineExceeded,
            "guest",
            "The call did not end in time.",
            "limits.deadline",
        ),
        FailureKind::NoSuchOperation => of(
            HostCode::NoSuchOperation,
            "dispatch",
            "The service has no such operation.",
            "holdfast ls",
        ),
        FailureKind::InvalidInput => of(
            HostCode::InvalidInput,
            "dispatch",
            "The request is not valid.",
            "the request",
        ),
        FailureKind::Denied { .. } => of(
            HostCode::CapabilityDenied,
            "connect",
            "The service may not use this.",
            "the policy",
        ),
        FailureKind::UpstreamUnreachable => of(
            HostCode::UpstreamUnreachable,
            "connect",
            "The upstream could not be reached.",
            "the upstream, its name and its address",
        ),
        FailureKind::UpstreamTimeout => of(
            HostCode::UpstreamTimeout,
            "upstream",
            "The upstream did not answer in time.",
            "the upstream; connect, first_byte, between_bytes",
        ),
        FailureKind::UpstreamFault => of(
            HostCode::UpstreamFault,
            "upstream",
            "The upstream broke off.",
            "the upstream",
        ),
        FailureKind::UpstreamTooLarge => of(
            HostCode::UpstreamFault,
            "upstream",
            "The upstream's answer is larger than allowed.",
            "response_bytes of the upstream",
        ),
        FailureKind::CallerCut => of(
            HostCode::Cancelled,
            "request",
            "The request broke off.",
            "the caller",
        ),
        FailureKind::Passed(_) | FailureKind::Internal => of(
            HostCode::Internal,
            "host",
            "The host failed.",
            "the host's own lines at this time",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_reaches_the_public_half() {
        let kinds = [
            FailureKind::Trapped,
            FailureKind::CpuExhausted,
            FailureKind::MemoryExhausted,
            FailureKind::HostMemoryExhausted,
            FailureKind::PoolExhausted,
            FailureKind::BadResponse,
            FailureKind::DeadlineExceeded,
            FailureKind::NoSuchOperation,
            FailureKind::InvalidInput,
            FailureKind::Denied {
                change: "CANARY".into(),
            },
            FailureKind::UpstreamUnreachable,
            FailureKind::UpstreamTimeout,
            FailureKind::UpstreamFault,
            FailureKind::UpstreamTooLarge,
            FailureKind::CallerCut,
            FailureKind::Internal,
        ];
        for kind in kinds {
            let fault = fault(&Failure::new(kind.clone(), "CANARY").with("path", "CANARY"));
            assert!(
                !fault.detail().contains("CANARY") && !fault.title().contains("CANARY"),
                "{kind:?}"
            );
            assert_eq!(fault.verdict().cause, "CANARY", "{kind:?}");
        }
    }
}
