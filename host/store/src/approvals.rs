//! Approvals: of each action that may only be done once a person has said so its row, from the first who asks for it to the one call that
//! uses it up.
//!
//! An action is a hash of all that makes it this action and no other: who asks, at which service, for which operation, with what. It is
//! wanted until somebody grants or denies it or a day has passed, and an approval that was granted and not used ends a day later. It is used
//! by the claim of an execution's row, in the same unit of work ([`crate::executions`]), so that one approval is one execution.

mod desk;

pub use desk::{
    Approval, Decided, Decision, Own, Says, Standing, Verdict, Which, decide, find, list, sweep,
};

use crate::db::{DbError, Row, Tx, Value};

/// How long an action waits for somebody to look at it, and one that was approved for being done, in milliseconds: a day (semantics: §7).
const LASTS_MS: i64 = 24 * 3600 * 1000;
/// How many actions of one service wait at once.
pub const SERVICE_MAX: i64 = 256;
/// How many of one caller at one service: nobody alone takes all the places.
pub const CALLER_MAX: i64 = 64;

const WANTED: i64 = 0;
const GRANTED: i64 = 1;
const DENIED: i64 = 2;
const USED: i64 = 3;

/// An action that a person has to approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What makes it this action.
    pub action: [u8; 32],
    /// The service that would do it.
    pub service: String,
    /// Its operation.
    pub operation: String,
    /// Who asks.
    pub caller: String,
    /// Why, as he says.
    pub why: String,
    /// What is asked, in one line: a path with its query, or a function.
    pub asked: String,
    /// What the payload is, if that is said.
    pub content_type: Option<String>,
    /// The payload, unless it is too long to be looked at.
    pub payload: Option<Vec<u8>>,
    /// How long it is, in bytes.
    pub payload_bytes: u64,
}

/// What became of an approval that was to be used.
pub(crate) enum Taken {
    /// It is used.
    Approved(String),
    /// There was none; somebody is asked for it from now on.
    Asked(String),
    /// Somebody was asked for it before.
    Waits(String),
    /// Somebody has denied it.
    Denied(String),
    /// So many wait that this one is not taken.
    Crowded,
}

/// Uses the approval of an action for this call, or asks for one in its name.
pub(crate) async fn take(
    wanted: &Wanted,
    call: &str,
    now: i64,
    tx: &mut dyn Tx,
) -> Result<Taken, DbError> {
    const USE: &str = "UPDATE approvals SET state = 3, used_by = $1 WHERE id = (SELECT id FROM approvals \
                       WHERE action = $2 AND state = 1 AND expires_ms > $3 ORDER BY asked_ms LIMIT 1) RETURNING id";
    const LAST: &str = "SELECT id, state FROM approvals WHERE action = $1 AND state IN (0, 2) AND expires_ms > $2 \
                        ORDER BY asked_ms DESC LIMIT 1";
    let action = &wanted.action;
    let used: [Value; 3] = [call.into(), action.into(), now.into()];
    if let Some(row) = tx.query(USE, &used).await?.first() {
        return Ok(Taken::Approved(row.text(0)?.to_owned()));
    }
    let known = tx.query(LAST, &[action.into(), now.into()]).await?;
    if let Some(row) = known.first() {
        let id = row.text(0)?.to_owned();
        return Ok(match row.integer(1)? {
            DENIED => Taken::Denied(id),
            _ => Taken::Waits(id),
        });
    }
    if is_crowded(wanted, now, tx).await? {
        return Ok(Taken::Crowded);
    }
    ask(wanted, call, now, tx).await?;
    Ok(Taken::Asked(call.to_owned()))
}

/// What this call has used comes back: it came to nothing.
pub(crate) async fn give_back(call: &str, tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE approvals SET state = 1, used_by = NULL WHERE used_by = $1 AND state = 3";
    tx.execute(SQL, &[call.into()]).await.map(|_| ())
}

/// What the earlier lives of a host have used for calls that came to nothing comes back. Runs go on, and keep theirs.
pub(crate) async fn give_back_of(earlier: &[Value; 2], tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str = "UPDATE approvals SET state = 1, used_by = NULL WHERE state = 3 AND used_by IN (SELECT call \
                       FROM executions WHERE holder = $1 AND epoch < $2 AND state = 0 AND effects = 0 AND durable = 0)";
    tx.execute(SQL, earlier).await.map(|_| ())
}

async fn is_crowded(wanted: &Wanted, now: i64, tx: &mut dyn Tx) -> Result<bool, DbError> {
    const SQL: &str = "SELECT CAST(count(*) AS BIGINT), CAST(coalesce(sum(CASE WHEN caller = $1 THEN 1 ELSE 0 END), 0) \
                       AS BIGINT) FROM approvals WHERE service = $2 AND state = 0 AND expires_ms > $3";
    let values: [Value; 3] = [
        (&wanted.caller).into(),
        (&wanted.service).into(),
        now.into(),
    ];
    let rows = tx.query(SQL, &values).await?;
    let count = |cell| rows.first().map_or(Ok(0), |row: &Row| row.integer(cell));
    Ok(count(0)? >= SERVICE_MAX || count(1)? >= CALLER_MAX)
}

async fn ask(wanted: &Wanted, call: &str, now: i64, tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO approvals (id, action, state, service, operation, caller, why, asked, content_type, \
                       payload, payload_bytes, asked_ms, expires_ms) \
                       VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values: [Value; 12] = [
        call.into(),
        (&wanted.action).into(),
        (&wanted.service).into(),
        (&wanted.operation).into(),
        (&wanted.caller).into(),
        (&wanted.why).into(),
        (&wanted.asked).into(),
        wanted.content_type.clone().into(),
        wanted.payload.clone().into(),
        i64::try_from(wanted.payload_bytes)
            .unwrap_or(i64::MAX)
            .into(),
        now.into(),
        now.saturating_add(LASTS_MS).into(),
    ];
    tx.execute(SQL, &values).await.map(|_| ())
}

#[cfg(test)]
mod tests;
