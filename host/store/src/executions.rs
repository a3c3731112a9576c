//! Executions: of each call that is to take effect once its one row, from the claim to the outcome.
//!
//! A row is running, done or in doubt. Who claims a key holds its row under a fence, a number that only grows as long as there is the row;
//! whatever he does to it later names that number and his call, so one who was thought dead and comes late changes nothing. A row whose
//! holder is gone and that has not yet had an effect is claimed anew; one that may have had one is in doubt, and waits for a person.
//!
//! What may only be done once a person has approved it is approved in the claim, in the same unit of work: whoever has the row has used the
//! approval up, and where the row comes to nothing the approval is as it was.
//!
//! The row of a durable execution is never in doubt: what it has done is in its journal, and nobody holds it but who has taken it there
//! ([`crate::runs`]).

mod claim;

use crate::approvals::{self, Wanted};
use crate::db::{Database, DbError, Row, Tx, Value};
use crate::queue::{self, Sent};
use crate::runs::{self, NewRun};
use claim::claimed;
use std::sync::Arc;
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
    /// How it is undone, as its service declared it, if it can be.
    pub undo: Option<Undo>,
    /// What a person has to have approved before the row is anybody's.
    pub wanted: Option<Wanted>,
    /// What its run is made of, if it is to be a durable execution.
    pub run: Option<NewRun>,
}

/// How a call is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The service.
    pub service: String,
    /// Its operation that does so.
    pub operation: String,
}

/// A row, as the one who holds it names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The row's name.
    pub key: ExecutionKey,
    /// The how-manieth holder he is.
    pub fence: i64,
    /// His call.
    pub call: Arc<str>,
    /// The approval that he has used.
    pub approval: Option<Arc<str>>,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The row is the claimer's.
    Yours(Hold),
    /// It was done before, with this outcome.
    Done(Vec<u8>),
    /// Somebody is at it, and holds it for so long at least.
    Running(Duration),
    /// The key was used for something else.
    OtherPayload,
    /// Somebody was at it, and nobody knows what came of it. The name of that call.
    InDoubt(String),
    /// Nobody has approved it yet. The approval that is waited for.
    Unapproved(String),
    /// Somebody has looked at it, and did not approve it. The approval.
    Denied(String),
    /// So many wait to be approved that no more can.
    Crowded,
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

/// Says that what the database holds of this host was put back from a backup. Whatever the host has done since then is not in it: its life
/// has a number at least as high as `epoch`, higher than any before, and of every call that ran then nobody knows what came of it. How many
/// those are. Runs are paused, since nobody knows what they did either.
///
/// # Errors
/// The database fails, and nothing is said.
pub async fn restored(database: &Database, host: &str, epoch: i64) -> Result<u64, DbError> {
    database
        .run((host.to_owned(), epoch), |(host, epoch), tx| {
            Box::pin(put_back(host, *epoch, tx))
        })
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
pub async fn effect(database: &Database, hold: Hold) -> Result<Held, DbError> {
    const SQL: &str = "UPDATE executions SET effects = 1 WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0";
    by_holder(database, SQL, hold).await
}

/// Forgets a row that came to nothing: the next call with its key is a first one, and what was approved is so still.
///
/// # Errors
/// The database fails; the row is still there.
pub async fn forget(database: &Database, hold: Hold) -> Result<Held, DbError> {
    database
        .run(hold, |hold, tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM executions WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                                   AND effects = 0 AND durable = 0";
                let forgotten = held(tx.execute(SQL, &named(hold)).await?);
                if forgotten == Held::Yes && hold.approval.is_some() {
                    approvals::give_back(&hold.call, tx).await?;
                }
                Ok(forgotten)
            })
        })
        .await
}

/// Gives a row up: it may have had an effect, and its holder does not know what came of it.
///
/// # Errors
/// The database fails; the row is still running.
pub async fn doubt(database: &Database, hold: Hold) -> Result<Held, DbError> {
    const SQL: &str = "UPDATE executions SET state = 2 WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                       AND durable = 0";
    by_holder(database, SQL, hold).await
}

