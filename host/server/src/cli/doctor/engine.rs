//! The engine: whether it can be made under this policy, and how its pool is set up on this machine.

use super::{Boundary, Finding, State};
use crate::assembly::probe;
use crate::settings::Policy;
use holdfast_call::Level;

/// Makes an engine as a host under this policy would, and lets it go.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    match probe::engine(policy) {
        Ok(said) => {
            for (level, text) in said {
                let state = match level {
                    Level::Warn | Level::Error => State::Warn,
                    _ => State::Ok,
                };
                findings.push(Finding::new(Boundary::Platform, "engine", state, text));
            }
        }
        Err(why) => {
            let next = "lower slots or limits.memories in the policy, or raise the limit of address space (ulimit -v)";
            findings.push(Finding::new(Boundary::Platform, "engine", State::Fail, why).next(next));
        }
    }
}
