//! What clients ask of a host: something once, an execution that lasts, that messages are sent, or something under a lease.

use super::effect::{self, Came, For};
use super::{AGAIN_MS, Holds, KEEP, LEASE, Life, Row, money};
use crate::consumer;
use crate::stage::{Bell, Link, Shared};
use crate::truth::Origin;
use crate::upstream::hash;
use holdfast_call::message::Message;
use holdfast_store::executions::{self, Claim, Claimed, Held, Hold, Holder};
use holdfast_store::ledger::Certainty;
use holdfast_store::queue::Sent;
use holdfast_store::runs::NewRun;
use std::cell::RefCell;
use std::rc::Rc;

/// The service that has durable operations.
pub(crate) const MAKER: &str = "maker";

/// What a client asks for, by the key under which he asks.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: [u8; 32],
    pub(crate) lasts: Lasts,
}

/// Whether it is a durable execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// The seed of its guest.
    Yes(u64),
    No,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// This came of it.
    Outcome(Vec<u8>),
    /// Nothing was done, or it is not known, or it goes on: he may ask again.
    Again,
    /// Nobody knows what came of this call.
    InDoubt(String),
}

/// Where a client waits.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    pub(crate) bell: Rc<Bell>,
    pub(crate) told: Rc<RefCell<Option<Told>>>,
}

impl Reply {
    fn tell(&self, told: Told) {
        self.told.borrow_mut().get_or_insert(told);
        self.bell.ring();
    }
}

/// Does what a client asks.
pub(crate) async fn serves(link: Link, life: Rc<Life>, request: Request, reply: Reply) {
    let Some(holder) = life.holder() else {
        return reply.tell(Told::Again);
    };
    let call = link.shared.new_id();
    let began = life.local(&link);
    let claim = claim(&request, call.to_string(), holder);
    let hold = match claims(&link, claim).await {
        Some(Claimed::Yours(hold)) => hold,
        Some(Claimed::Done(outcome)) => return reply.tell(Told::Outcome(outcome)),
        Some(Claimed::InDoubt(call)) => return reply.tell(Told::InDoubt(call)),
        Some(_) | None => return reply.tell(Told::Again),
    };
    if request.lasts != Lasts::No {
        return reply.tell(Told::Again);
    }
    let row = life.hold(hold, Holds::Call, began);
    held(&link, &life, &row, &reply).await;
    life.let_go(&row.hold);
    // Whoever was told nothing by now is told to ask again.
    reply.tell(Told::Again);
}

fn claim(request: &Request, call: String, holder: Holder) -> Claim {
    let run = match request.lasts {
        Lasts::No => None,
        Lasts::Yes(seed) => {
            let mut bytes = [0; 32];
            for (to, from) in bytes.iter_mut().zip(seed.to_be_bytes()) {
                *to = from;
            }
            Some(NewRun {
                service: MAKER.to_owned(),
                digest: "1".to_owned(),
                seed: bytes,
                asked: seed.to_be_bytes().to_vec(),
            })
        }
    };
    Claim {
        key: request.key,
        fingerprint: request.key,
        call,
        caller: "anonymous".to_owned(),
        operation: "pay".to_owned(),
        holder,
        lease: LEASE,
        undo: None,
        wanted: None,
        run,
    }
}

async fn claims(link: &Link, claim: Claim) -> Option<Claimed> {
    let shared = link.shared.clone();
    let seed = claim.run.as_ref().map(|run| seed_of(&run.asked));
    let claimed = link.ask("claim a row", move |db| async move {
        let (key, call) = (claim.key, claim.call.clone());
        if let Some(seed) = seed {
            shared.truth.run_may_begin(&call, seed);
        }
        let came = executions::claim(&db, claim).await;
        if seed.is_none() {
            shared.truth.row_claimed(key, &came);
        }
        came
    });
    claimed.await.ok()
}

/// The seed of a guest, from what is asked of it.
pub(crate) fn seed_of(asked: &[u8]) -> u64 {
    let bytes: [u8; 8] = asked.try_into().unwrap_or_default();
    u64::from_be_bytes(bytes)
}

