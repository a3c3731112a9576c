//! Runs for people, by their names.

use super::journal::{self, Entry};
use super::rows::{count, nanos};
use super::{DONE, PAUSED, ended};
use crate::db::{Database, DbError, Row, Value};
use crate::executions::{Held, hash, held};
use std::time::Duration;

/// How many runs a list of them has at most.
const LISTED_MAX: i64 = 1_000;
const NANOS_OF_MILLI: u64 = 1_000_000;

/// A run for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its name: the call that began it.
    pub call: String,
    /// The service that runs it.
    pub service: String,
    /// The version of it, by its digest.
    pub digest: String,
    /// Who asked.
    pub caller: String,
    /// What was to be done.
    pub operation: String,
    /// What it is at.
    pub state: RunState,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// How many entries its journal has.
    pub entries: u64,
    /// The how-manieth journal of it that is.
    pub rounds: u64,
    /// How often it was taken since something came of it.
    pub starts: u64,
    /// Why it waits or is paused, if somebody has said so.
    pub reason: String,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It is due, and nobody has it yet.
    Ready,
    /// Somebody has it.
    Running,
    /// It is put off until then, in milliseconds since 1970.
    Waiting(u64),
    /// It waits for a person.
    Paused,
    /// It is done.
    Done,
}

/// A run, its journal, and its outcome, if it has one.
pub type Shown = (RunRow, Vec<Entry>, Option<Vec<u8>>);

const ROWS: &str = "SELECT r.call, r.service, r.digest, e.caller, e.operation, r.state, r.due_ms, e.lease_until_ms, r.began_ns, \
                    r.entries, r.starts, r.reason, r.rounds FROM runs r JOIN executions e ON e.key = r.key AND e.call = r.call";

/// The runs, those that are not done before the others, each with the newest last. Where there are too many, the newest of those that are done
/// are there.
///
/// # Errors
/// The database fails.
pub async fn list(database: &Database) -> Result<Vec<RunRow>, DbError> {
    let read = database.read((), |(), tx| {
        Box::pin(async move {
            let open = format!("{ROWS} WHERE r.state <> 2 ORDER BY r.began_ns, r.call LIMIT $1");
            let done =
                format!("{ROWS} WHERE r.state = 2 ORDER BY r.began_ns DESC, r.call DESC LIMIT $1");
            let now = tx.now().await?;
            let mut rows = tx.query(&open, &[LISTED_MAX.into()]).await?;
            let room = LISTED_MAX.saturating_sub(i64::try_from(rows.len()).unwrap_or(LISTED_MAX));
            rows.extend(tx.query(&done, &[room.into()]).await?.into_iter().rev());
            rows.iter().map(|row| run_row(row, now)).collect()
        })
    });
    read.await
}

/// One run, with its journal and its outcome; none, if there is none of this name.
///
/// # Errors
/// The database fails.
pub async fn show(database: &Database, call: &str) -> Result<Option<Shown>, DbError> {
    let read = database.read(call.to_owned(), |call, tx| {
        Box::pin(async move {
            const OUTCOME: &str = "SELECT outcome FROM executions WHERE key = (SELECT key FROM runs WHERE call = $1) AND call = $1";
            let one = format!("{ROWS} WHERE r.call = $1");
            let now = tx.now().await?;
            let rows = tx.query(&one, &[call.into()]).await?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let came = tx.query(OUTCOME, &[call.into()]).await?;
            let outcome = match came.first() {
                Some(row) => row.optional_bytes(0)?.map(<[u8]>::to_vec),
                None => None,
            };
            let entries = journal::of(call, tx).await?;
            Ok(Some((run_row(row, now)?, entries, outcome)))
        })
    });
    read.await
}

/// What a run was begun with: the seed of its random numbers, and what is asked; none, if there is none of this name.
///
/// # Errors
/// The database fails.
pub async fn begun(
    database: &Database,
    call: &str,
) -> Result<Option<([u8; 32], Vec<u8>)>, DbError> {
    let read = database.read(call.to_owned(), |call, tx| {
        Box::pin(async move {
            const SQL: &str = "SELECT seed, asked FROM runs WHERE call = $1";
            let rows = tx.query(SQL, &[call.into()]).await?;
            let begun = |row: &Row| Ok((hash(row, 0)?, row.bytes(1)?.to_vec()));
            rows.first().map(begun).transpose()
        })
    });
    read.await
}

