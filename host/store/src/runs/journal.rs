//! The journal of a run: each effect that its service asked for, before it is had, and what came of it.

use super::rows::{corrupt, nanos};
use super::touched;
use crate::db::{Database, DbError, Row, Tx, Value};
use crate::executions::{Held, Hold, hash, held, named};

/// An entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1: the entries stand in the order in which the service asked.
    pub ordinal: u32,
    /// What is asked for, for people.
    pub what: String,
    /// The hash of all that is asked: the same service told the same asks for the same.
    pub asked: [u8; 32],
    /// When it was asked for, in nanoseconds since 1970.
    pub began_ns: u64,
    /// What came of it; none, as long as nobody knows.
    pub came: Option<Came>,
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// The how-manieth result of its run it is: in this order the service was told.
    pub place: u32,
    /// When it came, in nanoseconds since 1970.
    pub ended_ns: u64,
    /// The result, as its writer reads it.
    pub bytes: Vec<u8>,
}

/// An effect that is about to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its number.
    pub ordinal: u32,
    /// What is asked for, for people.
    pub what: String,
    /// The hash of all that is asked.
    pub asked: [u8; 32],
    /// When it was asked for, in nanoseconds since 1970.
    pub began_ns: u64,
}

/// The journal of a run, in the order of its numbers; none, if the run is not this holder's any more.
///
/// # Errors
/// The database fails.
pub async fn entries(database: &Database, hold: Hold) -> Result<Option<Vec<Entry>>, DbError> {
    let read = database.read(hold, |hold, tx| {
        Box::pin(async move {
            const OWN: &str = "SELECT fence FROM executions WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                               AND durable = 1";
            if tx.query(OWN, &named(hold)).await?.is_empty() {
                return Ok(None);
            }
            of(&hold.call, tx).await.map(Some)
        })
    });
    read.await
}

/// Says that an effect is about to be had. To say so again is fine, if it is the same one.
///
/// # Errors
/// The database fails; then the effect must not be had.
pub async fn intend(database: &Database, hold: Hold, intent: Intent) -> Result<Held, DbError> {
    let intended = database.take((hold, intent), |(hold, intent), tx| {
        Box::pin(async move {
            const NEW: &str = "INSERT INTO steps (call, ordinal, what, asked, began_ns) VALUES ($1, $2, $3, $4, $5) \
                               ON CONFLICT (call, ordinal) DO NOTHING";
            const SAME: &str =
                "SELECT ordinal FROM steps WHERE call = $1 AND ordinal = $2 AND asked = $3";
            const COUNT: &str = "UPDATE runs SET entries = $2 WHERE call = $1 AND entries < $2";
            if touched(hold, tx).await? == Held::Lost {
                return Ok(Held::Lost);
            }
            let [call, ordinal, what, asked, began] = intent.values(hold);
            let values = [call.clone(), ordinal.clone(), what, asked.clone(), began];
            if tx.execute(NEW, &values).await? == 0 {
                let same = tx.query(SAME, &[call, ordinal, asked]).await?;
                return Ok(held(same.len() as u64));
            }
            tx.execute(COUNT, &[call, ordinal]).await?;
            Ok(Held::Yes)
        })
    });
    intended.await
}

/// Says that an effect was not had after all, so that nobody need ask what came of it.
///
/// # Errors
/// The database fails; then it is as if it may have been had.
pub async fn withdraw(database: &Database, hold: Hold, ordinal: u32) -> Result<Held, DbError> {
    let withdrawn = database.take((hold, ordinal), |(hold, ordinal), tx| {
        Box::pin(async move {
            const SQL: &str =
                "DELETE FROM steps WHERE call = $1 AND ordinal = $2 AND place IS NULL";
            if touched(hold, tx).await? == Held::Lost {
                return Ok(Held::Lost);
            }
            let values = [(&*hold.call).into(), i64::from(*ordinal).into()];
            tx.execute(SQL, &values).await?;
            Ok(Held::Yes)
        })
    });
    withdrawn.await
}

