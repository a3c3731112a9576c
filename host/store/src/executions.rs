//! Executions: of each call that carried a key its one row, from the claim to the outcome.
//!
//! A row is running, done or in doubt. Who claims a key holds its row under a fence, a number that only grows; whatever he does to it later
//! names that number, so one who was thought dead and comes late changes nothing. A row whose holder is gone and that has not yet had an
//! effect is claimed anew; one that may have had one is in doubt, and waits for a person.

use crate::db::{Database, DbError, Row, Tx, Value};
use std::time::Duration;

/// The name of a row: what makes a call the same call.
pub type ExecutionKey = [u8; 32];

/// Who holds rows: a host, and the how-manieth life of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The host's name.
    pub host: String,
    /// Its life: one more at each start.
    pub epoch: i64,
}

/// What a claim says of its call.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The row's name.
    pub key: ExecutionKey,
    /// The hash of what is asked: the same key with another one is another call, and refused.
    pub fingerprint: [u8; 32],
    /// The name of the call that claims.
    pub call: String,
    /// Who asks, for people.
    pub caller: String,
    /// What is to be done, for people.
    pub operation: String,
    /// Who will hold it.
    pub holder: Holder,
    /// For how long he holds it without saying that he still does.
    pub lease: Duration,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The row is the claimer's, under this fence.
    Yours(i64),
    /// It was done before, with this outcome.
    Done(Vec<u8>),
    /// Somebody is at it, and holds it for so long at least.
    Running(Duration),
    /// The key was used for something else.
    OtherPayload,
    /// Somebody was at it, and nobody knows what came of it. The name of that call.
    InDoubt(String),
}

/// Whether a row was still its holder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It was, and is changed.
    Yes,
    /// Somebody else has it; nothing is changed.
    Lost,
}

/// What a start found of the host's earlier lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Rows that had no effect, and are as if they had never been.
    pub forgotten: u64,
    /// Rows that may have had one, and wait for a person.
    pub in_doubt: u64,
}

/// A row for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// The call that claimed it.
    pub call: String,
    /// Who asked.
    pub caller: String,
    /// What was to be done.
    pub operation: String,
    /// Since when, in milliseconds since 1970.
    pub began_ms: u64,
    /// Whether somebody is at it; else it is in doubt.
    pub standing: Standing,
}

/// What a row that is not done is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody is at it.
    Running,
    /// Nobody knows what came of it.
    InDoubt,
}

const RUNNING: i64 = 0;
const DONE: i64 = 1;
const IN_DOUBT: i64 = 2;

/// How many rows one sweep removes at most, so that it holds nobody up.
const SWEPT_MAX: i64 = 1_000;

/// Begins another life of this host: its holder from now on, and what its earlier lives left behind.
///
/// # Errors
/// The database fails.
pub async fn begin(database: &Database, host: &str) -> Result<(Holder, Left), DbError> {
    database
        .run(host.to_owned(), |host, tx| Box::pin(begun(host, tx)))
        .await
}

/// Claims a row.
///
/// # Errors
/// The database fails; the claim does not hold, unless the error says that nobody knows.
pub async fn claim(database: &Database, claim: Claim) -> Result<Claimed, DbError> {
    database
        .run(claim, |claim, tx| Box::pin(claimed(claim, tx)))
        .await
}

/// Says that the call is about to have its first effect. Whoever finds the row without its holder from then on does not run it again.
///
/// # Errors
/// The database fails; then the effect must not be had.
pub async fn effect(database: &Database, key: ExecutionKey, fence: i64) -> Result<Held, DbError> {
    const SQL: &str =
        "UPDATE executions SET effects = 1 WHERE key = $1 AND fence = $2 AND state = 0";
    by_holder(database, SQL, key, fence).await
}

/// Forgets a row that came to nothing: the next call with its key is a first one.
///
/// # Errors
/// The database fails; the row is still there.
pub async fn forget(database: &Database, key: ExecutionKey, fence: i64) -> Result<Held, DbError> {
    const SQL: &str =
        "DELETE FROM executions WHERE key = $1 AND fence = $2 AND state = 0 AND effects = 0";
    by_holder(database, SQL, key, fence).await
}

/// Gives a row up: it may have had an effect, and its holder does not know what came of it.
///
/// # Errors
/// The database fails; the row is still running.
pub async fn doubt(database: &Database, key: ExecutionKey, fence: i64) -> Result<Held, DbError> {
    const SQL: &str = "UPDATE executions SET state = 2 WHERE key = $1 AND fence = $2 AND state = 0";
    by_holder(database, SQL, key, fence).await
}

