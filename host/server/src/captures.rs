//! What was captured of calls on its way to the disk: one thread writes it, so that no call waits for that.

use anyhow::Context as _;
use holdfast_call::{Clock, Level, Log};
use holdfast_rules::capture::{Captive, Captures};
use holdfast_store::StoreError;
use holdfast_store::captures;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How many wait to be written at most.
const WAITING_MAX: usize = 1_024;
/// How often it is looked for what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How long the end waits for what is still to be written.
const FINISH_MAX: Duration = Duration::from_secs(2);

/// The thread that writes.
pub struct CaptureWriter {
    captures: Arc<Captures>,
    /// Closed when it has ended.
    ended: Mutex<Receiver<()>>,
}

/// What it works with.
struct Desk {
    kept: captures::Captures,
    age: Duration,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
    /// Whether the disk took the last one.
    failing: bool,
}

impl CaptureWriter {
    /// Starts it: from now on what is captured goes into this directory, so many bytes at most and for so long.
    ///
    /// # Errors
    /// The directory or the thread cannot be had.
    pub fn start(
        path: &Path,
        (bytes_max, age): (u64, Duration),
        captures: Arc<Captures>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> anyhow::Result<Self> {
        let mut desk = Desk {
            kept: captures::Captures::open(path, bytes_max)?,
            age,
            clock,
            log,
            failing: false,
        };
        let (line, waiting) = sync_channel(WAITING_MAX);
        let (alive, ended) = sync_channel::<()>(0);
        thread::Builder::new()
            .name("captures".to_owned())
            .spawn(move || {
                let _alive = alive;
                desk.follow(&waiting);
            })
            .context("cannot start the thread that keeps what is captured")?;
        captures.put(Some(line));
        Ok(Self {
            captures,
            ended: Mutex::new(ended),
        })
    }

    /// Takes nothing more, and waits for what it has, though not for ever.
    pub fn finish(&self) {
        self.captures.put(None);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: either it ends in time or it does not.
        let _ = ended.recv_timeout(FINISH_MAX);
    }
}

impl Desk {
    fn follow(&mut self, waiting: &Receiver<Captive>) {
        self.sweep();
        loop {
            match waiting.recv_timeout(SWEEP_EVERY) {
                Ok(captive) => self.write(&captive),
                Err(RecvTimeoutError::Timeout) => self.sweep(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, captive: &Captive) {
        let record = &captive.record;
        // Texts and numbers alone: there is nothing in it that could not be written.
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        let written = self.kept.keep(&record.call, &bytes);
        self.seen(written);
    }

    fn sweep(&mut self) {
        let now = i64::try_from(self.clock.wall().0 / 1_000_000).unwrap_or(i64::MAX);
        let swept = self.kept.sweep(now, self.age);
        self.seen(swept);
    }

    fn seen(&mut self, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let text = format!("calls that are captured are not kept: {error}");
                self.log.host(Level::Error, text);
            }
            Err(_) => {}
        }
    }
}
