//! The thread that moves an engine's epoch on: one per engine, outside tokio, so that no amount of work on the runtimes delays it.
//!
//! It holds the engine weakly and ends with it, or with the [`Ticker`].

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// The time between two ticks, which is the longest a guest computes without letting go of its thread.
pub const TICK: Duration = Duration::from_millis(10);

/// A running epoch thread; stops when dropped.
#[derive(Debug)]
pub struct Ticker {
    // Hanging up is the signal to stop.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread of `engine`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let weak = engine.weak();
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("holdfast-epoch".to_owned())
            .spawn(move || tick(&weak, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread does nothing that could fail; there is nobody to tell if it did.
            let _ended = thread.join();
        }
    }
}

fn tick(weak: &EngineWeak, stopped: &Receiver<()>) {
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        match weak.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
