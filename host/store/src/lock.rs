//! One host, one data directory: the lock that a second host meets.

use crate::error::StoreError;
use crate::private::Directory;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

pub(crate) const NAME: &str = "lock";

/// The data directory is ours as long as this lives. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    /// Open for the lock it carries.
    _file: File,
}

impl DataLock {
    /// Takes the directory, made if it is not there.
    ///
    /// # Errors
    /// Another host has it, or it cannot be written.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        let at = path.join(NAME);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let fd = rustix::fs::openat(directory.fd(), NAME, flags, mode)
            .map_err(|errno| StoreError::write(&at, errno))?;
        let mut file = File::from(fd);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(StoreError::Locked {
                    path: path.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(errno) => return Err(StoreError::write(&at, errno)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|source| StoreError::write(&at, source))?;
        Ok(Self { _file: file })
    }
}

/// The process that says it has the lock. For the message alone: nothing is decided by it.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_host_is_told_who_has_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        let data = temp.path().join("data");
        let first = DataLock::take(&data).unwrap();
        let refused = DataLock::take(&data).unwrap_err();
        let pid = std::process::id();
        assert_eq!(
            refused.to_string(),
            format!(
                "{} is in use by another holdfast (process {pid}); stop that one, or use another --data directory",
                data.display()
            )
        );
        drop(first);
        DataLock::take(&data).unwrap();
    }

    #[test]
    fn the_pid_of_a_host_that_died_does_not_hold_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        drop(DataLock::take(temp.path()).unwrap());
        std::fs::write(temp.path().join(NAME), "999999999\n").unwrap();
        let lock = DataLock::take(temp.path()).unwrap();
        let said = std::fs::read_to_string(temp.path().join(NAME)).unwrap();
        assert_eq!(said, format!("{}\n", std::process::id()));
        drop(lock);
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let data = temp.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let other = temp.path().join("other");
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, data.join(NAME)).unwrap();
        assert!(matches!(
            DataLock::take(&data),
            Err(StoreError::Write { .. })
        ));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    }
}