/// Has the effect under the row, and keeps what comes of it before anybody is told.
async fn held(link: &Link, life: &Rc<Life>, row: &Rc<Row>, reply: &Reply) {
    let dice = &link.shared.dice;
    let slow = match dice.below(20) {
        0 => dice.between(20_000, 60_000),
        _ => dice.between(0, 1_500),
    };
    link.rest(slow).await;
    let reserved = match dice.happens(100) {
        true => None,
        false => money::reserve(link, life, &row.hold.call).await,
    };
    let Some(reserved) = reserved else {
        return forgets(link, row).await;
    };
    if row.is_over(life.local(link)) || !marks(link, row).await {
        money::voids(link, life, reserved);
        return forgets(link, row).await;
    }
    let what = format!("key {:016x}", hash(&row.hold.key));
    let came = effect::asks(link, life, (None, what), For::Key(row.hold.key)).await;
    match came {
        Came::Answer(outcome) => {
            money::settles(link, life, reserved, Certainty::Known);
            finishes(link, row, outcome, reply).await;
        }
        Came::Refused => {
            money::voids(link, life, reserved);
            finishes(link, row, b"refused".to_vec(), reply).await;
        }
        Came::Unknown => {
            money::settles(link, life, reserved, Certainty::Unconfirmed);
            doubts(link, row).await;
            reply.tell(Told::InDoubt(row.hold.call.to_string()));
        }
    }
}

/// Says that an effect is about to be had; whether it may be.
async fn marks(link: &Link, row: &Row) -> bool {
    let (hold, shared) = (row.hold.clone(), link.shared.clone());
    let marked = link.ask("mark", move |db| async move {
        let came = executions::effect(&db, hold.clone()).await;
        shared.truth.row_marked(&hold, &came);
        came
    });
    marked.await == Ok(Held::Yes)
}

async fn forgets(link: &Link, row: &Row) {
    said(link, "forget", &row.hold, |db, hold| async move {
        executions::forget(&db, hold).await
    })
    .await;
}

async fn doubts(link: &Link, row: &Row) {
    said(link, "doubt", &row.hold, |db, hold| async move {
        executions::doubt(&db, hold).await
    })
    .await;
}

/// Says something of a row until it is heard.
async fn said<F>(
    link: &Link,
    what: &str,
    hold: &Hold,
    unit: impl FnOnce(holdfast_store::db::Database, Hold) -> F + Copy + 'static,
) where
    F: Future<Output = Result<Held, holdfast_store::db::DbError>> + 'static,
{
    loop {
        let (hold, shared) = (hold.clone(), link.shared.clone());
        let said = link.ask(what, move |db| async move {
            let came = unit(db, hold.clone()).await;
            shared.truth.row_let_go(&hold, &came);
            came
        });
        if said.await.is_ok() {
            return;
        }
        link.rest(AGAIN_MS).await;
    }
}

/// Keeps the outcome, with what was sent, and offers it until it is kept.
async fn finishes(link: &Link, row: &Row, outcome: Vec<u8>, reply: &Reply) {
    let shared = &link.shared;
    let messages = match outcome != b"refused" && shared.dice.happens(500) {
        true => sent_by(shared, &row.hold),
        false => Vec::new(),
    };
    shared
        .truth
        .means_to_send(&messages, &Origin::Call(row.hold.call.to_string()));
    loop {
        let (hold, told) = (row.hold.clone(), outcome.clone());
        let (sent, shared) = (messages.clone(), link.shared.clone());
        let finished = link.ask("finish", move |db| async move {
            let out = Sent {
                receipt: None,
                messages: sent.clone(),
            };
            let came = executions::finish(&db, hold.clone(), (told.clone(), out), KEEP).await;
            shared.truth.row_finished(&hold, &told, &came);
            shared.truth.sent(&sent, &came);
            came
        });
        match finished.await {
            Ok(Held::Yes) => return reply.tell(Told::Outcome(outcome)),
            Ok(Held::Lost) => return,
            // Whoever waits is told that it is not known.
            Err(_) => reply.tell(Told::Again),
        }
        link.rest(AGAIN_MS).await;
    }
}

fn sent_by(shared: &Shared, hold: &Hold) -> Vec<Message> {
    let call = holdfast_call::CallId::parse(&hold.call);
    consumer::messages(shared, shared.dice.between(1, 3), call)
}
