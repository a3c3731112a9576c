//! Queues for people, and how much is in them.

use super::lane::BEHIND_MS;
use super::rows::{attributes, corrupt, count};
use crate::db::{Database, DbError, Row, Value};

/// How many messages a list of them has at most.
const LISTED_MAX: i64 = 1_000;

/// A queue for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueRow {
    /// The service that it is for.
    pub queue: String,
    /// How many messages are due.
    pub due: u64,
    /// How many are due later.
    pub later: u64,
    /// How many somebody has at present.
    pub held: u64,
    /// How many are dead letters.
    pub dead: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest of those that are not dead was sent, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// It waits to be delivered, since or until then.
    Waits {
        /// In milliseconds since 1970.
        due_ms: u64,
    },
    /// It stands behind others of its lane.
    Behind,
    /// Somebody has it.
    Held,
    /// It is a dead letter, since then.
    Dead {
        /// In milliseconds since 1970.
        died_ms: u64,
    },
}

/// A message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its name.
    pub id: String,
    /// The service that it is for.
    pub queue: String,
    /// Where it is.
    pub place: Where,
    /// How often it was delivered.
    pub deliveries: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its lane.
    pub lane: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: u64,
    /// The call that sent it.
    pub sent_by: String,
    /// Who asked for that.
    pub caller: String,
    /// Why.
    pub why: String,
    /// What its last delivery came to.
    pub last_fault: Option<String>,
    /// What it says; in a list it is left out.
    pub body: Option<Vec<u8>>,
    /// What kind of text that is.
    pub content_type: Option<String>,
    /// What else is said of it.
    pub attributes: Vec<(String, String)>,
}

/// How much is in a queue, its dead letters included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How much is in a queue.
///
/// # Errors
/// The database fails.
pub async fn depth(database: &Database, queue: String) -> Result<Depth, DbError> {
    let read = database.read(queue, |queue, tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT CAST(count(*) AS BIGINT), CAST(COALESCE(sum(bytes), 0) AS BIGINT) FROM \
                               (SELECT bytes FROM queue_ready WHERE queue = $1 \
                               UNION ALL SELECT bytes FROM queue_dead WHERE queue = $1) AS all_of_it";
            let rows = tx.query(SQL, &[queue.into()]).await?;
            let row = rows.first().ok_or_else(|| corrupt("a count has no row"))?;
            Ok(Depth {
                messages: count(row, 0)?,
                bytes: count(row, 1)?,
            })
        })
    });
    read.await
}

/// All queues that have messages.
///
/// # Errors
/// The database fails.
pub async fn list(database: &Database) -> Result<Vec<QueueRow>, DbError> {
    let read = database.read((), |(), tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT queue, CAST(sum(due) AS BIGINT), CAST(sum(later) AS BIGINT), \
                CAST(sum(held) AS BIGINT), CAST(sum(dead) AS BIGINT), CAST(sum(bytes) AS BIGINT), min(sent_ms) FROM ( \
                SELECT r.queue AS queue, \
                CASE WHEN r.holder IS NULL AND r.due_ms <= $1 THEN 1 ELSE 0 END AS due, \
                CASE WHEN r.holder IS NULL AND r.due_ms > $1 THEN 1 ELSE 0 END AS later, \
                CASE WHEN r.holder IS NULL THEN 0 ELSE 1 END AS held, 0 AS dead, r.bytes AS bytes, m.sent_ms AS sent_ms \
                FROM queue_ready r JOIN queue_messages m ON m.id = r.id \
                UNION ALL SELECT queue, 0, 0, 0, 1, bytes, NULL FROM queue_dead) AS each_of_them \
                GROUP BY queue ORDER BY queue";
            let now = tx.now().await?;
            let rows = tx.query(SQL, &[now.into()]).await?;
            rows.iter().map(queue_row).collect()
        })
    });
    read.await
}

/// Which messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that are to be delivered.
    Alive,
    /// The dead letters.
    Dead,
}

/// Messages of a queue, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn messages(
    database: &Database,
    queue: String,
    which: Which,
) -> Result<Vec<MessageRow>, DbError> {
    let read = database.read((queue, which), |(queue, which), tx| {
        Box::pin(async move {
            let sql = match which {
                Which::Dead => format!("{DEAD} WHERE queue = $1 ORDER BY id LIMIT $2"),
                Which::Alive => format!("{READY} WHERE r.queue = $1 ORDER BY r.id LIMIT $2"),
            };
            let values: [Value; 2] = [queue.into(), LISTED_MAX.into()];
            let rows = tx.query(&sql, &values).await?;
            let rows = rows.iter().map(message_row);
            rows.map(|row| row.map(|row| MessageRow { body: None, ..row }))
                .collect()
        })
    });
    read.await
}

/// One message, wherever it is.
///
/// # Errors
/// The database fails.
pub async fn show(database: &Database, id: String) -> Result<Option<MessageRow>, DbError> {
    let read = database.read(id, |id, tx| {
        Box::pin(async move {
            for sql in [
                format!("{READY} WHERE r.id = $1"),
                format!("{DEAD} WHERE id = $1"),
            ] {
                if let Some(row) = tx.query(&sql, &[id.into()]).await?.first() {
                    return message_row(row).map(Some);
                }
            }
            Ok(None)
        })
    });
    read.await
}

const READY: &str = "SELECT r.id, r.queue, r.due_ms, r.holder, CAST(NULL AS BIGINT), r.deliveries, r.bytes, r.lane, \
                     m.sent_ms, m.sent_by, m.caller, m.why, m.last_fault, m.body, m.content_type, m.attributes \
                     FROM queue_ready r JOIN queue_messages m ON m.id = r.id";
const DEAD: &str = "SELECT id, queue, CAST(0 AS BIGINT), CAST(NULL AS TEXT), died_ms, deliveries, bytes, lane, \
                    sent_ms, sent_by, caller, why, last_fault, body, content_type, attributes FROM queue_dead";

fn queue_row(row: &Row) -> Result<QueueRow, DbError> {
    Ok(QueueRow {
        queue: row.text(0)?.to_owned(),
        due: count(row, 1)?,
        later: count(row, 2)?,
        held: count(row, 3)?,
        dead: count(row, 4)?,
        bytes: count(row, 5)?,
        oldest_ms: row.optional_integer(6)?.map(i64::unsigned_abs),
    })
}

fn message_row(row: &Row) -> Result<MessageRow, DbError> {
    let text = |cell| row.text(cell).map(str::to_owned);
    let optional = |cell| row.optional_text(cell).map(|text| text.map(str::to_owned));
    let place = match (row.optional_integer(4)?, row.optional_text(3)?) {
        (Some(died), _) => Where::Dead {
            died_ms: died.unsigned_abs(),
        },
        (None, Some(_)) => Where::Held,
        (None, None) if row.integer(2)? >= BEHIND_MS => Where::Behind,
        (None, None) => Where::Waits {
            due_ms: count(row, 2)?,
        },
    };
    Ok(MessageRow {
        id: text(0)?,
        queue: text(1)?,
        place,
        deliveries: count(row, 5)?,
        bytes: count(row, 6)?,
        lane: optional(7)?,
        sent_ms: count(row, 8)?,
        sent_by: text(9)?,
        caller: text(10)?,
        why: text(11)?,
        last_fault: optional(12)?,
        body: row.optional_bytes(13)?.map(<[u8]>::to_vec),
        content_type: optional(14)?,
        attributes: attributes(row, 15)?,
    })
}
