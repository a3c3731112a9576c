//! Compiled components, kept between runs. A compiled component is code that is run as it is, so only a file that is ours alone is
//! handed out; whether its bytes are right is for the reader to check.

use crate::error::StoreError;
use crate::private::{Directory, Read};
use std::path::Path;

/// The longest key.
const KEY_CHARS_MAX: usize = 128;

/// A directory of files by key.
#[derive(Debug)]
pub struct Artifacts {
    directory: Directory,
}

impl Artifacts {
    /// Opens the directory, made if it is not there. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// It cannot be made, or is somebody else's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        directory.sweep()?;
        Ok(Self { directory })
    }

    /// Reads what is kept under `key`.
    ///
    /// # Errors
    /// `key` is no key, or the disk fails.
    pub fn read(&self, key: &str) -> Result<Read, StoreError> {
        self.directory.read(checked(key)?)
    }

    /// Keeps `bytes` under `key`, in place of what was there.
    ///
    /// # Errors
    /// `key` is no key, or the disk fails or is full; what was there is then still there.
    pub fn write(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.directory.write(checked(key)?, bytes)
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
        Artifacts::open(&path)
            .unwrap()
            .write("ab12", b"code")
            .unwrap();
        std::fs::write(path.join(".new-7-0"), b"torn").unwrap();
        let artifacts = Artifacts::open(&path).unwrap();
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
        let artifacts = Artifacts::open(temp.path()).unwrap();
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
}
