//! A host: what it keeps in its memory, which is gone when it dies, and what it does for itself.

pub(crate) mod deliveries;
pub(crate) mod effect;
pub(crate) mod leases;
pub(crate) mod money;
pub(crate) mod requests;
pub(crate) mod running;

use crate::stage::{Bell, Link, Owner};
use holdfast_call::CallId;
use holdfast_call::message::Message;
use holdfast_store::db::DbError;
use holdfast_store::executions::{self, ExecutionKey, Held, Hold, Holder};
use holdfast_store::queue::{self, Sent};
use holdfast_store::{leases as store_leases, ledger};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// For how long a row is held without its host saying that it still does.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// After how much of a lease its holder stops by himself, in milliseconds.
pub(crate) const STOP_AFTER_MS: i64 = 24_000;
/// How often a host says that it still has what it has, in milliseconds.
const RENEW_EVERY_MS: u64 = 10_000;
/// How long outcomes are kept: longer than any of this lasts.
pub(crate) const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long is waited before something is said again, in milliseconds.
pub(crate) const AGAIN_MS: u64 = 1_000;

/// One life of a host.
pub(crate) struct Life {
    pub(crate) host: usize,
    pub(crate) name: String,
    since: i64,
    /// How fast its clock goes, in thousandths, and by how much it is wrong.
    pub(crate) pace: i64,
    skew_ms: i64,
    holder: RefCell<Option<Holder>>,
    /// The messages that it has at present.
    in_hand: RefCell<BTreeSet<(CallId, i64)>>,
    /// How many messages are being delivered beside each other, and whether one is alone.
    beside: Cell<usize>,
    alone: Cell<Alone>,
    rows: RefCell<BTreeMap<(ExecutionKey, i64), Rc<Row>>>,
    /// How it is cut off from the database, and until when.
    pub(crate) cut_off: Cell<(CutOff, i64)>,
    /// Until when it does nothing.
    pub(crate) stalled_until: Cell<i64>,
}

/// How a host is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutOff {
    /// Some of what it sends arrives.
    Leaky,
    /// Nothing does before it is over.
    Whole,
}

/// Whether something is delivered while nothing else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

/// A row of `executions` that a host holds.
pub(crate) struct Row {
    pub(crate) hold: Hold,
    holds: Holds,
    standing: Cell<Held>,
    /// Until when nobody else can have it, by the clock of the host.
    until: Cell<i64>,
    pub(crate) bell: Rc<Bell>,
}

/// What a row is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Call,
    Run,
}

impl Row {
    /// Whether it is still known to be the host's.
    pub(crate) fn is_lost(&self) -> bool {
        self.standing.get() == Held::Lost
    }

    pub(crate) fn is_over(&self, local: i64) -> bool {
        self.is_lost() || local > self.until.get()
    }

    fn lose(&self) {
        self.standing.set(Held::Lost);
        self.bell.ring();
    }
}

impl Life {
    /// It begins now: how fast its clock goes, and by how much that is wrong.
    pub(crate) fn new(host: usize, since: i64, (pace, skew_ms): (i64, i64)) -> Rc<Self> {
        Rc::new(Self {
            host,
            since,
            name: ["a", "b"].get(host).map_or("c", |name| name).to_owned(),
            pace,
            skew_ms,
            holder: RefCell::default(),
            in_hand: RefCell::default(),
            beside: Cell::default(),
            alone: Cell::new(Alone::No),
            rows: RefCell::default(),
            cut_off: Cell::new((CutOff::Leaky, 0)),
            stalled_until: Cell::new(0),
        })
    }

    /// Who it is in the database, once it has begun.
    pub(crate) fn holder(&self) -> Option<Holder> {
        self.holder.borrow().clone()
    }

    /// Now, by its own clock.
    pub(crate) fn local(&self, link: &Link) -> i64 {
        let passed = link.shared.now() - self.since;
        self.since + passed * self.pace / 1_000 + self.skew_ms
    }

    pub(crate) fn local_ns(&self, link: &Link) -> u64 {
        self.local(link).unsigned_abs().saturating_mul(1_000_000)
    }

    /// Holds on to a row that was claimed, or taken, at that time of its clock.
    pub(crate) fn hold(&self, hold: Hold, holds: Holds, since: i64) -> Rc<Row> {
        let row = Rc::new(Row {
            hold,
            holds,
            standing: Cell::new(Held::Yes),
            until: Cell::new(since + STOP_AFTER_MS),
            bell: Rc::default(),
        });
        let name = (row.hold.key, row.hold.fence);
        self.rows.borrow_mut().insert(name, row.clone());
        row
    }

    /// How many runs it has.
    pub(crate) fn runs(&self) -> usize {
        let rows = self.rows.borrow();
        rows.values().filter(|row| row.holds == Holds::Run).count()
    }

    pub(crate) fn let_go(&self, hold: &Hold) {
        self.rows.borrow_mut().remove(&(hold.key, hold.fence));
    }

    /// Something else of this host goes on.
    pub(crate) fn spawn<F>(&self, link: &Link, name: &str, begin: impl FnOnce(Link) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let owner = Owner::Host(self.host);
        link.shared
            .spawn(owner, &format!("{}/{name}", self.name), begin);
    }
}

