//! Why something could not be kept or found again.

use crate::digest::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be kept or found again. Each message fits after "failed to open the data directory: " and the like.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or a directory could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or a directory could not be written; what was there before is still there.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory is not one that only we can write to.
    #[error("{path} cannot be used: {why}")]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another host has the data directory.
    #[error("{path} is in use by another holdfast{}; stop that one, or use another --data directory", holder(*.pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that has it, if it says so.
        pid: Option<u32>,
    },
    /// A name that cannot be a file's.
    #[error("\"{0}\" is not a name: lower-case letters, digits and dashes, at most 63")]
    Name(String),
    /// A key that is not one of ours.
    #[error("\"{0}\" is not a key: hexadecimal digits alone, at most 128")]
    Key(String),
    /// The index of a service's versions cannot be understood. Nothing is removed while that is so.
    #[error(
        "{path} is damaged: {why}; its versions are still beside it, and removing the file forgets which one was chosen"
    )]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A version that the index names is not there, or not what it was.
    #[error("version {digest} of {name} {why}")]
    Version {
        /// The service.
        name: String,
        /// The version.
        digest: Digest,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no earlier version to go back to.
    #[error("{0} has no earlier version to go back to")]
    NoPrevious(String),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl StoreError {
    pub(crate) fn read(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Read {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn write(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Write {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
