//! The writer's thread: takes batches, formats them into one buffer that is kept, redacts it, and writes it.

use crate::logs::queue::{Item, Queue, Work};
use crate::logs::redact::Redactor;
use crate::logs::sink::Sink;
use crate::logs::stamp::Stamp;
use crate::logs::{json, text};
use crate::settings::LogForm;
use arc_swap::ArcSwap;
use holdfast_call::{Clock, Level, Moment, WallTime};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
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
            lines: 0,
            said: 0,
            said_at: None,
        }
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
        for item in batch.drain(..) {
            self.push(&item);
            if self.out.len() >= CHUNK_BYTES {
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
        let lost = self.sink.write(self.out.as_bytes());
        self.queue.dropped.fetch_add(lost, Relaxed);
        self.queue
            .written
            .fetch_add(self.lines.saturating_sub(lost), Relaxed);
        self.lines = 0;
        self.out.clear();
    }
}