/// Keeps the outcome, for so long, and what the call has sent goes out.
///
/// # Errors
/// The database fails; the row is still running, unless the error says that nobody knows.
pub async fn finish(
    database: &Database,
    hold: Hold,
    (outcome, sent): (Vec<u8>, Sent),
    keep: Duration,
) -> Result<Held, DbError> {
    let keep = millis(keep);
    database
        .run((hold, outcome, sent, keep), |(hold, outcome, sent, keep), tx| {
            Box::pin(async move {
                const SQL: &str = "UPDATE executions SET state = 1, outcome = $4, expires_ms = $5 \
                                   WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 AND durable = 0";
                let expires = tx.now().await?.saturating_add(*keep);
                let [key, fence, call] = named(hold);
                let values = [key, fence, call, outcome.clone().into(), expires.into()];
                if held(tx.execute(SQL, &values).await?) == Held::Lost {
                    return Ok(Held::Lost);
                }
                let out = queue::out(sent, tx).await?;
                if out == Held::Lost {
                    tx.undo();
                }
                Ok(out)
            })
        })
        .await
}

/// Holds on for another lease to those of these rows that are still this holder's; which they are. What he has let go of stays so, and what he
/// does not know that he has, because nobody told him, is free when its lease is over.
///
/// Runs are written all the time, and a unit that must see nothing change would lose to them for ever.
///
/// # Errors
/// The database fails; the leases run on.
pub async fn renew(
    database: &Database,
    holder: Holder,
    lease: Duration,
    known: Vec<ExecutionKey>,
) -> Result<Vec<ExecutionKey>, DbError> {
    database
        .take((holder, millis(lease), known), |(holder, lease, known), tx| {
            Box::pin(async move {
                const SQL: &str = "UPDATE executions SET lease_until_ms = $1 WHERE holder = $2 AND epoch = $3 AND state = 0 \
                                   AND (durable = 0 OR lease_until_ms > 0) AND key = $4";
                let until = tx.now().await?.saturating_add(*lease);
                let mut still = Vec::with_capacity(known.len());
                for key in known {
                    let host = (&holder.host).into();
                    let values: [Value; 4] = [until.into(), host, holder.epoch.into(), key.into()];
                    if tx.execute(SQL, &values).await? > 0 {
                        still.push(*key);
                    }
                }
                Ok(still)
            })
        })
        .await
}

/// Removes some of the outcomes that were kept for long enough, and with those of runs all that is left of them; how many.
///
/// # Errors
/// The database fails.
pub async fn sweep(database: &Database) -> Result<u64, DbError> {
    database
        .run((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM executions WHERE key IN (SELECT key FROM executions \
                                   WHERE state = 1 AND durable = 0 AND expires_ms <= $1 LIMIT $2)";
                let now = tx.now().await?;
                let swept = tx.execute(SQL, &[now.into(), SWEPT_MAX.into()]).await?;
                Ok(swept + runs::sweep(now, tx).await?)
            })
        })
        .await
}

