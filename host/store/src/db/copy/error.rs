//! Why a database was not copied.

use crate::db::error::DbError;
use crate::db::schema::KNOWN;
use std::path::PathBuf;

/// Why a database was not copied. But for a server that failed in the commit, nothing is on it then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("{0} holds no database: name the data directory of a host that keeps its own")]
    Nothing(PathBuf),
    /// One of the two has a form that is not copied.
    #[error("{place} has the form {found}, and only the form {KNOWN} is copied: {remedy}")]
    OtherForm {
        /// Which of the two.
        place: String,
        /// The form it has.
        found: i64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// There is something on the server already.
    #[error(
        "{server} is not empty ({table} has rows), and what two have kept is not put together: make a new database there (CREATE DATABASE), and name that one"
    )]
    NotEmpty {
        /// Which server.
        server: String,
        /// The first of its tables that has something.
        table: &'static str,
    },
    /// The file has a table that no host has made.
    #[error(
        "the file has a table that is not copied ({0}) and would be left behind: take it out, or use the release that has made it"
    )]
    Unknown(String),
    /// A table has not the column by which it is summed up.
    #[error("the table {0} has no column {1}")]
    NoColumn(&'static str, &'static str),
    /// What arrived is not what was sent.
    #[error(
        "what arrived in {table} is not what was read ({what}: {has} instead of {sent}); nothing is kept: see what else writes there, and try again"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// What was compared.
        what: &'static str,
        /// What it is before.
        sent: i128,
        /// What it is after.
        has: i128,
    },
    /// The file cannot be read.
    #[error("failed to read the file: {0}")]
    Source(DbError),
    /// The server does not take it.
    #[error("failed to write to the server: {0}")]
    Target(DbError),
    /// A part of this program ended in its middle.
    #[error("the copy ended in its middle: {0}")]
    Ended(String),
}

impl CopyError {
    /// The error of a place with another form than this release's.
    pub(in crate::db) fn other_form(place: String, found: i64) -> Self {
        let remedy = if found < KNOWN {
            "start a host of this release on it once, which brings it to that form, and stop it"
        } else {
            "use the release that has written it"
        };
        Self::OtherForm {
            place,
            found,
            remedy,
        }
    }
}
