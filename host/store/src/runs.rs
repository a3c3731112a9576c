//! Runs: durable executions, from the claim to the outcome. A run has the name of the call that claimed its row in `executions`.
//!
//! From the claim on nobody holds the row. Who [takes](take) the run holds it under a lease and a new fence, tells the service again what
//! is in the [journal](entries), and writes down what comes after that; then he finishes it, puts it off, or pauses it for a person to look
//! at. Where he dies, another takes it once the lease is over, or as soon as his host begins another life.
//!
//! Whoever writes to a run by its fence touches its row in `executions` first, and so waits for whoever takes it, or that one for him: what
//! comes late finds another fence there, and changes nothing. Therefore units here need not see each other's rows stand still.

mod desk;
mod journal;
mod rows;
mod take;

pub use desk::{RunRow, RunState, Shown, Word, begun, kill, list, resume, say, show, wake};
pub use journal::{Came, Entry, Intent, came, entries, intend, withdraw};
pub(crate) use rows::{begin, put_back, remove, sweep};
pub use take::{Taken, next_due, take};

use crate::db::{Database, DbError, Tx, Value};
use crate::executions::{Held, Hold, held, millis, named};
use std::time::Duration;

/// What has to last of a call from its claim on, so that any host can run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The service that runs it.
    pub service: String,
    /// The version of it, by its digest.
    pub digest: String,
    /// What its random numbers are made of.
    pub seed: [u8; 32],
    /// What is asked of it, as whoever begins it has written that.
    pub asked: Vec<u8>,
}

const READY: i64 = 0;
const PAUSED: i64 = 1;
const DONE: i64 = 2;
const NANOS_OF_MILLI: i64 = 1_000_000;

/// Why a run is paused that was put back from a backup: its journal does not say what it had done by then.
pub const PUT_BACK: &str = "put back from a backup: nobody knows what it did since";

/// Lets go of a run, which is to be taken again after so long. Why is told to people.
///
/// # Errors
/// The database fails; it is taken again when the lease is over, unless the error says that nobody knows.
pub async fn put_off(
    database: &Database,
    hold: Hold,
    after: Duration,
    reason: String,
) -> Result<Held, DbError> {
    let input = (hold, millis(after), reason);
    let off = database.take(input, |(hold, after, reason), tx| {
        Box::pin(async move {
            let due = tx.now().await?.saturating_add(*after);
            let_go(hold, (READY, due), reason, tx).await
        })
    });
    off.await
}

/// Lets go of a run, which nobody takes until a person has looked at it. Why is told to people.
///
/// # Errors
/// The database fails; it is taken again when the lease is over, unless the error says that nobody knows.
pub async fn pause(database: &Database, hold: Hold, reason: String) -> Result<Held, DbError> {
    let paused = database.take((hold, reason), |(hold, reason), tx| {
        Box::pin(async move {
            let now = tx.now().await?;
            let_go(hold, (PAUSED, now), reason, tx).await
        })
    });
    paused.await
}

/// Goes on with another version of the service.
///
/// # Errors
/// The database fails; it goes on with the one before, unless the error says that nobody knows.
pub async fn moved(database: &Database, hold: Hold, digest: String) -> Result<Held, DbError> {
    let moved = database.take((hold, digest), |(hold, digest), tx| {
        Box::pin(async move {
            const SQL: &str = "UPDATE runs SET digest = $2 WHERE call = $1";
            if touched(hold, tx).await? == Held::Lost {
                return Ok(Held::Lost);
            }
            let values: [Value; 2] = [(&*hold.call).into(), digest.into()];
            tx.execute(SQL, &values).await.map(held)
        })
    });
    moved.await
}

/// What a run goes on as, with a journal that has nothing in it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// What is asked of its service from now on.
    pub asked: Vec<u8>,
    /// What its random numbers are made of from now on.
    pub seed: [u8; 32],
}