/// The rows that are not done, the oldest first. Runs are in [a list of their own](runs::list).
///
/// # Errors
/// The database fails.
pub async fn open(database: &Database) -> Result<Vec<ExecutionRow>, DbError> {
    database
        .read((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "SELECT call, caller, operation, began_ms, state FROM executions \
                                   WHERE state <> 1 AND durable = 0 ORDER BY began_ms, call LIMIT 1000";
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

/// What was done under an execution that can be undone, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoable {
    /// The call that it came of.
    pub call: String,
    /// How it is undone.
    pub undo: Undo,
    /// What came of it, as it was kept.
    pub outcome: Vec<u8>,
}

/// What a call that is to be undone came to; none, if it has no row that says so (any more).
///
/// # Errors
/// The database fails.
pub async fn undoable(database: &Database, call: &str) -> Result<Option<Undoable>, DbError> {
    const SQL: &str = "SELECT undo_service, undo, outcome, call FROM executions \
                       WHERE call = $1 AND undo IS NOT NULL AND state = 1";
    found(database, SQL, call.to_owned().into()).await
}

/// The same of the call under this key.
///
/// # Errors
/// The database fails.
pub async fn undoable_of(
    database: &Database,
    key: ExecutionKey,
) -> Result<Option<Undoable>, DbError> {
    const SQL: &str = "SELECT undo_service, undo, outcome, call FROM executions \
                       WHERE key = $1 AND undo IS NOT NULL AND state = 1";
    found(database, SQL, (&key).into()).await
}

async fn found(
    database: &Database,
    sql: &'static str,
    by: Value,
) -> Result<Option<Undoable>, DbError> {
    let read = database.read((sql, by), |(sql, by), tx| {
        Box::pin(async move {
            let undoable = |row: &Row| {
                let undo = Undo {
                    service: row.text(0)?.to_owned(),
                    operation: row.text(1)?.to_owned(),
                };
                let (outcome, call) = (row.bytes(2)?.to_vec(), row.text(3)?.to_owned());
                Ok(Undoable {
                    call,
                    undo,
                    outcome,
                })
            };
            let rows = tx.query(sql, std::slice::from_ref(by)).await?;
            rows.first().map(undoable).transpose()
        })
    });
    read.await
}

async fn by_holder(database: &Database, sql: &'static str, hold: Hold) -> Result<Held, DbError> {
    database
        .run((sql, hold), |(sql, hold), tx| {
            Box::pin(async move { tx.execute(sql, &named(hold)).await.map(held) })
        })
        .await
}

/// The first three values of a statement on a row by its holder.
pub(crate) fn named(hold: &Hold) -> [Value; 3] {
    [(&hold.key).into(), hold.fence.into(), (&*hold.call).into()]
}

async fn begun(host: &String, tx: &mut dyn Tx) -> Result<(Holder, Left), DbError> {
    const LIFE: &str = "INSERT INTO hosts (id, epoch) VALUES ($1, 1) \
                        ON CONFLICT (id) DO UPDATE SET epoch = hosts.epoch + 1 RETURNING epoch";
    const DOUBT: &str = "UPDATE executions SET state = 2 \
                         WHERE holder = $1 AND epoch < $2 AND state = 0 AND effects = 1 AND durable = 0";
    const FORGET: &str =
        "DELETE FROM executions WHERE holder = $1 AND epoch < $2 AND state = 0 AND durable = 0";
    // Nobody goes on with them where they were: whoever has a place may.
    const FREE: &str = "UPDATE executions SET lease_until_ms = 0 \
                        WHERE holder = $1 AND epoch < $2 AND state = 0 AND durable = 1";
    let rows = tx.query(LIFE, &[host.into()]).await?;
    let none = || DbError::Failing("a host that was written is not there".to_owned());
    let epoch = rows.first().ok_or_else(none)?.integer(0)?;
    let earlier: [Value; 2] = [host.into(), epoch.into()];
    approvals::give_back_of(&earlier, tx).await?;
    tx.execute(FREE, &earlier).await?;
    let left = Left {
        in_doubt: tx.execute(DOUBT, &earlier).await?,
        forgotten: tx.execute(FORGET, &earlier).await?,
    };
    let host = host.clone();
    Ok((Holder { host, epoch }, left))
}

async fn put_back(host: &String, epoch: i64, tx: &mut dyn Tx) -> Result<u64, DbError> {
    const LIFE: &str = "INSERT INTO hosts (id, epoch) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE \
                        SET epoch = CASE WHEN hosts.epoch < $2 THEN $2 ELSE hosts.epoch + 1 END";
    const DOUBT: &str = "UPDATE executions SET state = 2, effects = 1 WHERE holder = $1 AND state = 0 AND durable = 0";
    tx.execute(LIFE, &[host.into(), epoch.into()]).await?;
    runs::put_back(host, tx).await?;
    tx.execute(DOUBT, &[host.into()]).await
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

pub(crate) fn hash(row: &Row, cell: usize) -> Result<[u8; 32], DbError> {
    <[u8; 32]>::try_from(row.bytes(cell)?)
        .map_err(|_| DbError::Corrupt("a hash of an execution has another length".to_owned()))
}

pub(crate) fn held(rows: u64) -> Held {
    match rows {
        0 => Held::Lost,
        _ => Held::Yes,
    }
}

pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
