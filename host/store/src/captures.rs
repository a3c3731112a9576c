//! What was captured of calls: a file each, by the name of the call, so many bytes in all and for so long; the oldest go first.
//!
//! Names of calls begin with their time, so their order is that of time. A file is whole or not there, but for one that a machine was
//! writing when it lost its power.

use crate::error::StoreError;
use crate::private::{Directory, Read};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Where in the data directory they are.
pub const CAPTURES: &str = "captures";
/// What the name of a file ends with, behind that of its call.
const ENDING: &str = ".json";

/// What is kept, as its one writer holds it.
#[derive(Debug)]
pub struct Captures {
    directory: Directory,
    bytes_max: u64,
    /// Those that are there, the oldest first, and how long they are.
    kept: BTreeMap<String, u64>,
    bytes: u64,
}

impl Captures {
    /// Opens the directory, made if it is not there, with room for so many bytes. The caller holds the lock of the data.
    ///
    /// # Errors
    /// The disk fails, or the directory is not ours.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        directory.sweep()?;
        let entries = directory.entries()?.into_iter();
        let kept: BTreeMap<_, _> = entries.map(|entry| (entry.name, entry.bytes)).collect();
        let mut this = Self {
            directory,
            bytes_max,
            bytes: kept.values().sum(),
            kept,
        };
        this.make_room(0)?;
        Ok(this)
    }

    /// Keeps what was captured of a call. What is larger than all that may be kept is not.
    ///
    /// # Errors
    /// The disk fails.
    pub fn keep(&mut self, call: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        if size > self.bytes_max {
            return Ok(());
        }
        self.make_room(size)?;
        let name = format!("{call}{ENDING}");
        self.directory.leave(&name, bytes)?;
        // A call may be tried more than once; the last try is kept.
        let before = self.kept.insert(name, size).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(before) + size;
        Ok(())
    }

    /// Removes what was written so long ago. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sweep(&mut self, now: i64, age: Duration) -> Result<(), StoreError> {
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let entries = self.directory.entries()?;
        let old = entries.iter();
        let old = old.filter(|entry| entry.used.0 < now.saturating_sub(age));
        for entry in old {
            self.directory.remove(&entry.name)?;
            self.forget(&entry.name);
        }
        Ok(())
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        while self.bytes.saturating_add(bytes) > self.bytes_max
            && let Some(name) = self.kept.keys().next().cloned()
        {
            self.directory.remove(&name)?;
            self.forget(&name);
        }
        Ok(())
    }

    fn forget(&mut self, name: &str) {
        let bytes = self.kept.remove(name).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// The names of the calls that are kept in this directory, the oldest first; none, if there is no directory.
///
/// # Errors
/// The disk fails.
pub fn list(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let names = Directory::open(path)?.names()?.into_iter();
    let calls = names.filter_map(|name| Some(name.strip_suffix(ENDING)?.to_owned()));
    Ok(calls.collect())
}

/// What is kept of a call in this directory.
///
/// # Errors
/// The disk fails.
pub fn read(path: &Path, call: &str) -> Result<Read, StoreError> {
    if !path.is_dir() {
        return Ok(Read::Absent);
    }
    Directory::open(path)?.read(&format!("{call}{ENDING}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CAPTURES);
        (folder, path)
    }

    #[test]
    fn the_oldest_go_first_and_no_more_is_kept_than_there_is_room_for() {
        let (_folder, path) = folder();
        let mut captures = Captures::open(&path, 100).unwrap();
        for name in ["a", "b", "c"] {
            captures.keep(name, &[b'x'; 40]).unwrap();
        }
        assert_eq!(list(&path).unwrap(), ["b", "c"]);
        captures.keep("d", &[b'x'; 101]).unwrap();
        assert_eq!(list(&path).unwrap(), ["b", "c"]);
        assert_eq!(read(&path, "b").unwrap(), Read::Found(vec![b'x'; 40]));
        assert_eq!(read(&path, "a").unwrap(), Read::Absent);
    }

    #[test]
    fn another_life_of_the_host_knows_what_is_there() {
        let (_folder, path) = folder();
        let mut captures = Captures::open(&path, 100).unwrap();
        captures.keep("a", &[b'x'; 40]).unwrap();
        captures.keep("b", &[b'x'; 40]).unwrap();
        drop(captures);
        let mut captures = Captures::open(&path, 60).unwrap();
        assert_eq!(list(&path).unwrap(), ["b"]);
        captures.keep("b", &[b'x'; 50]).unwrap();
        assert_eq!(read(&path, "b").unwrap(), Read::Found(vec![b'x'; 50]));
        captures.keep("c", &[b'x'; 10]).unwrap();
        assert_eq!(list(&path).unwrap(), ["b", "c"]);
    }

    #[test]
    fn what_is_old_goes() {
        let (_folder, path) = folder();
        let mut captures = Captures::open(&path, 100).unwrap();
        captures.keep("a", b"x").unwrap();
        let entries = Directory::open(&path).unwrap().entries().unwrap();
        let written = entries[0].used.0;
        captures
            .sweep(written + 10, Duration::from_secs(10))
            .unwrap();
        assert_eq!(list(&path).unwrap(), ["a"]);
        captures
            .sweep(written + 11, Duration::from_secs(10))
            .unwrap();
        assert_eq!(list(&path).unwrap(), Vec::<String>::new());
    }
}
