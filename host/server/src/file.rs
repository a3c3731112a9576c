//! Reading files that anybody may have put something else in the place of: only if they are files, and only as far as is sensible.

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The largest component, in bytes. A whole Python with its libraries has 40 MB.
pub const COMPONENT_BYTES_MAX: u64 = 128 << 20;
/// The largest manifest or policy, in bytes.
pub const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// The bytes of a file of at most `bytes_max`.
///
/// # Errors
/// There is none, it is no regular file, it is too large, or it cannot be read.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    // Without NONBLOCK, opening a pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(wrong("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more tells a file that is too large, whatever its size said.
    let mut file = File::from(file).take(bytes_max.saturating_add(1));
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) <= bytes_max {
        file.read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= bytes_max {
            return Ok(bytes);
        }
    }
    Err(wrong(&format!("it has more than {bytes_max} bytes")))
}

/// The text of a file of settings.
///
/// # Errors
/// As [`read`], or it is no UTF-8.
pub fn settings(path: &Path) -> Result<String> {
    text(path, SETTINGS_BYTES_MAX)
}

/// The text of a file of at most `bytes_max`.
///
/// # Errors
/// As [`read`], or it is no UTF-8.
pub fn text(path: &Path, bytes_max: u64) -> Result<String> {
    String::from_utf8(read(path, bytes_max)?).map_err(|_| wrong("it is not UTF-8"))
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_owned())
}
