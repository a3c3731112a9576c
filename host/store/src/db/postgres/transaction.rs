//! The open transaction of a connection, as a unit of work sees it.

use super::fault::fault;
use crate::db::error::DbError;
use crate::db::unit::{Tx, belongs_in_a_unit};
use crate::db::value::{Row, Value};
use deadpool_postgres::ClientWrapper;
use holdfast_call::BoxFuture;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement};

/// Milliseconds by the server's clock, as it is now and not as it was when the transaction began.
const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

pub(super) struct Transaction<'c> {
    client: &'c ClientWrapper,
    failed: Option<DbError>,
    undone: bool,
}

/// How a unit left its transaction.
pub(super) struct Left {
    /// Why its first statement failed that did.
    pub(super) failed: Option<DbError>,
    pub(super) undone: bool,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(client: &'c ClientWrapper) -> Self {
        Self {
            client,
            failed: None,
            undone: false,
        }
    }

    pub(super) fn left(self) -> Left {
        Left {
            failed: self.failed,
            undone: self.undone,
        }
    }

    async fn prepare(&mut self, sql: &str, params: &[Value]) -> Result<Statement, DbError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        // Stands until the statement is done: one that is not waited for must not pass for one that succeeded.
        self.failed = Some(DbError::Failing(
            "a unit of work did not wait for a statement".to_owned(),
        ));
        if let Err(why) = belongs_in_a_unit(sql) {
            self.failed = Some(why.clone());
            return Err(why);
        }
        let prepared = self.client.prepare_cached(sql).await;
        let statement = self.done(prepared)?;
        let (wanted, given) = (statement.params().len(), params.len());
        if wanted != given {
            let why = format!("a statement takes {wanted} parameters and was given {given}");
            self.failed = Some(DbError::Failing(why.clone()));
            return Err(DbError::Failing(why));
        }
        Ok(statement)
    }

    fn done<T>(&mut self, came: Result<T, Error>) -> Result<T, DbError> {
        came.map_err(|error| {
            let why = fault(&error);
            self.failed = Some(why.clone());
            why
        })
    }

    async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let statement = self.prepare(sql, params).await?;
        let came = self.client.query(&statement, &given(params)).await;
        let rows = self.done(came)?;
        let rows: Result<Vec<_>, _> = rows.iter().map(read).collect();
        let rows = self.done(rows)?;
        self.failed = None;
        Ok(rows)
    }
}

impl Tx for Transaction<'_> {
    fn execute<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<u64, DbError>> {
        Box::pin(async move {
            let statement = self.prepare(sql, params).await?;
            let came = self.client.execute(&statement, &given(params)).await;
            let changed = self.done(came)?;
            self.failed = None;
            Ok(changed)
        })
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<Row>, DbError>> {
        Box::pin(self.rows(sql, params))
    }

    fn now(&mut self) -> BoxFuture<'_, Result<i64, DbError>> {
        Box::pin(async move {
            let rows = self.rows(NOW, &[]).await?;
            match rows.first() {
                Some(row) => row.integer(0),
                None => Err(DbError::Failing("it has no clock".to_owned())),
            }
        })
    }

    fn undo(&mut self) {
        self.undone = true;
    }
}

pub(super) fn given(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    let given = params.iter().map(|value| value as &(dyn ToSql + Sync));
    given.collect()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Error> {
    let cells = (0..row.len()).map(|cell| row.try_get(cell));
    cells.collect::<Result<_, _>>().map(Row::new)
}
