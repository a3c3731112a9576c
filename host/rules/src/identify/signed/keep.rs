//! How much is kept of requests whose senders nobody knows yet: one number for the whole host, so that strangers cannot fill its memory by
//! sending bodies to many webhooks, or many bodies to one.

use holdfast_call::{BodyEnd, BodyWatch, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most, in bytes.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// All that is kept.
#[derive(Debug, Default)]
pub(in crate::identify) struct Bodies(AtomicUsize);

/// What is kept of one request, until it is dropped.
pub(super) struct Keeping {
    all: Arc<Bodies>,
    own: AtomicUsize,
}

impl Bodies {
    /// One more request, of which nothing is kept so far.
    pub(super) fn keeping(self: &Arc<Self>) -> Arc<Keeping> {
        Arc::new(Keeping {
            all: self.clone(),
            own: AtomicUsize::new(0),
        })
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Keeping {
    /// Counts what comes of its body, and cuts it with what `full` says where there is no more room.
    pub(super) fn watch(
        self: &Arc<Self>,
        full: impl Fn(usize) -> Fault + Send + 'static,
    ) -> Box<dyn BodyWatch> {
        Box::new(Counted {
            keeping: self.clone(),
            full,
        })
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.own.load(Relaxed), Relaxed);
    }
}

struct Counted<F> {
    keeping: Arc<Keeping>,
    full: F,
}

impl<F: Fn(usize) -> Fault + Send> BodyWatch for Counted<F> {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= BYTES_MAX);
        match self.keeping.all.0.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => {
                self.keeping.own.fetch_add(bytes, Relaxed);
                Ok(())
            }
            Err(held) => Err((self.full)(held)),
        }
    }

    fn end(&mut self, _end: &BodyEnd<'_>) {}
}
