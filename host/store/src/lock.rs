//! One host, one data directory: the lock that a second host meets.

use crate::error::StoreError;
use crate::private::Directory;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

const NAME: &str = "lock";

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
