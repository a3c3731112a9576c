//! The host's own key: random, made once, kept in the data directory, and shown to nobody.
//!
//! What is derived from it must be the same after a restart, so a key that is there but cannot be trusted stops the host: another one in
//! its place would make an upstream take a request that it knows for a new one.

use crate::error::StoreError;
use crate::private::{Directory, Read};
use std::fmt;
use std::path::Path;

/// How many bytes a key has.
pub const KEY_BYTES: usize = 32;

pub(crate) const NAME: &str = "key";

/// A key that nothing prints.
#[derive(Clone)]
pub struct HostKey([u8; KEY_BYTES]);

impl HostKey {
    /// Reads the key of this data directory, or makes it of `random`. The caller holds the directory's lock.
    ///
    /// # Errors
    /// The disk fails, or what is there is not ours or no key.
    pub fn open(data: &Path, random: impl FnOnce() -> [u8; KEY_BYTES]) -> Result<Self, StoreError> {
        let directory = Directory::open(data)?;
        let path = data.join(NAME);
        let not_ours = |why: String| StoreError::NotOurs {
            path: path.clone(),
            why,
        };
        match directory.read(NAME)? {
            Read::Found(bytes) => match bytes.try_into() {
                Ok(key) => Ok(Self(key)),
                Err(_) => Err(not_ours(format!("it is not {KEY_BYTES} bytes long"))),
            },
            Read::Untrusted(why) => Err(not_ours(why)),
            Read::Absent => {
                let key = random();
                directory.write(NAME, &key)?;
                Ok(Self(key))
            }
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn open(data: &Path, byte: u8) -> Result<HostKey, StoreError> {
        HostKey::open(data, || [byte; KEY_BYTES])
    }

    #[test]
    fn it_is_made_once_and_read_back_after_a_restart() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(open(temp.path(), 1).unwrap().bytes(), &[1; KEY_BYTES]);
        assert_eq!(open(temp.path(), 2).unwrap().bytes(), &[1; KEY_BYTES]);
        assert!(!format!("{:?}", open(temp.path(), 2).unwrap()).contains('1'));
        let mode = std::fs::metadata(temp.path().join(NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn one_that_cannot_be_trusted_stops_the_host_and_is_left_as_it_is() {
        let temp = tempfile::tempdir().unwrap();
        open(temp.path(), 1).unwrap();
        let path = temp.path().join(NAME);
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let refused = open(temp.path(), 2).unwrap_err().to_string();
        assert!(refused.contains("its mode is 644"), "{refused}");
        mode(0o600);
        std::fs::write(&path, b"short").unwrap();
        let refused = open(temp.path(), 2).unwrap_err().to_string();
        assert!(refused.contains("32 bytes"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
