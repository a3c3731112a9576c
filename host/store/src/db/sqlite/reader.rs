//! The threads that read: each has a connection of its own, so that nobody who reads waits for a sync of the disk.

use super::fault::fault;
use super::file::{self, Files};
use super::job::{End, Job};
use super::writer::Opened;
use crate::db::error::DbError;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) struct Reader {
    path: PathBuf,
    /// What the writer has opened.
    files: Arc<Opened>,
    connection: Option<(Connection, Files)>,
}

impl Reader {
    pub(super) fn new(path: PathBuf, files: Arc<Opened>) -> Self {
        Self {
            path,
            files,
            connection: None,
        }
    }

    /// Runs the unit and answers it.
    pub(super) fn serve(&mut self, mut job: Box<dyn Job>) {
        let held = self.look(job.as_mut());
        job.settle(held);
    }

    fn look(&mut self, job: &mut dyn Job) -> Result<(), DbError> {
        let there = Files::of(&self.path)?;
        if there != self.files.get() {
            // The connection is let go of: the writer may need the log to itself.
            self.connection = None;
            let path = self.path.display();
            return Err(DbError::Gone(format!("{path} is not what was opened")));
        }
        let (mut connection, files) = match self.connection.take() {
            Some((connection, files)) if files == there => (connection, files),
            Some(_) | None => (file::open_to_read(&self.path)?, there),
        };
        let begun = connection.execute_batch("BEGIN");
        begun.map_err(|error| fault(&error))?;
        let end = job.attempt(&mut connection);
        let ended = connection.execute_batch("ROLLBACK");
        // After a failure it is opened anew: the failure may have been its own.
        if end != End::Failed && ended.is_ok() {
            self.connection = Some((connection, files));
        }
        Ok(())
    }
}