/// Says what came of an effect, whether or not somebody has said before that it is about to be had. A result that is there stays as it is: to
/// say the same again is fine, and to say something else changes nothing. He who has let go of the run may still say so, until it is taken.
///
/// # Errors
/// The database fails; nobody knows what came of it, unless this is said again.
pub async fn came(
    database: &Database,
    hold: Hold,
    intent: Intent,
    came: Came,
) -> Result<Held, DbError> {
    let input = (hold, intent, came);
    let kept = database.take(input, |(hold, intent, came), tx| {
        Box::pin(kept(hold, intent, came, tx))
    });
    kept.await
}

async fn kept(hold: &Hold, intent: &Intent, came: &Came, tx: &mut dyn Tx) -> Result<Held, DbError> {
    const OWN: &str = "UPDATE executions SET fence = fence WHERE key = $1 AND fence = $2 AND call = $3 AND state = 0 \
                       AND durable = 1";
    const KEEP: &str = "INSERT INTO steps (call, ordinal, what, asked, began_ns, place, ended_ns, came) \
                        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (call, ordinal) DO UPDATE \
                        SET place = excluded.place, ended_ns = excluded.ended_ns, came = excluded.came \
                        WHERE steps.place IS NULL AND steps.asked = excluded.asked";
    const SAME: &str = "SELECT ordinal FROM steps WHERE call = $1 AND ordinal = $2 AND asked = $3 AND place = $4 \
                        AND ended_ns = $5 AND came = $6";
    const COUNT: &str = "UPDATE runs SET starts = 0, entries = CASE WHEN entries < $2 THEN $2 ELSE entries END \
                         WHERE call = $1 AND (starts <> 0 OR entries < $2)";
    if held(tx.execute(OWN, &named(hold)).await?) == Held::Lost {
        return Ok(Held::Lost);
    }
    let [call, ordinal, what, asked, began] = intent.values(hold);
    let [place, ended, bytes] = came.values();
    let values = [
        call.clone(),
        ordinal.clone(),
        what,
        asked.clone(),
        began,
        place.clone(),
        ended.clone(),
        bytes.clone(),
    ];
    if tx.execute(KEEP, &values).await? == 0 {
        let values = [call, ordinal, asked, place, ended, bytes];
        let same = tx.query(SAME, &values).await?;
        return Ok(held(same.len() as u64));
    }
    tx.execute(COUNT, &[call, ordinal]).await?;
    Ok(Held::Yes)
}

/// The journal of the run of this call.
pub(super) async fn of(call: &str, tx: &mut dyn Tx) -> Result<Vec<Entry>, DbError> {
    const SQL: &str = "SELECT ordinal, what, asked, began_ns, place, ended_ns, came FROM steps WHERE call = $1 ORDER BY ordinal";
    let rows = tx.query(SQL, &[call.into()]).await?;
    rows.iter().map(entry).collect()
}

impl Intent {
    /// The first five values of an entry.
    fn values(&self, hold: &Hold) -> [Value; 5] {
        [
            (&*hold.call).into(),
            i64::from(self.ordinal).into(),
            (&self.what).into(),
            (&self.asked).into(),
            stamp(self.began_ns),
        ]
    }
}

impl Came {
    /// The other three.
    fn values(&self) -> [Value; 3] {
        [
            i64::from(self.place).into(),
            stamp(self.ended_ns),
            self.bytes.clone().into(),
        ]
    }
}

fn stamp(nanos: u64) -> Value {
    i64::try_from(nanos).unwrap_or(i64::MAX).into()
}

fn entry(row: &Row) -> Result<Entry, DbError> {
    let wrong = |_| corrupt("a number in a journal is none");
    let came = match row.optional_integer(4)? {
        Some(place) => Some(Came {
            place: u32::try_from(place).map_err(wrong)?,
            ended_ns: nanos(row, 5)?,
            bytes: row.bytes(6)?.to_vec(),
        }),
        None => None,
    };
    Ok(Entry {
        ordinal: u32::try_from(row.integer(0)?).map_err(wrong)?,
        what: row.text(1)?.to_owned(),
        asked: hash(row, 2)?,
        began_ns: nanos(row, 3)?,
        came,
    })
}
