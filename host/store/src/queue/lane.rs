//! Lanes: messages that are delivered one after the other.
//!
//! Only the first message of a lane is ever due; the others stand behind it, and when it is gone the next one steps forward. So whoever looks
//! for messages never walks past those that are not to be had. Who joins a lane and who leaves it write its row first, and so do it one
//! after the other: nobody stands behind a message that is gone.

use super::rows::corrupt;
use crate::db::{DbError, Tx, Value};
use holdfast_call::message::Message;

/// When a message is due that stands behind another one: never, until it steps forward.
pub(super) const BEHIND_MS: i64 = i64::MAX / 2;

/// Finds a message of a lane.
const ANY: &str = "SELECT place FROM queue_ready WHERE queue = $1 AND lane = $2 LIMIT 1";

/// Where a message stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot {
    /// Its place in its lane.
    pub(super) place: i64,
    behind: bool,
}

impl Spot {
    /// It stands behind another one.
    pub(super) fn behind(self) -> Self {
        Self {
            behind: true,
            ..self
        }
    }

    /// When a message is due there that wants to be so then.
    pub(super) fn due(self, wanted: i64) -> i64 {
        if self.behind { BEHIND_MS } else { wanted }
    }
}

/// Joins a lane, at its end.
pub(super) async fn join(
    queue: &str,
    lane: &str,
    now: i64,
    tx: &mut dyn Tx,
) -> Result<Spot, DbError> {
    const NEXT: &str = "INSERT INTO queue_lanes (queue, lane, last, used_ms) VALUES ($1, $2, 1, $3) \
                        ON CONFLICT (queue, lane) DO UPDATE SET last = queue_lanes.last + 1, used_ms = $3 \
                        RETURNING last";
    let [queue, lane]: [Value; 2] = [queue.into(), lane.into()];
    let rows = tx
        .query(NEXT, &[queue.clone(), lane.clone(), now.into()])
        .await?;
    let row = rows.first();
    let place = row
        .ok_or_else(|| corrupt("a lane that was written is not there"))?
        .integer(0)?;
    let others = tx.query(ANY, &[queue, lane]).await?;
    Ok(Spot {
        place,
        behind: !others.is_empty(),
    })
}

/// How many messages there are in the lane of this one.
pub(crate) async fn in_lane(message: &Message, tx: &mut dyn Tx) -> Result<i64, DbError> {
    const ALL: &str =
        "SELECT CAST(count(*) AS BIGINT) FROM queue_ready WHERE queue = $1 AND lane = $2";
    let Some(lane) = &message.lane else {
        return Ok(0);
    };
    let values: [Value; 2] = [(&*message.queue).into(), lane.into()];
    let rows = tx.query(ALL, &values).await?;
    rows.first().map_or(Ok(0), |row| row.integer(0))
}

/// The next one of a lane steps forward, if its first is gone.
pub(super) async fn step(queue: &str, lane: &str, tx: &mut dyn Tx) -> Result<(), DbError> {
    const ALONE: &str = "UPDATE queue_lanes SET last = last WHERE queue = $1 AND lane = $2";
    // Not before now: whoever looks may have begun to look from here on.
    const STEP: &str = "UPDATE queue_ready SET due_ms = CASE WHEN wanted_ms < $4 THEN $4 ELSE wanted_ms END WHERE queue = $1 AND lane = $2 AND due_ms = $3 \
                        AND place = (SELECT min(place) FROM queue_ready WHERE queue = $1 AND lane = $2)";
    let [queue, lane]: [Value; 2] = [queue.into(), lane.into()];
    tx.execute(ALONE, &[queue.clone(), lane.clone()]).await?;
    let now = tx.now().await?;
    let values = [queue, lane, BEHIND_MS.into(), now.into()];
    tx.execute(STEP, &values).await?;
    Ok(())
}
