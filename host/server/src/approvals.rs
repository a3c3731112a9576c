//! The approvals of this host, as its operator sees them: what waits for him, and what he says of it.

use crate::control::words::{ApprovalLine, Decide};
use data_encoding::BASE64;
use holdfast_rules::journal::waits_for_approval;
use holdfast_store::approvals::{self, Approval, Decided, Decision, Own, Says, Which};
use holdfast_store::db::{Database, DbError};
use holdfast_store::runs;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest reason, in bytes.
const WHY_BYTES_MAX: usize = 1_024;

/// The approvals of this host.
pub struct HostApprovals {
    database: Database,
    /// Whether one may approve what one has asked for oneself, as the policy says.
    own: AtomicBool,
}

impl HostApprovals {
    /// Those in the database.
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            own: AtomicBool::new(false),
        }
    }

    /// The policy says whether one may approve what one has asked for oneself.
    pub(crate) fn may(&self, own: Own) {
        self.own.store(own == Own::Approved, Ordering::Release);
    }

    /// Those that wait or may be used; or all that can still be looked at.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self, which: Which) -> Result<Vec<ApprovalLine>, String> {
        let rows = approvals::list(&self.database, which).await;
        let line = |row: Approval| ApprovalLine {
            // A list shows no payloads, and they are long.
            payload: None,
            ..line(row)
        };
        Ok(rows
            .map_err(|error| failed(&error))?
            .into_iter()
            .map(line)
            .collect())
    }

    /// One of them, whole.
    ///
    /// # Errors
    /// There is none of this name, or it cannot be read.
    pub async fn show(&self, id: &str) -> Result<ApprovalLine, String> {
        let found = approvals::find(&self.database, id)
            .await
            .map_err(|error| failed(&error))?;
        found.map(line).ok_or_else(|| none(id))
    }

    /// Says that it may be done, or that it may not; what to tell the operator.
    ///
    /// # Errors
    /// It is not said, and why.
    pub async fn decide(&self, asked: Decide, uid: u32) -> Result<String, String> {
        let Decide { id, grant, why } = asked;
        let why = why.trim().to_owned();
        if why.is_empty() || why.len() > WHY_BYTES_MAX || why.chars().any(char::is_control) {
            return Err(format!(
                "say why, on one line of at most {WHY_BYTES_MAX} bytes: --why \"…\""
            ));
        }
        let says = if grant { Says::Grant } else { Says::Deny };
        let decision = Decision {
            id: id.clone(),
            says,
            by: format!("operator:{uid}"),
            why,
            own: match self.own.load(Ordering::Acquire) {
                true => Own::Approved,
                false => Own::Refused,
            },
        };
        let decided = approvals::decide(&self.database, decision).await;
        let decided = decided.map_err(|error| failed(&error))?;
        if let Decided::Yes | Decided::Own = decided {
            // Who waits for it asks again; where that cannot be said now, he does in a few minutes.
            let _ = runs::wake(&self.database, waits_for_approval(&id)).await;
        }
        match (decided, says) {
            (Decided::Yes, Says::Grant) => Ok(format!(
                "{id} may be done, once, within 24 hours: by the very same request, sent again"
            )),
            (Decided::Own, _) => Ok(format!(
                "{id} may be done, once, within 24 hours; it is on record that you approved what you had asked for yourself"
            )),
            (Decided::Yes, Says::Deny) => Ok(format!("{id} is not done")),
            (Decided::NotHis, _) => Err(format!(
                "you have asked for {id} yourself, and nobody approves his own action; where there is nobody else, self_approve = true in \
                 holdfast.toml allows it"
            )),
            (Decided::Already(standing), _) => {
                Err(format!("{id} is {} already", standing.as_str()))
            }
            (Decided::None, _) => Err(none(&id)),
        }
    }
}

fn failed(error: &DbError) -> String {
    format!("failed to {error}")
}

fn none(id: &str) -> String {
    format!(
        "no approval has the name `{}`: `holdfast approve ls --all` lists them",
        id.escape_debug()
    )
}

fn line(row: Approval) -> ApprovalLine {
    let (by, said) = row.verdict.map(|verdict| (verdict.by, verdict.why)).unzip();
    ApprovalLine {
        id: row.id,
        state: row.standing.as_str().to_owned(),
        service: row.service,
        operation: row.operation,
        caller: row.caller,
        why: row.why,
        asked: row.asked,
        content_type: row.content_type,
        payload: row.payload.map(|payload| BASE64.encode(&payload)),
        payload_bytes: row.payload_bytes,
        asked_ms: row.asked_ms,
        expires_ms: row.expires_ms,
        decided_by: by,
        decided_why: said,
        used_by: row.used_by,
    }
}
