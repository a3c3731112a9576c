//! What a secret may be used for: a key that is there to check what comes in must not be lent to sign what goes out.

use super::denied;
use holdfast_call::Fault;

/// What the policy lets a secret be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Its name in the policy.
    pub secret: String,
    /// The operations, by their names in the interface.
    pub operations: Vec<&'static str>,
}

impl Uses {
    pub(super) fn check(&self, operation: &str) -> Result<(), Fault> {
        if self.operations.contains(&operation) {
            return Ok(());
        }
        let secret = &self.secret;
        let limit = match self.operations.as_slice() {
            [] => "the policy lets no service use it".to_owned(),
            some => format!("the policy lets it be used only to {}", some.join(" and ")),
        };
        Err(denied(
            format!("{operation} with the secret {secret}"),
            limit,
            format!("`uses` under [secrets.{secret}] in holdfast.toml"),
        ))
    }
}