/// A run that is paused, or put off, goes on as soon as somebody takes it, as if it had never been tried in vain.
///
/// # Errors
/// The database fails; it is as it was, unless the error says that nobody knows.
pub async fn resume(database: &Database, call: &str) -> Result<Held, DbError> {
    let resumed = database.take(call.to_owned(), |call, tx| {
        Box::pin(async move {
            const SQL: &str = "UPDATE runs SET state = 0, due_ms = $2, starts = 0, reason = '' \
                               WHERE call = $1 AND (state = 1 OR (state = 0 AND due_ms > $2))";
            let now = tx.now().await?;
            let values: [Value; 2] = [call.into(), now.into()];
            tx.execute(SQL, &values).await.map(held)
        })
    });
    resumed.await
}

/// What a person says of a step of which nobody knows what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was not had: it is asked for again.
    NotDone,
    /// Whether or not it was had, this is what came of it.
    Came(Vec<u8>),
}

/// Says of a step of a paused run what came of it.
///
/// # Errors
/// The database fails; nobody has said anything, unless the error says that nobody knows.
pub async fn say(
    database: &Database,
    call: &str,
    ordinal: u32,
    word: Word,
) -> Result<Held, DbError> {
    let input = (call.to_owned(), ordinal, word);
    let said = database.take(input, |(call, ordinal, word), tx| {
        Box::pin(async move {
            const NOT: &str = "DELETE FROM steps WHERE call = $1 AND ordinal = $2 AND place IS NULL \
                               AND EXISTS (SELECT 1 FROM runs WHERE call = $1 AND state = 1)";
            const CAME: &str = "UPDATE steps SET place = (SELECT COALESCE(max(place), 0) + 1 FROM steps WHERE call = $1), \
                                ended_ns = $3, came = $4 WHERE call = $1 AND ordinal = $2 AND place IS NULL \
                                AND EXISTS (SELECT 1 FROM runs WHERE call = $1 AND state = 1)";
            let [call, ordinal]: [Value; 2] = [call.into(), i64::from(*ordinal).into()];
            let said = match word {
                Word::NotDone => tx.execute(NOT, &[call, ordinal]).await?,
                Word::Came(bytes) => {
                    let now = tx.now().await?.saturating_mul(1_000_000);
                    let values = [call, ordinal, now.into(), bytes.clone().into()];
                    tx.execute(CAME, &values).await?
                }
            };
            Ok(held(said))
        })
    });
    said.await
}

/// Runs that were put off for this reason are due; how many.
///
/// # Errors
/// The database fails; they are due when their time has come.
pub async fn wake(database: &Database, reason: String) -> Result<u64, DbError> {
    let woken = database.take(reason, |reason, tx| {
        Box::pin(async move {
            const SQL: &str =
                "UPDATE runs SET due_ms = $2 WHERE state = 0 AND due_ms > $2 AND reason = $1";
            let now = tx.now().await?;
            let values: [Value; 2] = [reason.into(), now.into()];
            tx.execute(SQL, &values).await
        })
    });
    woken.await
}

/// Ends a run that is not done with this outcome, which is kept for so long. Nothing of what it did is undone, and whoever has it finds it
/// gone.
///
/// # Errors
/// The database fails; it is as it was, unless the error says that nobody knows.
pub async fn kill(
    database: &Database,
    call: &str,
    outcome: Vec<u8>,
    keep: Duration,
) -> Result<Held, DbError> {
    let input = (call.to_owned(), outcome, keep);
    let killed = database.take(input, |(call, outcome, keep), tx| {
        Box::pin(ended(call, outcome, *keep, tx))
    });
    killed.await
}

fn run_row(row: &Row, now: i64) -> Result<RunRow, DbError> {
    let text = |cell| row.text(cell).map(str::to_owned);
    let state = match row.integer(5)? {
        DONE => RunState::Done,
        PAUSED => RunState::Paused,
        _ if row.integer(7)? > now => RunState::Running,
        _ if row.integer(6)? > now => RunState::Waiting(count(row, 6)?),
        _ => RunState::Ready,
    };
    Ok(RunRow {
        call: text(0)?,
        service: text(1)?,
        digest: text(2)?,
        caller: text(3)?,
        operation: text(4)?,
        state,
        began_ms: nanos(row, 8)? / NANOS_OF_MILLI,
        entries: count(row, 9)?,
        starts: count(row, 10)?,
        reason: text(11)?,
        rounds: count(row, 12)?,
    })
}
