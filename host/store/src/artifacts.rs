//! Compiled components, kept between runs. A compiled component is code that is run as it is, so only a file that is ours alone is
//! handed out; whether its bytes are right is for the reader to check.
//!
//! Every version of a service and every version of the engine leaves one. What was not used for longest goes when there is too much.

use crate::error::StoreError;
use crate::private::{Directory, Read};
use std::cmp::Reverse;
use std::path::Path;

/// The most bytes that are kept, for whoever opens them without a reason for another number: hundreds of services written in Rust, dozens
/// in JavaScript.
pub const ARTIFACT_BYTES_MAX: u64 = 4 << 30;

/// The longest key.
const KEY_CHARS_MAX: usize = 128;

/// A directory of files by key.
#[derive(Debug)]
pub struct Artifacts {
    directory: Directory,
    bytes_max: u64,
}

impl Artifacts {
    /// Opens the directory, made if it is not there, for at most `bytes_max`. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// It cannot be made, or is somebody else's.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        directory.sweep()?;
        Ok(Self {
            directory,
            bytes_max,
        })
    }

    /// Opens the directory of a host that may run, to read in it.
    ///
    /// # Errors
    /// It is not there, or is somebody else's.
    pub fn beside(path: &Path) -> Result<Self, StoreError> {
        std::fs::metadata(path).map_err(|source| StoreError::read(path, source))?;
        Ok(Self {
            directory: Directory::open(path)?,
            bytes_max: ARTIFACT_BYTES_MAX,
        })
    }

    /// Reads what is kept under `key`.
    ///
    /// # Errors
    /// `key` is no key, or the disk fails.
    pub fn read(&self, key: &str) -> Result<Read, StoreError> {
        let read = self.directory.read(checked(key)?)?;
        if let Read::Found(_) = read {
            // Without the mark it only goes earlier than it should.
            let _ = self.directory.mark(key);
        }
        Ok(read)
    }

    /// Keeps `bytes` under `key`, in place of what was there, and lets go of what is then too much.
    ///
    /// # Errors
    /// `key` is no key, or the disk fails or is full; what was there is then still there.
    pub fn write(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.directory.write(checked(key)?, bytes)?;
        self.trim(key)
    }

    /// Removes what was not used for longest until the rest fits; never `fresh`, which was written just now.
    fn trim(&self, fresh: &str) -> Result<(), StoreError> {
        let mut entries = self.directory.entries()?;
        entries.sort_by_key(|entry| (entry.name != fresh, Reverse(entry.used)));
        let mut left = self.bytes_max;
        for entry in entries {
            match left.checked_sub(entry.bytes) {
                Some(rest) => left = rest,
                None => {
                    left = 0;
                    if entry.name != fresh {
                        self.directory.remove(&entry.name)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn checked(key: &str) -> Result<&str, StoreError> {
    let fits = (1..=KEY_CHARS_MAX).contains(&key.len());
    if fits && key.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(key)
    } else {
        Err(StoreError::Key(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back_after_a_restart() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("cache");
        Artifacts::open(&path, ARTIFACT_BYTES_MAX)
            .unwrap()
            .write("ab12", b"code")
            .unwrap();
        std::fs::write(path.join(".new-7-0"), b"torn").unwrap();
        let artifacts = Artifacts::open(&path, ARTIFACT_BYTES_MAX).unwrap();
        assert_eq!(
            artifacts.read("ab12").unwrap(),
            Read::Found(b"code".to_vec())
        );
        assert_eq!(artifacts.read("ab13").unwrap(), Read::Absent);
        assert!(!path.join(".new-7-0").exists());
    }

    #[test]
    fn a_key_is_hexadecimal_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(temp.path(), ARTIFACT_BYTES_MAX).unwrap();
        let long = "a".repeat(KEY_CHARS_MAX + 1);
        for key in ["", ".", "..", "../x", "a/b", "g", "a b", "\0", &long] {
            assert!(
                matches!(artifacts.read(key), Err(StoreError::Key(_))),
                "{key:?}"
            );
            assert!(
                matches!(artifacts.write(key, b""), Err(StoreError::Key(_))),
                "{key:?}"
            );
        }
        artifacts.write(&long[1..], b"").unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_goes_when_there_is_too_much() {
        let temp = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(temp.path(), 10).unwrap();
        let kept = |key| artifacts.read(key).unwrap() != Read::Absent;
        // Times of the file system stand still for some milliseconds; here they are set.
        let at = |key: &str, seconds| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let file = std::fs::File::options()
                .write(true)
                .open(temp.path().join(key));
            file.unwrap().set_modified(time).unwrap();
        };
        for (key, used) in [("a1", 10), ("a2", 20), ("a3", 30)] {
            artifacts.write(key, b"one").unwrap();
            at(key, used);
        }
        // Read now, so it is the youngest, and the second is the one that has to go.
        assert!(kept("a1"));
        artifacts.write("a4", b"one").unwrap();
        assert!(!kept("a2"));
        assert!(kept("a1") && kept("a3") && kept("a4"));
        // What is too large alone is kept alone: it is in use.
        artifacts.write("a5", b"eleven byte").unwrap();
        assert!(kept("a5"));
        assert!(!kept("a1") && !kept("a3") && !kept("a4"));
    }
}
