//! What one instance has of a journal: the book, what is drawn from the seed, and whoever waits for something of it.

use super::book::Book;
use holdfast_call::{CallId, WallTime};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

pub(crate) struct Reading {
    seed: [u8; 32],
    named: Mutex<u64>,
    book: Mutex<Book>,
    /// Something of the book, or of whoever keeps it, is another.
    changed: Notify,
}

impl Reading {
    pub(crate) fn new(seed: [u8; 32], book: Book) -> Self {
        Self {
            seed,
            named: Mutex::default(),
            book: Mutex::new(book),
            changed: Notify::new(),
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // Each change of it is whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the book says is another, or why it is not read on.
    pub(crate) fn turned(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until the book says so.
    ///
    /// # Errors
    /// It is read no further.
    pub(crate) async fn when<T, H>(
        &self,
        mut says: impl FnMut(&mut Book) -> Option<T>,
        halted: impl Fn() -> Option<H>,
    ) -> Result<T, H> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(value) = says(&mut self.book()) {
                return Ok(value);
            }
            if let Some(halt) = halted() {
                return Err(halt);
            }
            changed.await;
        }
    }

    /// Waits until the book says so, for as long as whoever waits is there.
    pub(crate) async fn once<T>(&self, says: impl FnMut(&mut Book) -> Option<T>) -> T {
        let said: Result<T, Infallible> = self.when(says, || None).await;
        match said {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// Sixteen bytes that are made of the seed, for one purpose and no other.
    pub(crate) fn drawn(&self, what: &[u8], number: u64) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(what);
        hash.update(number.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let mut drawn = [0; 16];
        for (to, from) in drawn.iter_mut().zip(hash) {
            *to = from;
        }
        drawn
    }

    /// Sixteen bytes that are the same ones each time the guest is run.
    pub(crate) fn sixteen(&self) -> [u8; 16] {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        *named += 1;
        self.drawn(b"name", *named)
    }

    /// A name that is the same one each time the guest is run.
    pub(crate) fn new_id(&self) -> CallId {
        let now = WallTime(self.book().read_clock() / 1_000);
        CallId::new(now, self.sixteen())
    }

    /// A seed for what comes after this.
    pub(crate) fn next_seed(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(b"round");
        hash.finalize().into()
    }

    /// What the guest's random numbers are made of: not what names are made of, which others are told.
    pub(crate) fn guest_seed(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(b"guest");
        hash.finalize().into()
    }
}
