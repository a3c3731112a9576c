//! The till: the ledger of this host, and what it is asked at the same time, put down together.
//!
//! Steps are taken in the order in which they were asked, by one unit of work at a time, so that many calls of one budget do not get in each
//! other's way, and so that what a call gave back is there for the next one. A reservation is waited for. What came of a try is not: it is
//! kept in line until it is on record, and a host that dies before that has the reservation, which its next life enters in full.

use super::names::Names;
use holdfast_call::{Clock, Level, Log, Moment, NanoUsd};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::Holder;
use holdfast_store::ledger::{
    self, Budget, Certainty, Left, ReservationId, Reserve, STEPS_MAX, Source, Standing, Step,
    Stepped,
};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// How long is waited before what could not be put down is tried again.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// How often a host says that it lives.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How many budgets are known at most of which the last standing is remembered; it is what warnings are made of, no more.
const STANDINGS_MAX: usize = 10_000;

/// The ledger of this host. Until it is said where it is kept there is none, and nothing is done that costs something.
#[derive(Default)]
pub struct Ledger(OnceLock<Arc<Till>>);

impl Ledger {
    /// It is kept there, by this life of the host. Said once, at its start, on the runtime that serves.
    pub fn keep_in(
        &self,
        database: Database,
        holder: Holder,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) {
        let till = Till {
            database,
            holder,
            clock,
            log,
            runtime: Handle::current(),
            line: Mutex::default(),
            more: Notify::new(),
            standings: Mutex::default(),
            names: Mutex::default(),
        };
        // Said twice, the first holds: what is reserved is held in its name.
        let _ = self.0.set(Arc::new(till));
    }

    pub(super) fn till(&self) -> Option<&Arc<Till>> {
        self.0.get()
    }

    /// Waits until all is on record that was asked for before.
    pub async fn settled(&self) {
        let Some(till) = self.till() else { return };
        let (told, on_record) = oneshot::channel();
        till.push(Waiting::Told(told));
        // Without a runtime nobody tells; then the host is ending.
        let _ = on_record.await;
    }

    /// Says that the host lives, and enters what hosts had reserved that do not, for ever.
    pub async fn follow(self: Arc<Self>) {
        let Some(till) = self.till() else { return };
        let log = &till.log;
        let mut silent = false;
        loop {
            let clock = &till.clock;
            clock.sleep_until(clock.now().after(RENEW_EVERY)).await;
            match ledger::follow(&till.database, till.holder.clone()).await {
                Ok(left) => {
                    silent = false;
                    if left != Left::default() {
                        let whose = "a host that says nothing any more";
                        log.host(Level::Warn, left_text(&left, whose));
                    }
                }
                Err(error) if !silent => {
                    let text = format!("the ledger cannot be followed: failed to {error}");
                    log.host(Level::Error, text);
                    silent = true;
                }
                Err(_) => {}
            }
        }
    }
}

/// What is said of reservations that somebody has left.
#[must_use]
pub fn left_text(left: &Left, whose: &str) -> String {
    format!(
        "{whose} had {} tries under way that may have been paid for: they are in the ledger as unconfirmed, {}",
        left.unconfirmed, left.amount
    )
}

/// Where the ledger is, and who waits for it.
pub(super) struct Till {
    database: Database,
    holder: Holder,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
    /// On which the line is worked off, whoever stands in it.
    runtime: Handle,
    line: Mutex<Line>,
    more: Notify,
    standings: Mutex<HashMap<(String, String), Last>>,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    work: Work,
}

/// Whether somebody works the line off.
#[derive(Default, PartialEq, Eq)]
enum Work {
    #[default]
    None,
    UnderWay,
}

/// Something that stands in line.
enum Waiting {
    Reserve(Reserve, oneshot::Sender<Result<Reserved, DbError>>),
    /// What came of a reservation; nobody waits for it.
    Resolve(Step),
    /// Whoever wants to know that all before him is done.
    Told(oneshot::Sender<()>),
}

