//! The rows of this host: where they are kept, which of them it holds, and that it goes on holding them.

use crate::journal::{Begun, Run};
use holdfast_call::{Clock, Level, Log, Message, Moment};
use holdfast_store::approvals;
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{self, Claim, Claimed, ExecutionKey, Held, Hold, Holder};
use holdfast_store::queue::{self, Bell, Fits, Gauge, Room, Sent};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// For how long a row is held without its host saying that it still does.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often a host says so.
pub const RENEW_EVERY: Duration = Duration::from_secs(10);
/// After how much of a lease its holder stops by himself: whatever he starts then is over before another one begins.
const STOP_AFTER: Duration = Duration::from_secs(24);
/// How long an outcome is kept if nothing else is said, and at least.
pub const KEEP_MIN: Duration = Duration::from_secs(24 * 3600);

/// The executions of this host. Until it is said where they are kept, there are none, and no call with a key is taken.
#[derive(Default)]
pub struct Executions {
    rows: OnceLock<Arc<Rows>>,
    /// Whether the host takes nothing more on.
    leaving: AtomicBool,
}

impl Executions {
    /// They are kept there, each outcome for so long, and held by this life of the host. Said once, at its start.
    pub fn keep_in(&self, database: Database, holder: Holder, keep: Duration, bell: Arc<Bell>) {
        let rows = Rows {
            gauge: Arc::new(Gauge::new(database.clone())),
            database,
            bell,
            holder,
            keep,
            held: Mutex::default(),
            runs: Arc::default(),
        };
        // Said twice, the first holds: rows are claimed in its name.
        let _ = self.rows.set(Arc::new(rows));
    }

    /// How much is in each queue, once it is said where they are kept.
    #[must_use]
    pub fn gauge(&self) -> Option<Arc<Gauge>> {
        self.rows().map(|rows| rows.gauge.clone())
    }

    /// What rings when an execution was begun here, or has ended.
    #[must_use]
    pub fn runs(&self) -> Option<Arc<Bell>> {
        self.rows().map(|rows| rows.runs.clone())
    }

    /// The host takes nothing more on: nobody waits any longer for an execution.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        if let Some(rows) = self.rows() {
            rows.runs.ring();
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// How long an outcome is kept.
    #[must_use]
    pub fn keep(&self) -> Duration {
        self.rows().map_or(KEEP_MIN, |rows| rows.keep)
    }

    /// Goes on with an execution that this host has taken; none, if it has it no more.
    ///
    /// # Errors
    /// The database fails; its lease runs out by itself.
    pub async fn go_on(&self, begun: Begun) -> Result<Option<Arc<Run>>, DbError> {
        let Some(rows) = self.rows() else {
            return Ok(None);
        };
        let run = Run::begin(begun, rows.database.clone(), rows.keep).await?;
        if let Some(run) = &run {
            let hand: Arc<dyn Hand> = run.clone();
            rows.hold(run.hold(), &hand);
        }
        Ok(run)
    }

    pub(super) fn rows(&self) -> Option<&Arc<Rows>> {
        self.rows.get()
    }

    /// Holds on to the rows, and removes what was kept for long enough, for ever.
    pub async fn follow(self: Arc<Self>, clock: Arc<dyn Clock>, log: Arc<dyn Log>) {
        let mut silent = false;
        loop {
            clock.sleep_until(clock.now().after(RENEW_EVERY)).await;
            let Some(rows) = self.rows() else { continue };
            match rows.renew(&*clock).await {
                Ok(()) => silent = false,
                Err(error) if !silent => {
                    let text =
                        format!("the rows of running calls cannot be held: failed to {error}");
                    log.host(Level::Error, text);
                    silent = true;
                }
                Err(_) => {}
            }
        }
    }
}

/// One who holds a row of this host.
pub(crate) trait Hand: Send + Sync {
    /// It is known to be held until then.
    fn renewed(&self, until: Moment);
    /// Somebody else has it.
    fn lose(&self);
}

