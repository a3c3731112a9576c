//! The files of a backup: listed with what they hold, checked, copied, and made to last.

use super::BackupError;
use crate::error::StoreError;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

/// How much of a file is in the memory at a time, in bytes.
const STRIDE_BYTES: usize = 256 * 1024;

/// A file of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Where it is, seen from the backup.
    path: PathBuf,
    /// How long it is.
    pub(super) bytes: u64,
    /// The SHA-256 of what is in it, in hexadecimal digits.
    sha256: String,
}

impl Part {
    /// Whether it is what was written.
    pub(super) fn check(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(self.inside(backup)?);
        let seen = read(&path, &mut io::sink());
        self.same(&path, seen)
    }

    /// Copies it into another directory, closed to others, and made to last.
    pub(super) fn copy(&self, backup: &Path, to: &Path) -> Result<(), BackupError> {
        let inside = self.inside(backup)?;
        let (path, new) = (backup.join(inside), to.join(inside));
        let folder = new.parent().unwrap_or(to);
        let failed = |error| StoreError::write(&new, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let mut open = File::options();
        let mut file = open
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        let seen = read(&path, &mut file);
        self.same(&path, seen)?;
        file.sync_all().map_err(failed)?;
        Ok(())
    }

    /// Its path, if it leads nowhere else: a list may have been written by anybody.
    fn inside(&self, backup: &Path) -> Result<&Path, BackupError> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if self.path.components().next().is_some() && self.path.components().all(plain) {
            return Ok(&self.path);
        }
        let why = format!("it lists {}", self.path.display());
        Err(BackupError::NoBackup(backup.to_owned(), why))
    }

    fn same(&self, path: &Path, seen: io::Result<(u64, String)>) -> Result<(), BackupError> {
        let damaged = |why| Err(BackupError::Damaged(path.to_owned(), why));
        match seen {
            Ok((bytes, _)) if bytes != self.bytes => damaged("it is not as long as it was"),
            Ok((_, sha256)) if sha256 != self.sha256 => damaged("it does not hold what it held"),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => damaged("it is not there"),
            Err(error) => Err(StoreError::read(path, error).into()),
        }
    }
}

/// Reads a file through, and writes it to `to`: how long it is, and its digest.
fn read(path: &Path, to: &mut dyn io::Write) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; STRIDE_BYTES]);
    loop {
        let read = file.read(&mut piece)?;
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok((bytes, HEXLOWER.encode(&hash.finalize())));
        };
        hash.update(piece);
        to.write_all(piece)?;
        bytes += read as u64;
    }
}

/// Every file under a directory, in the order of their names.
pub(super) fn list(root: &Path) -> Result<Vec<Part>, BackupError> {
    let mut parts = Vec::new();
    walk(root, &mut |path, is| {
        if is.is_dir() {
            return Ok(());
        }
        // Whatever made the file, it is its owner's alone.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(|error| StoreError::write(path, error))?;
        let seen = read(path, &mut io::sink()).map_err(|error| StoreError::read(path, error))?;
        parts.push(Part {
            path: path.strip_prefix(root).unwrap_or(path).to_owned(),
            bytes: seen.0,
            sha256: seen.1,
        });
        Ok(())
    })?;
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(parts)
}

/// Makes everything under a directory last, and the directory's own names.
pub(super) fn settle(root: &Path) -> Result<(), BackupError> {
    walk(root, &mut |path, _| sync(path))?;
    Ok(sync(root)?)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| StoreError::write(path, error))
}

fn walk(
    folder: &Path,
    each: &mut dyn FnMut(&Path, std::fs::FileType) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::read(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, is) = (entry.path(), entry.file_type().map_err(failed)?);
        if is.is_dir() {
            walk(&path, each)?;
        }
        each(&path, is)?;
    }
    Ok(())
}

/// A directory that is being made beside the place it is for, and goes with everything in it unless it is given its name.
pub(super) struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// Makes it, beside `place`.
    pub(super) fn beside(place: &Path, mark: u64) -> Result<Self, BackupError> {
        let path = beside(place, &format!("new-{mark}"))?;
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| StoreError::write(&path, error))?;
        Ok(Self(Some(path)))
    }

    /// One that is there already.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(Some(path))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new("."))
    }

    /// Gives it its name, in the place of an empty directory that may be there: all of it, or nothing.
    pub(super) fn name(mut self, place: &Path) -> Result<(), BackupError> {
        use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
        match std::fs::rename(self.path(), place) {
            Ok(()) => self.0 = None,
            Err(error) if matches!(error.kind(), AlreadyExists | DirectoryNotEmpty) => {
                return Err(BackupError::NotEmpty(place.to_owned()));
            }
            Err(error) => return Err(StoreError::write(place, error).into()),
        }
        Ok(sync(&folder_of(place)?)?)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What is left is in nobody's way; its name says that it was not finished.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// A path beside another one, hidden, on the same disk.
pub(super) fn beside(place: &Path, end: &str) -> Result<PathBuf, BackupError> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let folder = folder_of(place)?;
    Ok(folder.join(format!(".{name}.{end}")))
}

/// The folder that a path is in, made if it is not there.
fn folder_of(place: &Path) -> Result<PathBuf, BackupError> {
    let whole = std::path::absolute(place).map_err(|error| StoreError::read(place, error))?;
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    std::fs::create_dir_all(&folder).map_err(|error| StoreError::write(&folder, error))?;
    Ok(folder)
}
