//! Queues, as the operator sees them, and what he may do with their messages.

use super::words::Response;
use data_encoding::BASE64;
use holdfast_store::db::Database;
use holdfast_store::queue::{self, MessageRow, Moved, QueueRow, Where, Which};
use serde::{Deserialize, Serialize};

/// What is asked of queues.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum QueueRequest {
    /// Every queue that has messages.
    Queues,
    /// The messages of one.
    Messages {
        /// Whose it is.
        queue: String,
        /// Its dead letters, or all others.
        dead: bool,
    },
    /// One message, whole.
    Show {
        /// Its name.
        id: String,
    },
    /// Have a dead letter delivered again.
    Redrive {
        /// Its name.
        id: String,
    },
    /// Have all dead letters of a queue delivered again.
    RedriveAll {
        /// Whose it is.
        queue: String,
    },
    /// Remove a message.
    Drop {
        /// Its name.
        id: String,
    },
}

/// A queue. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueLine {
    /// The service that it is for.
    pub queue: String,
    /// How many messages are due.
    pub due: u64,
    /// How many are due later, or behind others of their key.
    pub later: u64,
    /// How many are being delivered.
    pub held: u64,
    /// How many are dead letters.
    pub dead: u64,
    /// The bytes of all.
    pub bytes: u64,
    /// When the oldest was sent that is no dead letter.
    pub oldest_ms: Option<u64>,
}

/// A message. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageLine {
    /// Its name.
    pub id: String,
    /// The service that it is for.
    pub queue: String,
    /// `waiting`, `behind`, `held` or `dead`.
    pub state: String,
    /// Since or until when.
    pub at_ms: Option<u64>,
    /// How often it was delivered.
    pub deliveries: u64,
    /// Its bytes.
    pub bytes: u64,
    /// The key that orders it.
    pub key: Option<String>,
    /// When it was sent.
    pub sent_ms: u64,
    /// The call that sent it.
    pub sent_by: String,
    /// Who asked for that.
    pub caller: String,
    /// Why.
    pub why: String,
    /// What its last delivery came to.
    pub last_fault: Option<String>,
    /// What kind of text its body is.
    pub content_type: Option<String>,
    /// What else is said of it.
    pub attributes: Vec<(String, String)>,
    /// Its body in base64; absent in a list.
    pub body: Option<String>,
}

impl QueueRequest {
    /// What of it changes something, and what that is done to.
    pub(super) fn deed(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Redrive { id } => Some(("queue redrive", format!("message:{id}"))),
            Self::RedriveAll { queue } => Some(("queue redrive", format!("queue:{queue}"))),
            Self::Drop { id } => Some(("queue drop", format!("message:{id}"))),
            Self::Queues | Self::Messages { .. } | Self::Show { .. } => None,
        }
    }
}

/// Answers.
///
/// # Errors
/// There is no such message, or the database fails.
pub(super) async fn answer(database: &Database, asked: QueueRequest) -> Result<Response, String> {
    let failed = |error| format!("failed to {error}");
    Ok(match asked {
        QueueRequest::Queues => {
            let rows = queue::list(database).await.map_err(failed)?;
            Response::Queues(rows.into_iter().map(queue_line).collect())
        }
        QueueRequest::Messages { queue, dead } => {
            let which = match dead {
                true => Which::Dead,
                false => Which::Alive,
            };
            let rows = queue::messages(database, queue, which).await;
            let rows = rows.map_err(failed)?.into_iter();
            Response::Messages(rows.map(message_line).collect())
        }
        QueueRequest::Show { id } => {
            let row = queue::show(database, id.clone()).await.map_err(failed)?;
            let row = row.ok_or_else(|| nowhere(&id))?;
            Response::Messages(vec![message_line(row)])
        }
        QueueRequest::Redrive { id } => {
            match queue::redrive(database, id.clone()).await.map_err(failed)? {
                Moved::Yes => Response::Text(format!("{id} is delivered again")),
                Moved::NotThere | Moved::Held => {
                    return Err(format!(
                        "{id} is no dead letter: `holdfast queue ls QUEUE --dead` lists them"
                    ));
                }
            }
        }
        QueueRequest::RedriveAll { queue } => {
            let moved = queue::redrive_all(database, queue.clone()).await;
            let moved = moved.map_err(failed)?;
            Response::Text(format!(
                "{moved} dead letters of {queue} are delivered again"
            ))
        }
        QueueRequest::Drop { id } => {
            let dropped = queue::drop_message(database, id.clone()).await;
            match dropped.map_err(failed)? {
                Moved::Yes => Response::Text(format!("{id} is gone")),
                Moved::NotThere => return Err(nowhere(&id)),
                Moved::Held => {
                    return Err(format!(
                        "{id} is being delivered at present: ask again after that"
                    ));
                }
            }
        }
    })
}

fn nowhere(id: &str) -> String {
    format!("there is no message {id}: it was taken, or dropped")
}

fn queue_line(row: QueueRow) -> QueueLine {
    QueueLine {
        queue: row.queue,
        due: row.due,
        later: row.later,
        held: row.held,
        dead: row.dead,
        bytes: row.bytes,
        oldest_ms: row.oldest_ms,
    }
}

fn message_line(row: MessageRow) -> MessageLine {
    let (state, at_ms) = match row.place {
        Where::Waits { due_ms } => ("waiting", Some(due_ms)),
        Where::Behind => ("behind", None),
        Where::Held => ("held", None),
        Where::Dead { died_ms } => ("dead", Some(died_ms)),
    };
    MessageLine {
        id: row.id,
        queue: row.queue,
        state: state.to_owned(),
        at_ms,
        deliveries: row.deliveries,
        bytes: row.bytes,
        key: row.lane,
        sent_ms: row.sent_ms,
        sent_by: row.sent_by,
        caller: row.caller,
        why: row.why,
        last_fault: row.last_fault,
        content_type: row.content_type,
        attributes: row.attributes,
        body: row.body.map(|body| BASE64.encode(&body)),
    }
}
