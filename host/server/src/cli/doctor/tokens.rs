//! The issuers whose tokens are taken: whether their keys can be read, where they are in a file. What is fetched comes through an upstream,
//! which is reached for with the others.

use super::{Boundary, Finding, State};
use crate::settings::{JwtKeys, Policy};
use crate::tokens::read_file;

const HERE: Boundary = Boundary::Configuration;
const PROBE: &str = "tokens";

/// Reads the keys of each issuer as a host would.
pub(super) fn probe(policy: &Policy, findings: &mut Vec<Finding>) {
    for (name, jwt) in &policy.jwt {
        findings.push(match &jwt.keys {
            JwtKeys::File(path) => match read_file(path) {
                Ok(_) => {
                    let text = format!("{name}: the keys in {} can be used", path.display());
                    Finding::new(HERE, PROBE, State::Ok, text)
                }
                Err(why) => Finding::new(HERE, PROBE, State::Fail, format!("{name}: {why}"))
                    .next(format!("see `keys` of [jwt.{name}]")),
            },
            JwtKeys::Upstream { .. } => {
                let text = format!("{name}: its keys are fetched through an upstream");
                Finding::new(HERE, PROBE, State::Ok, text)
            }
        });
    }
}
