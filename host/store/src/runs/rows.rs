//! The rows of runs, as part of the units in which those of their executions come, go, and are put back.

use super::{NANOS_OF_MILLI, NewRun, PUT_BACK};
use crate::db::{DbError, Row, Tx, Value};
use crate::executions::Claim;

/// How many runs one sweep removes at most, so that it holds nobody up.
const SWEPT_MAX: i64 = 200;
/// How many entries they may have together; one run is removed whatever it has.
const ENTRIES_SWEPT_MAX: u64 = 10_000;

/// The row that was just claimed is a run's from now on, and nobody's.
pub(crate) async fn begin(
    claim: &Claim,
    run: &NewRun,
    now: i64,
    tx: &mut dyn Tx,
) -> Result<(), DbError> {
    const ROW: &str =
        "UPDATE executions SET durable = 1, effects = 0, lease_until_ms = 0 WHERE key = $1";
    const RUN: &str = "INSERT INTO runs (call, key, service, digest, seed, asked, began_ns, state, due_ms, starts, entries) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 0, 0)";
    tx.execute(ROW, &[(&claim.key).into()]).await?;
    let values: [Value; 8] = [
        (&claim.call).into(),
        (&claim.key).into(),
        (&run.service).into(),
        (&run.digest).into(),
        (&run.seed).into(),
        run.asked.clone().into(),
        now.saturating_mul(NANOS_OF_MILLI).into(),
        now.into(),
    ];
    tx.execute(RUN, &values).await.map(drop)
}

/// Removes all that is kept of a run but its row in `executions`, which is somebody else's now, or gone.
pub(crate) async fn remove(call: &str, tx: &mut dyn Tx) -> Result<(), DbError> {
    const STEPS: &str = "DELETE FROM steps WHERE call = $1";
    const RUN: &str = "DELETE FROM runs WHERE call = $1";
    tx.execute(STEPS, &[call.into()]).await?;
    tx.execute(RUN, &[call.into()]).await.map(drop)
}

/// Removes some of the runs whose outcome was kept for long enough; how many.
pub(crate) async fn sweep(now: i64, tx: &mut dyn Tx) -> Result<u64, DbError> {
    const OVER: &str = "SELECT e.key, e.call, COALESCE(r.entries, 0) FROM executions e LEFT JOIN runs r ON r.call = e.call \
                        WHERE e.state = 1 AND e.durable = 1 AND e.expires_ms <= $1 ORDER BY e.expires_ms LIMIT $2";
    const ROW: &str = "DELETE FROM executions WHERE key = $1";
    let over = tx.query(OVER, &[now.into(), SWEPT_MAX.into()]).await?;
    let (mut swept, mut entries) = (0, 0);
    for row in &over {
        entries += count(row, 2)?;
        if swept > 0 && entries > ENTRIES_SWEPT_MAX {
            break;
        }
        tx.execute(ROW, &[row.bytes(0)?.into()]).await?;
        remove(row.text(1)?, tx).await?;
        swept += 1;
    }
    Ok(swept)
}

/// Pauses the runs that are not done: what is in their journals was put back, and not what they did since. What another host holds at this
/// moment goes on, since that one has not lost anything.
pub(crate) async fn put_back(host: &str, tx: &mut dyn Tx) -> Result<(), DbError> {
    const FREE: &str = "UPDATE executions SET lease_until_ms = 0 \
                        WHERE durable = 1 AND state = 0 AND (holder = $1 OR lease_until_ms <= $2)";
    const PAUSE: &str = "UPDATE runs SET state = 1, reason = $1 WHERE state <> 2 \
                         AND call IN (SELECT call FROM executions WHERE durable = 1 AND state = 0 AND lease_until_ms = 0)";
    let now = tx.now().await?;
    tx.execute(FREE, &[host.into(), now.into()]).await?;
    tx.execute(PAUSE, &[PUT_BACK.into()]).await.map(drop)
}

pub(super) fn count(row: &Row, cell: usize) -> Result<u64, DbError> {
    row.integer(cell)
        .map(|count| u64::try_from(count).unwrap_or(0))
}

/// Nanoseconds since 1970.
pub(super) fn nanos(row: &Row, cell: usize) -> Result<u64, DbError> {
    count(row, cell)
}

pub(super) fn corrupt(what: &str) -> DbError {
    DbError::Corrupt(what.to_owned())
}
