//! What the operator changes is in the audit log: that it is to be done before it is, and what came of it before he is told.

use crate::control::words::{Request, Response};
use holdfast_store::{Audit, AuditError};
use serde::Serialize;

/// A change that the operator asks for.
pub(crate) struct Deed {
    operation: &'static str,
    target: String,
}

/// That it is to be done.
#[derive(Serialize)]
struct Intent<'a> {
    kind: &'static str,
    caller: String,
    operation: &'a str,
    target: &'a str,
}

/// What came of it.
#[derive(Serialize)]
struct Outcome<'a> {
    kind: &'static str,
    /// The number of the record that said it was to be done.
    intent: u64,
    outcome: &'static str,
    /// The name of the key that was made, or why nothing was done.
    said: Option<&'a str>,
}

impl Deed {
    /// One that is done without a running host.
    pub(crate) const fn new(operation: &'static str, target: String) -> Self {
        Self { operation, target }
    }

    /// The change; none, for what only looks, and for calls, which leave a line of their own.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let (operation, target) = match request {
            Request::Reload => ("reload", String::new()),
            Request::Rollback { name } => ("rollback", format!("service:{name}")),
            Request::Load { name, .. } => ("load", format!("service:{name}")),
            Request::NewKey(asked) => {
                let scopes = asked.scopes.join(" ");
                (
                    "keys new",
                    format!("principal:{} {scopes}", asked.principal),
                )
            }
            Request::RevokeKey { id } => ("keys revoke", format!("key:{id}")),
            Request::ReleaseExecution { call } => ("executions release", format!("call:{call}")),
            Request::Undo { call } => ("undo", format!("call:{call}")),
            Request::Decide(said) => (
                if said.grant {
                    "approve grant"
                } else {
                    "approve deny"
                },
                format!("approval:{} {}", said.id, said.why),
            ),
            Request::Backup { to } => ("backup", to.display().to_string()),
            Request::Queue(asked) => asked.deed()?,
            Request::Run(asked) => asked.deed()?,
            Request::NotifyTest => ("notify test", String::new()),
            Request::Ls
            | Request::Operations { .. }
            | Request::Keys
            | Request::Executions
            | Request::Approvals { .. }
            | Request::Approval { .. }
            | Request::Locks
            | Request::Schedules
            | Request::Cost(_)
            | Request::Call(_) => return None,
        };
        Some(Self { operation, target })
    }

    /// Puts on record that this user is about to do it; the number of the record.
    ///
    /// # Errors
    /// It is not on record, so it must not be done.
    pub(crate) async fn begin(&self, audit: &Audit, uid: u32) -> Result<u64, AuditError> {
        let intent = Intent {
            kind: "intent",
            caller: format!("operator:{uid}"),
            operation: self.operation,
            target: &self.target,
        };
        audit.durable(&intent).await
    }
}

/// Puts on record what came of it.
///
/// # Errors
/// It is not on record, though it may be done.
pub(crate) async fn end(audit: &Audit, intent: u64, response: &Response) -> Result<(), AuditError> {
    let (outcome, said) = match response {
        Response::Error(error) => ("failed", Some(error.as_str())),
        Response::Key { id, .. } => ("ok", Some(id.as_str())),
        // Which call did it, or that somebody approved his own action.
        Response::Text(text) => ("ok", Some(text.as_str())),
        _ => ("ok", None),
    };
    let outcome = Outcome {
        kind: "outcome",
        intent,
        outcome,
        said,
    };
    audit.durable(&outcome).await.map(|_| ())
}
