//! What SQLite's result codes mean.

use crate::db::error::DbError;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, Error};

/// Runs statements that hand nothing back.
pub(super) fn execute(connection: &Connection, sql: &str) -> Result<(), DbError> {
    let done = connection.execute_batch(sql);
    done.map_err(|error| fault(&error))
}

/// The error in our words.
pub(super) fn fault(error: &Error) -> DbError {
    let text = error.to_string();
    let Error::SqliteFailure(failure, _) = error else {
        return DbError::Failing(text);
    };
    match (failure.code, failure.extended_code) {
        (_, ffi::SQLITE_READONLY_DBMOVED) => {
            DbError::Gone("its file was moved away while it was open".to_owned())
        }
        (_, ffi::SQLITE_IOERR_CORRUPTFS) => DbError::Corrupt(text),
        (ErrorCode::DiskFull, _) => DbError::Full,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => DbError::Locked(text),
        (ErrorCode::FileLockingProtocolFailed, _) => DbError::Locked(text),
        (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => DbError::ReadOnly(text),
        (ErrorCode::CannotOpen, _) => DbError::Gone(text),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => DbError::Corrupt(text),
        (ErrorCode::ConstraintViolation, _) => DbError::Constraint(text),
        (_, _) => DbError::Failing(text),
    }
}

/// The error if it struck while a group was kept. A log that could not be written whole holds nothing of the group; one that was written and
/// could not be synced may be found again after a crash.
pub(super) fn fault_of_commit(error: &Error) -> DbError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => DbError::Ambiguous(error.to_string()),
        Some(_) | None => fault(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_code_has_its_meaning() {
        type Is = fn(&DbError) -> bool;
        let full: Is = |fault| *fault == DbError::Full;
        let locked: Is = |fault| matches!(fault, DbError::Locked(_));
        let read_only: Is = |fault| matches!(fault, DbError::ReadOnly(_));
        let gone: Is = |fault| matches!(fault, DbError::Gone(_));
        let corrupt: Is = |fault| matches!(fault, DbError::Corrupt(_));
        let constraint: Is = |fault| matches!(fault, DbError::Constraint(_));
        let failing: Is = |fault| matches!(fault, DbError::Failing(_));
        let table: &[(i32, Is)] = &[
            (ffi::SQLITE_FULL, full),
            (ffi::SQLITE_BUSY, locked),
            (ffi::SQLITE_BUSY_RECOVERY, locked),
            (ffi::SQLITE_BUSY_SNAPSHOT, locked),
            (ffi::SQLITE_LOCKED, locked),
            (ffi::SQLITE_PROTOCOL, locked),
            (ffi::SQLITE_READONLY, read_only),
            (ffi::SQLITE_READONLY_DIRECTORY, read_only),
            (ffi::SQLITE_PERM, read_only),
            (ffi::SQLITE_READONLY_DBMOVED, gone),
            (ffi::SQLITE_CANTOPEN, gone),
            (ffi::SQLITE_CORRUPT, corrupt),
            (ffi::SQLITE_CORRUPT_INDEX, corrupt),
            (ffi::SQLITE_NOTADB, corrupt),
            (ffi::SQLITE_IOERR_CORRUPTFS, corrupt),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, constraint),
            (ffi::SQLITE_CONSTRAINT_CHECK, constraint),
            (ffi::SQLITE_IOERR, failing),
            (ffi::SQLITE_IOERR_WRITE, failing),
            (ffi::SQLITE_NOMEM, failing),
            (ffi::SQLITE_ERROR, failing),
        ];
        for (code, is) in table {
            let fault = fault(&failure(*code));
            assert!(is(&fault), "{code}: {fault:?}");
        }
    }

    #[test]
    fn a_sync_that_fails_leaves_open_whether_the_group_is_kept() {
        let fault = |code| fault_of_commit(&failure(code));
        assert!(matches!(
            fault(ffi::SQLITE_IOERR_FSYNC),
            DbError::Ambiguous(_)
        ));
        assert_eq!(fault(ffi::SQLITE_FULL), DbError::Full);
    }
}
