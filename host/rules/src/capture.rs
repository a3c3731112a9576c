//! `capture`: calls of a service are kept whole, so that one can be run again by whoever wants to know what happened (`holdfast replay`).
//!
//! It stands right before the attempt: what it keeps is what the guest is asked and told, and what came of that before anybody has changed
//! it. A captured call runs as a durable execution does, apart and on the metered engine, but for what [`live`] says; and what is kept is
//! looked at by nobody but the operator. A durable execution is on record by itself.

mod compare;
mod live;
mod record;
mod replay;

pub use live::{CALL_BYTES_MAX, STEPS_MAX};
pub use record::{At, FORM, Gap, HIDDEN, Kept, Kind, Record, Result as StepResult, STAND_IN, Step};
pub use replay::{Ended, Replayed, Unreadable, replay};

use crate::Parts;
use crate::journal::BYTES_MAX;
use crate::once::outcome;
use bytes::{Bytes, BytesMut};
use holdfast_call::{
    Answer, Applies, BodyEnd, BodyWatch, BoxFuture, Call, CallId, Layer, Next, Reply, Settings,
    Sources, Target,
};
use live::{Beginning, Live};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes wait to be written at most. What would be beyond is not kept.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// That calls of a service are captured, among its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Which of them are kept.
    pub keeps: Keeps,
    /// What is in no record of it.
    pub gaps: Vec<Gap>,
}

/// What a service's guests have besides their call, for whoever runs one again, as the host reads it; among its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World(pub Arc<serde_json::Value>);

/// Which calls are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Those that ended with a fault, or were cut.
    Faults,
    /// All.
    All,
}

/// Where what was captured goes.
#[derive(Default)]
pub struct Captures {
    line: Mutex<Option<SyncSender<Captive>>>,
    waiting: Arc<AtomicUsize>,
    lost: AtomicU64,
}

/// A record on its way to the disk.
pub struct Captive {
    /// The record.
    pub record: Record,
    _room: Room,
}

/// Its part of what may wait.
struct Room(Arc<AtomicUsize>, usize);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

impl Captures {
    /// From now on they go there; to nobody, if there is none.
    pub fn put(&self, line: Option<SyncSender<Captive>>) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// How many found no place, because the disk is too slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn keep(&self, record: Record) {
        let bytes = record.bytes();
        let before = self.waiting.fetch_add(bytes, Ordering::AcqRel);
        let room = Room(self.waiting.clone(), bytes);
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let captive = Captive {
            record,
            _room: room,
        };
        let kept = match &*line {
            Some(line) if before + bytes <= WAITING_BYTES_MAX => line.try_send(captive).is_ok(),
            Some(_) | None => false,
        };
        if !kept {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Capture {
        sources: parts.sources.clone(),
        captures: parts.captures.clone(),
    })
}

struct Capture {
    sources: Sources,
    captures: Arc<Captures>,
}

impl Layer for Capture {
    fn name(&self) -> &'static str {
        "capture"
    }

    fn applies(&self, target: &Target, settings: &Settings) -> Applies {
        match target {
            Target::Service(_) if settings.get::<Captured>().is_some() => Applies::Yes,
            Target::Service(_) | Target::Capability { .. } => Applies::No,
        }
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let known = call.registered.as_ref();
        let settings = known
            .and_then(|known| known.settings.get::<Captured>())
            .cloned();
        match settings.filter(|_| call.journal.is_none()) {
            Some(settings) => Box::pin(self.captured(call, settings, next)),
            None => next.run(call),
        }
    }
}

impl Capture {
    async fn captured(&self, mut call: Box<Call>, settings: Captured, next: Next<'_>) -> Reply {
        let id = call.id;
        let known = call.registered.clone();
        let world = known.and_then(|known| known.settings.get::<World>().cloned());
        let known = Beginning {
            sources: &self.sources,
            world: &world.unwrap_or_default().0,
            gaps: &settings.gaps,
        };
        let live = Live::begin(&mut call, known).await;
        let ending = Ending {
            live: Some(live.clone()),
            id,
            keeps: settings.keeps,
            captures: self.captures.clone(),
        };
        call.journal = Some(live.clone());
        let mut response = match next.run(call).await {
            Ok(Answer::Http(response)) => response,
            other => {
                let ended = match &other {
                    Ok(_) => Came::Well,
                    Err(_) => Came::Badly,
                };
                let outcome::Ended { reply, outcome } = outcome::ended(other, id).await;
                ending.ends(ended, Some(&outcome));
                return reply;
            }
        };
        if let Some(whole) = response.body().as_whole() {
            let (bytes, part) = match whole.len() > BYTES_MAX {
                true => (Bytes::new(), Some("it is longer than an entry may be")),
                false => (whole.clone(), None),
            };
            let (head, body) = response.into_parts();
            if let Some(why) = part {
                live.lacks(At::Answer, why);
            }
            let outcome = live.written(id, &head, &bytes);
            ending.ends(Came::Well, Some(&outcome));
            return Ok(Answer::Http(http::Response::from_parts(head, body)));
        }
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        response.body_mut().watch(Box::new(Watching {
            ending: Some(ending),
            head: Some(head.into_parts().0),
            bytes: BytesMut::new(),
        }));
        Ok(Answer::Http(response))
    }
}

/// How a call came out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Well,
    Badly,
}

/// A captured call that has not come to its end; dropped before, it was cut.
struct Ending {
    live: Option<Arc<Live>>,
    id: CallId,
    keeps: Keeps,
    captures: Arc<Captures>,
}

impl Ending {
    fn ends(mut self, came: Came, outcome: Option<&[u8]>) {
        self.end(came, outcome);
    }

    fn end(&mut self, came: Came, outcome: Option<&[u8]>) {
        let Some(live) = self.live.take() else { return };
        if came == Came::Badly || self.keeps == Keeps::All {
            self.captures.keep(live.record(outcome));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(Came::Badly, None);
    }
}

/// Keeps the body of an answer as it is handed on.
struct Watching {
    ending: Option<Ending>,
    head: Option<http::response::Parts>,
    bytes: BytesMut,
}

impl BodyWatch for Watching {
    fn data(&mut self, data: &Bytes) {
        if self.bytes.len() <= BYTES_MAX {
            self.bytes.extend_from_slice(data);
        }
    }

    fn end(&mut self, end: &BodyEnd<'_>) {
        let Some(ending) = self.ending.take() else {
            return;
        };
        let (Some(live), Some(head)) = (ending.live.clone(), self.head.take()) else {
            return;
        };
        let (came, part) = match end {
            BodyEnd::Finished if self.bytes.len() > BYTES_MAX => (
                Came::Well,
                Some("it is longer than an entry may be".to_owned()),
            ),
            BodyEnd::Finished => (Came::Well, None),
            BodyEnd::Cut(fault) => (Came::Badly, Some(format!("it was cut: {fault}"))),
            BodyEnd::Dropped => (Came::Well, Some("its reader went away".to_owned())),
        };
        let bytes = match &part {
            None => std::mem::take(&mut self.bytes),
            Some(_) => BytesMut::new(),
        };
        if let Some(why) = part {
            live.lacks(At::Answer, why);
        }
        let outcome = live.written(ending.id, &head, &bytes);
        ending.ends(came, Some(&outcome));
    }
}

#[cfg(test)]
mod tests;
