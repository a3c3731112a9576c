//! Where lines go: a bounded queue, one thread behind it, and a sink. Taking a line never waits for the sink; what does not fit is
//! dropped, counted, and the count is said in a line of its own.
//!
//! Wake-ups are batched. A line that finds the writer asleep wakes it; while the writer is awake it looks again every few milliseconds,
//! so that a busy host pays one short lock a line and nothing else.

mod json;
mod queue;
mod redact;
mod sink;
mod stamp;
mod text;
mod writer;

use crate::logs::queue::{Item, Queue};
use crate::logs::redact::Redactor;
use crate::settings::{LogForm, Secret};
use arc_swap::ArcSwap;
use holdfast_call::{Clock, Closing, GuestLine, Level, Log};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use crate::logs::sink::{Renew, Sink};
pub(crate) use crate::logs::stamp::{date, instant};

/// Lines that may wait for the writer. At 100,000 lines a second this is a pause of more than half a second.
pub const LINES_MAX: usize = 65_536;

/// Bytes of guests' text that may wait for the writer.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Whether everything was written when a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// It was.
    All,
    /// The sink took too long.
    GaveUp,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Lines.
    pub lines: usize,
    /// Bytes of guests' text.
    pub text_bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            lines: LINES_MAX,
            text_bytes: TEXT_BYTES_MAX,
        }
    }
}

/// The log of the host.
pub struct LogWriter {
    queue: Arc<Queue>,
    calls: Arc<Mutex<Option<Sink>>>,
    redactor: Arc<ArcSwap<Redactor>>,
    clock: Arc<dyn Clock>,
}

impl LogWriter {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(form: LogForm, sink: Sink, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::with_room(form, sink, clock, Room::default())
    }

    /// The same with less (or more) room for what waits.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn with_room(
        form: LogForm,
        sink: Sink,
        clock: Arc<dyn Clock>,
        room: Room,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(room));
        let calls = Arc::new(Mutex::new(None));
        let redactor = Arc::new(ArcSwap::from_pointee(Redactor::default()));
        let writer =
            writer::Writer::new(form, sink, clock.clone(), queue.clone(), redactor.clone())
                .keeping(calls.clone());
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            queue,
            calls,
            redactor,
            clock,
        })
    }

    /// From now on no line holds this secret, in clear, in base64 or percent-encoded. Lines that still wait are covered too.
    pub fn add_secret(&self, secret: &Secret) {
        self.redactor.rcu(|known| known.with(secret));
    }

    /// From now on the closing lines of calls go there too, as JSON whatever the form of the log.
    pub fn keep_calls(&self, sink: Sink) {
        // A sink is whole between two writes.
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }

    /// How many lines of the call log its file would not take since the start.
    #[must_use]
    pub fn calls_lost(&self) -> u64 {
        self.queue.calls_lost.load(Relaxed)
    }

    /// How many lines were dropped since the start: for want of room, or because the sink would not take them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Relaxed)
    }

    /// How many bytes were handed to the sink since the start, and to that of the call log.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let queue = &self.queue;
        (queue.bytes.load(Relaxed), queue.calls_bytes.load(Relaxed))
    }

    /// How many lines the sink took since the start.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.queue.written.load(Relaxed)
    }

    /// Waits until everything that was taken so far is written, `at_most` so long.
    #[must_use]
    pub fn flush(&self, at_most: Duration) -> Flushed {
        self.queue.flush(at_most)
    }

    /// Takes no more lines, and waits until everything is written and the last drops are said, `at_most` so long.
    pub fn close(&self, at_most: Duration) -> Flushed {
        self.queue.close(at_most)
    }
}

impl Log for LogWriter {
    fn closing(&self, closing: Closing) {
        self.queue.put(Item::Closing(closing), 0);
    }

    fn guest(&self, line: GuestLine) {
        let bytes = line.text.len();
        self.queue.put(Item::Guest(line), bytes);
    }

    fn host(&self, level: Level, text: String) {
        let bytes = text.len();
        let wall = self.clock.wall();
        self.queue.put(Item::Host { wall, level, text }, bytes);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // The thread writes what is left and ends. A sink that does not take it must not hold the host's end up for long.
        let _ = self.close(Duration::from_secs(2));
    }
}
