//! A database that moves from a file to a server: every row of every table, or nothing.
//!
//! What is read is handed on in pieces, so that a database of any size needs the memory of a few. All of it is one transaction of the server,
//! the tables as well: whoever is killed in its middle leaves the server as it was. Before it is kept, what arrived is counted and summed
//! up by the server and compared with what was read.

mod error;
mod tables;

pub use error::CopyError;
pub use tables::{TABLES, Table};

use super::schema::KNOWN;
use super::value::{Row, Value};
use super::{Seen, Server, postgres, sqlite};
use postgres::Target;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::{self, Receiver};

/// How many rows are in the memory together, at most.
pub(super) const PIECE_ROWS_MAX: usize = 1_000;
/// How many bytes they have, but for the last of them, which may be larger than that alone.
pub(super) const PIECE_BYTES_MAX: usize = 1 << 20;
/// How many pieces wait for the server.
const PIECES_WAITING: usize = 2;

/// Some rows of a table. Each table has one at least, which may have none.
pub(super) struct Piece {
    pub(super) table: &'static Table,
    /// The names of the cells of each row.
    pub(super) columns: Arc<[String]>,
    pub(super) rows: Vec<Row>,
    /// How many the table has in all.
    pub(super) of: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table that is copied.
    pub table: &'static str,
    /// How many of its rows are.
    pub rows: u64,
    /// How many it has.
    pub of: u64,
}

/// What is in a table: how many rows, and the sums of the columns that are summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) sums: Vec<i128>,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// From how many tables.
    pub tables: usize,
    /// How many rows.
    pub rows: u64,
}

/// Copies the database in the file `from` to a server, on which there is none yet or one that is empty. Nobody writes to the file meanwhile.
///
/// # Errors
/// The file or the server is not one that can be copied, or fails; then nothing is on the server, unless it failed in the commit.
pub async fn copy(
    from: &Path,
    to: &Server,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Copied, CopyError> {
    let place = || from.display().to_string();
    match sqlite::look(from.to_owned()).await {
        Ok(Seen::Form(KNOWN)) => {}
        Ok(Seen::Form(found)) => return Err(CopyError::other_form(place(), found)),
        Ok(Seen::NoFile | Seen::Bare) => return Err(CopyError::Nothing(from.to_owned())),
        Err(why) => return Err(CopyError::Source(why)),
    }
    let mut target = Target::begin(to).await?;
    let copied = match fill(from, &mut target, tell).await {
        Ok(copied) => copied,
        Err(why) => {
            target.give_up().await;
            return Err(why);
        }
    };
    target.keep().await.map_err(CopyError::Target)?;
    Ok(copied)
}

async fn fill(
    from: &Path,
    target: &mut Target,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Copied, CopyError> {
    let (pieces, came) = mpsc::channel(PIECES_WAITING);
    let path = from.to_owned();
    let reads = tokio::task::spawn_blocking(move || sqlite::read_all(&path, &pieces));
    // Where this fails, the pieces are no longer wanted, and the thread that reads them ends.
    let sent = write(target, came, tell).await?;
    let read = reads.await;
    read.map_err(|error| CopyError::Ended(error.to_string()))??;
    compare(target, &sent).await
}

/// Writes what comes, and counts it.
async fn write(
    target: &mut Target,
    mut came: Receiver<Piece>,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<BTreeMap<&'static str, Sent>, CopyError> {
    let mut all = BTreeMap::<_, Sent>::new();
    while let Some(piece) = came.recv().await {
        target.take(&piece).await.map_err(CopyError::Target)?;
        let name = piece.table.name;
        let sent = all.entry(name).or_insert_with(|| Sent::none_of(&piece));
        sent.tally.add(&piece)?;
        tell(Progress {
            table: name,
            rows: sent.tally.rows,
            of: sent.of,
        });
    }
    Ok(all)
}

/// What was sent of a table that has `of` rows.
struct Sent {
    tally: Tally,
    of: u64,
}

impl Sent {
    fn none_of(piece: &Piece) -> Self {
        let tally = Tally {
            rows: 0,
            sums: vec![0; piece.table.sums.len()],
        };
        Self {
            tally,
            of: piece.of,
        }
    }
}

impl Tally {
    fn add(&mut self, piece: &Piece) -> Result<(), CopyError> {
        self.rows += piece.rows.len() as u64;
        for (sum, column) in self.sums.iter_mut().zip(piece.table.sums) {
            let place = piece.columns.iter().position(|name| name == column);
            let place = place.ok_or(CopyError::NoColumn(piece.table.name, column))?;
            for row in &piece.rows {
                if let Some(Value::Integer(value)) = row.cells().get(place) {
                    *sum += i128::from(*value);
                }
            }
        }
        Ok(())
    }
}

/// Compares what the server has with what was read, table by table.
async fn compare(
    target: &Target,
    sent: &BTreeMap<&'static str, Sent>,
) -> Result<Copied, CopyError> {
    let mut copied = Copied::default();
    for table in TABLES {
        let sent = sent
            .get(table.name)
            .ok_or_else(|| CopyError::Ended(format!("{} was not read", table.name)))?;
        let has = target.tally(table).await.map_err(CopyError::Target)?;
        let rows = [(sent.of, sent.tally.rows), (sent.tally.rows, has.rows)];
        let rows = rows.map(|(one, other)| ("rows", i128::from(one), i128::from(other)));
        let sums = table.sums.iter().zip(&sent.tally.sums).zip(&has.sums);
        let sums = sums.map(|((column, one), other)| (*column, *one, *other));
        for (what, sent, has) in rows.into_iter().chain(sums) {
            if sent != has {
                let table = table.name;
                return Err(CopyError::Differs {
                    table,
                    what,
                    sent,
                    has,
                });
            }
        }
        copied.tables += 1;
        copied.rows += has.rows;
    }
    Ok(copied)
}
