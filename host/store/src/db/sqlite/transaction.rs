//! The open transaction of a connection, as a unit of work sees it.

use super::fault::fault;
use crate::db::error::DbError;
use crate::db::unit::{LOCKED, Tx, belongs_in_a_unit};
use crate::db::value::{Row, Value};
use holdfast_call::BoxFuture;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use std::borrow::Cow;
use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Milliseconds, rounded: SQLite counts seconds as a broken number.
const NOW: &str = "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)";

pub(super) struct Transaction<'c> {
    connection: &'c mut Connection,
    failed: Option<DbError>,
    undone: bool,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self {
            connection,
            failed: None,
            undone: false,
        }
    }

    /// Why its first statement failed that did.
    pub(super) fn failed(&self) -> Option<DbError> {
        self.failed.clone()
    }

    pub(super) fn undone(&self) -> bool {
        self.undone
    }

    fn statement<R>(
        &mut self,
        sql: &str,
        params: &[Value],
        run: impl FnOnce(&mut CachedStatement<'_>) -> Result<R, rusqlite::Error>,
    ) -> Result<R, DbError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let sql = match sql.contains(LOCKED) {
            true => Cow::Owned(sql.replace(LOCKED, "")),
            false => Cow::Borrowed(sql),
        };
        let done = belongs_in_a_unit(&sql)
            .and_then(|()| {
                let prepared = self.connection.prepare_cached(&sql);
                prepared.map_err(|error| fault(&error))
            })
            .and_then(|mut statement| {
                bind(&mut statement, params)?;
                run(&mut statement).map_err(|error| fault(&error))
            });
        self.failed = done.as_ref().err().cloned();
        done
    }
}

impl Tx for Transaction<'_> {
    fn execute<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<u64, DbError>> {
        let changed = self.statement(sql, params, |statement| statement.raw_execute());
        Box::pin(ready(changed.map(|count| count as u64)))
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<Row>, DbError>> {
        Box::pin(ready(self.statement(sql, params, read)))
    }

    fn now(&mut self) -> BoxFuture<'_, Result<i64, DbError>> {
        let rows = self.statement(NOW, &[], read);
        let now = rows.and_then(|rows| match rows.first() {
            Some(row) => row.integer(0),
            None => Err(DbError::Failing("it has no clock".to_owned())),
        });
        Box::pin(ready(now))
    }

    fn undo(&mut self) {
        self.undone = true;
    }
}

/// What work on a transaction comes to. A statement is done when it returns, so that whoever asks for nothing else never waits.
pub(super) fn at_once<T>(work: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(work).poll(&mut cx) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(DbError::Failing(
            "a unit of work waited for something other than the database".to_owned(),
        )),
    }
}

/// Parameters are bound by their names, so that a statement may use them in any order, and more than once.
fn bind(statement: &mut CachedStatement<'_>, params: &[Value]) -> Result<(), DbError> {
    let wanted = statement.parameter_count();
    if wanted != params.len() {
        let given = params.len();
        return Err(DbError::Failing(format!(
            "a statement takes {wanted} parameters and was given {given}"
        )));
    }
    for (number, value) in (1..).zip(params) {
        let name = format!("${number}");
        if matches!(value, Value::Text(text) if text.contains('\0')) {
            // The other database has no such texts, and the functions of this one end at it.
            return Err(DbError::Failing(format!("the text {name} has a null byte")));
        }
        let index = statement.parameter_index(&name);
        let index = index.map_err(|error| fault(&error))?.ok_or_else(|| {
            DbError::Failing(format!("a statement does not use its parameter {name}"))
        })?;
        let bound = statement.raw_bind_parameter(index, value);
        bound.map_err(|error| fault(&error))?;
    }
    Ok(())
}

fn read(statement: &mut CachedStatement<'_>) -> Result<Vec<Row>, rusqlite::Error> {
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| cell(column, row.get_ref(column)?));
        found.push(Row::new(cells.collect::<Result<_, _>>()?));
    }
    Ok(found)
}

pub(super) fn cell(column: usize, value: ValueRef<'_>) -> Result<Value, rusqlite::Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Text(_) => Value::Text(value.as_str()?.to_owned()),
        ValueRef::Blob(value) => Value::Bytes(value.to_owned()),
        ValueRef::Real(_) => {
            let what = "a broken number".to_owned();
            let kind = rusqlite::types::Type::Real;
            return Err(rusqlite::Error::InvalidColumnType(column, what, kind));
        }
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}
