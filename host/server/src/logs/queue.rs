//! The queue between those who log and the one who writes: a list that is filled under a short lock and taken as a whole.

use crate::logs::{Flushed, Room};
use holdfast_call::{Closing, GuestLine, Level, WallTime};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the writer lets lines gather before it looks again.
const GATHER: Duration = Duration::from_millis(5);

/// One line to be.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is a closing line, and a box for each would cost an allocation a call"
)]
pub(super) enum Item {
    /// A call's closing line.
    Closing(Closing),
    /// A guest's line.
    Guest(GuestLine),
    /// A line of the host.
    Host {
        /// When it was said.
        wall: WallTime,
        /// How much it matters.
        level: Level,
        /// What was said.
        text: String,
    },
}

/// What the writer does at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It will look by itself.
    Awake,
    /// It has to be woken.
    Asleep,
}

struct State {
    items: Vec<Item>,
    text_bytes: usize,
    writer: Writer,
    /// Lines put, lines taken and lines written since the start; a flush waits until what was put has been written.
    put: u64,
    taken: u64,
    finished: u64,
    closing: bool,
    ended: bool,
}

/// What the writer is asked to do next.
pub(super) enum Work {
    /// Write these.
    Batch,
    /// Nothing has come for a while: a good moment to say what was dropped.
    Quiet,
    /// Nothing will come any more.
    End,
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    room: Room,
    pub(super) dropped: AtomicU64,
    pub(super) written: AtomicU64,
    /// Lines of the call log that its file would not take.
    pub(super) calls_lost: AtomicU64,
    /// Bytes handed to the sink, and to that of the call log.
    pub(super) bytes: AtomicU64,
    pub(super) calls_bytes: AtomicU64,
}

impl Queue {
    pub(super) fn new(room: Room) -> Self {
        Self {
            state: Mutex::new(State {
                items: Vec::new(),
                text_bytes: 0,
                writer: Writer::Awake,
                put: 0,
                taken: 0,
                finished: 0,
                closing: false,
                ended: false,
            }),
            wake: Condvar::new(),
            done: Condvar::new(),
            room,
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            calls_lost: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            calls_bytes: AtomicU64::new(0),
        }
    }

    /// Takes a line, or drops and counts it.
    pub(super) fn put(&self, item: Item, text_bytes: usize) {
        let mut state = self.lock();
        let full = state.items.len() >= self.room.lines
            || state.text_bytes.saturating_add(text_bytes) > self.room.text_bytes;
        if full || state.closing {
            drop(state);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.items.push(item);
        state.put += 1;
        state.text_bytes += text_bytes;
        // The writer looks by itself every few milliseconds while it is awake; it is hurried only where the room becomes short.
        let hurry = state.items.len() == self.room.lines / 2;
        let asleep = state.writer == Writer::Asleep;
        if asleep {
            state.writer = Writer::Awake;
        }
        drop(state);
        if asleep || hurry {
            self.wake.notify_one();
        }
    }

    /// For the writer: the next batch, put into `batch`, which must be empty.
    pub(super) fn take(&self, batch: &mut Vec<Item>) -> Work {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closing {
            state = self.wait(state, GATHER);
        }
        if state.items.is_empty() {
            if state.closing {
                return Work::End;
            }
            return Work::Quiet;
        }
        std::mem::swap(&mut state.items, batch);
        state.text_bytes = 0;
        state.taken = state.put;
        Work::Batch
    }

    /// For the writer: lets a few milliseconds of lines gather, unless somebody waits for them.
    pub(super) fn gather(&self) {
        let state = self.lock();
        if state.items.len() < self.room.lines / 2 && !state.closing {
            drop(self.wait(state, GATHER));
        }
    }

    /// For the writer: sleeps until a line comes.
    pub(super) fn sleep(&self) {
        let mut state = self.lock();
        while state.items.is_empty() && !state.closing {
            state.writer = Writer::Asleep;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.writer = Writer::Awake;
    }

    /// For the writer: the batch has been written.
    pub(super) fn finished(&self) {
        let mut state = self.lock();
        state.finished = state.taken;
        drop(state);
        self.done.notify_all();
    }

    /// For the writer: it ends.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.done.notify_all();
    }

    pub(super) fn flush(&self, at_most: Duration) -> Flushed {
        self.wake.notify_one();
        let state = self.lock();
        let put = state.put;
        let busy = |state: &mut State| !state.ended && state.finished < put;
        let (state, out) = self
            .done
            .wait_timeout_while(state, at_most, busy)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if out.timed_out() {
            Flushed::GaveUp
        } else {
            Flushed::All
        }
    }

    /// Lets the writer write what is left and end, and waits for that `at_most` so long.
    pub(super) fn close(&self, at_most: Duration) -> Flushed {
        let mut state = self.lock();
        state.closing = true;
        self.wake.notify_one();
        let (state, out) = self
            .done
            .wait_timeout_while(state, at_most, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if out.timed_out() {
            Flushed::GaveUp
        } else {
            Flushed::All
        }
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, span: Duration) -> MutexGuard<'a, State> {
        let (state, _) = self
            .wake
            .wait_timeout(state, span)
            .unwrap_or_else(PoisonError::into_inner);
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
