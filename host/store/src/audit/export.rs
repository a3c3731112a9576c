//! A copy of the log for somebody else, which he can check by himself: all segments, and the checkpoints that vouch for them.

use super::disk::{Entry, Folder, Source as _};
use super::error::AuditError;
use super::format::Kind;
use crate::error::StoreError;
use crate::private::Directory;
use std::io;
use std::path::Path;

/// Copies the log in `directory`, which may be in use, into a directory that is made for it. The number of bytes.
///
/// # Errors
/// There is something at `to` already, or the disk fails; then what was copied is of no use.
pub fn export(directory: &Path, to: &Path) -> Result<u64, AuditError> {
    let source = Folder(directory);
    let sheets = source.list()?;
    std::fs::create_dir(to).map_err(|error| StoreError::write(to, error))?;
    let to = Directory::open(to)?;
    let mut bytes = 0;
    // A checkpoint is written after the records that it speaks of: copied before them, none speaks of a record that is not there.
    for entry in sheets.iter().filter(|entry| !is_segment(entry)) {
        bytes += copy(&source, &entry.name, &to)?;
    }
    for entry in source.list()?.iter().filter(|entry| is_segment(entry)) {
        bytes += copy(&source, &entry.name, &to)?;
    }
    Ok(bytes)
}

fn is_segment(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Segment(_))
}

fn copy(source: &Folder<'_>, name: &str, to: &Directory) -> Result<u64, AuditError> {
    let mut from = match source.read(name) {
        // The budget took it away meanwhile; the segments that are left say so.
        Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(0);
        }
        from => from?,
    };
    let path = to.path().join(name);
    let failed = |error| StoreError::write(&path, error);
    let mut file = to.append(name)?;
    let bytes = io::copy(&mut from, &mut file).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(bytes)
}