/// Keeps the outcome, for so long.
///
/// # Errors
/// The database fails; the row is still running, unless the error says that nobody knows.
pub async fn finish(
    database: &Database,
    key: ExecutionKey,
    fence: i64,
    outcome: Vec<u8>,
    keep: Duration,
) -> Result<Held, DbError> {
    let keep = millis(keep);
    database
        .run((key, fence, outcome, keep), |(key, fence, outcome, keep), tx| {
            Box::pin(async move {
                const SQL: &str = "UPDATE executions SET state = 1, outcome = $1, expires_ms = $2 \
                                   WHERE key = $3 AND fence = $4 AND state = 0";
                let expires = tx.now().await?.saturating_add(*keep);
                let values: [Value; 4] = [
                    outcome.clone().into(),
                    expires.into(),
                    key.into(),
                    (*fence).into(),
                ];
                tx.execute(SQL, &values).await.map(held)
            })
        })
        .await
}

/// Holds on to all rows of this holder for another lease; the rows that are still his.
///
/// # Errors
/// The database fails; the leases run on.
pub async fn renew(
    database: &Database,
    holder: Holder,
    lease: Duration,
) -> Result<Vec<ExecutionKey>, DbError> {
    database
        .run((holder, millis(lease)), |(holder, lease), tx| {
            Box::pin(async move {
                const SQL: &str = "UPDATE executions SET lease_until_ms = $1 \
                                   WHERE holder = $2 AND epoch = $3 AND state = 0 RETURNING key";
                let until = tx.now().await?.saturating_add(*lease);
                let values: [Value; 3] = [until.into(), (&holder.host).into(), holder.epoch.into()];
                let rows = tx.query(SQL, &values).await?;
                rows.iter().map(|row| hash(row, 0)).collect()
            })
        })
        .await
}

/// Removes some of the outcomes that were kept for long enough; how many.
///
/// # Errors
/// The database fails.
pub async fn sweep(database: &Database) -> Result<u64, DbError> {
    database
        .run((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM executions WHERE key IN (SELECT key FROM executions \
                                   WHERE state = 1 AND expires_ms <= $1 LIMIT $2)";
                let now = tx.now().await?;
                tx.execute(SQL, &[now.into(), SWEPT_MAX.into()]).await
            })
        })
        .await
}

/// The rows that are not done, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn open(database: &Database) -> Result<Vec<ExecutionRow>, DbError> {
    database
        .read((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "SELECT call, caller, operation, began_ms, state FROM executions \
                                   WHERE state <> 1 ORDER BY began_ms, call LIMIT 1000";
                tx.query(SQL, &[])
                    .await?
                    .iter()
                    .map(execution_row)
                    .collect()
            })
        })
        .await
}

/// Forgets a row that is in doubt, by the name of its call: a person has looked, and the next call with its key is a first one.
///
/// # Errors
/// The database fails; the row is still there.
pub async fn release(database: &Database, call: &str) -> Result<Held, DbError> {
    database
        .run(call.to_owned(), |call, tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM executions WHERE call = $1 AND state = 2";
                tx.execute(SQL, &[call.into()]).await.map(held)
            })
        })
        .await
}

async fn by_holder(
    database: &Database,
    sql: &'static str,
    key: ExecutionKey,
    fence: i64,
) -> Result<Held, DbError> {
    database
        .run((sql, key, fence), |(sql, key, fence), tx| {
            Box::pin(async move {
                let values: [Value; 2] = [key.into(), (*fence).into()];
                tx.execute(sql, &values).await.map(held)
            })
        })
        .await
}

async fn begun(host: &String, tx: &mut dyn Tx) -> Result<(Holder, Left), DbError> {
    const LIFE: &str = "INSERT INTO hosts (id, epoch) VALUES ($1, 1) \
                        ON CONFLICT (id) DO UPDATE SET epoch = hosts.epoch + 1 RETURNING epoch";
    const DOUBT: &str = "UPDATE executions SET state = 2 \
                         WHERE holder = $1 AND epoch < $2 AND state = 0 AND effects = 1";
    const FORGET: &str = "DELETE FROM executions WHERE holder = $1 AND epoch < $2 AND state = 0";
    let rows = tx.query(LIFE, &[host.into()]).await?;
    let none = || DbError::Failing("a host that was written is not there".to_owned());
    let epoch = rows.first().ok_or_else(none)?.integer(0)?;
    let earlier: [Value; 2] = [host.into(), epoch.into()];
    let left = Left {
        in_doubt: tx.execute(DOUBT, &earlier).await?,
        forgotten: tx.execute(FORGET, &earlier).await?,
    };
    let host = host.clone();
    Ok((Holder { host, epoch }, left))
}

