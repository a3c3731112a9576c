//! One thing that a guest asks for: given back as it is on record, or done once that it will be is.

use super::super::effect::{self, Came as Answered, For};
use super::super::{AGAIN_MS, sends};
use super::{Going, Halt, Writing};
use crate::consumer;
use crate::guest::{Kind, Want};
use crate::stage::Link;
use crate::truth::Origin;
use holdfast_call::CallId;
use holdfast_call::WallTime;
use holdfast_rules::journal::book::Found;
use holdfast_store::db::DbError;
use holdfast_store::executions::Held;
use holdfast_store::runs::{self, Came, Intent};
use sha2::{Digest as _, Sha256};
use std::rc::Rc;
use std::time::Duration;

/// How long is waited after the database failed, or somebody could not be asked.
const LATER: Duration = Duration::from_secs(5);

/// The guest asks for it, and its clock shows this.
pub(super) fn begins(link: &Link, going: &Rc<Going>, asked: (u32, Want), shown_ns: u64) {
    let (ordinal, want) = asked;
    let until_ns = match want.kind {
        Kind::Sleep(millis) => Some(shown_ns + millis * 1_000_000),
        Kind::Keyed | Kind::Unkeyed | Kind::Send => None,
    };
    let intent = Intent {
        ordinal,
        what: format!("{:?}", want.kind),
        asked: hash(&want, until_ns),
        began_ns: 0,
    };
    if let Some(until_ns) = until_ns {
        going.book.borrow_mut().sleeps(ordinal, until_ns);
    }
    let found = going
        .book
        .borrow()
        .ask(ordinal, &intent.what, &intent.asked);
    let began_ns = match found {
        Found::Came => return going.book.borrow_mut().ends(ordinal),
        Found::Differs(how) => return going.differs(link, how),
        Found::Begun(began_ns) => Some(began_ns),
        Found::Nothing => None,
    };
    let of = going.clone();
    going.life.spawn(link, "steps", move |link| async move {
        let done = match until_ns {
            Some(until_ns) => {
                sleeps(
                    &link,
                    &of,
                    Intent {
                        began_ns: until_ns,
                        ..intent
                    },
                )
                .await
            }
            None => steps(&link, &of, &want, (began_ns, intent)).await,
        };
        if let Err(halt) = done {
            of.stop(halt);
        }
        of.book.borrow_mut().ends(ordinal);
        of.bell.ring();
    });
}

fn hash(want: &Want, until_ns: Option<u64>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(want.what.as_bytes());
    hash.update(want.chain.to_be_bytes());
    hash.update(until_ns.unwrap_or(0).to_be_bytes());
    hash.finalize().into()
}

/// Waits until all that is on record was let through.
async fn is_new(link: &Link, going: &Going) -> Result<(), Halt> {
    loop {
        let seen = going.bell.rung();
        if going.book.borrow().is_new() {
            return Ok(());
        }
        if let Some(halt) = going.halt() {
            return Err(halt);
        }
        going.turned(link, seen).await;
    }
}

async fn sleeps(link: &Link, going: &Going, intent: Intent) -> Result<(), Halt> {
    is_new(link, going).await?;
    loop {
        if let Some(halt) = going.halt() {
            return Err(halt);
        }
        let left_ns = intent.began_ns.saturating_sub(going.life.local_ns(link));
        if left_ns == 0 {
            break;
        }
        let millis = left_ns.div_ceil(1_000_000).min(5_000);
        let bell = (going.bell.clone(), going.bell.rung());
        link.rest_or(Some(millis), Some(bell)).await;
    }
    writes(link, going, intent, Vec::new()).await
}

async fn steps(
    link: &Link,
    going: &Going,
    want: &Want,
    (began_ns, intent): (Option<u64>, Intent),
) -> Result<(), Halt> {
    is_new(link, going).await?;
    if let Some(halt) = going.halt() {
        return Err(halt);
    }
    if began_ns.is_some() && want.kind == Kind::Unkeyed {
        return Err(indeterminate(&intent));
    }
    let intent = Intent {
        began_ns: began_ns.unwrap_or_else(|| going.life.local_ns(link)),
        ..intent
    };
    intends(link, going, &intent).await?;
    let bytes = match want.kind {
        Kind::Send => sent(link, going, &intent).await?,
        Kind::Keyed | Kind::Unkeyed | Kind::Sleep(_) => asked(link, going, want, &intent).await?,
    };
    writes(link, going, intent, bytes).await
}

