//! A unit of work: what is kept as a whole or not at all, written once for both databases.

use crate::db::error::DbError;
use crate::db::value::{Row, Value};
use holdfast_call::BoxFuture;

/// A unit of work. It is given what it needs and the transaction it works in, and may be run again from its start (another host was
/// faster, the connection broke), so it does nothing but ask the transaction: what it would do elsewhere would be done twice.
///
/// ```ignore
/// let revoked = database.run((id, now), |(id, now), tx| {
///     Box::pin(async move {
///         let revoke = "UPDATE api_keys SET revoked_ms = $1 WHERE id = $2";
///         tx.execute(revoke, &[(*now).into(), id.into()]).await
///     })
/// });
/// ```
pub type Unit<I, T> = for<'a> fn(&'a I, &'a mut dyn Tx) -> BoxFuture<'a, Result<T, DbError>>;

/// The end of a search for rows that are to be one's own: those that somebody else is at are left out. In a file, where one unit writes at a
/// time, nobody else is, and it stands for nothing.
pub const LOCKED: &str = "FOR UPDATE SKIP LOCKED";

/// A transaction, as a unit of work sees it: it sees what was there when it began and what it has done itself, as if it were alone.
///
/// A statement names its parameters `$1`, `$2` and so on. The first one that fails ends the unit: nothing of it is kept, whatever it
/// answers. A row that may be there already is therefore written with `ON CONFLICT`. What is summed up is made an integer by `CAST(… AS
/// BIGINT)`.
pub trait Tx: Send {
    /// Runs a statement that changes rows; how many it changed.
    fn execute<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<u64, DbError>>;

    /// Runs a statement that hands rows back.
    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<Row>, DbError>>;

    /// Now, by the clock that all who share the database share: milliseconds since 1970.
    fn now(&mut self) -> BoxFuture<'_, Result<i64, DbError>>;

    /// What this unit has written is not kept, but what it answers is handed back.
    fn undo(&mut self);
}

/// Refuses a statement that would begin or end a transaction: a unit does not know which others share the one it is in.
pub(super) fn belongs_in_a_unit(sql: &str) -> Result<(), DbError> {
    const OURS: &[&str] = &[
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
    ];
    let mut words = sql.split(|c: char| !c.is_ascii_alphabetic());
    let first = words.find(|word| !word.is_empty()).unwrap_or_default();
    if OURS.iter().any(|word| first.eq_ignore_ascii_case(word)) {
        let why = "a unit of work neither begins nor ends a transaction";
        return Err(DbError::Failing(why.to_owned()));
    }
    Ok(())
}
