//! Why something is not in the audit log, and where a log is not what was written.

use crate::error::StoreError;
use std::fmt;
use std::io;

/// Why something is not in the audit log. Each message fits after "failed to audit the call: " and the like, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// There is no room.
    #[error("the disk of the audit log is full; make room, it goes on by itself")]
    Full,
    /// It can be read only.
    #[error(
        "the audit log cannot be written to ({0}); make its directory writable, it goes on by itself"
    )]
    ReadOnly(String),
    /// The files that were opened are no longer there.
    #[error("the audit log is gone: {0}; put it back and restart the host")]
    Gone(String),
    /// Anything else that the disk says.
    #[error("the audit log cannot be written: {0}; see to the disk, it goes on by itself")]
    Failing(String),
    /// What is there is not what was written.
    #[error(
        "the audit log is damaged: {0}; keep a copy of it, find out who or what did it, and put back what was there or move it away to begin a new one"
    )]
    Damaged(Finding),
    /// Its key is not there, or is not one.
    #[error("the key of the audit log cannot be used: {0}")]
    Key(String),
    /// A record that is too long.
    #[error("a record of {0} bytes is longer than the {max} that the audit log takes", max = super::RECORD_BYTES_MAX)]
    TooLong(usize),
    /// What was handed over is not an object of JSON.
    #[error("a record is no object: {0}")]
    NoRecord(String),
    /// Too many records wait, and this one could not.
    #[error("more records wait for the audit log than it holds")]
    Crowded,
    /// The host is stopping.
    #[error("the audit log is closed")]
    Closed,
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match &error {
            StoreError::Read { source, .. } | StoreError::Write { source, .. } => {
                of_disk(source.kind(), text)
            }
            StoreError::NotOurs { .. } => Self::Gone(text),
            StoreError::Locked { .. }
            | StoreError::Name(_)
            | StoreError::Key(_)
            | StoreError::Index { .. }
            | StoreError::Version { .. }
            | StoreError::NoPrevious(_) => Self::Failing(text),
        }
    }
}

fn of_disk(kind: io::ErrorKind, text: String) -> AuditError {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            AuditError::Full
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            AuditError::ReadOnly(text)
        }
        io::ErrorKind::NotFound => AuditError::Gone(text),
        _ => AuditError::Failing(text),
    }
}

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A record, or what stands around it, is not what was written.
    Altered,
    /// A record is not there, though later ones are.
    Missing,
    /// A record does not stand in its place.
    Moved,
    /// A record that a checkpoint speaks of is not there, nor any after it.
    Truncated,
    /// Records follow each other, but are not those that were signed.
    Rewritten,
    /// Two records have one number.
    Forked,
    /// A checkpoint is not signed with the key of this log, or none is where one must be.
    Unsigned,
}

/// Where a log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// The file.
    pub file: String,
    /// The byte of the file at which it shows.
    pub offset: u64,
    /// The first record that is wrong or missing; of a log that was rewritten, the first that nothing vouches for.
    pub seq: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.damage {
            Damage::Altered => write!(f, "record {seq} is not what was written"),
            Damage::Missing => write!(f, "record {seq} is missing"),
            Damage::Moved => write!(f, "record {seq} does not stand in its place"),
            Damage::Truncated => write!(
                f,
                "the log ends before record {seq}, and a checkpoint speaks of it"
            ),
            Damage::Rewritten => write!(
                f,
                "the records from {seq} on are not those that were signed"
            ),
            Damage::Forked => write!(f, "there are two records {seq}"),
            Damage::Unsigned => write!(
                f,
                "no checkpoint with this log's key vouches for record {seq}"
            ),
        }?;
        write!(f, " ({}, byte {})", self.file, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_the_disk_says_becomes_a_word() {
        use rustix::io::Errno;
        let of = |errno: Errno| AuditError::from(StoreError::write(Path::new("x"), errno));
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert_eq!(of(errno), AuditError::Full, "{errno}");
        }
        for errno in [Errno::ROFS, Errno::ACCESS] {
            assert!(matches!(of(errno), AuditError::ReadOnly(_)), "{errno}");
        }
        assert!(matches!(of(Errno::NOENT), AuditError::Gone(_)));
        assert!(matches!(of(Errno::IO), AuditError::Failing(_)));
    }
}
