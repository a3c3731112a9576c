//! A call or an execution that is run once more from what is kept of it: nothing of what its guest asks for is done, it is told what it was
//! told then.
//!
//! It goes on for as long as the guest does what it did. Where it asks for something else the two are shown beside each other; where the
//! record has nothing more, because the call was cut there, it has come as far as it can.

use super::compare;
use super::live;
use super::record::{At, Gap, Kind, Record, sent, shown};
use crate::journal::begun_with;
use crate::journal::book::{Book, Found, Idle};
use crate::journal::entry::{self, Asking};
use crate::journal::reading::Reading;
use crate::once::outcome;
use holdfast_call::{
    BoxFuture, Call, CallId, Caller, Entry, Fault, HostCode, Journal, Meter, Moment, Next,
    Pipeline, Purpose, Refusal, Registered, Reply, Seat, Standing, Trace, Tree, Why,
};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a guest stands still for which the record has nothing more, until that is believed.
const STILL: Duration = Duration::from_millis(300);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How many results the guest was told.
    pub told: u64,
    /// How many the record has.
    pub kept: u64,
    /// How it ended.
    pub ended: Ended,
    /// What it came to now, in a word; none, where it did not come to its end.
    pub now: Option<String>,
    /// What it came to then.
    pub then: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As then, in all that was kept.
    Same,
    /// Otherwise; each line says how.
    Differs(Vec<String>),
    /// The guest did what it did then, up to where the record ends, and why that is.
    RecordEnds(String),
}

/// Why it cannot be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the record cannot be read", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Runs it once more, as `registered` of a pipeline of [`crate::replaying`].
///
/// # Errors
/// The record cannot be read.
pub async fn replay(
    pipeline: &Arc<Pipeline>,
    registered: Arc<Registered>,
    record: Arc<Record>,
) -> Result<Replayed, Unreadable> {
    let again = Again::new(record.clone())?;
    let call = call(pipeline, registered, &record, again.clone())?;
    let id = call.id;
    let reply = async {
        let reply = pipeline.run(call).await;
        outcome::ended(reply, id).await.outcome
    };
    let clock = &pipeline.sources().clock;
    let stands_still = async {
        loop {
            let before = again.reading.book().let_through();
            let stood = again.stands_still();
            clock.sleep_until(clock.now().after(STILL)).await;
            if stood && again.stands_still() && again.reading.book().let_through() == before {
                return;
            }
        }
    };
    let outcome = tokio::select! {
        outcome = reply => Some(outcome),
        () = stands_still => None,
    };
    Ok(again.replayed(outcome.as_deref()))
}

fn call(
    pipeline: &Pipeline,
    registered: Arc<Registered>,
    record: &Record,
    again: Arc<Again>,
) -> Result<Call, Unreadable> {
    let asked = record.asked.bytes().ok_or(Unreadable("what was asked"))?;
    let begun = begun_with(&asked).ok_or(Unreadable("what was asked"))?;
    let sources = pipeline.sources();
    let random = || sources.random.sixteen();
    let target = registered.target.clone();
    let operation = record.operation.strip_prefix(&format!("{target} "));
    Ok(Call {
        id: CallId::parse(&record.call).ok_or(Unreadable("the name of the call"))?,
        parent: None,
        entry: Entry::Execution,
        caller: Caller::parse(&record.caller).ok_or(Unreadable("the caller"))?,
        asker: None,
        operation: operation.unwrap_or(&record.operation).into(),
        target,
        registered: Some(registered),
        why: Why::claimed(begun.why.as_str()).unwrap_or_else(Why::undeclared),
        deadline: Moment::FAR,
        stream: Duration::ZERO,
        trace: begun
            .trace
            .unwrap_or_else(|| Trace::start(random(), random())),
        ordinal: 0,
        key: None,
        wait: None,
        execution: None,
        journal: Some(again),
        step: None,
        outbox: None,
        payload: begun.payload,
        meter: Arc::<Meter>::default(),
        above: None,
        tree: Arc::<Tree>::default(),
    })
}

/// The journal of it.
struct Again {
    reading: Reading,
    record: Arc<Record>,
    halt: Mutex<Option<Ended>>,
    /// How many results the guest was told.
    told: AtomicU64,
    /// Whether the guest was told something by now that is not in the record.
    lacking: AtomicBool,
    /// Steps for which the record has no result.
    open: Mutex<HashSet<u32>>,
    still: AtomicBool,
}

impl Again {
    fn new(record: Arc<Record>) -> Result<Arc<Self>, Unreadable> {
        let seed = record.seed().ok_or(Unreadable("the seed"))?;
        let entries = record.entries().ok_or(Unreadable("a step"))?;
        let lacking = record.gaps.iter().any(Gap::is_from_the_beginning);
        Ok(Arc::new(Self {
            reading: Reading::new(seed, Book::new(entries, record.began_ns)),
            record,
            halt: Mutex::default(),
            told: AtomicU64::new(0),
            lacking: AtomicBool::new(lacking),
            open: Mutex::default(),
            still: AtomicBool::new(false),
        }))
    }

