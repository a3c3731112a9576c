//! Queues: messages for services, from the unit of work that sends them to the one in which their delivery has come to something.
//!
//! A queue belongs to the service that consumes it and has its name. A message is delivered at least once. Who takes it holds it under a
//! lease that its host renews, and under a fence; he is done with it by removing the row of that fence, in the same unit of work in which
//! what he has sent himself goes out, so that one who comes late changes nothing. That a message is delivered is counted when it is taken,
//! and not when that ends: so one that takes its host with it is counted too. Who is given up as dead is known by the row that still names
//! him.
//!
//! What is looked at all the time (`queue_ready`) is narrow and apart from what the messages say (`queue_messages`). While somebody has a
//! message, the time at which it is due is that at which his lease is over.

mod claim;
mod dead;
mod gauge;
mod lane;
mod post;
mod rows;
mod view;

pub use claim::{Claimed, Delivery, claim};
pub use dead::{Moved, drop_message, redrive, redrive_all};
pub use gauge::{Fits, Gauge, Room};
pub(crate) use lane::in_lane;
pub use view::{Depth, MessageRow, QueueRow, Where, Which, depth, list, messages, show};

use crate::db::{Database, DbError, Tx, Value};
use crate::executions::{Held, Holder};
use holdfast_call::CallId;
use holdfast_call::message::{Message, Receipt};
use post::post;
use rows::{millis, receipt_values};
use std::time::Duration;
use tokio::sync::watch;

/// For how long somebody has a message without his host saying that he still does.
pub const LEASE: Duration = Duration::from_secs(30);
/// For how long the name of a message is remembered, so that a second one of that name is none: longer than any provider of webhooks tries
/// again (Stripe: three days).
pub const KNOWN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often a message may have been with a host that died: after that no other host is risked.
pub const DEATHS_MAX: i64 = 3;
/// The largest message, in bytes.
pub const BYTES_MAX: usize = 1 << 20;

/// Rings when something was sent, so that whoever takes messages here need not wait until he looks again.
#[derive(Debug, Default)]
pub struct Bell {
    /// Whoever has sent it.
    all: watch::Sender<u64>,
    /// This host.
    own: watch::Sender<u64>,
}

impl Bell {
    /// This host has sent something.
    pub fn ring(&self) {
        self.own.send_modify(|rung| *rung = rung.wrapping_add(1));
        self.heard();
    }

    /// Another host has told that it has.
    pub fn heard(&self) {
        self.all.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    /// Hears it from now on.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.all.subscribe()
    }

    /// Hears from now on what this host has sent.
    #[must_use]
    pub fn own(&self) -> watch::Receiver<u64> {
        self.own.subscribe()
    }
}

/// How many rows one sweep removes at most, so that it holds nobody up.
const SWEPT_MAX: i64 = 1_000;
/// How long a lane without messages is remembered.
const LANE_IDLE: Duration = Duration::from_secs(3_600);

/// Another life of this host begins: what the earlier ones had is due at once, and still names them.
///
/// # Errors
/// The database fails; their leases run out by themselves.
pub async fn begin(database: &Database, holder: Holder) -> Result<u64, DbError> {
    let begun = database.take(holder, |holder, tx| {
        Box::pin(async move {
            const SQL: &str =
                "UPDATE queue_ready SET due_ms = $3 WHERE holder = $1 AND epoch < $2 AND due_ms > $3";
            let now = tx.now().await?;
            let values: [Value; 3] = [(&holder.host).into(), holder.epoch.into(), now.into()];
            tx.execute(SQL, &values).await
        })
    });
    begun.await
}

/// Holds on to those messages that this host has in hand for another lease.
///
/// # Errors
/// The database fails; the leases run on.
pub async fn renew(
    database: &Database,
    holder: Holder,
    in_hand: Vec<CallId>,
) -> Result<u64, DbError> {
    let renewed = database.take((holder, in_hand), |(holder, in_hand), tx| {
        Box::pin(async move {
            const SQL: &str =
                "UPDATE queue_ready SET due_ms = $3 WHERE holder = $1 AND epoch = $2 AND id = $4";
            let until = tx.now().await?.saturating_add(millis(LEASE));
            let mut renewed = 0;
            for id in in_hand {
                let values: [Value; 4] = [
                    (&holder.host).into(),
                    holder.epoch.into(),
                    until.into(),
                    id.to_string().into(),
                ];
                renewed += tx.execute(SQL, &values).await?;
            }
            Ok(renewed)
        })
    });
    renewed.await
}

/// What goes out with what a call came to.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The message that the call was given, if it was: it is done with.
    pub receipt: Option<Receipt>,
    /// The messages that it has sent.
    pub messages: Vec<Message>,
}

/// Sends messages, and is done with the one of the receipt: both or neither.
///
/// # Errors
/// The database fails; neither, unless the error says that nobody knows.
pub async fn settle(database: &Database, sent: Sent) -> Result<Held, DbError> {
    let settled = database.take(sent, |sent, tx| Box::pin(out(sent, tx)));
    settled.await
}

