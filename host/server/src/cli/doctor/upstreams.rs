//! The systems outside: each is resolved and connected to as a call would be, under the same guard and time; nothing is sent.

use super::{Boundary, Finding, State};
use crate::assembly::probe;
use crate::settings::Policy;

const HERE: Boundary = Boundary::Upstream;

/// Reaches for every upstream of the policy, all at once.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    if policy.upstreams.is_empty() {
        findings.push(Finding::new(
            HERE,
            "upstreams",
            State::Ok,
            "skipped: the policy has none",
        ));
        return;
    }
    let reached = match probe::upstreams(policy) {
        Ok(reached) => reached,
        Err(error) => {
            let text = format!("no upstream could be tried: {error:#}");
            findings.push(Finding::new(HERE, "upstreams", State::Fail, text));
            return;
        }
    };
    for (name, reached) in reached {
        findings.push(match reached {
            Ok(address) => {
                let text = format!("{name}: connected to {address}");
                Finding::new(HERE, "upstream", State::Ok, text)
            }
            Err(why) => {
                let next = format!("see url, connect, allow_private and ca of [upstreams.{name}]");
                let text = format!("{name}: {why}");
                Finding::new(HERE, "upstream", State::Fail, text).next(next)
            }
        });
    }
}
