//! What a manifest asks for and the policy does not allow: both lines, and the change that would allow it.

use crate::settings::limits::Limit;
use crate::settings::name::Name;
use holdfast_call::Priority;
use holdfast_rules::method_path::MethodPath;
use std::fmt;

/// The change of the policy that would allow what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `[services.NAME.limits]`, that limit.
    Limit {
        /// Which.
        limit: Limit,
        /// How much is asked for.
        amount: u64,
    },
    /// `[services.NAME] upstreams`, one more.
    Upstream(Name),
    /// `[services.NAME] services`, one more.
    Service(Name),
    /// `[services.NAME] secrets`, one more.
    Secret(Name),
    /// `[services.NAME] kv`, one more.
    Bucket(Name),
    /// `[services.NAME] queues`, one more.
    Queue(Name),
    /// `[services.NAME] files`, one more.
    Files(Name),
    /// `[services.NAME] priority`.
    Priority(Priority),
    /// `[services.NAME] fuel = true`.
    Fuel,
    /// `[services.NAME] anonymous = "allow"`.
    Anonymous,
    /// `[services.NAME] public_routes`, one more.
    Public(MethodPath),
}

/// One thing that a manifest asks for and the policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The manifest's key.
    pub key: String,
    /// The manifest's line: `notes.toml:7`.
    pub manifest_at: String,
    /// The policy's line that says no: `holdfast.toml:12`, or the file where no line does.
    pub policy_at: String,
    /// What is asked for.
    pub asks: String,
    /// What is allowed.
    pub allows: String,
    /// The change that would allow it.
    pub change: Change,
    /// What must be in the policy before that change means anything: a table that only the operator can write.
    pub needs: Option<String>,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}` asks for {}, but {}: {}",
            self.manifest_at, self.key, self.asks, self.policy_at, self.allows
        )
    }
}

/// A manifest that asks for more than the policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The service.
    pub name: Name,
    /// Everything it asks too much; at least one thing.
    pub excess: Vec<Excess>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` asks for more than the policy allows:", self.name)?;
        for excess in &self.excess {
            write!(f, "\n  {excess}")?;
        }
        write!(f, "\nto allow it: holdfast allow {}", self.name)
    }
}

impl std::error::Error for Refused {}
