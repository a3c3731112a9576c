//! Why the database did not do what it was asked.
//!
//! But for [`DbError::Ambiguous`], each of these means that nothing of the unit of work was kept.

/// Why the database did not do what it was asked. Each message fits after "failed to keep the key: " and the like, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// There is no room.
    #[error("the disk of the database is full; make room, it goes on by itself")]
    Full,
    /// Somebody else holds a lock for longer than is waited.
    #[error("the database is locked by somebody else ({0}); end what holds it")]
    Locked(String),
    /// The file that was opened is no longer there.
    #[error("the database is gone: {0}")]
    Gone(String),
    /// The server cannot be reached, or is going down or coming up.
    #[error(
        "the database's server cannot be reached: {0}; see that it runs, the host goes on by itself"
    )]
    Unreachable(String),
    /// The host is not let in, or others would be.
    #[error("the host cannot use the database: {0}; see its user, its password and its rights")]
    Refused(String),
    /// It can be read only.
    #[error("the database can only be read ({0}); make it writable, it goes on by itself")]
    ReadOnly(String),
    /// What is in it cannot be understood.
    #[error("the database is damaged ({0}); stop the host and put a backup in its place")]
    Corrupt(String),
    /// It was written by a later release, whose form this one does not understand.
    #[error(
        "the database has the form {found}, which needs a holdfast that reads {needs} at least, and this one reads {known}; use a newer holdfast"
    )]
    Newer {
        /// The form it has.
        found: i64,
        /// The oldest reader that understands that form.
        needs: i64,
        /// The newest form that this reader understands.
        known: i64,
    },
    /// It failed at the one moment at which nobody can tell whether the unit of work was kept.
    #[error(
        "the database failed while it kept the work ({0}): whether it is kept is not known; look before doing it again"
    )]
    Ambiguous(String),
    /// Too much waits for it.
    #[error("too much waits for the database; try again later")]
    Busy,
    /// Others changed the same rows each time it was tried.
    #[error("others changed the same rows each time ({0}); try again later")]
    Contended(String),
    /// A row contradicts a rule of its table.
    #[error("a row contradicts its table: {0}")]
    Constraint(String),
    /// A statement took too long.
    #[error("the database took too long ({0}); try again later, and see what keeps it busy")]
    Slow(String),
    /// Anything else: what the database says.
    #[error("the database fails: {0}")]
    Failing(String),
}
