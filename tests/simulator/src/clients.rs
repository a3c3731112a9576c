//! Clients, who ask again with the same key until they know what came of it; and the operator, who looks at what waits for a person.

use crate::consumer;
use crate::dice::mixed;
use crate::host::requests::{Lasts, Reply, Request, Told, serves};
use crate::host::{leases, sends};
use crate::stage::{Link, Owner, Shared};
use crate::truth::{KILLED, Origin};
use crate::upstream::hash;
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{self, Held, Standing};
use holdfast_store::kv::Key;
use holdfast_store::queue::{self, Moved};
use holdfast_store::runs::{self, RunState};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// How long a client waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 15_000;
/// How often the operator looks, in milliseconds.
const LOOK_EVERY_MS: u64 = 12_000;

/// How many clients have not got what they want.
pub(crate) type Waiting = Rc<Cell<u64>>;

/// Another client comes, who wants one of many things.
pub(crate) fn comes(shared: &Rc<Shared>, waiting: &Waiting) {
    let draw = shared.dice.below(100);
    let own = waiting.clone();
    match draw {
        0..=34 => {
            let request = request(shared, Lasts::No);
            begin(shared, waiting, "client", |link| asks(link, request, own));
        }
        35..=59 => {
            let seed = shared.dice.number();
            let request = request(shared, Lasts::Yes(seed));
            begin(shared, waiting, "client of a run", |link| {
                asks(link, request, own)
            });
        }
        60..=84 => begin(shared, waiting, "sender", |link| posts(link, own)),
        _ => {
            let name = format!("lease {}", shared.dice.below(2));
            let host = host(shared);
            if let (Some(life), Ok(name)) = (shared.life(host), Key::parse(name)) {
                let own = life.clone();
                let works = move |link| leases::works(link, own, name);
                shared.spawn(Owner::Host(host), "works under a lease", works);
            }
        }
    }
}

fn begin<F>(
    shared: &Rc<Shared>,
    waiting: &Waiting,
    name: &str,
    begin: impl FnOnce(Link) -> F + 'static,
) where
    F: Future<Output = ()> + 'static,
{
    waiting.set(waiting.get() + 1);
    shared.spawn(Owner::Outside, name, begin);
}

fn request(shared: &Shared, lasts: Lasts) -> Request {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(shared.dice.sixteen()) {
        *to = from;
    }
    Request { key, lasts }
}

fn host(shared: &Shared) -> usize {
    usize::try_from(shared.dice.below(2)).unwrap_or(0)
}

/// Asks until it knows what came of it, and once more after that.
async fn asks(link: Link, request: Request, waiting: Waiting) {
    let mut seen = 0;
    while seen < 2 {
        match once(&link, &request).await {
            Some(Told::Outcome(outcome)) => {
                link.shared.say(&format!("a client is told {outcome:?}"));
                link.shared.truth.client_saw(&request.key, &outcome);
                seen += 1;
                if link.shared.dice.happens(600) {
                    break;
                }
            }
            // Some have an operator of their own, who looks at once.
            Some(Told::InDoubt(call)) if link.shared.dice.happens(500) => {
                releases(&link, call).await;
            }
            Some(Told::InDoubt(_) | Told::Again) | None => {}
        }
        let pause = link.shared.dice.between(500, 6_000);
        link.rest(pause).await;
    }
    waiting.set(waiting.get() - 1);
}

/// Asks one of the hosts, and waits.
async fn once(link: &Link, request: &Request) -> Option<Told> {
    let host = host(&link.shared);
    let life = link.shared.life(host)?;
    let reply = Reply::default();
    let (asked, tells) = (request.clone(), reply.clone());
    let own = life.clone();
    life.spawn(link, "serves", move |link| serves(link, own, asked, tells));
    // He may ask twice at the same time, of another host.
    if link.shared.dice.happens(100)
        && let Some(other) = link.shared.life(1 - host)
    {
        let (asked, own) = (request.clone(), other.clone());
        other.spawn(link, "serves too", move |link| {
            serves(link, own, asked, Reply::default())
        });
    }
    link.rest_or(Some(PATIENCE_MS), Some((reply.bell.clone(), 0)))
        .await;
    reply.told.take()
}

