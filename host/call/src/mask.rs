//! How an implementation's failure is masked: one table from what happened to what a stranger may know.
//!
//! The cause and the evidence of a [`Failure`] may quote a trap, a path or an upstream; they go into the verdict, for the operator alone.
//! Whoever ends an answer's body asks here too, so that a failure after the head has the same code as one before it.

use crate::below::Echoed;
use crate::call::Target;
use crate::codes::{Boundary, HostCode};
use crate::fault::{Failure, FailureKind, Fault, Verdict};
use crate::meter::Meter;

/// The stage of a verdict that nobody can reach the upstream: it had all the time that the policy gives it, and could not be connected to.
pub const CONNECT: &str = "connect";

/// The fault that `failure` of `target` becomes. `meter` is that of the call that failed: where its guest only tells what became of a call
/// of its own, that one is blamed, and where it hands its error on, the caller is told the fault that it was.
#[must_use]
pub fn fault(failure: &Failure, target: &Target, meter: &Meter) -> Fault {
    if let FailureKind::Passed(fault) = &failure.kind {
        return fault.clone();
    }
    let below = match failure.kind {
        FailureKind::GaveUp | FailureKind::HandedOn => meter.below().echoed(),
        _ => None,
    };
    if let (
        FailureKind::HandedOn,
        Some(Echoed {
            fault: Some(fault), ..
        }),
    ) = (&failure.kind, &below)
    {
        return fault.clone().with("handed_on_by", target);
    }
    let (code, mut boundary, stage) = blamed(&failure.kind, target);
    let mut evidence = failure.evidence.clone();
    if let Some(below) = below {
        boundary = below.boundary;
        evidence.push(("child", below.target.to_string()));
        evidence.push(("child_said", below.said));
    }
    let verdict = Verdict {
        boundary,
        stage,
        cause: failure.cause.clone(),
        evidence,
        next: next(&failure.kind, target),
    };
    // The code's own sentence is all that a stranger reads.
    Fault::host(code, format!("{}.", code.meaning().title), verdict)
}

/// The code, the boundary and the stage. A new kind of failure does not compile until it has a line here.
fn blamed(kind: &FailureKind, target: &Target) -> (HostCode, Boundary, &'static str) {
    use Boundary::{Application, Caller, Configuration, Platform, Policy, Routing, Upstream};
    match kind {
        FailureKind::Trapped | FailureKind::GaveUp | FailureKind::HandedOn => {
            (HostCode::ServiceFault, Application, "guest")
        }
        FailureKind::CpuExhausted => (HostCode::CpuExhausted, Application, "guest"),
        FailureKind::MemoryExhausted => (HostCode::MemoryExhausted, Application, "guest"),
        FailureKind::HostMemoryExhausted => (HostCode::Overloaded, Platform, "memory"),
        FailureKind::PoolExhausted => (HostCode::Overloaded, Platform, "pool"),
        FailureKind::BadResponse => (HostCode::BadResponse, Application, "guest"),
        FailureKind::DeadlineExceeded => match target {
            Target::Service(_) => (HostCode::DeadlineExceeded, Application, "guest"),
            Target::Capability { .. } => (HostCode::UpstreamTimeout, Upstream, "upstream"),
        },
        FailureKind::NoSuchOperation => (HostCode::NoSuchOperation, Routing, "dispatch"),
        FailureKind::InvalidInput => (HostCode::InvalidInput, Caller, "dispatch"),
        FailureKind::Denied { .. } => (HostCode::CapabilityDenied, Policy, "way-out"),
        FailureKind::UpstreamUnreachable => (HostCode::UpstreamUnreachable, Upstream, CONNECT),
        FailureKind::UpstreamNotSent => (HostCode::UpstreamUnreachable, Upstream, "not-sent"),
        FailureKind::NoSocket => (HostCode::UpstreamUnreachable, Platform, "socket"),
        FailureKind::UpstreamTimeout => (HostCode::UpstreamTimeout, Upstream, "upstream"),
        FailureKind::UpstreamUntrusted => (HostCode::UpstreamUntrusted, Upstream, "tls"),
        FailureKind::UpstreamFault => (HostCode::UpstreamFault, Upstream, "upstream"),
        FailureKind::UpstreamTooLarge => (HostCode::UpstreamTooLarge, Upstream, "upstream"),
        FailureKind::SecretEchoed => (HostCode::SecretEchoed, Upstream, "upstream"),
        FailureKind::CallerCut => (HostCode::Cancelled, Caller, "entry"),
        FailureKind::Misconfigured { .. } => (HostCode::Internal, Configuration, "settings"),
        FailureKind::Passed(_) | FailureKind::Internal => (HostCode::Internal, Platform, "host"),
    }
}

