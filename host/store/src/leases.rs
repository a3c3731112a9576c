//! Leases: what only one call at a time may do, on whichever host it runs.
//!
//! Who takes a lease holds it under a fence, a number that only grows for its service, until it runs out by the clock that all share. A lease
//! alone keeps nobody from writing who was asleep while it ran out. So what is written under one is written only if its row is still there
//! with the same fence, and touches that row: whoever takes the lease over waits for that write, or that write finds the row gone.

use crate::db::{Database, DbError, Row, Tx, Value};
use crate::executions::{Held, Holder};
use crate::kv::{Key, key_text};
use std::time::Duration;

/// The shortest time that a lease is taken for: less would be over before it is of use.
pub const TTL_MIN: Duration = Duration::from_secs(1);
/// The longest.
pub const TTL_MAX: Duration = Duration::from_secs(60);
/// How many leases of a service are held at the same time at most.
pub const LEASES_MAX: i64 = 1_000;

/// A lease that somebody was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: Key,
    /// The number of the giving, larger than that of every one before of this service.
    pub fence: i64,
}

/// Who wants a lease.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Of which service.
    pub service: String,
    /// Which one.
    pub name: Key,
    /// The host, and its life.
    pub holder: Holder,
    /// The call that will hold it.
    pub call: String,
    /// What it is doing, for people.
    pub why: String,
    /// For how long.
    pub ttl: Duration,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is the caller's.
    Yours(Lease),
    /// Somebody holds it, for so long if he does not renew it.
    Held(Duration),
    /// The service holds as many as it may.
    TooMany,
}

/// A lease for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// What is held.
    pub lease: Lease,
    /// Which host holds it.
    pub holder: Holder,
    /// Which call.
    pub call: String,
    /// What it is doing.
    pub why: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when.
    pub expires_ms: u64,
}

/// Lets go of what earlier lives of this host held: nobody of them is there any more.
///
/// # Errors
/// The database fails; they run out by themselves.
pub async fn begin(database: &Database, holder: Holder) -> Result<(), DbError> {
    database
        .run(holder, |holder, tx| {
            Box::pin(async move {
                const SQL: &str = "DELETE FROM leases WHERE holder = $1 AND epoch < $2";
                let values: [Value; 2] = [(&holder.host).into(), holder.epoch.into()];
                tx.execute(SQL, &values).await.map(drop)
            })
        })
        .await
}

/// Takes a lease that nobody holds.
///
/// # Errors
/// The database fails; nothing is taken, unless the error says that nobody knows.
pub async fn acquire(database: &Database, wish: Wish) -> Result<Acquired, DbError> {
    database
        .run(wish, |wish, tx| Box::pin(acquired(wish, tx)))
        .await
}

/// Holds on to a lease for so long from now on.
///
/// # Errors
/// The database fails; it runs on as it did.
pub async fn renew(database: &Database, lease: Lease, ttl: Duration) -> Result<Held, DbError> {
    database
        .run((lease, ttl), |(lease, ttl), tx| {
            Box::pin(async move {
                const SQL: &str = "UPDATE leases SET expires_ms = $1 \
                                   WHERE service = $2 AND name = $3 AND fence = $4 AND expires_ms > $5";
                let now = tx.now().await?;
                let [service, name, fence] = lease.row();
                let until = now.saturating_add(millis(*ttl));
                let values = [until.into(), service, name, fence, now.into()];
                tx.execute(SQL, &values).await.map(held)
            })
        })
        .await
}

/// Lets go of a lease. Whoever does not hold it changes nothing.
///
/// # Errors
/// The database fails; it runs out by itself.
pub async fn release(database: &Database, lease: Lease) -> Result<Held, DbError> {
    database
        .run(lease, |lease, tx| {
            Box::pin(async move {
                const SQL: &str =
                    "DELETE FROM leases WHERE service = $1 AND name = $2 AND fence = $3";
                tx.execute(SQL, &lease.row()).await.map(held)
            })
        })
        .await
}