/// A host begins another life.
pub(crate) async fn live(link: Link, life: Rc<Life>) {
    let holder = begun(&link, &life).await;
    let (who, shared) = (holder.clone(), link.shared.clone());
    let queue = link.ask("queue begins", move |db| async move {
        let begun = queue::begin(&db, who.clone()).await;
        if matches!(begun, Ok(_) | Err(DbError::Ambiguous(_))) {
            shared.truth.queue_begins(&who);
        }
        begun
    });
    // What they had is free when its leases are over.
    let _ = queue.await;
    let (who, shared) = (holder.clone(), link.shared.clone());
    let leases = link.ask("leases begin", move |db| async move {
        let begun = store_leases::begin(&db, who.clone()).await;
        if matches!(begun, Ok(()) | Err(DbError::Ambiguous(_))) {
            shared.truth.leases_begin(&who);
        }
        begun
    });
    let _ = leases.await;
    money_begins(&link, &holder).await;
    *life.holder.borrow_mut() = Some(holder);
    let (taker, runner) = (life.clone(), life.clone());
    life.spawn(&link, "takes messages", |link| {
        deliveries::take(link, taker)
    });
    life.spawn(&link, "takes runs", |link| running::take(link, runner));
    loop {
        link.rest(RENEW_EVERY_MS).await;
        holds_on(&link, &life).await;
    }
}

async fn begun(link: &Link, life: &Life) -> Holder {
    loop {
        let (name, shared) = (life.name.clone(), link.shared.clone());
        let begun = link.ask("begins", move |db| async move {
            let begun = executions::begin(&db, &name).await;
            shared.truth.life_begins(&name);
            begun
        });
        match begun.await {
            Ok((holder, _)) => return holder,
            Err(_) => link.rest(AGAIN_MS).await,
        }
    }
}

async fn money_begins(link: &Link, holder: &Holder) {
    loop {
        let (who, shared) = (holder.clone(), link.shared.clone());
        let begun = link.ask("ledger begins", move |db| async move {
            let left = ledger::begin(&db, who).await;
            shared.truth.orphans_spent(&left);
            left
        });
        if begun.await.is_ok() {
            return;
        }
        link.rest(AGAIN_MS).await;
    }
}

/// Says that it still has what it has.
async fn holds_on(link: &Link, life: &Rc<Life>) {
    let Some(holder) = life.holder() else { return };
    renews_rows(link, life, &holder).await;
    let ids: Vec<_> = life.in_hand.borrow().iter().map(|(id, _)| *id).collect();
    if !ids.is_empty() {
        let (who, shared) = (holder.clone(), link.shared.clone());
        let renewed = link.ask("queue renew", move |db| async move {
            let renewed = queue::renew(&db, who.clone(), ids.clone()).await;
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            shared.truth.renewed(&who, &ids, &renewed);
            renewed
        });
        let _ = renewed.await;
    }
    if link.shared.dice.happens(300) {
        let swept = link.ask("sweep", |db| async move {
            executions::sweep(&db).await?;
            queue::sweep(&db).await
        });
        let _ = swept.await;
    }
    let shared = link.shared.clone();
    let followed = link.ask("ledger follow", move |db| async move {
        let left = ledger::follow(&db, holder).await;
        shared.truth.orphans_spent(&left);
        left
    });
    let _ = followed.await;
}

async fn renews_rows(link: &Link, life: &Rc<Life>, holder: &Holder) {
    let before: Vec<_> = life.rows.borrow().values().cloned().collect();
    if before.is_empty() {
        return;
    }
    let since = life.local(link);
    let known = before.iter();
    let known: Vec<_> = known
        .map(|row| (row.hold.key, row.hold.call.to_string()))
        .collect();
    let (who, shared) = (holder.clone(), link.shared.clone());
    let renewed = link.ask("executions renew", move |db| async move {
        let keys = known.iter().map(|(key, _)| *key).collect();
        let still = executions::renew(&db, who.clone(), LEASE, keys).await;
        let is_still = |key| still.as_ref().is_ok_and(|still| still.contains(key));
        let calls = known.iter().filter(|(key, _)| is_still(key));
        let calls: Vec<_> = calls.map(|(_, call)| call.clone()).collect();
        shared.truth.runs_renewed(&who, LEASE, &calls);
        still
    });
    let Ok(still) = renewed.await else { return };
    let own: BTreeSet<_> = life.rows.borrow().keys().map(|(key, _)| *key).collect();
    let holds =
        |key: &&ExecutionKey| own.contains(*key) || before.iter().any(|row| row.hold.key == **key);
    if let Some(other) = still.iter().find(|key| !holds(key)) {
        let how = format!("{} holds on to {other:?}", life.name);
        let invariant =
            "once: what its host does not know that it has is free when the lease is over";
        link.shared.truth.broken(invariant, how);
    }
    for row in before {
        match still.contains(&row.hold.key) {
            true => row.until.set(since + STOP_AFTER_MS),
            false => row.lose(),
        }
    }
}

/// Sends messages, and is done with what a delivery was given.
pub(crate) async fn settles(link: &Link, sent: Sent) -> Result<Held, DbError> {
    let shared = link.shared.clone();
    let settled = link.ask("settle", move |db| async move {
        let came = queue::settle(&db, sent.clone()).await;
        if let Some(receipt) = &sent.receipt {
            shared.truth.settled(receipt, &came);
        }
        shared.truth.sent(&sent.messages, &came);
        came
    });
    settled.await
}

/// Sends messages that clients have asked it to send, if that is said to be done.
pub(crate) async fn sends(link: &Link, messages: Vec<Message>) -> Result<Held, DbError> {
    let sent = Sent {
        receipt: None,
        messages,
    };
    settles(link, sent).await
}
