//! Schedules: up to which moment each of a service's schedules is done with, on all hosts together.
//!
//! A tick is a message in the service's own queue, in a lane of its schedule, put there in the unit of work that says that the tick is done
//! with. So of all hosts one puts it there, once; and that it has ended is known by its lane.

use crate::db::{Database, DbError, Tx, Value};
use crate::queue::{Sent, in_lane, out};
use holdfast_call::message::Message;
use std::sync::Arc;

/// What fires.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Whose schedule it is.
    pub service: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Up to which moment it was done with, as whoever fires has seen it, in milliseconds since 1970.
    pub seen_ms: i64,
    /// Up to which moment it is done with then.
    pub upto_ms: i64,
    /// How many ticks were missed before.
    pub missed: u64,
    /// What is put into the queue, if anything is.
    pub message: Option<Message>,
    /// How many that have not ended there may be, itself among them; else it is skipped.
    pub waiting_max: i64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticked {
    /// It is done with.
    Yes,
    /// It is done with, and skipped: the last one has not ended.
    Skipped,
    /// Another host has done it.
    NotOurs,
}

/// A schedule for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Up to which moment it is done with, in milliseconds since 1970.
    pub last_ms: i64,
    /// How often it has fired.
    pub fired: u64,
    /// How often it was skipped because the last one had not ended.
    pub skipped: u64,
    /// How many ticks nobody was there for.
    pub missed: u64,
}

/// Up to which moment a schedule is done with, and what time it is for all hosts. One that is new begins now.
///
/// # Errors
/// The database fails.
pub async fn last(
    database: &Database,
    service: Arc<str>,
    name: Arc<str>,
) -> Result<(i64, i64), DbError> {
    let read = database.take((service, name), |(service, name), tx| {
        Box::pin(async move {
            const FIRST: &str = "INSERT INTO schedules (service, name, last_ms, fired, skipped, missed) \
                                 VALUES ($1, $2, $3, 0, 0, 0) ON CONFLICT (service, name) DO NOTHING";
            const LAST: &str = "SELECT last_ms FROM schedules WHERE service = $1 AND name = $2";
            let now = tx.now().await?;
            let [service, name]: [Value; 2] = [(&**service).into(), (&**name).into()];
            tx.execute(FIRST, &[service.clone(), name.clone(), now.into()])
                .await?;
            let rows = tx.query(LAST, &[service, name]).await?;
            let none = || DbError::Corrupt("a schedule that was written is not there".to_owned());
            Ok((rows.first().ok_or_else(none)?.integer(0)?, now))
        })
    });
    read.await
}

/// Fires, if no other host has.
///
/// # Errors
/// The database fails; it has not, unless the error says that nobody knows.
pub async fn tick(database: &Database, tick: Tick) -> Result<Ticked, DbError> {
    let ticked = database.take(tick, |tick, tx| Box::pin(ticked(tick, tx)));
    ticked.await
}

/// Fires once more for a schedule without ticks, if the last one has ended.
///
/// # Errors
/// The database fails; it has not, unless the error says that nobody knows.
pub async fn keep_going(
    database: &Database,
    name: Arc<str>,
    message: Message,
) -> Result<Ticked, DbError> {
    let fired = database.take((name, message), |(name, message), tx| {
        Box::pin(async move {
            const AGAIN: &str = "UPDATE schedules SET fired = fired + 1, last_ms = $3 \
                                 WHERE service = $1 AND name = $2";
            if in_lane(message, tx).await? > 0 {
                return Ok(Ticked::Skipped);
            }
            let now = tx.now().await?;
            let values: [Value; 3] = [(&*message.queue).into(), (&**name).into(), now.into()];
            tx.execute(AGAIN, &values).await?;
            // Whoever has waited for that row finds what the other one has put there.
            if in_lane(message, tx).await? > 0 {
                tx.undo();
                return Ok(Ticked::Skipped);
            }
            let sent = Sent {
                receipt: None,
                messages: vec![message.clone()],
            };
            out(&sent, tx).await?;
            Ok(Ticked::Yes)
        })
    });
    fired.await
}

/// All schedules that have ever been seen.
///
/// # Errors
/// The database fails.
pub async fn list(database: &Database) -> Result<Vec<ScheduleRow>, DbError> {
    let read = database.read((), |(), tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT service, name, last_ms, fired, skipped, missed FROM schedules \
                               ORDER BY service, name";
            let rows = tx.query(SQL, &[]).await?;
            let row = |row: &crate::db::Row| {
                let count = |cell| row.integer(cell).map(i64::unsigned_abs);
                Ok(ScheduleRow {
                    service: row.text(0)?.to_owned(),
                    name: row.text(1)?.to_owned(),
                    last_ms: row.integer(2)?,
                    fired: count(3)?,
                    skipped: count(4)?,
                    missed: count(5)?,
                })
            };
            rows.iter().map(row).collect()
        })
    });
    read.await
}

async fn ticked(tick: &Tick, tx: &mut dyn Tx) -> Result<Ticked, DbError> {
    const DONE: &str = "UPDATE schedules SET last_ms = $4, missed = missed + $5, fired = fired + $6, \
                        skipped = skipped + $7 WHERE service = $1 AND name = $2 AND last_ms = $3";
    let busy = match &tick.message {
        Some(message) => in_lane(message, tx).await? >= tick.waiting_max,
        None => false,
    };
    let fires = tick.message.is_some() && !busy;
    let values: [Value; 7] = [
        (&*tick.service).into(),
        (&*tick.name).into(),
        tick.seen_ms.into(),
        tick.upto_ms.into(),
        i64::try_from(tick.missed).unwrap_or(i64::MAX).into(),
        i64::from(fires).into(),
        i64::from(busy).into(),
    ];
    if tx.execute(DONE, &values).await? == 0 {
        return Ok(Ticked::NotOurs);
    }
    if busy {
        return Ok(Ticked::Skipped);
    }
    let sent = Sent {
        receipt: None,
        messages: tick.message.clone().into_iter().collect(),
    };
    out(&sent, tx).await?;
    Ok(Ticked::Yes)
}
