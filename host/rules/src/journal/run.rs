//! One instance that brings an execution further: its book, its place in the database, and those who wait.

use super::book::{Book, Idle};
use super::halt::Halt;
use super::reading::Reading;
use crate::once::Hand;
use holdfast_call::{BoxFuture, Clock, Execution, Fault, Moment, Notices, StepName};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::Hold;
use holdfast_store::runs::{self, Taken};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long one instance brings an execution further at most; then another one takes it up.
pub const TURN: Duration = Duration::from_secs(15 * 60);
/// How much of that is left for what was begun last.
pub(super) const TURN_LEFT: Duration = Duration::from_secs(2 * 60);

/// What an instance begins with.
pub struct Begun {
    /// What was taken.
    pub taken: Taken,
    /// The version that serves it.
    pub digest: Arc<str>,
    /// How many entries it has at most.
    pub steps: u32,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where it is told that a person has to look.
    pub notices: Arc<dyn Notices>,
}

/// An execution, as one instance brings it further.
pub struct Run {
    pub(super) hold: Hold,
    pub(super) service: String,
    /// The version that it was begun with.
    pub(super) pinned: String,
    /// What is asked of it.
    pub(super) asked: Vec<u8>,
    /// Whether it is the serving version's by now.
    pub(super) moved: AtomicBool,
    pub(super) digest: Arc<str>,
    pub(super) steps: u32,
    pub(super) keep: Duration,
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) notices: Arc<dyn Notices>,
    /// Where what it waits for goes on without it.
    pub(super) serving: Handle,
    /// When this instance began.
    pub(super) began: Moment,
    pub(super) reading: Reading,
    halt: Mutex<Option<Halt>>,
    /// Held while a result is written down, so that their order is that of their places.
    pub(super) writing: tokio::sync::Mutex<()>,
}

impl Run {
    /// Reads what is on record of it; none if somebody else has it by now. Call it on the serving runtime.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn begin(
        begun: Begun,
        database: Database,
        keep: Duration,
    ) -> Result<Option<Arc<Self>>, DbError> {
        let Begun {
            taken,
            digest,
            steps,
            clock,
            notices,
        } = begun;
        let Some(entries) = runs::entries(&database, taken.hold.clone()).await? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Self {
            reading: Reading::new(taken.seed, Book::new(entries, taken.began_ns)),
            hold: taken.hold,
            service: taken.service,
            pinned: taken.digest,
            asked: taken.asked,
            moved: AtomicBool::new(false),
            digest,
            steps,
            keep,
            database,
            began: clock.now(),
            clock,
            notices,
            serving: Handle::current(),
            halt: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })))
    }

    /// How this host holds it.
    pub(crate) fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The host leaves: nothing new is begun, and what is under way comes to its end.
    pub fn leave(&self) {
        let why = "its host was stopped".to_owned();
        self.stop(Halt::Later(Duration::ZERO, why));
    }

    /// Brings it no further. What was said first holds, but for the end.
    pub(super) fn stop(&self, halt: Halt) {
        let mut said = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none() || matches!(halt, Halt::Over | Halt::Lost) {
            *said = Some(halt);
        }
        drop(said);
        self.turned();
    }

    /// Why it is brought no further, if it is not.
    pub(super) fn halt(&self) -> Option<Halt> {
        let said = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.reading.book()
    }

    /// What the book says is another.
    pub(super) fn turned(&self) {
        self.reading.turned();
    }

    /// Waits until the book says so.
    ///
    /// # Errors
    /// It is brought no further.
    pub(super) async fn when<T>(
        &self,
        says: impl FnMut(&mut Book) -> Option<T>,
    ) -> Result<T, Halt> {
        self.reading.when(says, || self.halt()).await
    }

    /// Waits until it is brought no further.
    pub(super) async fn halted(&self) -> Halt {
        match self.when(|_| None::<()>).await {
            Err(halt) => halt,
            Ok(()) => Halt::Over,
        }
    }

    /// Waits until nothing is under way.
    pub(super) async fn settled(&self) {
        let settled = |book: &mut Book| book.is_settled().then_some(());
        self.reading.once(settled).await;
    }

    /// Now, in nanoseconds since 1970.
    pub(super) fn now_ns(&self) -> u64 {
        self.clock.wall().0.saturating_mul(1_000)
    }

    /// The name of an entry that was first tried then.
    pub(super) fn name(&self, ordinal: u32, began_ns: u64) -> StepName {
        StepName {
            at: holdfast_call::WallTime(began_ns / 1_000),
            name: self.reading.drawn(b"step", u64::from(ordinal)),
        }
    }

    /// The guest can go no further.
    pub(super) fn is_idle(&self) {
        let now_ns = self.now_ns();
        let (idle, more) = {
            let mut book = self.book();
            let before = book.let_through();
            (book.idle(now_ns), book.let_through() > before)
        };
        if more {
            // Also where nobody waits for it: all that is on record may have been let through now.
            self.turned();
        }
        match idle {
            Idle::Through | Idle::Waits => {}
            Idle::Sleeps(until) => self.stop(Halt::Sleeps(until)),
            Idle::Differs(how) => self.stop(Halt::Paused(self.another(&how))),
        }
    }

    /// What a person is told of a guest that does something else than before.
    pub(super) fn another(&self, how: &str) -> String {
        match *self.pinned == *self.digest {
            true => format!("the service did something else than before ({how})"),
            false => format!(
                "another version of the service does something else ({how}): it was begun with {}, and {} serves",
                self.pinned, self.digest
            ),
        }
    }
}

impl Hand for Run {
    fn renewed(&self, _until: Moment) {
        // Whatever it does is compared with its fence where it is written down.
    }

    fn lose(&self) {
        self.stop(Halt::Lost);
    }
}

impl Execution for Run {
    fn effect(&self) -> BoxFuture<'_, Result<(), Fault>> {
        // What it does is in its journal before it is done; whoever has lost it, or ends, begins nothing more.
        Box::pin(async move {
            match self.halt() {
                Some(halt @ (Halt::Lost | Halt::Over)) => Err(halt.told()),
                Some(_) | None => Ok(()),
            }
        })
    }
}