/// How a budget stood when it was last heard of.
struct Last {
    spent: NanoUsd,
    until: Moment,
    warned: Warned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Warned {
    No,
    Yes,
}

/// What became of a reservation.
pub(super) enum Reserved {
    Yes(Held),
    /// The budget with this number has too little left.
    No(usize, Standing),
}

/// A reservation that is on record. Dropped, it is one for nothing.
pub(super) struct Held {
    till: Arc<Till>,
    id: Option<ReservationId>,
    amount: NanoUsd,
    /// Who is paid, and for which call.
    paid: (String, String),
}

impl Held {
    /// It came to this.
    pub(super) fn settle(mut self, actual: NanoUsd, certainty: Certainty, source: Source) {
        if let Some(id) = self.id.take() {
            if actual > self.amount {
                let ((upstream, call), amount) = (&self.paid, self.amount);
                let text = format!(
                    "a try of {upstream} came to {actual}, more than the {amount} that was reserved: its price allows too little (call {call})"
                );
                self.till.log.host(Level::Warn, text);
            }
            self.till.push(Waiting::Resolve(Step::Settle {
                id,
                actual,
                certainty,
                source,
            }));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.till.push(Waiting::Resolve(Step::Void(id)));
        }
    }
}

impl Till {
    /// Reserves; on record once it is ready. Whoever stops waiting leaves nothing reserved.
    pub(super) async fn reserve(self: &Arc<Self>, asked: Reserve) -> Result<Reserved, DbError> {
        let (told, answer) = oneshot::channel();
        self.push(Waiting::Reserve(asked, told));
        let gone = || DbError::Failing("the host is ending".to_owned());
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Under which name an operation is added up.
    pub(super) fn operation(&self, operation: &str) -> String {
        let hour = self.clock.wall().millis() / 3_600_000;
        lock(&self.names).of(operation, hour)
    }

    fn push(self: &Arc<Self>, waiting: Waiting) {
        let mut line = lock(&self.line);
        line.waiting.push_back(waiting);
        if line.work == Work::None {
            line.work = Work::UnderWay;
            self.runtime.spawn(self.clone().work());
        } else {
            self.more.notify_one();
        }
    }

    /// Works the line off.
    async fn work(self: Arc<Self>) {
        loop {
            let some: Vec<_> = {
                let mut line = lock(&self.line);
                let some = line.waiting.len().min(STEPS_MAX);
                if some == 0 {
                    line.work = Work::None;
                    return;
                }
                line.waiting.drain(..some).collect()
            };
            let steps: Vec<_> = some.iter().filter_map(Waiting::step).collect();
            if steps.is_empty() {
                self.tell(some, Vec::new());
                continue;
            }
            match ledger::take(&self.database, self.holder.clone(), steps).await {
                Ok(answers) => self.tell(some, answers),
                Err(error) => self.failed(some, &error).await,
            }
        }
    }

    fn tell(self: &Arc<Self>, some: Vec<Waiting>, answers: Vec<Stepped>) {
        let mut answers = answers.into_iter();
        let now = self.clock.now();
        for waiting in some {
            match waiting {
                Waiting::Reserve(asked, told) => {
                    let answer = match answers.next() {
                        Some(Stepped::Reserved(standing)) => {
                            self.note(&standing, now);
                            Ok(Reserved::Yes(Held {
                                till: self.clone(),
                                id: Some(asked.id),
                                amount: asked.amount,
                                paid: (asked.paid.upstream, asked.paid.call),
                            }))
                        }
                        Some(Stepped::Refused(number, standing)) => {
                            self.note(std::slice::from_ref(&standing), now);
                            Ok(Reserved::No(number, standing))
                        }
                        Some(Stepped::Resolved(_) | Stepped::Gone) | None => Err(DbError::Failing(
                            "a step has the answer of another".to_owned(),
                        )),
                    };
                    // Whoever has gone leaves it behind, and what is left behind is voided.
                    drop(told.send(answer));
                }
                Waiting::Resolve(_) => {
                    if let Some(Stepped::Resolved(standing)) = answers.next() {
                        self.note(&standing, now);
                    }
                }
                Waiting::Told(told) => drop(told.send(())),
            }
        }
    }

    /// Whoever waits is told at once; what came of tries stays in line, before whoever comes.
    async fn failed(self: &Arc<Self>, some: Vec<Waiting>, error: &DbError) {
        let mut left = Vec::new();
        for waiting in some {
            match waiting {
                Waiting::Reserve(asked, told) => {
                    if let DbError::Ambiguous(_) = error {
                        // It may be reserved all the same; nothing is sent for it.
                        left.push(Waiting::Resolve(Step::Void(asked.id)));
                    }
                    drop(told.send(Err(error.clone())));
                }
                Waiting::Resolve(_) | Waiting::Told(_) => left.push(waiting),
            }
        }
        if left.is_empty() {
            return;
        }
        {
            let mut line = lock(&self.line);
            for waiting in left.into_iter().rev() {
                line.waiting.push_front(waiting);
            }
        }
        let again = self.clock.sleep_until(self.clock.now().after(SOON));
        tokio::select! {
            () = again => {}
            () = self.more.notified() => {}
        }
    }

    // === What is known of budgets ===

    fn note(&self, standings: &[Standing], now: Moment) {
        let mut known = lock(&self.standings);
        for standing in standings {
            let until = now.after(standing.left);
            let spent = standing.settled.plus(standing.reserved);
            let key = (standing.level.clone(), standing.name.clone());
            if known.len() >= STANDINGS_MAX && !known.contains_key(&key) {
                known.retain(|_, last| last.until > now);
            }
            let warned = match known.get(&key) {
                Some(last) if last.until > now => last.warned,
                Some(_) | None => Warned::No,
            };
            if known.len() < STANDINGS_MAX || known.contains_key(&key) {
                let last = Last {
                    spent,
                    until,
                    warned,
                };
                known.insert(key, last);
            }
        }
    }

    /// What there is to say of those that are nearly spent and of which nobody was told in their time: of whose budget, and what.
    pub(super) fn soft(&self, budgets: &[Budget], soft: u8, now: Moment) -> Vec<(String, String)> {
        let mut said = Vec::new();
        if budgets.is_empty() {
            return said;
        }
        let mut known = lock(&self.standings);
        for budget in budgets {
            let key = (budget.level.to_owned(), budget.name.clone());
            let Some(last) = known.get_mut(&key) else {
                continue;
            };
            let nearly = is_nearly(last.spent, budget.limit, soft) && last.until > now;
            if nearly && last.warned == Warned::No {
                last.warned = Warned::Yes;
                let whose = match budget.level {
                    "host" => "the host".to_owned(),
                    level => format!("{level} {}", budget.name),
                };
                let text = format!(
                    "the budget of {whose} is nearly spent: {} of {} / {}",
                    last.spent, budget.limit, budget.span
                );
                said.push((whose, text));
            }
        }
        said
    }
}

impl Till {
    /// Whether a budget is nearly spent, as far as is known.
    pub(super) fn is_nearly(
        &self,
        level: &str,
        name: &str,
        (limit, soft): (NanoUsd, u8),
        now: Moment,
    ) -> bool {
        let known = lock(&self.standings);
        let last = known.get(&(level.to_owned(), name.to_owned()));
        last.is_some_and(|last| last.until > now && is_nearly(last.spent, limit, soft))
    }
}

/// Whether so much of a budget is spent that the operator wants to know.
fn is_nearly(spent: NanoUsd, limit: NanoUsd, soft: u8) -> bool {
    u128::from(spent.0) * 100 >= u128::from(limit.0) * u128::from(soft)
}

impl Waiting {
    fn step(&self) -> Option<Step> {
        match self {
            Self::Reserve(asked, _) => Some(Step::Reserve(asked.clone())),
            Self::Resolve(step) => Some(step.clone()),
            Self::Told(_) => None,
        }
    }
}

// Each is whole between two changes.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