    fn halt(&self) -> Option<Ended> {
        let halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        halt.clone()
    }

    fn stop(&self, ended: Ended) {
        let mut halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        halt.get_or_insert(ended);
        drop(halt);
        self.reading.turned();
    }

    fn open(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stands_still(&self) -> bool {
        self.still.load(Ordering::Acquire)
    }

    /// The record has nothing of it.
    fn nothing(&self, ordinal: u32, what: &str, sent: Option<&str>) {
        self.stop(match self.where_it_ends() {
            Some(why) => Ended::RecordEnds(format!("at step {ordinal}, {what}: {why}")),
            None => {
                let mut lines = vec![format!(
                    "step {ordinal}: the guest asks for {what}, and did not then"
                )];
                lines.extend(sent.into_iter().flat_map(compare::added));
                Ended::Differs(lines)
            }
        });
    }

    fn differs(&self, ordinal: u32, how: String, sent: Option<&str>) {
        let then = self.record.step(ordinal);
        let then = then.and_then(|step| step.sent.as_deref());
        let mut lines = vec![how];
        if let (Some(then), Some(now)) = (then, sent) {
            lines.extend(compare::texts(then, now));
        }
        if !self.record.stand_ins.is_empty() {
            lines.push(format!(
                "(for {} the record has stand-ins: what a guest makes of their values is another one)",
                self.record.stand_ins.join(", ")
            ));
        }
        self.stop(self.judged(lines));
    }

    /// What is to be said of differences, as long as the record has all that the guest was told.
    fn judged(&self, lines: Vec<String>) -> Ended {
        match self.gap().filter(|_| self.lacking.load(Ordering::Acquire)) {
            Some(gap) => Ended::RecordEnds(gap),
            None => Ended::Differs(lines),
        }
    }

    /// The first thing that is not in the record.
    fn gap(&self) -> Option<String> {
        let gap = self.record.gaps.first()?;
        Some(format!("the record has nothing {gap}"))
    }

    /// Why the record may end before its call did, if it may.
    fn where_it_ends(&self) -> Option<String> {
        let steps = self.record.gaps.iter().any(|gap| gap.at == At::Steps);
        let short = steps || self.lacking.load(Ordering::Acquire);
        let cut = || match self.record.kind {
            Kind::Call => "the call was cut there".to_owned(),
            Kind::Execution => "the execution has come so far".to_owned(),
        };
        let gap = self.gap().filter(|_| short);
        gap.or_else(|| self.record.outcome.is_none().then(cut))
    }

    fn replayed(&self, outcome: Option<&[u8]>) -> Replayed {
        let then = self.record.outcome.as_ref().and_then(|kept| kept.bytes());
        let said = |bytes: &[u8]| entry::said(bytes);
        let halt = self.halt();
        let now = outcome.filter(|_| halt.is_none());
        let ended = match (halt, now, &then) {
            (Some(ended), ..) => ended,
            (None, Some(now), Some(then)) => self.compared(then, now),
            (None, ..) => Ended::RecordEnds(self.where_it_ends().unwrap_or_else(|| {
                "the guest waits for something that it was not told then".to_owned()
            })),
        };
        let kept = self.record.steps.iter().filter(|step| step.came.is_some());
        Replayed {
            told: self.told.load(Ordering::Acquire),
            kept: kept.count() as u64,
            ended,
            now: now.map(said),
            then: then.as_deref().map(said),
        }
    }

    fn compared(&self, then: &[u8], now: &[u8]) -> Ended {
        let mut lines: Vec<_> = self.reading.book().missing().into_iter().collect();
        lines.extend(compare::outcomes(then, now));
        match (lines.is_empty(), self.gap()) {
            (true, None) => Ended::Same,
            (false, None) => Ended::Differs(lines),
            (_, Some(gap)) => Ended::RecordEnds(gap),
        }
    }

    async fn stepped(&self, mut call: Box<Call>) -> Reply {
        let ordinal = call.ordinal;
        let shown = match self.record.kind {
            Kind::Call => shown,
            Kind::Execution => entry::plain,
        };
        let mut asking = Asking::of(&call, shown);
        let (body, _part) = live::read(&mut call.payload, std::future::pending()).await;
        asking.body(&body);
        let sent = sent(&call.payload, &body, shown);
        let entered = asking.entered();
        let found = self
            .reading
            .book()
            .ask(ordinal, &entered.what, &entered.hash);
        match found {
            Found::Came => {
                let taken = self.reading.when(|book| book.take(ordinal), || self.halt());
                if let Ok(bytes) = taken.await {
                    self.told.fetch_add(1, Ordering::AcqRel);
                    if self.is_part(ordinal) {
                        self.lacking.store(true, Ordering::Release);
                    }
                    return entry::given(&bytes, entered.form);
                }
            }
            Found::Differs(how) => self.differs(ordinal, how, Some(&sent)),
            Found::Begun(_) => self.never_comes(ordinal).await,
            Found::Nothing => self.nothing(ordinal, &entered.what, Some(&sent)),
        }
        Err(stopped())
    }

    /// Whether not all is kept of what came of it.
    fn is_part(&self, ordinal: u32) -> bool {
        let came = self
            .record
            .step(ordinal)
            .and_then(|step| step.came.as_ref());
        came.is_some_and(|came| came.part.is_some())
    }

    /// Nothing came of it then, as long as the guest was there.
    async fn never_comes(&self, ordinal: u32) {
        self.open().insert(ordinal);
        let halted: Result<(), Ended> = self.reading.when(|_| None, || self.halt()).await;
        drop(halted);
    }
}

impl Journal for Again {
    fn purpose(&self) -> Purpose {
        self.record.kind.purpose()
    }