/// Where rows are kept, and which of them this host holds.
pub(super) struct Rows {
    database: Database,
    gauge: Arc<Gauge>,
    /// Rings when messages have gone out.
    bell: Arc<Bell>,
    holder: Holder,
    /// For how long an outcome is kept.
    keep: Duration,
    held: Mutex<HashMap<(ExecutionKey, i64), Weak<dyn Hand>>>,
    /// Rings when an execution was begun, and when one has ended.
    runs: Arc<Bell>,
}

impl Rows {
    pub(super) fn holder(&self) -> Holder {
        self.holder.clone()
    }

    pub(super) async fn claim(&self, claim: Claim) -> Result<Claimed, DbError> {
        executions::claim(&self.database, claim).await
    }

    pub(super) async fn effect(&self, hold: &Hold) -> Result<Held, DbError> {
        executions::effect(&self.database, hold.clone()).await
    }

    pub(super) async fn finish(
        &self,
        hold: &Hold,
        outcome: Vec<u8>,
        sent: Sent,
    ) -> Result<Held, DbError> {
        let some = !sent.messages.is_empty();
        let came = (outcome, sent);
        let done = executions::finish(&self.database, hold.clone(), came, self.keep).await;
        self.ring(some);
        // Where it could not be kept it is offered again, and held until then.
        if done.is_ok() {
            self.let_go(hold);
        }
        done
    }

    /// Whether there is room for messages in a queue.
    pub(super) async fn fits(
        &self,
        queue: &Arc<str>,
        messages: &[Message],
        room: Room,
        now: Moment,
    ) -> Result<Fits, DbError> {
        self.gauge.fits(queue, messages, room, now).await
    }

    /// Sends what goes out with a call that has no row.
    pub(super) async fn send(&self, sent: Sent) -> Result<Held, DbError> {
        let some = !sent.messages.is_empty();
        let settled = queue::settle(&self.database, sent).await;
        self.ring(some);
        settled
    }

    fn ring(&self, some: bool) {
        if some {
            self.bell.ring();
        }
    }

    pub(super) async fn forget(&self, hold: &Hold) -> Result<Held, DbError> {
        self.let_go(hold);
        executions::forget(&self.database, hold.clone()).await
    }

    pub(super) async fn doubt(&self, hold: &Hold) -> Result<Held, DbError> {
        self.let_go(hold);
        executions::doubt(&self.database, hold.clone()).await
    }

    /// Until when a row is held that was claimed, or renewed, at this moment.
    pub(super) fn until(now: Moment) -> Moment {
        now.after(STOP_AFTER)
    }

    pub(super) fn hold(&self, hold: &Hold, hand: &Arc<dyn Hand>) {
        let name = (hold.key, hold.fence);
        self.held().insert(name, Arc::downgrade(hand));
    }

    /// What rings when an execution was begun here, or has ended.
    pub(super) fn runs(&self) -> &Arc<Bell> {
        &self.runs
    }

    fn let_go(&self, hold: &Hold) {
        self.held().remove(&(hold.key, hold.fence));
    }

    async fn renew(&self, clock: &dyn Clock) -> Result<(), DbError> {
        executions::sweep(&self.database).await?;
        approvals::sweep(&self.database).await?;
        let before: Vec<_> = {
            let mut held = self.held();
            held.retain(|_, hand| hand.strong_count() > 0);
            held.iter()
                .map(|(name, row)| (*name, row.clone()))
                .collect()
        };
        if before.is_empty() {
            return Ok(());
        }
        let now = clock.now();
        let known = before.iter().map(|((key, _), _)| *key).collect();
        let still = executions::renew(&self.database, self.holder(), LEASE, known).await?;
        let still: std::collections::HashSet<_> = still.into_iter().collect();
        for ((key, _), row) in before {
            match row.upgrade() {
                Some(row) if still.contains(&key) => row.renewed(Self::until(now)),
                Some(row) => row.lose(),
                None => {}
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(ExecutionKey, i64), Weak<dyn Hand>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
