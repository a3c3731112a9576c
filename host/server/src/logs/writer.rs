//! The writer's thread: takes batches, formats them into one buffer that is kept, redacts it, and writes it; closing lines once more for
//! the call log, if there is one.

use crate::logs::queue::{Item, Queue, Work};
use crate::logs::redact::Redactor;
use crate::logs::sink::Sink;
use crate::logs::stamp::Stamp;
use crate::logs::{json, text};
use crate::settings::LogForm;
use arc_swap::ArcSwap;
use holdfast_call::{Clock, Closing, Level, Moment, WallTime};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of text gathered before they are handed to the sink.
const CHUNK_BYTES: usize = 256 * 1024;

/// The dropped lines are counted aloud at most this often.
const SAY_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    form: LogForm,
    sink: Sink,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    redactor: Arc<ArcSwap<Redactor>>,
    stamp: Stamp,
    out: String,
    calls: Arc<Mutex<Option<Sink>>>,
    /// Closing lines on their way to the call log.
    kept: String,
    lines: u64,
    said: u64,
    said_at: Option<Moment>,
}

impl Writer {
    pub(super) fn new(
        form: LogForm,
        sink: Sink,
        clock: Arc<dyn Clock>,
        queue: Arc<Queue>,
        redactor: Arc<ArcSwap<Redactor>>,
    ) -> Self {
        Self {
            form,
            sink,
            clock,
            queue,
            redactor,
            stamp: Stamp::default(),
            out: String::with_capacity(CHUNK_BYTES + 4096),
            calls: Arc::default(),
            kept: String::new(),
            lines: 0,
            said: 0,
            said_at: None,
        }
    }

    /// The same, which writes closing lines to `calls` as well, as soon as there is a sink in it.
    pub(super) fn keeping(self, calls: Arc<Mutex<Option<Sink>>>) -> Self {
        Self { calls, ..self }
    }

    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            match self.queue.take(&mut batch) {
                Work::Batch => {
                    self.write(&mut batch);
                    self.queue.finished();
                    self.queue.gather();
                }
                Work::Quiet => {
                    // What was dropped in the last burst is said before the thread sleeps, so that it is not said a day later.
                    self.say_dropped();
                    self.send();
                    self.queue.sleep();
                }
                Work::End => {
                    self.say_dropped();
                    self.send();
                    self.queue.ended();
                    return;
                }
            }
        }
    }

    fn write(&mut self, batch: &mut Vec<Item>) {
        let keeps = self.sink_of_calls().is_some();
        for item in batch.drain(..) {
            match &item {
                Item::Closing(closing) if keeps => self.push_kept(closing),
                Item::Closing(_) | Item::Guest(_) | Item::Host { .. } => self.push(&item),
            }
            if self.out.len().max(self.kept.len()) >= CHUNK_BYTES {
                self.send();
            }
        }
        let due = self
            .said_at
            .is_none_or(|at| self.clock.now().since(at) >= SAY_EVERY);
        if due {
            self.say_dropped();
        }
        self.send();
    }

    fn push(&mut self, item: &Item) {
        let (out, stamp) = (&mut self.out, &mut self.stamp);
        match (self.form, item) {
            (LogForm::Json, Item::Closing(closing)) => json::closing(out, stamp, closing),
            (LogForm::Json, Item::Guest(line)) => json::guest(out, stamp, line),
            (LogForm::Json, Item::Host { wall, level, text }) => {
                json::host(out, stamp, *wall, *level, text);
            }
            (LogForm::Text, Item::Closing(closing)) => text::closing(out, stamp, closing),
            (LogForm::Text, Item::Guest(line)) => text::guest(out, stamp, line),
            (LogForm::Text, Item::Host { wall, level, text }) => {
                text::host(out, stamp, *wall, *level, text);
            }
        }
        self.out.push('\n');
        self.lines += 1;
    }

    /// A closing line for the log and for the call log, formatted once where both have the same form.
    fn push_kept(&mut self, closing: &Closing) {
        let from = self.kept.len();
        json::closing(&mut self.kept, &mut self.stamp, closing);
        self.kept.push('\n');
        match self.form {
            LogForm::Json => self.out.push_str(self.kept.get(from..).unwrap_or_default()),
            LogForm::Text => {
                text::closing(&mut self.out, &mut self.stamp, closing);
                self.out.push('\n');
            }
        }
        self.lines += 1;
    }

    fn sink_of_calls(&self) -> MutexGuard<'_, Option<Sink>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line with the number of lines dropped since the last such line, if there are any.
    fn say_dropped(&mut self) {
        let dropped = self.queue.dropped.load(Relaxed);
        let fresh = dropped - self.said;
        if fresh == 0 {
            return;
        }
        self.said = dropped;
        self.said_at = Some(self.clock.now());
        let text = format!("{fresh} log lines dropped, {dropped} since the start");
        let wall: WallTime = self.clock.wall();
        self.push(&Item::Host {
            wall,
            level: Level::Warn,
            text,
        });
    }

    fn send(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let redactor = self.redactor.load();
        redactor.clean(&mut self.out);
        redactor.clean(&mut self.kept);
        // First, so that who has read of a call in the log can have it explained.
        self.send_kept();
        let lost = self.sink.write(self.out.as_bytes());
        self.queue.dropped.fetch_add(lost, Relaxed);
        self.queue
            .written
            .fetch_add(self.lines.saturating_sub(lost), Relaxed);
        self.queue.bytes.fetch_add(self.out.len() as u64, Relaxed);
        self.lines = 0;
        self.out.clear();
    }

    fn send_kept(&mut self) {
        let lost = match &mut *self.sink_of_calls() {
            Some(sink) if !self.kept.is_empty() => {
                let bytes = self.kept.len() as u64;
                self.queue.calls_bytes.fetch_add(bytes, Relaxed);
                sink.write(self.kept.as_bytes())
            }
            Some(_) | None => 0,
        };
        self.queue.calls_lost.fetch_add(lost, Relaxed);
        self.kept.clear();
    }
}