    fn seed(&self) -> [u8; 32] {
        self.reading.guest_seed()
    }

    fn new_id(&self) -> CallId {
        self.reading.new_id()
    }

    fn read_clock(&self) -> u64 {
        self.reading.book().read_clock()
    }

    fn next_ordinal(&self) -> u32 {
        self.still.store(false, Ordering::Release);
        self.reading.book().issue()
    }

    fn told(&self, ordinal: u32, id: CallId) -> CallId {
        match self.record.kind {
            Kind::Execution => self.reading.new_id(),
            Kind::Call => {
                let step = self.record.step(ordinal);
                step.and_then(|step| CallId::parse(&step.call))
                    .unwrap_or(id)
            }
        }
    }

    fn sleep(self: Arc<Self>, until: u64) -> BoxFuture<'static, ()> {
        let entered = entry::sleep(until);
        let (ordinal, found) = {
            let mut book = self.reading.book();
            let ordinal = book.issue();
            book.sleeps(ordinal, until);
            let found = book.ask(ordinal, &entered.what, &entered.hash);
            (ordinal, found)
        };
        self.still.store(false, Ordering::Release);
        match found {
            Found::Came | Found::Begun(_) => {}
            Found::Differs(how) => self.differs(ordinal, how, None),
            // That of an execution is written down when it is over.
            Found::Nothing if self.record.outcome.is_none() => {}
            Found::Nothing => self.nothing(ordinal, &entered.what, None),
        }
        let seat = Seat::at(self.clone(), ordinal);
        Box::pin(async move {
            let _until_woken = seat;
            let woken = self.reading.when(|book| book.take(ordinal), || self.halt());
            if woken.await.is_ok() {
                self.told.fetch_add(1, Ordering::AcqRel);
            } else {
                // Whoever sleeps here is about to be gone.
                std::future::pending::<()>().await;
            }
        })
    }

    fn root<'a>(self: Arc<Self>, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let halted = self.reading.when(|_| None::<()>, || self.halt());
            tokio::select! {
                biased;
                _ = halted => Err(stopped()),
                reply = next.run(call) => reply,
            }
        })
    }

    fn step<'a>(self: Arc<Self>, call: Box<Call>, _next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self.stepped(call).await })
    }

    fn taken(&self, ordinal: u32) {
        self.still.store(false, Ordering::Release);
        self.open().remove(&ordinal);
        {
            let mut book = self.reading.book();
            book.ends(ordinal);
            book.taken(ordinal);
        }
        self.reading.turned();
    }

    fn idle(&self) {
        let (idle, waits) = {
            let mut book = self.reading.book();
            // What sleeps for long sleeps here too, and no longer.
            let idle = book.idle(u64::MAX);
            (idle, book.under_way())
        };
        match idle {
            Idle::Through => self.reading.turned(),
            Idle::Differs(how) => self.stop(self.judged(vec![how])),
            Idle::Waits | Idle::Sleeps(_) => {
                let still = waits == self.open().len();
                self.still.store(still, Ordering::Release);
            }
        }
    }

    fn let_through(&self) -> u64 {
        self.reading.book().let_through()
    }

    fn standing(&self) -> Standing {
        Standing::Anew
    }
}

/// What is said to whoever waits for something that does not come any more.
fn stopped() -> Fault {
    let refusal = Refusal {
        code: HostCode::InProgress,
        layer: "capture",
        detail: "It is run again no further.".to_owned(),
        rule: "a call is run again for as long as its guest does what it did".to_owned(),
        seen: "it does something else, or the record ends".to_owned(),
        limit: "the record".to_owned(),
        change: "nothing".to_owned(),
        retry_after: None,
    };
    refusal.into()
}