/// Goes on as new: what was in its journal is gone, and its service is asked this. Whoever waits for the run goes on waiting for it.
///
/// # Errors
/// The database fails; it has come to the end of its round and is taken again, unless the error says that nobody knows.
pub async fn go_on(database: &Database, hold: Hold, round: Round) -> Result<Held, DbError> {
    let on = database.take((hold, round), |(hold, round), tx| {
        Box::pin(async move {
            const STEPS: &str = "DELETE FROM steps WHERE call = $1";
            const RUN: &str = "UPDATE runs SET asked = $2, seed = $3, began_ns = $4, entries = 0, rounds = rounds + 1 \
                               WHERE call = $1";
            let now = tx.now().await?;
            let held = let_go(hold, (READY, now), "", tx).await?;
            if held == Held::Lost {
                return Ok(held);
            }
            let call: Value = (&*hold.call).into();
            tx.execute(STEPS, std::slice::from_ref(&call)).await?;
            let values: [Value; 4] = [
                call,
                round.asked.clone().into(),
                (&round.seed).into(),
                now.saturating_mul(NANOS_OF_MILLI).into(),
            ];
            tx.execute(RUN, &values).await?;
            Ok(Held::Yes)
        })
    });
    on.await
}

/// Keeps the outcome, for so long; the run is done.
///
/// # Errors
/// The database fails; the run is not done, unless the error says that nobody knows.
pub async fn finish(
    database: &Database,
    hold: Hold,
    outcome: Vec<u8>,
    keep: Duration,
) -> Result<Held, DbError> {
    let done = database.take((hold, outcome, keep), |(hold, outcome, keep), tx| {
        Box::pin(async move {
            match touched(hold, tx).await? {
                Held::Yes => ended(&hold.call, outcome, *keep, tx).await,
                Held::Lost => Ok(Held::Lost),
            }
        })
    });
    done.await
}

/// Whether the run is still this holder's, who has not let go of it. If so, nobody else changes it until the unit is kept.
async fn touched(hold: &Hold, tx: &mut dyn Tx) -> Result<Held, DbError> {
    const SQL: &str = "UPDATE executions SET fence = fence WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                       AND durable = 1 AND lease_until_ms > 0";
    tx.execute(SQL, &named(hold)).await.map(held)
}

async fn let_go(
    hold: &Hold,
    (state, due_ms): (i64, i64),
    reason: &str,
    tx: &mut dyn Tx,
) -> Result<Held, DbError> {
    const ROW: &str = "UPDATE executions SET lease_until_ms = 0 WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                       AND durable = 1 AND lease_until_ms > 0";
    const RUN: &str =
        "UPDATE runs SET state = $2, due_ms = $3, reason = $4, starts = 0 WHERE call = $1";
    if held(tx.execute(ROW, &named(hold)).await?) == Held::Lost {
        return Ok(Held::Lost);
    }
    let call = (&*hold.call).into();
    let values: [Value; 4] = [call, state.into(), due_ms.into(), reason.into()];
    tx.execute(RUN, &values).await.map(held)
}

/// Ends a run that is not done. Whoever held it does so no more.
async fn ended(
    call: &str,
    outcome: &[u8],
    keep: Duration,
    tx: &mut dyn Tx,
) -> Result<Held, DbError> {
    const ROW: &str = "UPDATE executions SET state = 1, fence = fence + 1, lease_until_ms = 0, outcome = $2, expires_ms = $3 \
                       WHERE key = (SELECT key FROM runs WHERE call = $1) AND call = $1 AND state = 0 AND durable = 1";
    const RUN: &str = "UPDATE runs SET state = 2, reason = '' WHERE call = $1";
    let expires = tx.now().await?.saturating_add(millis(keep));
    let values: [Value; 3] = [call.into(), outcome.into(), expires.into()];
    if held(tx.execute(ROW, &values).await?) == Held::Lost {
        return Ok(Held::Lost);
    }
    tx.execute(RUN, &[call.into()]).await.map(held)
}

#[cfg(test)]
mod tests;
