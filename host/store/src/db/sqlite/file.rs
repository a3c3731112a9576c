//! The files of the database: which ones they are, and how they are opened.

use super::fault::fault;
use crate::db::error::DbError;
use crate::error::StoreError;
use crate::private::Directory;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a lock that somebody else holds is waited for: long enough for a look from outside, too short to keep everybody waiting.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// How many statements a connection keeps prepared.
const STATEMENTS_KEPT: usize = 256;
/// What is left of the log's file once it has been copied into the database, in bytes.
const LOG_BYTES_LEFT: u32 = 16 << 20;

/// Which file a name leads to: its device and its number.
type Identity = (u64, u64);

/// The files that a database consists of while it is open. What is written into one that has lost its name is lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) database: Identity,
    /// The log, and the index of the log that all connections share.
    pub(super) log: [Option<Identity>; 2],
}

impl Files {
    /// The files that are there now.
    pub(super) fn of(path: &Path) -> Result<Self, DbError> {
        let identity = |path: &Path| {
            let stat = rustix::fs::stat(path)?;
            Ok::<_, rustix::io::Errno>((stat.st_dev, stat.st_ino))
        };
        let database = identity(path)
            .map_err(|errno| DbError::Gone(format!("{}: {errno}", path.display())))?;
        let log = ["-wal", "-shm"].map(|end| identity(&beside(path, end)).ok());
        Ok(Self { database, log })
    }

    /// Whether the last connection was closed and took the log with it: all that it held is in the database.
    pub(super) fn is_closed(&self) -> bool {
        self.log == [None, None]
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes sure that the file is there and that nobody but its owner can read it.
pub(super) fn claim(path: &Path) -> Result<(), DbError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| DbError::Failing(format!("{} is not the name of a file", path.display())))?;
    let claimed = Directory::open(folder).and_then(|folder| folder.claim(name));
    claimed.map_err(|error| unclaimed(&error))
}

fn unclaimed(error: &StoreError) -> DbError {
    use std::io::ErrorKind;
    let text = error.to_string();
    let (StoreError::Read { source, .. } | StoreError::Write { source, .. }) = error else {
        return DbError::Refused(text);
    };
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DbError::Full,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => DbError::ReadOnly(text),
        _ => DbError::Failing(text),
    }
}

/// Opens the connection that writes.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, DbError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mode = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        })
        .map_err(|error| fault(&error))?;
    if mode != "wal" {
        return Err(DbError::Failing(format!(
            "this file system has no write-ahead log (its journal is \"{mode}\"); put the data directory on a local disk"
        )));
    }
    let settings = format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = {LOG_BYTES_LEFT};"
    );
    // The first look is what opens the log; until then it may not be there.
    let look = "SELECT count(*) FROM sqlite_schema";
    connection
        .execute_batch(&settings)
        .and_then(|()| connection.query_row(look, [], |_| Ok(())))
        .map_err(|error| fault(&error))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, DbError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DbError> {
    // Each connection stays with the one thread that opened it.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(LOCK_WAIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
        Ok(connection)
    });
    opened.map_err(|error| fault(&error))
}

/// Copies the whole log into the database and syncs it, so that nothing depends on the log any more.
pub(super) fn empty_the_log(connection: &Connection) -> Result<(), DbError> {
    let waits: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| fault(&error))?;
    if waits == 0 {
        Ok(())
    } else {
        let why = "somebody reads it while its log is to be emptied";
        Err(DbError::Locked(why.to_owned()))
    }
}
