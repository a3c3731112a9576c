//! Sending: rows for messages, in the unit of work of the call that sends them.

use super::KNOWN_FOR;
use super::lane::{self, Spot};
use super::rows::{millis, written};
use crate::db::{DbError, Tx, Value};
use holdfast_call::message::Message;
use std::collections::HashSet;

/// Puts messages into their queues. One whose name is known already is left out: it was sent before.
pub(crate) async fn post(messages: &[Message], tx: &mut dyn Tx) -> Result<(), DbError> {
    if messages.is_empty() {
        return Ok(());
    }
    let now = tx.now().await?;
    let (mut ready, mut said) = (Vec::new(), Vec::new());
    let mut lanes = HashSet::new();
    for message in messages {
        if is_known(message, now, tx).await? {
            continue;
        }
        let spot = match &message.lane {
            Some(lane) => {
                let spot = lane::join(&message.queue, lane, now, tx).await?;
                // Of those that are sent together the first is in front of the others, though it is not written yet.
                match lanes.insert((&message.queue, lane)) {
                    true => spot,
                    false => spot.behind(),
                }
            }
            None => Spot::default(),
        };
        ready.push(ready_row(message, spot, now));
        said.push(said_row(message, now));
    }
    insert(READY, ready, tx).await?;
    insert(SAID, said, tx).await
}

/// What is inserted: the beginning of the statement, before its rows.
type Into = &'static str;

const READY: Into = "INSERT INTO queue_ready (id, queue, due_ms, wanted_ms, lane, place, bytes, deliveries, deaths, fence, epoch) VALUES ";
const SAID: Into = "INSERT INTO queue_messages \
                    (id, operation, body, content_type, attributes, dedupe, sent_ms, sent_by, caller, why, trace) VALUES ";

/// How many rows one statement inserts. Few sizes, so that few statements are prepared.
const AT_ONCE: [usize; 3] = [64, 8, 1];

fn ready_row(message: &Message, spot: Spot, now: i64) -> Vec<Value> {
    let wanted = now.saturating_add(millis(message.delay));
    let bytes = i64::try_from(message.bytes()).unwrap_or(i64::MAX);
    vec![
        message.id.to_string().into(),
        (&*message.queue).into(),
        spot.due(wanted).into(),
        wanted.into(),
        message.lane.clone().into(),
        spot.place.into(),
        bytes.into(),
        0.into(),
        0.into(),
        0.into(),
        0.into(),
    ]
}

fn said_row(message: &Message, now: i64) -> Vec<Value> {
    vec![
        message.id.to_string().into(),
        message.operation.as_deref().into(),
        message.body.to_vec().into(),
        message.content_type.clone().into(),
        written(&message.attributes).into(),
        message.dedupe.clone().into(),
        now.into(),
        message.sent_by.to_string().into(),
        message.caller.to_string().into(),
        message.why.as_str().into(),
        message.trace.header().into(),
    ]
}

async fn insert(into: Into, rows: Vec<Vec<Value>>, tx: &mut dyn Tx) -> Result<(), DbError> {
    let mut left = rows.into_iter();
    while left.len() > 0 {
        let most = AT_ONCE.into_iter().find(|size| *size <= left.len());
        let rows: Vec<_> = left.by_ref().take(most.unwrap_or(1)).collect();
        let width = rows.first().map_or(0, Vec::len);
        let sql = statement(into, rows.len(), width);
        let values: Vec<_> = rows.into_iter().flatten().collect();
        tx.execute(&sql, &values).await?;
    }
    Ok(())
}

/// `INTO ($1, $2), ($3, $4)` for two rows of two.
fn statement(into: Into, rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let cells = (1..=width).map(|cell| format!("${}", row * width + cell));
        format!("({})", cells.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!("{into}{}", rows.join(", "))
}

/// Whether a message of this name was sent before and is remembered; from now on it is.
async fn is_known(message: &Message, now: i64, tx: &mut dyn Tx) -> Result<bool, DbError> {
    const SQL: &str = "INSERT INTO queue_known (queue, dedupe, id, until_ms) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (queue, dedupe) DO UPDATE SET id = $3, until_ms = $4 \
                       WHERE queue_known.until_ms <= $5";
    let Some(dedupe) = &message.dedupe else {
        return Ok(false);
    };
    let values: [Value; 5] = [
        (&*message.queue).into(),
        dedupe.into(),
        message.id.to_string().into(),
        now.saturating_add(millis(KNOWN_FOR)).into(),
        now.into(),
    ];
    Ok(tx.execute(SQL, &values).await? == 0)
}
