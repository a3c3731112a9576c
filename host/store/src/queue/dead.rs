//! Dead letters: messages that nobody is asked to take any more, until a person has looked at them.

use super::lane::{self, Spot};
use super::rows::{corrupt, millis};
use super::{KNOWN_FOR, SWEPT_MAX};
use crate::db::{Database, DbError, Tx, Value};

/// What became of a message that was to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is moved.
    Yes,
    /// There is no such message there.
    NotThere,
    /// Somebody has it at present.
    Held,
}

/// Has a dead letter delivered again, under the same name and as if for the first time.
///
/// # Errors
/// The database fails; it is where it was.
pub async fn redrive(database: &Database, id: String) -> Result<Moved, DbError> {
    let moved = database.take(id, |id, tx| Box::pin(async move { revived(id, tx).await }));
    moved.await
}

/// Has all dead letters of a queue delivered again; how many.
///
/// # Errors
/// The database fails; some may be.
pub async fn redrive_all(database: &Database, queue: String) -> Result<u64, DbError> {
    const OLDEST: &str = "SELECT id FROM queue_dead WHERE queue = $1 ORDER BY died_ms, id LIMIT $2";
    let mut all = 0;
    loop {
        let moved = database.take(queue.clone(), |queue, tx| {
            Box::pin(async move {
                let rows = tx.query(OLDEST, &[queue.into(), SWEPT_MAX.into()]).await?;
                for row in &rows {
                    revived(row.text(0)?, tx).await?;
                }
                Ok(rows.len() as u64)
            })
        });
        let moved = moved.await?;
        all += moved;
        if moved == 0 {
            return Ok(all);
        }
    }
}

/// Removes a message that nobody has at present, wherever it is.
///
/// # Errors
/// The database fails; it is where it was.
pub async fn drop_message(database: &Database, id: String) -> Result<Moved, DbError> {
    let dropped = database.take(id, |id, tx| {
        Box::pin(async move {
            const DEAD: &str = "DELETE FROM queue_dead WHERE id = $1";
            const READY: &str =
                "DELETE FROM queue_ready WHERE id = $1 AND holder IS NULL RETURNING queue, lane";
            const SAID: &str = "DELETE FROM queue_messages WHERE id = $1";
            const THERE: &str = "SELECT 1 FROM queue_ready WHERE id = $1";
            if tx.execute(DEAD, &[id.into()]).await? > 0 {
                return Ok(Moved::Yes);
            }
            if let Some(row) = tx.query(READY, &[id.into()]).await?.first() {
                tx.execute(SAID, &[id.into()]).await?;
                if let Some(lane) = row.optional_text(1)? {
                    lane::step(row.text(0)?, lane, tx).await?;
                }
                return Ok(Moved::Yes);
            }
            Ok(match tx.query(THERE, &[id.into()]).await?.is_empty() {
                true => Moved::NotThere,
                false => Moved::Held,
            })
        })
    });
    dropped.await
}

async fn revived(id: &str, tx: &mut dyn Tx) -> Result<Moved, DbError> {
    const FIND: &str = "SELECT queue, lane, dedupe FROM queue_dead WHERE id = $1";
    // Only its fence goes on: whoever had it before it died does not have it now.
    const READY: &str = "INSERT INTO queue_ready \
                         (id, queue, due_ms, wanted_ms, lane, place, bytes, deliveries, deaths, fence, epoch) \
                         SELECT id, queue, $2, $3, lane, $4, bytes, 0, 0, fence, 0 FROM queue_dead WHERE id = $1";
    const SAID: &str = "INSERT INTO queue_messages \
                        (id, operation, body, content_type, attributes, dedupe, sent_ms, sent_by, caller, why, trace, last_fault) \
                        SELECT id, operation, body, content_type, attributes, dedupe, sent_ms, sent_by, caller, why, trace, \
                        last_fault FROM queue_dead WHERE id = $1";
    const DEAD: &str = "DELETE FROM queue_dead WHERE id = $1";
    const KNOWN: &str = "INSERT INTO queue_known (queue, dedupe, id, until_ms) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (queue, dedupe) DO UPDATE SET until_ms = $4 WHERE queue_known.id = $3";
    let rows = tx.query(FIND, &[id.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(Moved::NotThere);
    };
    let now = tx.now().await?;
    let queue = row.text(0)?;
    let spot = match row.optional_text(1)? {
        Some(lane) => lane::join(queue, lane, now, tx).await?,
        None => Spot::default(),
    };
    let values: [Value; 4] = [
        id.into(),
        spot.due(now).into(),
        now.into(),
        spot.place.into(),
    ];
    if tx.execute(READY, &values).await? != 1 || tx.execute(SAID, &[id.into()]).await? != 1 {
        return Err(corrupt("a dead letter is there twice"));
    }
    if let Some(dedupe) = row.optional_text(2)? {
        // It is sent anew, so its name is remembered anew.
        let until = now.saturating_add(millis(KNOWN_FOR));
        let values: [Value; 4] = [queue.into(), dedupe.into(), id.into(), until.into()];
        tx.execute(KNOWN, &values).await?;
    }
    tx.execute(DEAD, &[id.into()]).await?;
    Ok(Moved::Yes)
}
