//! A look at all that the database holds, in one unit of work. It is done by the thread that writes, whose statements are prepared once: each
//! of those that read would prepare them anew.

use holdfast_store::db::{Database, DbError, Row, Tx};
use holdfast_store::ledger::{self, ReservationId, Sums};
use std::collections::BTreeMap;

/// What is there.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) ready: Vec<Ready>,
    /// The names of the messages whose text is there.
    pub(crate) said: Vec<String>,
    pub(crate) dead: Vec<String>,
    pub(crate) executions: Vec<Execution>,
    pub(crate) steps: Vec<Step>,
    /// What was written under leases, by their names.
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) reservations: Vec<ReservationId>,
    /// Of each budget its name, what is settled, and what is reserved.
    pub(crate) budgets: Vec<(String, i64, i64)>,
    pub(crate) sums: Sums,
}

#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) id: String,
    pub(crate) lane: Option<String>,
    pub(crate) place: i64,
    pub(crate) due_ms: i64,
}

#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) key: Vec<u8>,
    pub(crate) call: String,
    pub(crate) state: i64,
    pub(crate) durable: i64,
    pub(crate) outcome: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) call: String,
    pub(crate) ordinal: u32,
    pub(crate) place: Option<i64>,
    pub(crate) came: Option<Vec<u8>>,
}

type Tables = (
    Vec<Ready>,
    [Vec<String>; 2],
    Vec<Execution>,
    Vec<Step>,
    Rest,
);
type Rest = (
    BTreeMap<String, Vec<u8>>,
    Vec<ReservationId>,
    Vec<(String, i64, i64)>,
);

/// Looks at all of it.
pub(crate) async fn look(database: &Database) -> Result<Seen, DbError> {
    let read = database.run((), |(), tx| Box::pin(tables(tx)));
    let (ready, [said, dead], executions, steps, rest) = read.await?;
    let (values, reservations, budgets) = rest;
    Ok(Seen {
        ready,
        said,
        dead,
        executions,
        steps,
        values,
        reservations,
        budgets,
        sums: ledger::sums(database).await?,
    })
}

/// All rows of all tables that must not change when the power is cut.
pub(crate) async fn rows(database: &Database) -> Result<Vec<String>, DbError> {
    const TABLES: [&str; 16] = [
        "hosts",
        "executions",
        "runs",
        "steps",
        "queue_ready",
        "queue_messages",
        "queue_lanes",
        "queue_known",
        "queue_dead",
        "leases",
        "lease_fences",
        "kv",
        "budgets",
        "reservations",
        "costs",
        "cost_hours",
    ];
    let read = database.run((), |(), tx| {
        Box::pin(async move {
            let mut all = Vec::new();
            for table in TABLES {
                let rows = tx.query(&format!("SELECT * FROM {table}"), &[]).await?;
                let from = all.len();
                all.extend(rows.iter().map(|row| format!("{table}: {row:?}")));
                if let Some(rows) = all.get_mut(from..) {
                    rows.sort_unstable();
                }
            }
            Ok(all)
        })
    });
    read.await
}

async fn tables(tx: &mut dyn Tx) -> Result<Tables, DbError> {
    const READY: &str = "SELECT id, lane, place, due_ms FROM queue_ready ORDER BY id";
    const EXECUTIONS: &str =
        "SELECT key, call, state, durable, outcome FROM executions ORDER BY key";
    const STEPS: &str = "SELECT call, ordinal, place, came FROM steps ORDER BY call, ordinal";
    let ready = tx.query(READY, &[]).await?;
    let ready = ready.iter().map(|row| {
        Ok(Ready {
            id: text(row, 0)?,
            lane: row.optional_text(1)?.map(str::to_owned),
            place: row.integer(2)?,
            due_ms: row.integer(3)?,
        })
    });
    let ready = ready.collect::<Result<_, DbError>>()?;
    let executions = tx.query(EXECUTIONS, &[]).await?;
    let executions = executions.iter().map(|row| {
        Ok(Execution {
            key: row.bytes(0)?.to_vec(),
            call: text(row, 1)?,
            state: row.integer(2)?,
            durable: row.integer(3)?,
            outcome: row.optional_bytes(4)?.map(<[u8]>::to_vec),
        })
    });
    let executions = executions.collect::<Result<_, DbError>>()?;
    let steps = tx.query(STEPS, &[]).await?;
    let steps = steps.iter().map(|row| {
        Ok(Step {
            call: text(row, 0)?,
            ordinal: u32::try_from(row.integer(1)?).unwrap_or(0),
            place: row.optional_integer(2)?,
            came: row.optional_bytes(3)?.map(<[u8]>::to_vec),
        })
    });
    let steps = steps.collect::<Result<_, DbError>>()?;
    let said = names("SELECT id FROM queue_messages ORDER BY id", tx).await?;
    let dead = names("SELECT id FROM queue_dead ORDER BY id", tx).await?;
    Ok((ready, [said, dead], executions, steps, rest(tx).await?))
}

async fn rest(tx: &mut dyn Tx) -> Result<Rest, DbError> {
    const VALUES: &str = "SELECT key, value FROM kv ORDER BY key";
    const RESERVATIONS: &str = "SELECT id FROM reservations ORDER BY id";
    const BUDGETS: &str =
        "SELECT level, name, settled, reserved FROM budgets ORDER BY 1, 2, span, start_ms";
    let mut values = BTreeMap::new();
    for row in &tx.query(VALUES, &[]).await? {
        let name = String::from_utf8_lossy(row.bytes(0)?).into_owned();
        values.insert(name, row.bytes(1)?.to_vec());
    }
    let reservations = tx.query(RESERVATIONS, &[]).await?;
    let reservations = reservations.iter().map(|row| {
        let wrong = |_| DbError::Corrupt("the name of a reservation is none".to_owned());
        ReservationId::try_from(row.bytes(0)?).map_err(wrong)
    });
    let reservations = reservations.collect::<Result<_, DbError>>()?;
    let budgets = tx.query(BUDGETS, &[]).await?;
    let budgets = budgets.iter().map(|row| {
        let name = format!("{} {}", row.text(0)?, row.text(1)?);
        Ok((name, row.integer(2)?, row.integer(3)?))
    });
    Ok((
        values,
        reservations,
        budgets.collect::<Result<_, DbError>>()?,
    ))
}

async fn names(sql: &str, tx: &mut dyn Tx) -> Result<Vec<String>, DbError> {
    let rows = tx.query(sql, &[]).await?;
    rows.iter().map(|row| text(row, 0)).collect()
}

fn text(row: &Row, cell: usize) -> Result<String, DbError> {
    row.text(cell).map(str::to_owned)
}
