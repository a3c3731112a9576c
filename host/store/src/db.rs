//! The database: what hosts must find again, and share.
//!
//! What is kept is written once, as [units of work](Unit) against [`Tx`], and runs on two databases: a file in the data directory, for one
//! host, and a PostgreSQL server, for many. In both a unit that was answered is on the disk, units do not see each other's middle, and what
//! a unit was refused for is not kept.

mod copy;
mod error;
mod postgres;
mod schema;
mod sqlite;
mod unit;
mod value;

pub use copy::{Copied, CopyError, Progress, TABLES, Table, copy};
pub use error::DbError;
pub use postgres::Server;
pub use unit::{LOCKED, Tx, Unit};
pub use value::{Row, Value};

use crate::queue::Bell;
use postgres::Postgres;
use sqlite::Sqlite;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file in a directory that belongs to the host alone.
    File(PathBuf),
    /// A server, which many hosts may share.
    Server(Server),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

/// What was seen of a database that was only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no file.
    NoFile,
    /// There is a database, in which no host has kept anything yet.
    Bare,
    /// It has a form that this release understands.
    Form(i64),
}

/// Writes what a database in a file holds at this moment into a new file, while its host goes on.
///
/// # Errors
/// It cannot be read, or the other one not be written.
pub fn snapshot(from: &Path, to: &Path) -> Result<(), DbError> {
    sqlite::snapshot(from, to)
}

/// An open database; clones are the same one.
#[derive(Clone)]
pub struct Database {
    backend: Arc<Backend>,
    counts: Arc<Counts>,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What hosts tell each other that share a database.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// That a message was sent.
    pub queue: Arc<Bell>,
    /// That a durable execution was begun, or has ended.
    pub runs: Arc<Bell>,
}

/// What the database has done since it was opened.
#[derive(Debug, Default)]
struct Counts {
    units: AtomicU64,
    commits: AtomicU64,
}

/// What the database has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many units of work were kept or had an answer.
    pub units: u64,
    /// How many commits that took: fewer, if units were kept together.
    pub commits: u64,
}

impl Database {
    /// Opens the database, made if it is not there, and brings it to the form of this release.
    ///
    /// # Errors
    /// It cannot be opened, or was written by a release that is too new.
    pub async fn open(place: Place) -> Result<Self, DbError> {
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let backend = match place {
            Place::File(path) => Backend::Sqlite(Sqlite::open(path, shared).await?),
            Place::Server(server) => Backend::Postgres(Postgres::open(&server, shared).await?),
        };
        Ok(Self {
            backend: Arc::new(backend),
            counts,
        })
    }

    /// Looks at a database without changing it: whether it is there, whole, and of a form that this release understands.
    ///
    /// # Errors
    /// Why a host could not use it.
    pub async fn look(place: Place) -> Result<Seen, DbError> {
        match place {
            Place::File(path) => sqlite::look(path).await,
            Place::Server(server) => postgres::look(&server).await,
        }
    }

    /// Runs a unit of work and keeps what it has written: when this returns, that is on the disk. `input` is all that the unit is given.
    ///
    /// Whoever stops waiting does not undo it.
    ///
    /// # Errors
    /// The unit's own, or why it was not kept; after [`DbError::Ambiguous`] alone it may have been.
    pub async fn run<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.run(input, unit).await,
            Backend::Postgres(postgres) => postgres.run(input, unit).await,
        }
    }

    /// Runs a unit of work that takes rows for itself, as [`run`](Self::run) does one that looks at others. On a server it sees at each
    /// statement what others have kept meanwhile, and is never begun again because of them: so it relies on no row that it has not
    /// changed itself, or found by a statement that ends its search in [`LOCKED`].
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    pub async fn take<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.run(input, unit).await,
            Backend::Postgres(postgres) => postgres.take(input, unit).await,
        }
    }

    /// Runs a unit of work that only looks, without waiting for those that write. It sees all that was kept before.
    ///
    /// # Errors
    /// The unit's own, or why the database cannot be read.
    pub async fn read<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(input, unit).await,
            Backend::Postgres(postgres) => postgres.read(input, unit).await,
        }
    }

    /// Tells other hosts on the same database when one of these rings, and rings it when they tell, as long as this is waited for. A hint may be
    /// lost: whoever waits looks again now and then all the same. `own` is the name of this life of this host.
    pub async fn hint(&self, own: &str, bells: &Bells) {
        match &*self.backend {
            // Of one host nobody else need know.
            Backend::Sqlite(_) => {}
            Backend::Postgres(postgres) => postgres.hint(own, bells).await,
        }
    }

    /// Whether it can be written now: writes something, and keeps it.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn probe(&self) -> Result<(), DbError> {
        const TOUCH: &str = "UPDATE holdfast_schema SET version = version";
        self.run((), |(), tx| tx.execute(TOUCH, &[])).await?;
        Ok(())
    }

    /// Ends what was asked of it before, and closes its files. Nothing is asked of it any more.
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            // Its connections hold nothing.
            Backend::Postgres(_) => {}
        }
    }

    /// What it has done since it was opened.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            units: self.counts.units.load(Relaxed),
            commits: self.counts.commits.load(Relaxed),
        }
    }
}
