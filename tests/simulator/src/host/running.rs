//! Durable executions of a host: it takes them, tells their guests what is on record, and writes down what comes after that.
//!
//! The book that says what is let through when is the host's own ([`Book`]), and so are the units of work. What stands between the two is told
//! here once more, in short: `journal::step` and `journal::root` of the rules do it with calls and engines.

mod step;

use super::requests::{MAKER, seed_of};
use super::{AGAIN_MS, Holds, KEEP, LEASE, Life, Row};
use crate::guest::{Guest, Want};
use crate::stage::{Bell, Link};
use holdfast_rules::journal::book::{Book, Idle};
use holdfast_store::db::DbError;
use holdfast_store::executions::Held;
use holdfast_store::runs::{self, Entry, Taken};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// After what time it looks for some, at least and at most, in milliseconds.
const LOOK_AGAIN_MS: (u64, u64) = (200, 8_000);
/// How many go on at once.
const PLACES: usize = 3;
/// How often one is begun in a row that comes no further, until it waits for a person.
const STARTS_MAX: u64 = 5;

/// An execution, as one instance brings it further.
struct Going {
    life: Rc<Life>,
    row: Rc<Row>,
    seed: u64,
    book: RefCell<Book>,
    halt: RefCell<Option<Halt>>,
    bell: Rc<Bell>,
    /// Somebody writes a result down.
    writing: Cell<Writing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Somebody,
    Nobody,
}

/// Why an instance brings its execution no further.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Halt {
    /// Its guest sleeps, until that time.
    Sleeps(u64),
    /// A person has to look at it.
    Paused(String),
    /// It is taken up again after that time.
    Later(Duration),
    /// Somebody else has it.
    Lost,
}

impl Going {
    fn stop(&self, halt: Halt) {
        let mut said = self.halt.borrow_mut();
        if said.is_none() || halt == Halt::Lost {
            *said = Some(halt);
        }
        drop(said);
        self.bell.ring();
    }

    fn halt(&self) -> Option<Halt> {
        match self.row.is_lost() {
            true => Some(Halt::Lost),
            false => self.halt.borrow().clone(),
        }
    }

    /// Waits until something is another.
    async fn turned(&self, link: &Link, seen: u64) {
        // What is lost is seen at the next look.
        let bell = (self.bell.clone(), seen);
        link.rest_or(Some(5_000), Some(bell)).await;
    }

    /// A guest that does something else than before.
    fn differs(&self, link: &Link, how: String) {
        let call = &self.row.hold.call;
        let told = format!("{call}: {how}");
        link.shared
            .truth
            .broken("runs: a replay asks for the same", told);
        self.stop(Halt::Paused(how));
    }
}

/// Takes executions, as long as the host lives.
pub(crate) async fn take(link: Link, life: Rc<Life>) {
    let mut looks = 0_u64;
    loop {
        let next = link.ask("next run", |db| async move {
            runs::next_due(&db, MAKER.to_owned()).await
        });
        let next = next.await.ok().flatten();
        let again_ms = next.map_or(u64::MAX, |next| next.as_millis() as u64);
        let free = u32::try_from(PLACES.saturating_sub(life.runs())).unwrap_or(0);
        // What an earlier life of its had is its own at once, whatever is due.
        if free > 0 && (again_ms == 0 || looks.is_multiple_of(4)) {
            for (since, taken) in takes(&link, &life, free).await {
                goes_on(&link, &life, since, taken).await;
            }
        }
        looks += 1;
        link.rest(again_ms.clamp(LOOK_AGAIN_MS.0, LOOK_AGAIN_MS.1))
            .await;
    }
}

async fn takes(link: &Link, life: &Rc<Life>, free: u32) -> Vec<(i64, Taken)> {
    let Some(holder) = life.holder() else {
        return Vec::new();
    };
    let since = life.local(link);
    let shared = link.shared.clone();
    let taken = link.ask("take runs", move |db| async move {
        let came = runs::take(&db, MAKER.to_owned(), holder.clone(), LEASE, free).await;
        shared.truth.runs_taken(&holder, LEASE, &came);
        came
    });
    let taken = taken.await.unwrap_or_default();
    taken.into_iter().map(|taken| (since, taken)).collect()
}

async fn goes_on(link: &Link, life: &Rc<Life>, since: i64, taken: Taken) {
    let row = life.hold(taken.hold.clone(), Holds::Run, since);
    if taken.starts > STARTS_MAX {
        pauses(link, &row, "its hosts died".to_owned()).await;
        return life.let_go(&row.hold);
    }
    let hold = taken.hold.clone();
    let entries = link.ask("entries", move |db| async move {
        runs::entries(&db, hold).await
    });
    let Ok(Some(entries)) = entries.await else {
        return life.let_go(&row.hold);
    };
    let own = life.clone();
    life.spawn(link, "runs", move |link| async move {
        runs_on(link, &own, row.clone(), taken, entries).await;
        own.let_go(&row.hold);
    });
}

