//! How an implementation's failure is masked: one table from what happened to what a stranger may know.
//!
//! The cause and the evidence of a [`Failure`] may quote a trap, a path or an upstream; they go into the verdict, for the operator alone.
//! Whoever ends an answer's body asks here too, so that a failure after the head has the same code as one before it.

use crate::call::Target;
use crate::codes::{Boundary, HostCode};
use crate::fault::{Failure, FailureKind, Fault, Verdict};

/// The fault that `failure` of `target` becomes. A new kind of failure does not compile until it has a line here.
#[must_use]
pub fn fault(failure: &Failure, target: &Target) -> Fault {
    let limit = |key: &str| format!("{key} under [limits] of {target}");
    let lines = || "read the lines of this call in the log".to_owned();
    let report = || "report it: this is a mistake in the host, or its machine fails".to_owned();
    let upstream = || format!("see whether {target} answers, and its times in holdfast.toml");
    let late = match target {
        Target::Service(_) => (
            HostCode::DeadlineExceeded,
            Boundary::Application,
            "guest",
            limit("deadline"),
        ),
        Target::Capability { .. } => (
            HostCode::UpstreamTimeout,
            Boundary::Upstream,
            "upstream",
            upstream(),
        ),
    };
    use Boundary::{Application, Caller, Platform, Policy, Routing, Upstream};
    let (code, boundary, stage, next) = match &failure.kind {
        FailureKind::Passed(fault) => return fault.clone(),
        FailureKind::Trapped => (HostCode::ServiceFault, Application, "guest", lines()),
        FailureKind::CpuExhausted => {
            let next = limit("cpu, or fuel");
            (HostCode::CpuExhausted, Application, "guest", next)
        }
        FailureKind::MemoryExhausted => {
            let next = limit("memory, tables, instances or resources");
            (HostCode::MemoryExhausted, Application, "guest", next)
        }
        FailureKind::HostMemoryExhausted => {
            let next = "memory in holdfast.toml".to_owned();
            (HostCode::Overloaded, Platform, "memory", next)
        }
        FailureKind::PoolExhausted => {
            let next = "slots in holdfast.toml".to_owned();
            (HostCode::Overloaded, Platform, "pool", next)
        }
        FailureKind::BadResponse => (HostCode::BadResponse, Application, "guest", lines()),
        FailureKind::DeadlineExceeded => late,
        FailureKind::NoSuchOperation => {
            let next = format!("see what {target} exports");
            (HostCode::NoSuchOperation, Routing, "dispatch", next)
        }
        FailureKind::InvalidInput => {
            let next = "mend the request".to_owned();
            (HostCode::InvalidInput, Caller, "dispatch", next)
        }
        FailureKind::Denied { change } => (
            HostCode::CapabilityDenied,
            Policy,
            "way-out",
            change.clone(),
        ),
        FailureKind::UpstreamUnreachable => (
            HostCode::UpstreamUnreachable,
            Upstream,
            "connect",
            upstream(),
        ),
        FailureKind::UpstreamTimeout => {
            (HostCode::UpstreamTimeout, Upstream, "upstream", upstream())
        }
        FailureKind::UpstreamFault => (HostCode::UpstreamFault, Upstream, "upstream", upstream()),
        FailureKind::UpstreamTooLarge => {
            let next = format!("response_bytes of {target} in holdfast.toml");
            (HostCode::UpstreamFault, Upstream, "upstream", next)
        }
        FailureKind::CallerCut => {
            let next = "ask the caller why its request broke off".to_owned();
            (HostCode::Cancelled, Caller, "entry", next)
        }
        FailureKind::Internal => (HostCode::Internal, Platform, "host", report()),
    };
    let verdict = Verdict {
        boundary,
        stage,
        cause: failure.cause.clone(),
        evidence: failure.evidence.clone(),
        next,
    };
    // The code's own sentence is all that a stranger reads.
    Fault::host(code, format!("{}.", code.meaning().title), verdict)
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
            let target = Target::Service("hello".into());
            let fault = fault(
                &Failure::new(kind.clone(), "CANARY").with("path", "CANARY"),
                &target,
            );
            assert!(
                !fault.detail().contains("CANARY") && !fault.title().contains("CANARY"),
                "{kind:?}"
            );
            assert_eq!(fault.verdict().cause, "CANARY", "{kind:?}");
        }
    }
}
