//! Taking messages to deliver them: each by one host at a time, those of a lane one after the other.
//!
//! On a server that somebody keeps from cleaning up (a backup, a report that runs for an hour), what was delivered long ago stands in the way of
//! what is due: every search would walk past all of it. So who takes says from when on he looks, and is told where the next search may begin.

use super::LEASE;
use super::lane::BEHIND_MS;
use super::rows::{attributes, count, id, millis};
use crate::db::{Database, DbError, Row, Tx, Value};
use crate::executions::Holder;
use holdfast_call::message::Receipt;
use holdfast_call::{Caller, Trace, Why};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A message that was taken, to be delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// That it was.
    pub receipt: Receipt,
    /// The operation that it is for; none, for the one by which its service takes messages.
    pub operation: Option<Arc<str>>,
    /// What it says.
    pub body: Vec<u8>,
    /// What kind of text that is.
    pub content_type: Option<String>,
    /// What else is said of it.
    pub attributes: Vec<(String, String)>,
    /// Its lane.
    pub lane: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: u64,
    /// The call that sent it.
    pub sent_by: String,
    /// Who asked for that, and which service sent it.
    pub caller: Caller,
    /// Why.
    pub why: Why,
    /// The trace that it goes on.
    pub trace: Option<Trace>,
    /// The how-manieth delivery this is.
    pub deliveries: u64,
    /// How many hosts were given up as dead while they had it.
    pub deaths: u64,
}

/// What was taken, and when to look again.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The messages.
    pub deliveries: Vec<Delivery>,
    /// In how long the next message of the queue is due, or free again; none, if there is none.
    pub next: Option<Duration>,
    /// Nothing is due before this, in milliseconds since 1970, and nothing that comes will be, as long as no clock goes back.
    pub since_ms: i64,
}

/// How long what is being written may take until it is seen: twice what a unit of work may.
const UNSEEN: Duration = Duration::from_secs(60);

/// Takes up to `most` messages of a queue that are due, and not since before `since_ms`.
///
/// # Errors
/// The database fails; what was taken all the same is free again when the lease is over.
pub async fn claim(
    database: &Database,
    queue: String,
    (most, since_ms): (usize, i64),
    holder: Holder,
) -> Result<Claimed, DbError> {
    let asked = (queue, (most, since_ms), holder);
    let claimed = database.take(asked, |(queue, (most, since_ms), holder), tx| {
        Box::pin(claimed(queue, (*most, *since_ms), holder, tx))
    });
    claimed.await
}

/// What was taken of one row.
struct Taken {
    fence: i64,
    deliveries: u64,
    deaths: u64,
    lane: Option<String>,
}

async fn claimed(
    queue: &str,
    (most, since_ms): (usize, i64),
    holder: &Holder,
    tx: &mut dyn Tx,
) -> Result<Claimed, DbError> {
    const TAKE: &str = "WITH due AS (SELECT r.id FROM queue_ready r WHERE r.queue = $1 AND r.due_ms <= $2 AND r.due_ms >= $7 \
                        ORDER BY r.due_ms LIMIT $3 FOR UPDATE SKIP LOCKED) \
                        UPDATE queue_ready SET due_ms = $4, holder = $5, epoch = $6, fence = fence + 1, \
                        deliveries = deliveries + 1, \
                        deaths = deaths + CASE WHEN holder IS NULL OR (holder = $5 AND epoch = $6) THEN 0 ELSE 1 END \
                        WHERE id IN (SELECT id FROM due) RETURNING id, fence, deliveries, deaths, lane";
    const NEXT: &str = "SELECT due_ms FROM queue_ready WHERE queue = $1 AND due_ms < $2 AND due_ms >= $3 ORDER BY due_ms LIMIT 1";
    let now = tx.now().await?;
    let values: [Value; 7] = [
        queue.into(),
        now.into(),
        i64::try_from(most).unwrap_or(i64::MAX).into(),
        now.saturating_add(millis(LEASE)).into(),
        (&holder.host).into(),
        holder.epoch.into(),
        since_ms.into(),
    ];
    let rows = tx.query(TAKE, &values).await?;
    let mut taken = HashMap::new();
    for row in &rows {
        let what = Taken {
            fence: row.integer(1)?,
            deliveries: count(row, 2)?,
            deaths: count(row, 3)?,
            lane: row.optional_text(4)?.map(str::to_owned),
        };
        taken.insert(row.text(0)?.to_owned(), what);
    }
    let deliveries = match taken.is_empty() {
        true => Vec::new(),
        false => said(taken, tx).await?,
    };
    let values: [Value; 3] = [queue.into(), BEHIND_MS.into(), since_ms.into()];
    let next = tx.query(NEXT, &values).await?;
    let next = next.first().map(|row| row.integer(0)).transpose()?;
    let seen = now.saturating_sub(millis(UNSEEN));
    let since_ms = next.map_or(seen, |next| next.min(seen));
    let next = next.map(|due| Duration::from_millis(due.saturating_sub(now).max(0).unsigned_abs()));
    Ok(Claimed {
        deliveries,
        next,
        since_ms,
    })
}

/// What the messages say that were taken, the oldest first.
async fn said(
    mut taken: HashMap<String, Taken>,
    tx: &mut dyn Tx,
) -> Result<Vec<Delivery>, DbError> {
    let names: Vec<_> = (1..=taken.len())
        .map(|number| format!("${number}"))
        .collect();
    let sql = format!(
        "SELECT id, body, content_type, attributes, sent_ms, sent_by, caller, why, trace, operation FROM queue_messages \
         WHERE id IN ({}) ORDER BY id",
        names.join(", ")
    );
    let ids: Vec<Value> = taken.keys().map(Value::from).collect();
    let rows = tx.query(&sql, &ids).await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(taken) = taken.remove(row.text(0)?) {
            deliveries.push(delivery(row, taken)?);
        }
    }
    Ok(deliveries)
}

fn delivery(row: &Row, taken: Taken) -> Result<Delivery, DbError> {
    let caller = Caller::parse(row.text(6)?);
    Ok(Delivery {
        receipt: Receipt {
            id: id(row, 0)?,
            fence: taken.fence,
        },
        operation: row.optional_text(9)?.map(Into::into),
        body: row.bytes(1)?.to_vec(),
        content_type: row.optional_text(2)?.map(str::to_owned),
        attributes: attributes(row, 3)?,
        lane: taken.lane,
        sent_ms: count(row, 4)?,
        sent_by: row.text(5)?.to_owned(),
        caller: caller.ok_or_else(|| super::rows::corrupt("the caller of a message is none"))?,
        why: Why::claimed(row.text(7)?).unwrap_or_else(Why::undeclared),
        trace: Trace::parse(row.text(8)?),
        deliveries: taken.deliveries,
        deaths: taken.deaths,
    })
}
