//! The server as the place that a database is copied to: one transaction, in which its tables are made if they are not there.

use super::connection::Connection;
use super::fault::fault;
use super::server::Server;
use super::transaction::{Transaction, given};
use super::{ALONE, KEEP, LIMITS, MIGRATION, end_with, lasts, pool};
use crate::db::copy::{CopyError, Piece, TABLES, Table, Tally};
use crate::db::error::DbError;
use crate::db::schema::{self, Dialect, KNOWN};
use crate::db::unit::Tx;
use std::pin::pin;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

/// It waits for hosts that are in its way as long as a unit does. A statement may take longer than theirs: it counts all that is there.
const COPY: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;";
const PATIENCE: &str = "SET LOCAL statement_timeout = '10min';";

/// A server that is being filled. Unless it is told to keep what it has, it has nothing of it.
pub(in crate::db) struct Target {
    connection: Connection,
    /// The table whose rows came last, with the types of its columns.
    filled: Option<(&'static str, Vec<(String, Type)>)>,
}

impl Target {
    /// Begins, on a server that has nothing yet. Nobody else reads or writes there until this ends.
    pub(in crate::db) async fn begin(server: &Server) -> Result<Self, CopyError> {
        let of_server = CopyError::Target;
        let connection = Connection::of(&pool(server).map_err(of_server)?).await;
        let connection = connection.map_err(of_server)?;
        let begun = connection.begin(&[COPY, LIMITS, PATIENCE].concat()).await;
        begun.map_err(of_server)?;
        let empty = empty(&connection, server).await;
        let this = Self {
            connection,
            filled: None,
        };
        match empty {
            Ok(()) => Ok(this),
            Err(why) => {
                this.give_up().await;
                Err(why)
            }
        }
    }

    /// Writes some rows.
    pub(in crate::db) async fn take(&mut self, piece: &Piece) -> Result<(), DbError> {
        let types = self.types(piece).await?;
        if piece.rows.is_empty() {
            return Ok(());
        }
        let statement = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            piece.table.name,
            quoted(&piece.columns)
        );
        let sink = self.connection.client()?.copy_in(&statement).await;
        let sink = sink.map_err(|error| fault(&error))?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for row in &piece.rows {
            let written = writer.as_mut().write(&given(row.cells())).await;
            written.map_err(|error| fault(&error))?;
        }
        let written = writer.finish().await;
        written.map(|_| ()).map_err(|error| fault(&error))
    }

    /// The types of the columns that the piece names. The table must have those, and no others.
    async fn types(&mut self, piece: &Piece) -> Result<Vec<Type>, DbError> {
        let name = piece.table.name;
        let columns = match self.filled.take() {
            Some((filled, columns)) if filled == name => columns,
            Some(_) | None => {
                let select = format!("SELECT * FROM {name}");
                let prepared = self.connection.client()?.prepare(&select).await;
                let prepared = prepared.map_err(|error| fault(&error))?;
                let columns = prepared.columns().iter();
                let column = |column: &tokio_postgres::Column| {
                    (column.name().to_owned(), column.type_().clone())
                };
                columns.map(column).collect()
            }
        };
        let type_of = |wanted: &String| {
            let found = columns.iter().find(|(name, _)| name == wanted);
            found.map(|(_, is)| is.clone())
        };
        let types: Option<Vec<_>> = piece.columns.iter().map(type_of).collect();
        let same = types.filter(|types| types.len() == columns.len());
        self.filled = Some((name, columns));
        same.ok_or_else(|| DbError::Failing(format!("the table {name} has other columns there")))
    }

    /// What a table has by now.
    pub(in crate::db) async fn tally(&self, table: &Table) -> Result<Tally, DbError> {
        let mut statement = "SELECT count(*)".to_owned();
        for column in table.sums {
            statement.push_str(&format!(", CAST(COALESCE(SUM({column}), 0) AS TEXT)"));
        }
        statement.push_str(&format!(" FROM {}", table.name));
        let mut transaction = Transaction::new(self.connection.client()?);
        let rows = transaction.query(&statement, &[]).await?;
        let none = || DbError::Failing("it does not count".to_owned());
        let row = rows.first().ok_or_else(none)?;
        let mut tally = Tally {
            rows: u64::try_from(row.integer(0)?).unwrap_or(0),
            sums: Vec::new(),
        };
        for place in 1..=table.sums.len() {
            let sum = row.text(place)?.parse();
            tally.sums.push(sum.map_err(|_| none())?);
        }
        Ok(tally)
    }

    /// Keeps what it has.
    pub(in crate::db) async fn keep(self) -> Result<(), DbError> {
        end_with(self.connection, KEEP).await
    }

    /// Keeps nothing of it.
    pub(in crate::db) async fn give_up(self) {
        self.connection.roll_back().await;
    }
}

/// Makes sure that the server has the tables, that nobody else is at them, and that there is nothing in them.
async fn empty(connection: &Connection, server: &Server) -> Result<(), CopyError> {
    let of_server = CopyError::Target;
    let mut transaction = Transaction::new(connection.client().map_err(of_server)?);
    let tx: &mut dyn Tx = &mut transaction;
    tx.query(ALONE, &[MIGRATION.into()])
        .await
        .map_err(of_server)?;
    lasts(tx).await.map_err(of_server)?;
    match schema::form(tx, Dialect::Postgres).await {
        Ok(None) => schema::migrate(tx, Dialect::Postgres)
            .await
            .map_err(of_server)?,
        Ok(Some(KNOWN)) => {}
        Ok(Some(found)) => return Err(CopyError::other_form(server.to_string(), found)),
        Err(why) => return Err(CopyError::Target(why)),
    }
    let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
    tx.execute(&lock, &[]).await.map_err(of_server)?;
    for table in names {
        let any = format!("SELECT 1 FROM {table} LIMIT 1");
        let any = tx.query(&any, &[]).await.map_err(of_server)?;
        if !any.is_empty() {
            let server = server.to_string();
            return Err(CopyError::NotEmpty { server, table });
        }
    }
    Ok(())
}

fn quoted(columns: &[String]) -> String {
    let quoted: Vec<_> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}
