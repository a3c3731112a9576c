//! The leases that are held, as an operator sees them: those of all hosts that share the database.

use crate::control::words::LockLine;
use holdfast_store::db::Database;
use holdfast_store::leases::{self, LeaseRow};

/// Those that are held now.
///
/// # Errors
/// They cannot be read.
pub async fn list(database: &Database) -> Result<Vec<LockLine>, String> {
    let rows = leases::list(database).await;
    let rows = rows.map_err(|error| format!("failed to {error}"))?;
    Ok(rows.into_iter().map(line).collect())
}

fn line(row: LeaseRow) -> LockLine {
    LockLine {
        service: row.lease.service,
        name: row.lease.name.to_string(),
        host: row.holder.host,
        epoch: row.holder.epoch,
        call: row.call,
        why: row.why,
        fence: row.lease.fence,
        since_ms: row.since_ms,
        until_ms: row.expires_ms,
    }
}
