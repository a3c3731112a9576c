//! Taking runs to go on with them: each by one host at a time.

use super::rows::{corrupt, count, nanos};
use crate::db::{Database, DbError, Row, Tx, Value};
use crate::executions::{Hold, Holder, hash, millis};
use std::time::Duration;

/// A run that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Under what its holder has it.
    pub hold: Hold,
    /// The service that runs it.
    pub service: String,
    /// The version of it, by its digest.
    pub digest: String,
    /// What its random numbers are made of.
    pub seed: [u8; 32],
    /// What is asked of it.
    pub asked: Vec<u8>,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// How often it was taken since something came of it, this time among them.
    pub starts: u64,
    /// Who asked.
    pub caller: String,
    /// What was to be done, for people.
    pub operation: String,
}

/// Takes up to `most` runs of a service that are due and that nobody holds, each for one lease.
///
/// # Errors
/// The database fails; what was taken all the same is free again when the lease is over.
pub async fn take(
    database: &Database,
    service: String,
    holder: Holder,
    lease: Duration,
    most: u32,
) -> Result<Vec<Taken>, DbError> {
    let input = (service, holder, millis(lease), most);
    let taken = database.take(input, |(service, holder, lease, most), tx| {
        Box::pin(taken(service, holder, (*lease, *most), tx))
    });
    taken.await
}

/// In how long the next run of a service may be taken: it is due then, or the lease of its holder over; none, if there is none.
///
/// # Errors
/// The database fails.
pub async fn next_due(database: &Database, service: String) -> Result<Option<Duration>, DbError> {
    let next = database.read(service, |service, tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT min(CASE WHEN e.lease_until_ms > r.due_ms THEN e.lease_until_ms ELSE r.due_ms END) \
                               FROM runs r JOIN executions e ON e.key = r.key AND e.call = r.call \
                               WHERE r.service = $1 AND r.state = 0 AND e.state = 0";
            let now = tx.now().await?;
            let rows = tx.query(SQL, &[service.into()]).await?;
            let row = rows.first().ok_or_else(|| corrupt("a minimum has no row"))?;
            let left = |due: i64| due.saturating_sub(now).max(0).unsigned_abs();
            Ok(row.optional_integer(0)?.map(left).map(Duration::from_millis))
        })
    });
    next.await
}

async fn taken(
    service: &str,
    holder: &Holder,
    (lease, most): (i64, u32),
    tx: &mut dyn Tx,
) -> Result<Vec<Taken>, DbError> {
    // Both rows are locked, so that neither a host that takes the same ones nor one that writes to them late is waited for.
    const DUE: &str = "SELECT r.call, r.key, e.fence, r.service, r.digest, r.seed, r.asked, r.began_ns, r.starts, \
                       e.caller, e.operation FROM runs r JOIN executions e ON e.key = r.key AND e.call = r.call \
                       WHERE r.service = $1 AND r.state = 0 AND r.due_ms <= $2 AND e.state = 0 \
                       AND (e.lease_until_ms <= $2 OR (e.holder = $3 AND e.epoch < $4)) \
                       ORDER BY r.due_ms LIMIT $5 FOR UPDATE SKIP LOCKED";
    const TAKE: &str = "UPDATE executions SET holder = $3, epoch = $4, fence = fence + 1, lease_until_ms = $5 \
                        WHERE key = $1 AND call = $2 AND fence = $6 AND state = 0 AND durable = 1 \
                        AND (lease_until_ms <= $7 OR (holder = $3 AND epoch < $4))";
    const START: &str = "UPDATE runs SET starts = starts + 1 WHERE call = $1";
    let now = tx.now().await?;
    let [host, epoch]: [Value; 2] = [(&holder.host).into(), holder.epoch.into()];
    let values: [Value; 5] = [
        service.into(),
        now.into(),
        host.clone(),
        epoch.clone(),
        i64::from(most).into(),
    ];
    let mut all = Vec::new();
    for row in &tx.query(DUE, &values).await? {
        let run = run(row)?;
        let [key, call]: [Value; 2] = [(&run.hold.key).into(), (&*run.hold.call).into()];
        let values = [
            key,
            call.clone(),
            host.clone(),
            epoch.clone(),
            now.saturating_add(lease).into(),
            row.integer(2)?.into(),
            now.into(),
        ];
        if tx.execute(TAKE, &values).await? == 0 {
            continue;
        }
        tx.execute(START, &[call]).await?;
        all.push(run);
    }
    Ok(all)
}

/// The run of this row, as it is once it is taken.
fn run(row: &Row) -> Result<Taken, DbError> {
    Ok(Taken {
        hold: Hold {
            key: hash(row, 1)?,
            fence: row.integer(2)?.saturating_add(1),
            call: row.text(0)?.into(),
            approval: None,
        },
        service: row.text(3)?.to_owned(),
        digest: row.text(4)?.to_owned(),
        seed: hash(row, 5)?,
        asked: row.bytes(6)?.to_vec(),
        began_ns: nanos(row, 7)?,
        starts: count(row, 8)?.saturating_add(1),
        caller: row.text(9)?.to_owned(),
        operation: row.text(10)?.to_owned(),
    })
}