/// The same as part of another unit, which is not to be kept where this was lost.
pub(crate) async fn out(sent: &Sent, tx: &mut dyn Tx) -> Result<Held, DbError> {
    if let Some(receipt) = &sent.receipt
        && done(receipt, tx).await? == Held::Lost
    {
        return Ok(Held::Lost);
    }
    post(&sent.messages, tx).await?;
    Ok(Held::Yes)
}

/// Whether a delivery that came to nothing counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It does.
    Yes,
    /// The service was not even asked.
    No,
}

/// Gives a message back, to be delivered again after so long.
///
/// # Errors
/// The database fails; it is delivered again when the lease is over.
pub async fn give_back(
    database: &Database,
    receipt: Receipt,
    after: Duration,
    counted: Counted,
    fault: String,
) -> Result<Held, DbError> {
    let back = database.take(
        (receipt, after, counted, fault),
        |(receipt, after, counted, fault), tx| {
            Box::pin(async move {
                const READY: &str = "UPDATE queue_ready SET due_ms = $3, holder = NULL, deliveries = deliveries - $4 \
                                     WHERE id = $1 AND fence = $2 AND holder IS NOT NULL";
                const SAID: &str = "UPDATE queue_messages SET last_fault = $2 WHERE id = $1";
                let due = tx.now().await?.saturating_add(millis(*after));
                let [id, fence] = receipt_values(receipt);
                let uncounted = i64::from(*counted == Counted::No);
                let values = [id.clone(), fence, due.into(), uncounted.into()];
                if tx.execute(READY, &values).await? == 0 {
                    return Ok(Held::Lost);
                }
                tx.execute(SAID, &[id, fault.into()]).await?;
                Ok(Held::Yes)
            })
        },
    );
    back.await
}

/// Puts a message among the dead letters, with what its last delivery came to.
///
/// # Errors
/// The database fails; it is delivered again when the lease is over.
pub async fn bury(database: &Database, receipt: Receipt, fault: String) -> Result<Held, DbError> {
    let buried = database.take((receipt, fault), |(receipt, fault), tx| {
        Box::pin(async move {
            const COPY: &str = "INSERT INTO queue_dead (id, queue, lane, bytes, deliveries, operation, body, content_type, \
                                attributes, dedupe, sent_ms, sent_by, caller, why, trace, last_fault, died_ms, fence) \
                                SELECT r.id, r.queue, r.lane, r.bytes, r.deliveries, m.operation, m.body, m.content_type, \
                                m.attributes, m.dedupe, m.sent_ms, m.sent_by, m.caller, m.why, m.trace, $3, $4, r.fence \
                                FROM queue_ready r JOIN queue_messages m ON m.id = r.id \
                                WHERE r.id = $1 AND r.fence = $2 AND r.holder IS NOT NULL";
            let now = tx.now().await?;
            let [id, fence] = receipt_values(receipt);
            let values = [id, fence, fault.into(), now.into()];
            if tx.execute(COPY, &values).await? == 0 {
                return Ok(Held::Lost);
            }
            done(receipt, tx).await
        })
    });
    buried.await
}

/// Removes what nobody needs any more: names that were remembered for long enough, and lanes that nobody used for long.
///
/// # Errors
/// The database fails.
pub async fn sweep(database: &Database) -> Result<u64, DbError> {
    let swept = database.take((), |(), tx| {
        Box::pin(async move {
            const KNOWN: &str = "DELETE FROM queue_known WHERE (queue, dedupe) IN \
                                 (SELECT queue, dedupe FROM queue_known WHERE until_ms <= $1 LIMIT $2)";
            // Whoever joins a lane writes its row first, so one that is about to be used is not among these when it is removed.
            const LANES: &str = "DELETE FROM queue_lanes WHERE used_ms < $1 AND (queue, lane) IN \
                                 (SELECT l.queue, l.lane FROM queue_lanes l WHERE l.used_ms < $1 AND NOT EXISTS \
                                 (SELECT 1 FROM queue_ready r WHERE r.queue = l.queue AND r.lane = l.lane) LIMIT $2)";
            let now = tx.now().await?;
            let known = tx.execute(KNOWN, &[now.into(), SWEPT_MAX.into()]).await?;
            let idle = now.saturating_sub(millis(LANE_IDLE));
            Ok(known + tx.execute(LANES, &[idle.into(), SWEPT_MAX.into()]).await?)
        })
    });
    swept.await
}

/// Removes the message of `receipt`, if it is still his who has that.
async fn done(receipt: &Receipt, tx: &mut dyn Tx) -> Result<Held, DbError> {
    const READY: &str = "DELETE FROM queue_ready WHERE id = $1 AND fence = $2 AND holder IS NOT NULL RETURNING queue, lane";
    const SAID: &str = "DELETE FROM queue_messages WHERE id = $1";
    let [id, fence] = receipt_values(receipt);
    let rows = tx.query(READY, &[id.clone(), fence]).await?;
    let Some(row) = rows.first() else {
        return Ok(Held::Lost);
    };
    tx.execute(SAID, &[id]).await?;
    if let Some(lane) = row.optional_text(1)? {
        lane::step(row.text(0)?, lane, tx).await?;
    }
    Ok(Held::Yes)
}

#[cfg(test)]
mod tests;