/// What the operator should look at or change.
fn next(kind: &FailureKind, target: &Target) -> String {
    let limit = |key: &str| format!("{key} under [limits] of {target}");
    match kind {
        FailureKind::Trapped
        | FailureKind::GaveUp
        | FailureKind::HandedOn
        | FailureKind::BadResponse => "read the lines of this call in the log".to_owned(),
        FailureKind::CpuExhausted => limit("cpu, or fuel"),
        FailureKind::MemoryExhausted => limit("memory, tables, instances or resources"),
        FailureKind::HostMemoryExhausted => "memory in holdfast.toml".to_owned(),
        FailureKind::PoolExhausted => "slots in holdfast.toml".to_owned(),
        FailureKind::DeadlineExceeded => limit("deadline"),
        FailureKind::NoSuchOperation => format!("see what {target} exports"),
        FailureKind::InvalidInput => "mend the request".to_owned(),
        FailureKind::Denied { change } | FailureKind::Misconfigured { change } => change.clone(),
        FailureKind::NoSocket => {
            "the limit on open files of the host's process, and what holds them".to_owned()
        }
        FailureKind::UpstreamUnreachable
        | FailureKind::UpstreamNotSent
        | FailureKind::UpstreamTimeout
        | FailureKind::UpstreamFault => {
            format!("see whether {target} answers, and its times in holdfast.toml")
        }
        FailureKind::UpstreamUntrusted => {
            format!("look at the certificate of {target}, and at its `ca` in holdfast.toml")
        }
        FailureKind::UpstreamTooLarge => format!("response_bytes of {target} in holdfast.toml"),
        FailureKind::SecretEchoed => {
            format!(
                "methods and paths of {target} in holdfast.toml, so that services cannot ask what repeats its request"
            )
        }
        FailureKind::CallerCut => "ask the caller why its request broke off".to_owned(),
        FailureKind::Passed(_) | FailureKind::Internal => {
            "report it: this is a mistake in the host, or its machine fails".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_reaches_the_public_half() {
        let kinds = [
            FailureKind::Trapped,
            FailureKind::GaveUp,
            FailureKind::HandedOn,
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
            FailureKind::UpstreamNotSent,
            FailureKind::NoSocket,
            FailureKind::Misconfigured {
                change: "CANARY".into(),
            },
            FailureKind::UpstreamUntrusted,
            FailureKind::UpstreamTimeout,
            FailureKind::UpstreamFault,
            FailureKind::UpstreamTooLarge,
            FailureKind::SecretEchoed,
            FailureKind::CallerCut,
            FailureKind::Internal,
        ];
        for kind in kinds {
            let target = Target::Service("hello".into());
            let fault = fault(
                &Failure::new(kind.clone(), "CANARY").with("path", "CANARY"),
                &target,
                &Meter::default(),
            );
            assert!(
                !fault.detail().contains("CANARY") && !fault.title().contains("CANARY"),
                "{kind:?}"
            );
            assert_eq!(fault.verdict().cause, "CANARY", "{kind:?}");
        }
    }

    #[test]
    fn a_guest_that_gives_up_is_an_echo_of_what_its_calls_met_and_one_that_traps_is_none() {
        let target = Target::Service("hello".into());
        let upstream = Target::Capability {
            name: "http",
            resource: "http://api:80".into(),
        };
        let meter = Meter::default();
        let of = |kind: FailureKind| fault(&Failure::new(kind, "it failed"), &target, &meter);
        let boundary = |fault: &Fault| fault.verdict().boundary;
        assert_eq!(boundary(&of(FailureKind::GaveUp)), Boundary::Application);
        let kind = FailureKind::UpstreamTimeout;
        let child = fault(&Failure::new(kind, "silence"), &upstream, &Meter::default());
        meter.below().failed(&upstream, &child);
        let gave_up = of(FailureKind::GaveUp);
        assert_eq!(boundary(&gave_up), Boundary::Upstream);
        assert_eq!(gave_up.host_code(), Some(HostCode::ServiceFault));
        let said = ("child_said", "upstream-timeout".to_owned());
        assert!(gave_up.verdict().evidence.contains(&said));
        assert_eq!(boundary(&of(FailureKind::Trapped)), Boundary::Application);
    }

    #[test]
    fn an_error_that_a_guest_hands_on_is_told_as_what_it_was() {
        let target = Target::Service("hello".into());
        let upstream = Target::Capability {
            name: "http",
            resource: "http://api:80".into(),
        };
        let meter = Meter::default();
        let handed_on = || {
            let failure = Failure::new(FailureKind::HandedOn, "it answered with an error");
            fault(&failure, &target, &meter)
        };
        let of = |fault: &Fault| (fault.host_code().unwrap(), fault.verdict().boundary);
        let own = (HostCode::ServiceFault, Boundary::Application);
        assert_eq!(of(&handed_on()), own, "an error of its own making");
        let kind = FailureKind::UpstreamTimeout;
        let child = fault(&Failure::new(kind, "silence"), &upstream, &Meter::default());
        let child = child.retry_after(std::time::Duration::from_secs(7));
        meter.below().failed(&upstream, &child);
        let told = handed_on();
        assert_eq!(of(&told), (HostCode::UpstreamTimeout, Boundary::Upstream));
        assert_eq!(told.wait(), child.wait());
        assert_eq!(told.verdict().cause, "silence");
        let by = ("handed_on_by", target.to_string());
        assert!(told.verdict().evidence.contains(&by));
        meter.below().refused(&upstream, 503);
        assert_eq!(
            of(&handed_on()),
            (HostCode::ServiceFault, Boundary::Upstream)
        );
    }
}
