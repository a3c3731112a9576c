//! What bounds a guest that runs apart (`apart.rs`): so much CPU for each step of its way, and that somebody still wants it.
//!
//! An ordinary guest yields at each tick of the epoch, and is looked at from outside. This one never does: a tick comes when it comes, and
//! what else is ready on the guest's thread would then have its turn at a moment that is another one each time it is run. So it is asked
//! here, from within the tick, whether it may go on.

use crate::cpu_time;
use crate::guest::Guest;
use crate::life::Life;
use futures_util::task::AtomicWaker;
use holdfast_call::{Failure, FailureKind, Journal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use wasmtime::{Store, UpdateDeadline};

/// The bounds of one guest.
pub(crate) struct Bounds {
    journal: Arc<dyn Journal>,
    /// The most CPU time; of a durable execution, since the last result that was let through. Whoever runs one again does all of its steps
    /// again, so what it has used from its beginning on says nothing.
    cpu_max: Duration,
    since: Mutex<Since>,
    cut: AtomicBool,
    guest: AtomicWaker,
}

/// From when on CPU time counts.
#[derive(Default)]
struct Since {
    /// How many results had been let through.
    through: u64,
    /// What its thread had used.
    used: Duration,
}

impl Bounds {
    pub(crate) fn new(journal: Arc<dyn Journal>, cpu_max: Duration) -> Arc<Self> {
        Arc::new(Self {
            journal,
            cpu_max,
            since: Mutex::default(),
            cut: AtomicBool::new(false),
            guest: AtomicWaker::new(),
        })
    }

    /// The journal of what the guest runs.
    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Holds the guest of this store to them while it computes.
    pub(crate) fn hold(self: &Arc<Self>, store: &mut Store<Guest>, life: &Arc<Life>) {
        let (bounds, life) = (self.clone(), life.clone());
        store.epoch_deadline_callback(move |_| {
            let Some(failure) = bounds.broken() else {
                return Ok(UpdateDeadline::Continue(1));
            };
            life.finish(Err(failure));
            Ok(UpdateDeadline::Interrupt)
        });
    }

    /// Why the guest must not go on. Asked on its own thread, which computes for nobody else.
    pub(crate) fn broken(&self) -> Option<Failure> {
        if self.cut.load(Ordering::Acquire) {
            let cause = "the call was cancelled while the guest ran";
            return Some(Failure::new(FailureKind::CallerCut, cause));
        }
        let used = self.used();
        (used > self.cpu_max).then(|| {
            let cause = match self.journal.is_lasting() {
                true => "the guest used all of its CPU time between two results",
                false => "the guest used all of its CPU time",
            };
            Failure::new(FailureKind::CpuExhausted, cause)
                .with("cpu_ms", used.as_millis())
                .with("limit_ms", self.cpu_max.as_millis())
        })
    }

    fn used(&self) -> Duration {
        let (through, used) = (self.journal.let_through(), cpu_time::of_thread());
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.through != through && self.journal.is_lasting() {
            *since = Since { through, used };
        }
        used.saturating_sub(since.used)
    }

    /// Nobody wants the guest any more.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.guest.wake();
    }

    /// Ready once nobody wants it.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.guest.register(cx.waker());
        if self.cut.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
