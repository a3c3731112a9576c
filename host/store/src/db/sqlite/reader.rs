//! The threads that read: each has a connection of its own, so that nobody who reads waits for a sync of the disk.

use super::fault::execute;
use super::file::{self, Files};
use super::job::{End, Job};
use super::shared::{Seat, Shared};
use crate::db::error::DbError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

pub(super) struct Reader {
    path: PathBuf,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
}

impl Reader {
    /// Opens its connection at once, so that what a host holds open is what it began with. Where that fails, whoever asks is told.
    pub(super) fn new(path: PathBuf, shared: Arc<Shared>) -> Self {
        let seat = shared.seat();
        *seat.lock().unwrap_or_else(PoisonError::into_inner) = opened(&path).ok();
        Self { path, shared, seat }
    }

    /// Runs the unit and answers it.
    pub(super) fn serve(&self, mut job: Box<dyn Job>) {
        let held = self.look(job.as_mut());
        job.settle(held);
    }

    fn look(&self, job: &mut dyn Job) -> Result<(), DbError> {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        let (there, opened) = (Files::of(&self.path)?, self.shared.files());
        // Where the writer took the log with it, the next one to open makes another.
        let same = there.log == opened.log || opened.is_closed();
        if there.database != opened.database || !same {
            let path = self.path.display();
            return Err(DbError::Gone(format!("{path} is not what was opened")));
        }
        let mut connection = match seat.take() {
            Some(connection) => connection,
            None => file::open_to_read(&self.path)?,
        };
        if attempt(&mut connection, job)? != End::Failed {
            *seat = Some(connection);
        }
        // After a failure the connection is closed: the failure may have been its own.
        Ok(())
    }
}

/// A connection that has read: only then are all of its files open.
fn opened(path: &Path) -> Result<Connection, DbError> {
    let connection = file::open_to_read(path)?;
    execute(&connection, "SELECT count(*) FROM sqlite_schema")?;
    Ok(connection)
}

fn attempt(connection: &mut Connection, job: &mut dyn Job) -> Result<End, DbError> {
    execute(connection, "BEGIN")?;
    let end = job.attempt(connection);
    execute(connection, "ROLLBACK")?;
    Ok(end)
}
