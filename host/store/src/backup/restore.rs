//! What is put back from a backup: all of it, beside its place, before any of it is where a host would find it.

use super::files::{Unfinished, beside, settle};
use super::{BackupError, DATABASE, Manifest, vacant};
use crate::error::StoreError;
use crate::lock::DataLock;
use std::path::{Path, PathBuf};

/// A data directory that is put back and has not its name yet. Dropped, it is gone.
pub struct Staged {
    new: Unfinished,
    place: PathBuf,
    /// Nobody else puts something back here meanwhile, and no host begins on what is not whole.
    _lock: DataLock,
}

impl Staged {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.new.path()
    }

    /// The database's file, if it has one.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path().join(DATABASE)
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// There is something by now, or the disk fails; then nothing is there.
    pub fn finish(self) -> Result<(), BackupError> {
        settle(self.path())?;
        self.new.name(&self.place)
    }
}

/// Copies a backup that was verified, to become the data directory `place`, in which there must be nothing.
///
/// # Errors
/// There is something, somebody else puts something back there, the backup has changed since, or the disk fails.
pub fn stage(from: &Path, manifest: &Manifest, place: &Path) -> Result<Staged, BackupError> {
    vacant(place)?;
    let path = beside(place, "restoring")?;
    let lock = match DataLock::take(&path) {
        Ok(lock) => lock,
        Err(StoreError::Locked { .. }) => return Err(BackupError::UnderWay(place.to_owned())),
        Err(error) => return Err(error.into()),
    };
    // Whoever began before and has died has left it half done.
    clear(&path)?;
    let staged = Staged {
        new: Unfinished::at(path),
        place: place.to_owned(),
        _lock: lock,
    };
    for part in &manifest.files {
        part.copy(from, staged.path())?;
    }
    Ok(staged)
}

/// Takes out everything but the lock, which is ours.
fn clear(folder: &Path) -> Result<(), BackupError> {
    let failed = |error| StoreError::write(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() == crate::lock::NAME {
            continue;
        }
        let removed = match entry.file_type().map_err(failed)?.is_dir() {
            true => std::fs::remove_dir_all(entry.path()),
            false => std::fs::remove_file(entry.path()),
        };
        removed.map_err(failed)?;
    }
    Ok(())
}
