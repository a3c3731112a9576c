//! A backup of a data directory: what must last, as it was at one moment, with a list of its files that tells whether they are still what
//! was written.
//!
//! The database is taken first and the audit log after it, so that whatever the one says was done the other has on record. What can be made
//! again (compiled components) and what only tells of the past (the call log) is not in it. Neither a backup nor what is put back from one is
//! ever seen half done: both are made beside their place, synced, and given their name.

mod files;
mod restore;

pub use restore::{Staged, stage};

use crate::audit::{self, AuditError};
use crate::db::{DbError, snapshot};
use crate::error::StoreError;
use crate::key;
use crate::private::{Directory, Read};
use files::{Part, settle};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The list of a backup's files.
const LIST: &str = "backup.json";
/// The form of backups.
const FORMAT: u32 = 1;
/// The database's file in a backup and in a data directory.
const DATABASE: &str = "holdfast.db";
const VERSIONS: &str = "versions";
/// How often the versions of a service are copied anew because they changed meanwhile.
const CHANGED_MAX: u32 = 20;

/// Why there is no backup, or nothing was put back from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be read, or written.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The audit log cannot be read, or written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// There is something where it was to be put.
    #[error("{0} is not empty: name another directory, or empty this one")]
    NotEmpty(PathBuf),
    /// It is no backup, or one of another release.
    #[error("{0} is no backup that this release can read: {1}")]
    NoBackup(PathBuf, String),
    /// A file of a backup is not what was written.
    #[error("{0} is damaged: {1}; nothing was put back")]
    Damaged(PathBuf, &'static str),
    /// The versions of a service were exchanged as fast as they were copied.
    #[error("the versions of {0} change all the time: try again when they do not")]
    Changing(String),
    /// Another one puts something back there at the same time.
    #[error("{0} is being put back by somebody else")]
    UnderWay(PathBuf),
}

/// Where the database of a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    /// In a file, which is in the backup.
    File,
    /// On a server, which is not.
    Server,
}

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The host's name.
    pub host: String,
    /// The life of the host in which it was made.
    pub epoch: i64,
    /// When, in milliseconds since 1970.
    pub made_ms: u64,
    /// Where the database is.
    pub database: Keeps,
}

/// What is in a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// What it is of.
    pub about: About,
    files: Vec<Part>,
}

impl Manifest {
    /// How many bytes it has in all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.bytes).sum()
    }

    /// How many files.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }
}

/// Makes a backup of the data directory `data`, whose host may go on meanwhile, in the directory `to`.
///
/// # Errors
/// There is something at `to`, or the disk fails; then there is nothing at `to`.
pub fn take(data: &Path, to: &Path, about: About) -> Result<Manifest, BackupError> {
    vacant(to)?;
    let unfinished = files::Unfinished::beside(to, about.made_ms)?;
    let new = unfinished.path();
    let folder = Directory::open(new)?;
    if about.database == Keeps::File {
        snapshot(&data.join(DATABASE), &new.join(DATABASE))?;
    }
    audit::export(&audit::directory(data), &audit::directory(new))?;
    let from = Directory::open(data)?;
    for name in [key::NAME, audit::KEY_FILE] {
        match from.read(name)? {
            Read::Found(bytes) => folder.write(name, &bytes)?,
            // A log whose key cannot be read has said so, and is copied as it is.
            Read::Absent | Read::Untrusted(_) => {}
        }
    }
    versions(&data.join(VERSIONS), &new.join(VERSIONS))?;
    let manifest = Manifest {
        format: FORMAT,
        about,
        files: files::list(new)?,
    };
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| BackupError::NoBackup(to.to_owned(), error.to_string()))?;
    folder.write(LIST, &text)?;
    settle(new)?;
    unfinished.name(to)?;
    Ok(manifest)
}

/// Reads a backup through, and sees whether each of its files is what was written.
///
/// # Errors
/// It is not one; the file is named.
pub fn verify(from: &Path) -> Result<Manifest, BackupError> {
    let none = |why: String| BackupError::NoBackup(from.to_owned(), why);
    let text = std::fs::read(from.join(LIST)).map_err(|error| none(format!("{LIST}: {error}")))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| none(format!("{LIST}: {error}")))?;
    if manifest.format != FORMAT {
        return Err(none(format!("its form is {}", manifest.format)));
    }
    for part in &manifest.files {
        part.check(from)?;
    }
    Ok(manifest)
}

/// Refuses a directory in which there is something.
fn vacant(path: &Path) -> Result<(), BackupError> {
    match std::fs::read_dir(path) {
        Ok(inside) => match inside.count() {
            0 => Ok(()),
            _ => Err(BackupError::NotEmpty(path.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::read(path, error).into()),
    }
}

/// Copies the versions of each service. A pair is written before the index that names it and removed after the one that no longer does, so
/// what was copied belongs together if the index is the same before and after.
fn versions(from: &Path, to: &Path) -> Result<(), BackupError> {
    let all = Directory::open(from)?.names()?;
    Directory::open(to)?;
    for name in all {
        let (source, into) = (Directory::open(&from.join(&name))?, to.join(&name));
        let mut tries = 0;
        loop {
            let before = source.read(crate::versions::INDEX)?;
            let copied = Directory::open(&into)?;
            for file in source.names()? {
                if let Read::Found(bytes) = source.read(&file)? {
                    copied.write(&file, &bytes)?;
                }
            }
            tries += 1;
            if source.read(crate::versions::INDEX)? == before {
                break;
            }
            if tries == CHANGED_MAX {
                return Err(BackupError::Changing(name));
            }
            std::fs::remove_dir_all(&into).map_err(|error| StoreError::write(&into, error))?;
        }
    }
    Ok(())
}
