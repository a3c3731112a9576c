//! How much is in each queue, and whether there is room for more.
//!
//! To count a queue at each message would cost more than to send it. So it is counted about once a second while somebody sends, and what
//! this host has sent since is added: a queue may have more than its limit by what other hosts send in that second.

use super::refusals;
use crate::kept;
use holdfast_call::message::Message;
use holdfast_call::{Fault, Moment};
use holdfast_store::db::Database;
use holdfast_store::queue::{self, Depth};
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

/// Says how much each queue may have.
pub trait Rooms: Send + Sync {
    /// How much the queue of this service may have.
    fn of(&self, queue: &Arc<str>) -> Room;
}

/// How much is in each queue.
pub struct Gauge {
    database: Database,
    rooms: Arc<dyn Rooms>,
    counted: Mutex<HashMap<Arc<str>, (Moment, Depth)>>,
}

impl Gauge {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(database: Database, rooms: Arc<dyn Rooms>) -> Arc<Self> {
        Arc::new(Self {
            database,
            rooms,
            counted: Mutex::default(),
        })
    }

    /// Whether there is room for messages in a queue; if there is, they count.
    pub(super) async fn admit(
        &self,
        queue: &Arc<str>,
        messages: &[Message],
        now: Moment,
    ) -> Result<(), Fault> {
        let room = self.rooms.of(queue);
        let known = self.lock().get(queue).copied();
        let fresh = known.filter(|(at, _)| now.since(*at) < COUNT_EVERY);
        if fresh.is_none() {
            let counted = queue::depth(&self.database, queue.to_string()).await;
            let counted = counted.map_err(|error| kept::away(super::STAGE, &error))?;
            self.lock().insert(queue.clone(), (now, counted));
        }
        let bytes = messages.iter().map(|message| message.bytes() as u64);
        let (more, bytes) = (messages.len() as u64, bytes.sum::<u64>());
        let mut all = self.lock();
        let Some((_, there)) = all.get_mut(queue) else {
            return Ok(());
        };
        let wanted = Depth {
            messages: there.messages.saturating_add(more),
            bytes: there.bytes.saturating_add(bytes),
        };
        if wanted.messages > room.messages || wanted.bytes > room.bytes {
            return Err(refusals::full(queue, *there, wanted, room));
        }
        *there = wanted;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, (Moment, Depth)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
