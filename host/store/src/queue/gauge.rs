//! How much is in each queue, and whether there is room for more.
//!
//! To count a queue at each message would cost more than to send it. So it is counted about once a second while somebody sends, and what
//! this host has sent since is added: a queue may have more than its limit by what other hosts send in that second.

use super::view::{Depth, depth};
use crate::db::{Database, DbError};
use holdfast_call::Moment;
use holdfast_call::message::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long a count is believed.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How much a queue may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Messages, dead letters included.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Whether a queue has room for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// It has, and they count from now on.
    Yes,
    /// It has not.
    No {
        /// What is there.
        there: Depth,
        /// What would be there.
        wanted: Depth,
    },
}

/// How much is in each queue.
pub struct Gauge {
    database: Database,
    counted: Mutex<HashMap<Arc<str>, (Moment, Depth)>>,
}

impl Gauge {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            counted: Mutex::default(),
        }
    }

    /// Whether there is room for messages in a queue that may have so much.
    ///
    /// # Errors
    /// It cannot be counted.
    pub async fn fits(
        &self,
        queue: &Arc<str>,
        messages: &[Message],
        room: Room,
        now: Moment,
    ) -> Result<Fits, DbError> {
        let known = self.lock().get(queue).copied();
        if known.is_none_or(|(at, _)| now.since(at) >= COUNT_EVERY) {
            let counted = depth(&self.database, queue.to_string()).await?;
            self.lock().insert(queue.clone(), (now, counted));
        }
        let bytes = messages.iter().map(|message| message.bytes() as u64);
        let (more, bytes) = (messages.len() as u64, bytes.sum::<u64>());
        let mut all = self.lock();
        let (_, there) = all
            .entry(queue.clone())
            .or_insert_with(|| (now, Depth::default()));
        let wanted = Depth {
            messages: there.messages.saturating_add(more),
            bytes: there.bytes.saturating_add(bytes),
        };
        if wanted.messages > room.messages || wanted.bytes > room.bytes {
            let there = *there;
            return Ok(Fits::No { there, wanted });
        }
        *there = wanted;
        Ok(Fits::Yes)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, (Moment, Depth)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
