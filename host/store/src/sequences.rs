//! Sequences: numbers without a gap, from one on, for each service and each name of it.
//!
//! A number is taken in a unit of work of its own, so that those who ask at the same time are given one after the other and nobody is given
//! a number before the one below it is kept. One that was taken is taken, whether its caller has lived to use it or not.

use crate::db::{Database, DbError, Tx, Value};
use crate::kv::Key;

/// How many sequences a service has at most.
pub const SEQUENCES_MAX: i64 = 1_000;

/// What became of the wish for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This is it.
    Number(u64),
    /// The service has as many sequences as it may have, and this would be another one.
    TooMany,
}

/// The next number of a service's sequence; names are as keys are.
///
/// # Errors
/// The database fails; no number is taken, unless the error says that nobody knows.
pub async fn next(database: &Database, service: String, name: Key) -> Result<Taken, DbError> {
    database
        .run((service, name), |(service, name), tx| {
            Box::pin(taken(service, name, tx))
        })
        .await
}

async fn taken(service: &str, name: &Key, tx: &mut dyn Tx) -> Result<Taken, DbError> {
    const NEXT: &str =
        "UPDATE sequences SET last = last + 1 WHERE service = $1 AND name = $2 RETURNING last";
    const COUNT: &str = "SELECT CAST(count(*) AS BIGINT) FROM sequences WHERE service = $1";
    const FIRST: &str = "INSERT INTO sequences (service, name, last) VALUES ($1, $2, 1)";
    let values: [Value; 2] = [service.into(), name.value()];
    if let Some(row) = tx.query(NEXT, &values).await?.first() {
        return Ok(Taken::Number(row.integer(0)?.unsigned_abs()));
    }
    let rows = tx.query(COUNT, &[service.into()]).await?;
    let count = rows.first().map(|row| row.integer(0)).transpose()?;
    if count.unwrap_or(0) >= SEQUENCES_MAX {
        return Ok(Taken::TooMany);
    }
    tx.execute(FIRST, &values).await?;
    Ok(Taken::Number(1))
}

#[cfg(test)]
mod tests;