/// Sends messages, some of which have a name, and sends those again until it is known that they were sent.
async fn posts(link: Link, waiting: Waiting) {
    let shared = link.shared.clone();
    let named = shared.dice.happens(500);
    let mut messages = consumer::messages(&shared, shared.dice.between(1, 3), None);
    let name = shared.dice.number();
    loop {
        if named {
            for (number, message) in messages.iter_mut().enumerate() {
                message.id = shared.new_id();
                message.dedupe = Some(format!("{name}/{number}"));
            }
        }
        shared.truth.means_to_send(&messages, &Origin::Alone);
        let host = host(&shared);
        let (sent, told): (Rc<Cell<Option<Held>>>, Rc<crate::stage::Bell>) = Default::default();
        if let Some(life) = shared.life(host) {
            let (some, sent, rings) = (messages.clone(), sent.clone(), told.clone());
            life.spawn(&link, "sends", move |link| async move {
                sent.set(sends(&link, some).await.ok());
                rings.ring();
            });
            link.rest_or(Some(PATIENCE_MS), Some((told, 0))).await;
        }
        if sent.get().is_some() || !named {
            break;
        }
        let pause = shared.dice.between(500, 6_000);
        link.rest(pause).await;
    }
    waiting.set(waiting.get() - 1);
}

/// What the operator did before.
#[derive(Default)]
struct Desk {
    resumed: BTreeSet<String>,
    redriven: BTreeSet<String>,
}

/// Looks at what waits for a person, for ever.
pub(crate) async fn operates(link: Link) {
    let mut desk = Desk::default();
    loop {
        link.rest(LOOK_EVERY_MS).await;
        sees_to_runs(&link, &mut desk).await;
        sees_to_rows(&link).await;
        sees_to_dead_letters(&link, &mut desk).await;
    }
}

async fn sees_to_runs(link: &Link, desk: &mut Desk) {
    let list = link.ask("operator: runs", |db| async move { runs::list(&db).await });
    let Ok(rows) = list.await else { return };
    for row in rows.into_iter().filter(|row| row.state == RunState::Paused) {
        let call = row.call;
        if desk.resumed.insert(call.clone()) {
            let resumed = link.ask("operator: resume", move |db| async move {
                runs::resume(&db, &call).await
            });
            let _ = resumed.await;
            continue;
        }
        let shared = link.shared.clone();
        let killed = link.ask("operator: kill", move |db| async move {
            let came = runs::kill(&db, &call, KILLED.to_vec(), crate::host::KEEP).await;
            shared.truth.run_killed(&call, &came);
            came
        });
        let _ = killed.await;
    }
}

async fn sees_to_rows(link: &Link) {
    let list = link.ask(
        "operator: rows",
        |db| async move { executions::open(&db).await },
    );
    let Ok(rows) = list.await else { return };
    let doubt = rows
        .into_iter()
        .filter(|row| row.standing == Standing::InDoubt);
    for row in doubt {
        releases(link, row.call).await;
    }
}

/// Somebody has looked at what is in doubt.
async fn releases(link: &Link, call: String) {
    let shared = link.shared.clone();
    let released = link.ask("operator: release", move |db| async move {
        let came = executions::release(&db, &call).await;
        if !matches!(came, Ok(Held::Lost)) {
            shared.truth.released(&call);
        }
        came
    });
    // Whoever asks again finds it as it was.
    let _ = released.await;
}

async fn sees_to_dead_letters(link: &Link, desk: &mut Desk) {
    let list = link.ask(
        "operator: dead letters",
        |db| async move { dead(&db).await },
    );
    let Ok(ids) = list.await else { return };
    for id in ids {
        // Each of them once, and some never.
        let some = !mixed(hash(id.as_bytes())).is_multiple_of(3);
        if !some || !desk.redriven.insert(id.clone()) {
            continue;
        }
        let shared = link.shared.clone();
        let moved = link.ask("operator: redrive", move |db| async move {
            let came = queue::redrive(&db, id.clone()).await;
            if matches!(came, Ok(Moved::Yes) | Err(DbError::Ambiguous(_))) {
                shared.truth.redriven(&id);
            }
            came
        });
        let _ = moved.await;
    }
}

async fn dead(database: &Database) -> Result<Vec<String>, DbError> {
    let read = database.read((), |(), tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT id FROM queue_dead ORDER BY id";
            let rows = tx.query(SQL, &[]).await?;
            rows.iter()
                .map(|row| row.text(0).map(str::to_owned))
                .collect()
        })
    });
    read.await
}
