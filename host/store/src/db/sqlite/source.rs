//! The file as the place that a database is copied from: all that is in it at one moment, in pieces.

use super::fault::{execute, fault};
use super::file;
use super::transaction::cell;
use crate::db::copy::{CopyError, PIECE_BYTES_MAX, PIECE_ROWS_MAX, Piece, TABLES, Table};
use crate::db::error::DbError;
use crate::db::value::{Row, Value};
use rusqlite::Connection;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// The tables that are there, but for those of SQLite's own and the one that says which form this is.
const THERE: &str = "SELECT name FROM sqlite_schema
    WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'holdfast_schema'";
const COLUMNS: &str = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";

/// Reads every table, and sends what is in it for as long as somebody wants it.
pub(in crate::db) fn read_all(path: &Path, pieces: &Sender<Piece>) -> Result<(), CopyError> {
    let connection = file::open_to_read(path).map_err(CopyError::Source)?;
    execute(&connection, "BEGIN").map_err(CopyError::Source)?;
    let there = names(&connection, THERE, &[]).map_err(CopyError::Source)?;
    let known = |name: &String| TABLES.iter().any(|table| table.name == name.as_str());
    if let Some(other) = there.into_iter().find(|name| !known(name)) {
        return Err(CopyError::Unknown(other));
    }
    for table in TABLES {
        let sent = read(&connection, table, pieces).map_err(CopyError::Source)?;
        if sent.is_break() {
            break;
        }
    }
    Ok(())
}

fn read(
    connection: &Connection,
    table: &'static Table,
    pieces: &Sender<Piece>,
) -> Result<ControlFlow<()>, DbError> {
    let name = table.name;
    let columns: Arc<[String]> = names(connection, COLUMNS, &[name])?.into();
    let count = format!("SELECT count(*) FROM {name}");
    let of: i64 = connection
        .query_row(&count, [], |row| row.get(0))
        .map_err(|error| fault(&error))?;
    let piece = |rows| Piece {
        table,
        columns: Arc::clone(&columns),
        rows,
        of: u64::try_from(of).unwrap_or(0),
    };
    let listed: Vec<_> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let select = format!("SELECT {} FROM {name}", listed.join(", "));
    let statement = connection.prepare(&select);
    let mut statement = statement.map_err(|error| fault(&error))?;
    let mut found = statement.raw_query();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next().map_err(|error| fault(&error))? {
        let cells = (0..columns.len()).map(|column| cell(column, row.get_ref(column)?));
        let cells: Result<Vec<_>, _> = cells.collect();
        let cells = cells.map_err(|error| fault(&error))?;
        bytes += cells.iter().map(weight).sum::<usize>();
        rows.push(Row::new(cells));
        if rows.len() == PIECE_ROWS_MAX || bytes >= PIECE_BYTES_MAX {
            bytes = 0;
            let full = piece(std::mem::take(&mut rows));
            if pieces.blocking_send(full).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(match pieces.blocking_send(piece(rows)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    })
}

/// About how many bytes of the memory a value takes.
fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Integer(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        }
}

fn names(connection: &Connection, select: &str, params: &[&str]) -> Result<Vec<String>, DbError> {
    let read = || {
        let mut statement = connection.prepare(select)?;
        let names = statement.query_map(rusqlite::params_from_iter(params), |row| row.get(0))?;
        names.collect::<Result<Vec<_>, _>>()
    };
    read().map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, Place};

    const FILL: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
         INSERT INTO kv (service, bucket, key, value, written_by)
         SELECT 's', 'b', CAST('key' || i AS BLOB), zeroblob($2), 'w' FROM n WHERE i <= $1";

    /// The sizes of the pieces of a table with so many rows of so many bytes.
    async fn pieces(rows: i64, bytes: i64) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join("holdfast.db");
        let database = Database::open(Place::File(path.clone())).await.unwrap();
        let filled = database.run((rows, bytes), |(rows, bytes), tx| {
            Box::pin(async move { tx.execute(FILL, &[(*rows).into(), (*bytes).into()]).await })
        });
        assert_eq!(filled.await.unwrap(), rows as u64);
        database.close().await;
        let (pieces, mut came) = tokio::sync::mpsc::channel(1);
        let reads = tokio::task::spawn_blocking(move || read_all(&path, &pieces));
        let (mut sizes, mut tables) = (Vec::new(), Vec::new());
        while let Some(piece) = came.recv().await {
            tables.push(piece.table.name);
            if piece.table.name == "kv" {
                assert_eq!(piece.of, rows as u64);
                sizes.push(piece.rows.len());
            }
        }
        reads.await.unwrap().unwrap();
        tables.dedup();
        let all: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        assert_eq!(tables, all);
        sizes
    }

    #[tokio::test]
    async fn no_piece_has_too_many_rows() {
        assert_eq!(pieces(2_500, 1).await, [1_000, 1_000, 500]);
        assert_eq!(pieces(1_000, 1).await, [1_000, 0]);
        assert_eq!(pieces(0, 1).await, [0]);
    }

    #[tokio::test]
    async fn no_piece_has_too_many_bytes() {
        assert_eq!(pieces(5, PIECE_BYTES_MAX as i64 / 2).await, [2, 2, 1]);
        assert_eq!(pieces(2, 3 * PIECE_BYTES_MAX as i64).await, [1, 1, 0]);
    }

    #[tokio::test]
    async fn whoever_wants_no_more_of_it_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join("holdfast.db");
        let database = Database::open(Place::File(path.clone())).await.unwrap();
        database.close().await;
        let (pieces, came) = tokio::sync::mpsc::channel(1);
        drop(came);
        let reads = tokio::task::spawn_blocking(move || read_all(&path, &pieces));
        reads.await.unwrap().unwrap();
    }
}
