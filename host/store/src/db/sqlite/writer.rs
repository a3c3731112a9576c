//! The one thread that writes: it takes all that waits, runs each unit by itself, and keeps them together with one sync of the disk.
//!
//! Nobody gets an answer before the commit of his group has returned. After a commit that failed it is not known what the disk holds: the
//! connection is closed, and the next one copies the log into the database and syncs that before it takes anything on.

use super::fault::{execute, fault_of_commit};
use super::file::{self, Files};
use super::job::{End, Job};
use super::shared::Shared;
use super::transaction::{Transaction, at_once};
use crate::db::Counts;
use crate::db::error::DbError;
use crate::db::schema::{self, Dialect};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) type Group = Vec<Box<dyn Job>>;

pub(super) struct Writer {
    path: PathBuf,
    connection: Option<Connection>,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

/// How the transaction of a group went.
enum Went {
    /// What was to be kept is, and each unit has its own answer.
    Held,
    /// Nothing is kept, or nobody knows.
    Lost(DbError),
    /// The unit at this place took the whole transaction with it: nothing is kept, and the others have not failed.
    Taken(usize, DbError),
}

impl Writer {
    /// Opens the database, made if it is not there, and brings it to its form.
    pub(super) fn open(path: PathBuf, counts: Arc<Counts>) -> Result<Self, DbError> {
        file::claim(&path)?;
        let mut connection = file::open_to_write(&path)?;
        execute(&connection, "BEGIN IMMEDIATE")?;
        let mut transaction = Transaction::new(&mut connection);
        at_once(schema::migrate(&mut transaction, Dialect::Sqlite))?;
        execute(&connection, "COMMIT")?;
        let shared = Arc::new(Shared::new(Files::of(&path)?));
        Ok(Self {
            path,
            connection: Some(connection),
            shared,
            counts,
        })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs the units and answers them.
    pub(super) fn serve(&mut self, mut group: Group) {
        match self.group(&mut group) {
            Went::Held => settle(group, &Ok(())),
            Went::Lost(why) => settle(group, &Err(why)),
            Went::Taken(place, why) => {
                group.remove(place).settle(Err(why));
                // Whoever does the same again does it alone.
                for job in group {
                    self.serve(vec![job]);
                }
            }
        }
    }

    fn group(&mut self, group: &mut Group) -> Went {
        let mut connection = match self.stand() {
            Ok(connection) => connection,
            Err(why) => return Went::Lost(why),
        };
        if let Err(why) = execute(&connection, "BEGIN IMMEDIATE") {
            match why {
                // Nothing is wrong with the connection.
                DbError::Locked(_) => self.connection = Some(connection),
                _ => self.close(connection),
            }
            return Went::Lost(why);
        }
        for (place, job) in group.iter_mut().enumerate() {
            if let Err(why) = run(&mut connection, job.as_mut()) {
                self.close(connection);
                return Went::Taken(place, why);
            }
        }
        if let Err(error) = connection.execute_batch("COMMIT") {
            self.close(connection);
            return Went::Lost(fault_of_commit(&error));
        }
        self.connection = Some(connection);
        // Only what is in the files that have their names is found again.
        match self.stand() {
            Ok(connection) => {
                self.connection = Some(connection);
                self.counts.commits.fetch_add(1, Relaxed);
                self.counts.units.fetch_add(group.len() as u64, Relaxed);
                Went::Held
            }
            // It is in a file, and that file may be put back.
            Err(why) => Went::Lost(DbError::Ambiguous(why.to_string())),
        }
    }

    /// A connection to the files that were opened in the beginning.
    fn stand(&mut self) -> Result<Connection, DbError> {
        let there = Files::of(&self.path)?;
        let opened = self.shared.files();
        if there.database != opened.database {
            return Err(DbError::Gone(format!(
                "{} is another file than the one that was opened; put that one back, or restart the host to take this one",
                self.path.display()
            )));
        }
        match self.connection.take() {
            Some(connection) if there.log == opened.log => Ok(connection),
            // Its log was taken away, but the connection still has it.
            Some(connection) => {
                let emptied = file::empty_the_log(&connection);
                if let Err(why) = emptied {
                    self.connection = Some(connection);
                    return Err(why);
                }
                drop(connection);
                self.reopen()
            }
            None if there.log == opened.log || opened.is_closed() => self.reopen(),
            None => Err(DbError::Gone(format!(
                "the log beside {} was taken away while it was closed; restart the host to take what is left",
                self.path.display()
            ))),
        }
    }

    fn reopen(&self) -> Result<Connection, DbError> {
        // Within a process the index of the log is shared by all who have the database open, even one that lost its name.
        self.shared.without_readers(|| {
            let opened = file::open_to_write(&self.path).and_then(|connection| {
                file::empty_the_log(&connection)?;
                Ok(connection)
            });
            self.note();
            opened
        })
    }

    /// Lets go of a connection that cannot be trusted any more.
    fn close(&self, connection: Connection) {
        // A reader that opened meanwhile would have half of its files noted.
        self.shared.without_readers(|| {
            drop(connection);
            self.note();
        });
    }

    /// Notes which files there are: the log comes and goes with its first and its last connection.
    fn note(&self) {
        if let Ok(files) = Files::of(&self.path)
            && files.database == self.shared.files().database
        {
            self.shared.opened(files);
        }
    }
}

/// Runs one unit of a group by itself: if it is not to be kept, the others do not notice. An error is one of them all: some failures, such
/// as a full disk, may end the whole transaction.
fn run(connection: &mut Connection, job: &mut dyn Job) -> Result<(), DbError> {
    execute(connection, "SAVEPOINT unit")?;
    let end = match job.attempt(connection) {
        End::Keep => "RELEASE unit",
        End::Undo | End::Failed => "ROLLBACK TO unit; RELEASE unit",
    };
    execute(connection, end)
}

fn settle(group: Group, held: &Result<(), DbError>) {
    for job in group {
        job.settle(held.clone());
    }
}
