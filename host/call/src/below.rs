//! What became of the calls that a call made: whether its own failure is only the echo of one of theirs.
//!
//! A service that answers 502 because its upstream did not answer has not failed itself, and whoever looks for what is broken must not be
//! sent to its code. What counts is the last failure that was beyond the service; a later call to the same target that went well takes it
//! back, because then the service had what it needed.

use crate::call::Target;
use crate::codes::{Boundary, Class};
use crate::fault::Fault;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A call that a service made and that failed through no doing of the service.
#[derive(Clone, Debug)]
pub struct Echoed {
    /// Whom it was for.
    pub target: Target,
    /// The boundary that failed.
    pub boundary: Boundary,
    /// The code of its fault, or the status that an upstream answered.
    pub said: String,
    /// Its fault, if it was one.
    pub fault: Option<Fault>,
}

/// What became of the calls that one call made, as far as it tells what became of that one.
#[derive(Debug, Default)]
pub struct Below(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// The last whose failure was beyond the service.
    beyond: Option<Echoed>,
    /// The last that ended in a fault, whoever is to blame for it.
    fault: Option<(Target, Fault)>,
}

impl Below {
    /// A call to `target` ended in `fault`.
    pub fn failed(&self, target: &Target, fault: &Fault) {
        self.last().fault = Some((target.clone(), fault.clone()));
        let boundary = fault.verdict().boundary;
        let beyond = match boundary {
            Boundary::Configuration
            | Boundary::Lifecycle
            | Boundary::Storage
            | Boundary::Upstream
            | Boundary::Platform => true,
            // A place that was not free is nobody's mistake; what the service may not do at all, it should not ask for.
            Boundary::Policy => fault.class() == Class::Throttled,
            Boundary::Caller | Boundary::Application | Boundary::Routing => false,
        };
        if beyond {
            let said = fault.code().to_string();
            self.note(target, boundary, said, Some(fault.clone()));
        }
    }

    /// An upstream answered that it has failed, or that it wants fewer requests.
    pub fn refused(&self, target: &Target, status: u16) {
        self.note(target, Boundary::Upstream, status.to_string(), None);
    }

    /// A call to `target` ended well.
    pub fn well(&self, target: &Target) {
        let mut last = self.last();
        last.beyond.take_if(|beyond| beyond.target == *target);
        last.fault.take_if(|(failed, _)| failed == target);
    }

    /// The last failure beyond the service that still stands.
    #[must_use]
    pub fn echoed(&self) -> Option<Echoed> {
        self.last().beyond.clone()
    }

    /// The last fault that still stands, of whatever boundary.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.last().fault.as_ref().map(|(_, fault)| fault.clone())
    }

    fn note(&self, target: &Target, boundary: Boundary, said: String, fault: Option<Fault>) {
        self.last().beyond = Some(Echoed {
            target: target.clone(),
            boundary,
            said,
            fault,
        });
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::HostCode;
    use crate::fault::Verdict;

    fn fault(code: HostCode, boundary: Boundary) -> Fault {
        let verdict = Verdict {
            boundary,
            stage: "test",
            cause: String::new(),
            evidence: Vec::new(),
            next: String::new(),
        };
        Fault::host(code, "", verdict)
    }

    #[test]
    fn only_what_was_beyond_the_service_is_held_for_it() {
        let target = Target::Service("notes".into());
        for (code, boundary, beyond) in [
            (HostCode::UpstreamTimeout, Boundary::Upstream, true),
            (HostCode::Overloaded, Boundary::Platform, true),
            (HostCode::Overloaded, Boundary::Policy, true),
            (HostCode::Draining, Boundary::Lifecycle, true),
            (HostCode::StorageUnavailable, Boundary::Storage, true),
            (HostCode::CapabilityDenied, Boundary::Policy, false),
            (HostCode::NoSuchService, Boundary::Routing, false),
            (HostCode::ServiceFault, Boundary::Application, false),
        ] {
            let below = Below::default();
            below.failed(&target, &fault(code, boundary));
            assert_eq!(below.echoed().is_some(), beyond, "{code:?} {boundary:?}");
            assert!(below.fault().is_some(), "{code:?} {boundary:?}");
        }
    }

    #[test]
    fn what_went_well_afterwards_takes_it_back() {
        let (one, other) = (Target::Service("a".into()), Target::Service("b".into()));
        let below = Below::default();
        below.failed(&one, &fault(HostCode::UpstreamFault, Boundary::Upstream));
        below.well(&other);
        assert_eq!(below.echoed().map(|last| last.target), Some(one.clone()));
        assert!(below.fault().is_some());
        below.well(&one);
        assert!(below.echoed().is_none() && below.fault().is_none());
        below.refused(&other, 503);
        assert_eq!(below.echoed().map(|last| last.said).as_deref(), Some("503"));
    }
}