/// Asks the upstream.
async fn asked(link: &Link, going: &Going, want: &Want, intent: &Intent) -> Result<Vec<u8>, Halt> {
    let name = (want.kind == Kind::Keyed).then(|| name(going, intent.ordinal));
    let asks = (name, want.what.clone());
    match (
        effect::asks(link, &going.life, asks, For::Run).await,
        want.kind,
    ) {
        (Answered::Answer(bytes), _) => Ok(bytes),
        (Answered::Unknown, Kind::Unkeyed) => Err(indeterminate(intent)),
        (Answered::Refused, Kind::Unkeyed) => {
            let withdrawn = withdraws(link, going, intent.ordinal).await;
            Err(match withdrawn {
                Ok(Held::Lost) => Halt::Lost,
                Ok(Held::Yes) | Err(_) => Halt::Later(LATER),
            })
        }
        (Answered::Unknown | Answered::Refused, _) => Err(Halt::Later(LATER)),
    }
}

/// Sends a message, whose name is the same each time.
async fn sent(link: &Link, going: &Going, intent: &Intent) -> Result<Vec<u8>, Halt> {
    let wall = WallTime(intent.began_ns / 1_000);
    let name = name(going, intent.ordinal);
    let id = CallId::new(wall, name);
    let by = CallId::parse(&going.row.hold.call);
    let mut message = consumer::message(&link.shared, id, by);
    message.dedupe = Some(format!("{}/{}", going.row.hold.call, intent.ordinal));
    link.shared
        .truth
        .means_to_send(std::slice::from_ref(&message), &Origin::Alone);
    match sends(link, vec![message]).await {
        Ok(_) => Ok(b"sent".to_vec()),
        Err(_) => Err(Halt::Later(LATER)),
    }
}

fn name(going: &Going, ordinal: u32) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(going.row.hold.call.as_bytes());
    hash.update(ordinal.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(hash) {
        *to = from;
    }
    name
}

fn indeterminate(intent: &Intent) -> Halt {
    Halt::Paused(format!(
        "entry {}: it is not known whether it was done",
        intent.ordinal
    ))
}

async fn intends(link: &Link, going: &Going, intent: &Intent) -> Result<(), Halt> {
    let intended = match intend(link, going, intent).await {
        // Said twice it is said once.
        Err(DbError::Ambiguous(_)) => intend(link, going, intent).await,
        other => other,
    };
    match intended {
        Ok(Held::Yes) => Ok(()),
        Ok(Held::Lost) => Err(Halt::Lost),
        Err(_) => Err(Halt::Later(LATER)),
    }
}

async fn intend(link: &Link, going: &Going, intent: &Intent) -> Result<Held, DbError> {
    let (hold, intent) = (going.row.hold.clone(), intent.clone());
    let shared = link.shared.clone();
    let intended = link.ask("intend", move |db| async move {
        let came = runs::intend(&db, hold.clone(), intent).await;
        shared.truth.run_written("an intent", &hold, &came);
        came
    });
    intended.await
}

async fn withdraws(link: &Link, going: &Going, ordinal: u32) -> Result<Held, DbError> {
    let (hold, shared) = (going.row.hold.clone(), link.shared.clone());
    let withdrawn = link.ask("withdraw", move |db| async move {
        let came = runs::withdraw(&db, hold.clone(), ordinal).await;
        shared.truth.run_written("a withdrawal", &hold, &came);
        came
    });
    withdrawn.await
}

/// Writes down what came of it, and has it let through in its turn.
async fn writes(link: &Link, going: &Going, intent: Intent, bytes: Vec<u8>) -> Result<(), Halt> {
    while going.writing.get() == Writing::Somebody {
        let seen = going.bell.rung();
        going.turned(link, seen).await;
    }
    going.writing.set(Writing::Somebody);
    let written = written(link, going, &intent, bytes).await;
    going.writing.set(Writing::Nobody);
    going.bell.ring();
    written
}

async fn written(link: &Link, going: &Going, intent: &Intent, bytes: Vec<u8>) -> Result<(), Halt> {
    let came = Came {
        place: going.book.borrow_mut().next_place(),
        ended_ns: going.life.local_ns(link),
        bytes,
    };
    loop {
        let (hold, said, result) = (going.row.hold.clone(), intent.clone(), came.clone());
        let shared = link.shared.clone();
        let kept = link.ask("came", move |db| async move {
            let kept = runs::came(&db, hold.clone(), said.clone(), result.clone()).await;
            shared.truth.run_came(&hold, &said, &result, &kept);
            kept
        });
        match kept.await {
            Ok(Held::Yes) => break,
            Ok(Held::Lost) => return Err(Halt::Lost),
            // To say it again is to say it once.
            Err(_) => link.rest(AGAIN_MS).await,
        }
    }
    let mut book = going.book.borrow_mut();
    book.came(intent.ordinal, came.ended_ns, came.bytes);
    Ok(())
}