/// Those that are held, of all services and on all hosts.
///
/// # Errors
/// The database fails.
pub async fn list(database: &Database) -> Result<Vec<LeaseRow>, DbError> {
    database
        .read((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "SELECT service, name, fence, holder, epoch, call, why, since_ms, expires_ms \
                                   FROM leases WHERE expires_ms > $1 ORDER BY service, name";
                let now = tx.now().await?;
                let rows = tx.query(SQL, &[now.into()]).await?;
                rows.iter().map(read).collect()
            })
        })
        .await
}

/// Whether a lease is still held. It stays so until the unit that asks is kept: who would take it over waits for its row.
pub(crate) async fn stands(lease: &Lease, tx: &mut dyn Tx) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE leases SET fence = fence \
                       WHERE service = $1 AND name = $2 AND fence = $3 AND expires_ms > $4";
    let now = tx.now().await?;
    let [service, name, fence] = lease.row();
    let touched = tx.execute(SQL, &[service, name, fence, now.into()]).await?;
    Ok(touched == 1)
}

async fn acquired(wish: &Wish, tx: &mut dyn Tx) -> Result<Acquired, DbError> {
    // What has run out is nobody's, so it goes before it is counted.
    const SWEEP: &str = "DELETE FROM leases WHERE service = $1 AND expires_ms <= $2";
    const HELD: &str = "SELECT expires_ms FROM leases WHERE service = $1 AND name = $2";
    const COUNT: &str = "SELECT CAST(count(*) AS BIGINT) FROM leases WHERE service = $1";
    let now = tx.now().await?;
    let service = || Value::from(&wish.service);
    tx.execute(SWEEP, &[service(), now.into()]).await?;
    let held = tx.query(HELD, &[service(), wish.name.value()]).await?;
    if let Some(row) = held.first() {
        let left = row.integer(0)?.saturating_sub(now).unsigned_abs();
        return Ok(Acquired::Held(Duration::from_millis(left)));
    }
    let count = tx.query(COUNT, &[service()]).await?;
    let count = count.first().map(|row| row.integer(0)).transpose()?;
    if count.unwrap_or(0) >= LEASES_MAX {
        return Ok(Acquired::TooMany);
    }
    let lease = Lease {
        service: wish.service.clone(),
        name: wish.name.clone(),
        fence: fence(&wish.service, tx).await?,
    };
    put(wish, &lease, now, tx).await?;
    Ok(Acquired::Yours(lease))
}

/// The next number of a service.
async fn fence(service: &str, tx: &mut dyn Tx) -> Result<i64, DbError> {
    const SQL: &str = "INSERT INTO lease_fences (service, last) VALUES ($1, 1) \
                       ON CONFLICT (service) DO UPDATE SET last = lease_fences.last + 1 RETURNING last";
    let rows = tx.query(SQL, &[service.into()]).await?;
    let row = rows.first();
    row.ok_or_else(|| DbError::Corrupt("a row that was written is not there".to_owned()))?
        .integer(0)
}

async fn put(wish: &Wish, lease: &Lease, now: i64, tx: &mut dyn Tx) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO leases \
                       (service, name, fence, holder, epoch, call, why, since_ms, expires_ms) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let [service, name, fence] = lease.row();
    let values = [
        service,
        name,
        fence,
        (&wish.holder.host).into(),
        wish.holder.epoch.into(),
        (&wish.call).into(),
        (&wish.why).into(),
        now.into(),
        now.saturating_add(millis(wish.ttl)).into(),
    ];
    tx.execute(SQL, &values).await.map(drop)
}

impl Lease {
    fn row(&self) -> [Value; 3] {
        [(&self.service).into(), self.name.value(), self.fence.into()]
    }
}

fn read(row: &Row) -> Result<LeaseRow, DbError> {
    let name = Key::parse(key_text(row, 1)?);
    Ok(LeaseRow {
        lease: Lease {
            service: row.text(0)?.to_owned(),
            name: name.map_err(|why| DbError::Corrupt(why.to_string()))?,
            fence: row.integer(2)?,
        },
        holder: Holder {
            host: row.text(3)?.to_owned(),
            epoch: row.integer(4)?,
        },
        call: row.text(5)?.to_owned(),
        why: row.text(6)?.to_owned(),
        since_ms: row.integer(7)?.unsigned_abs(),
        expires_ms: row.integer(8)?.unsigned_abs(),
    })
}

fn held(rows: u64) -> Held {
    if rows == 1 { Held::Yes } else { Held::Lost }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