async fn claimed(claim: &Claim, tx: &mut dyn Tx) -> Result<Claimed, DbError> {
    const FIRST: &str = "INSERT INTO executions (key, fingerprint, call, caller, operation, state, holder, epoch, \
                         fence, lease_until_ms, effects, began_ms) \
                         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 1, $8, 0, $9) ON CONFLICT (key) DO NOTHING";
    let now = tx.now().await?;
    let until = now.saturating_add(millis(claim.lease));
    let values: [Value; 9] = [
        (&claim.key).into(),
        (&claim.fingerprint).into(),
        (&claim.call).into(),
        (&claim.caller).into(),
        (&claim.operation).into(),
        (&claim.holder.host).into(),
        claim.holder.epoch.into(),
        until.into(),
        now.into(),
    ];
    if tx.execute(FIRST, &values).await? > 0 {
        return Ok(Claimed::Yours(1));
    }
    let there = There::read(claim, tx).await?;
    let over = there.state == DONE && there.expires_ms.is_some_and(|end| end <= now);
    if !over && there.fingerprint != claim.fingerprint {
        return Ok(Claimed::OtherPayload);
    }
    match there.state {
        DONE if !over => return Ok(Claimed::Done(there.outcome.unwrap_or_default())),
        IN_DOUBT => return Ok(Claimed::InDoubt(there.call)),
        RUNNING if there.is_held(claim, now) => {
            let left = u64::try_from(there.lease_until_ms.saturating_sub(now)).unwrap_or(0);
            return Ok(Claimed::Running(Duration::from_millis(left)));
        }
        RUNNING if there.effects != 0 => {
            const DOUBT: &str = "UPDATE executions SET state = 2 WHERE key = $1";
            tx.execute(DOUBT, &[(&claim.key).into()]).await?;
            return Ok(Claimed::InDoubt(there.call));
        }
        _ => {}
    }
    taken_over(claim, there.fence.saturating_add(1), until, now, tx).await
}

async fn taken_over(
    claim: &Claim,
    fence: i64,
    until: i64,
    now: i64,
    tx: &mut dyn Tx,
) -> Result<Claimed, DbError> {
    const SQL: &str = "UPDATE executions SET fingerprint = $1, call = $2, caller = $3, operation = $4, state = 0, \
                       holder = $5, epoch = $6, fence = $7, lease_until_ms = $8, effects = 0, began_ms = $9, \
                       outcome = NULL, expires_ms = NULL WHERE key = $10";
    let values: [Value; 10] = [
        (&claim.fingerprint).into(),
        (&claim.call).into(),
        (&claim.caller).into(),
        (&claim.operation).into(),
        (&claim.holder.host).into(),
        claim.holder.epoch.into(),
        fence.into(),
        until.into(),
        now.into(),
        (&claim.key).into(),
    ];
    tx.execute(SQL, &values).await?;
    Ok(Claimed::Yours(fence))
}

/// A row that stands where one was to be claimed.
struct There {
    fingerprint: [u8; 32],
    call: String,
    state: i64,
    holder: String,
    epoch: i64,
    fence: i64,
    lease_until_ms: i64,
    effects: i64,
    outcome: Option<Vec<u8>>,
    expires_ms: Option<i64>,
}

impl There {
    async fn read(claim: &Claim, tx: &mut dyn Tx) -> Result<Self, DbError> {
        const SQL: &str = "SELECT fingerprint, call, state, holder, epoch, fence, lease_until_ms, effects, outcome, \
                           expires_ms FROM executions WHERE key = $1";
        let rows = tx.query(SQL, &[(&claim.key).into()]).await?;
        let none = || DbError::Contended("a row came and went".to_owned());
        let row = rows.first().ok_or_else(none)?;
        Ok(Self {
            fingerprint: hash(row, 0)?,
            call: row.text(1)?.to_owned(),
            state: row.integer(2)?,
            holder: row.text(3)?.to_owned(),
            epoch: row.integer(4)?,
            fence: row.integer(5)?,
            lease_until_ms: row.integer(6)?,
            effects: row.integer(7)?,
            outcome: row.optional_bytes(8)?.map(<[u8]>::to_vec),
            expires_ms: row.optional_integer(9)?,
        })
    }

    /// Whether its holder may still be at it. An earlier life of the claiming host is over, whatever it was promised.
    fn is_held(&self, claim: &Claim, now: i64) -> bool {
        let earlier = self.holder == claim.holder.host && self.epoch < claim.holder.epoch;
        !earlier && self.lease_until_ms > now
    }
}

fn execution_row(row: &Row) -> Result<ExecutionRow, DbError> {
    Ok(ExecutionRow {
        call: row.text(0)?.to_owned(),
        caller: row.text(1)?.to_owned(),
        operation: row.text(2)?.to_owned(),
        began_ms: u64::try_from(row.integer(3)?).unwrap_or(0),
        standing: match row.integer(4)? {
            RUNNING => Standing::Running,
            _ => Standing::InDoubt,
        },
    })
}

fn hash(row: &Row, cell: usize) -> Result<[u8; 32], DbError> {
    <[u8; 32]>::try_from(row.bytes(cell)?)
        .map_err(|_| DbError::Corrupt("a hash of an execution has another length".to_owned()))
}

fn held(rows: u64) -> Held {
    match rows {
        0 => Held::Lost,
        _ => Held::Yes,
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