async fn runs_on(link: Link, life: &Rc<Life>, row: Rc<Row>, taken: Taken, entries: Vec<Entry>) {
    let going = Rc::new(Going {
        life: life.clone(),
        bell: row.bell.clone(),
        row,
        seed: seed_of(&taken.asked),
        book: RefCell::new(Book::new(entries, taken.began_ns)),
        halt: RefCell::default(),
        writing: Cell::new(Writing::Nobody),
    });
    match guest_runs(&link, &going).await {
        Ok(outcome) => finishes(&link, &going, outcome).await,
        Err(halt) => stops(&link, &going, halt).await,
    }
}

/// Tells the guest what is let through, until it has ended or stops.
async fn guest_runs(link: &Link, going: &Rc<Going>) -> Result<Vec<u8>, Halt> {
    let mut guest = Guest::new(going.seed);
    let mut waiting = BTreeMap::new();
    for want in guest.begin() {
        asks(link, going, want, &mut waiting);
    }
    let mut told = 0;
    while !waiting.is_empty() {
        let seen = going.bell.rung();
        if let Some(halt) = going.halt() {
            return Err(halt);
        }
        let through = waiting.keys().find_map(|ordinal| {
            let bytes = going.book.borrow_mut().take(*ordinal)?;
            Some((*ordinal, bytes))
        });
        if let Some((ordinal, bytes)) = through {
            let shown = going.book.borrow_mut().read_clock();
            let call = going.row.hold.call.to_string();
            let this = (ordinal, bytes.clone(), shown);
            link.shared.truth.guest_told(&call, told, this);
            told += 1;
            let next = waiting
                .remove(&ordinal)
                .and_then(|want: Want| guest.told(&want, &bytes));
            going.book.borrow_mut().taken(ordinal);
            if let Some(want) = next {
                asks(link, going, want, &mut waiting);
            }
            continue;
        }
        let now_ns = going.life.local_ns(link);
        let (idle, more) = {
            let mut book = going.book.borrow_mut();
            let before = book.let_through();
            (book.idle(now_ns), book.let_through() > before)
        };
        if more {
            // Who waits for all of the record to be let through looks again.
            going.bell.ring();
        }
        match idle {
            Idle::Through => {}
            Idle::Waits => going.turned(link, seen).await,
            Idle::Sleeps(until) => going.stop(Halt::Sleeps(until)),
            Idle::Differs(how) => going.differs(link, how),
        }
    }
    if let Some(missing) = going.book.borrow().missing() {
        going.differs(link, missing.clone());
        return Err(Halt::Paused(missing));
    }
    Ok(guest.came())
}

/// The guest asks for something.
fn asks(link: &Link, going: &Rc<Going>, want: Want, waiting: &mut BTreeMap<u32, Want>) {
    let shown = going.book.borrow_mut().read_clock();
    let ordinal = going.book.borrow_mut().issue();
    waiting.insert(ordinal, want.clone());
    step::begins(link, going, (ordinal, want), shown);
}

async fn finishes(link: &Link, going: &Going, outcome: Vec<u8>) {
    let hold = &going.row.hold;
    loop {
        let (hold, outcome, shared) = (hold.clone(), outcome.clone(), link.shared.clone());
        let finished = link.ask("finish run", move |db| async move {
            let came = runs::finish(&db, hold.clone(), outcome.clone(), KEEP).await;
            shared.truth.run_finished(&hold, &outcome, &came);
            came
        });
        if finished.await.is_ok() {
            return;
        }
        link.rest(AGAIN_MS).await;
    }
}

/// Says where it stops, once nothing of it is under way any more.
async fn stops(link: &Link, going: &Going, halt: Halt) {
    if halt == Halt::Lost {
        return;
    }
    loop {
        let seen = going.bell.rung();
        if going.book.borrow().is_settled() {
            break;
        }
        going.turned(link, seen).await;
    }
    let after = match halt {
        Halt::Lost => return,
        Halt::Paused(why) => return pauses(link, &going.row, why).await,
        Halt::Later(after) => after,
        Halt::Sleeps(until) => {
            Duration::from_nanos(until.saturating_sub(going.life.local_ns(link)))
        }
    };
    said(link, "put off", &going.row, move |db, hold| async move {
        runs::put_off(&db, hold, after, "later".to_owned()).await
    })
    .await;
}

async fn pauses(link: &Link, row: &Row, why: String) {
    said(link, "pause", row, move |db, hold| {
        let why = why.clone();
        async move { runs::pause(&db, hold, why).await }
    })
    .await;
}

/// Says something of an execution until it is heard.
async fn said<F>(
    link: &Link,
    what: &'static str,
    row: &Row,
    unit: impl Fn(holdfast_store::db::Database, holdfast_store::executions::Hold) -> F + Clone + 'static,
) where
    F: Future<Output = Result<Held, DbError>> + 'static,
{
    loop {
        let (hold, shared, unit) = (row.hold.clone(), link.shared.clone(), unit.clone());
        let said = link.ask(what, move |db| async move {
            let came = unit(db, hold.clone()).await;
            shared.truth.run_let_go(what, &hold, &came);
            came
        });
        if said.await.is_ok() {
            return;
        }
        link.rest(AGAIN_MS).await;
    }
}
