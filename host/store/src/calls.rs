//! The call log: what was written of the last calls, so that one can be explained after it has ended.
//!
//! Two files, each up to half of the bound: when the newer one is full it takes the place of the older one. Lines are whole or, where the
//! machine stopped in the middle of one, the next begins on a line of its own. They are not forced to the disk: a host that is killed loses
//! nothing that was written, a machine that loses its power may lose the last seconds.

use crate::error::StoreError;
use crate::private::Directory;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::Path;

/// The least that the bound may be, in bytes: each half must hold what is written at once.
pub const CALL_LOG_BYTES_MIN: u64 = 1 << 20;

const NEWER: &str = "newer";
const OLDER: &str = "older";
/// A line longer than this is not one of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// The call log, as its one writer holds it.
pub struct CallLog {
    directory: Directory,
    file: File,
    bytes: u64,
    half: u64,
    /// Whether what was written last ended a line.
    whole: bool,
}

impl CallLog {
    /// Opens the log in this directory, made if it is not there, with room for so many bytes in all. The caller holds the lock of the data.
    ///
    /// # Errors
    /// The disk fails, or the directory is not ours.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        let half = bytes_max.max(CALL_LOG_BYTES_MIN) / 2;
        // The bound may have been larger when they were written.
        for entry in directory.entries()? {
            if entry.bytes > half {
                directory.remove(&entry.name)?;
            }
        }
        let file = directory.append(NEWER)?;
        let failed = |source| StoreError::write(&path.join(NEWER), source);
        let bytes = file.metadata().map_err(failed)?.len();
        let mut this = Self {
            directory,
            file,
            bytes,
            half,
            whole: true,
        };
        if bytes > 0 {
            // The host before may have stopped in the middle of a line.
            this.write_all(b"\n").map_err(failed)?;
        }
        Ok(this)
    }

    /// Where it stops in the middle, the next try goes on from there: a file that has its new name already need not be given it.
    fn turn_over(&mut self) -> io::Result<()> {
        self.directory
            .rename(NEWER, OLDER)
            .map_err(io::Error::other)?;
        self.file = self.directory.append(NEWER).map_err(io::Error::other)?;
        self.bytes = 0;
        Ok(())
    }
}

impl Write for CallLog {
    /// Takes whole lines. They go into one file, so that none is torn between two.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.whole && self.bytes > 0 && self.bytes + lines.len() as u64 > self.half {
            self.turn_over()?;
        }
        let done = self.file.write(lines)?;
        self.bytes += done as u64;
        let last = lines.get(..done).and_then(<[u8]>::last);
        self.whole = last.is_none_or(|byte| *byte == b'\n');
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The oldest line of a call log; none without one. It may be written meanwhile.
///
/// # Errors
/// The disk fails.
pub fn oldest_call(path: &Path) -> Result<Option<String>, StoreError> {
    for name in [OLDER, NEWER] {
        let path = path.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(StoreError::read(&path, source)),
        };
        for line in BufReader::new(file.take(LINE_BYTES_MAX)).lines() {
            let line = line.map_err(|source| StoreError::read(&path, source))?;
            // What a host before had not ended may have left an empty one.
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
    Ok(None)
}

/// Hands every line of a call log to `line`, the oldest first; without the log, none. It may be written meanwhile.
///
/// # Errors
/// The disk fails.
pub fn read_calls(path: &Path, mut line: impl FnMut(&str)) -> Result<(), StoreError> {
    // Both are opened before either is read: a turn over in between takes nothing away.
    let files = [OLDER, NEWER].map(|name| {
        let file = path.join(name);
        (File::open(&file), file)
    });
    for (opened, path) in files {
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(StoreError::read(&path, source)),
        };
        read_lines(file, &path, &mut line)?;
    }
    Ok(())
}

fn read_lines(file: File, path: &Path, line: &mut impl FnMut(&str)) -> Result<(), StoreError> {
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut read = reader.by_ref().take(LINE_BYTES_MAX);
        let count = read.read_until(b'\n', &mut bytes);
        if count.map_err(|source| StoreError::read(path, source))? == 0 {
            return Ok(());
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            line(text.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        read_calls(path, |line| lines.push(line.to_owned())).unwrap();
        lines
    }

    #[test]
    fn what_was_written_is_read_the_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        assert!(lines(&path).is_empty(), "no log is an empty one");
        let mut log = CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        log.write_all(b"one\ntwo\n").unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(lines(&path), ["one", "two", "three"]);
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let mut log = CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        let chunk = format!("{}\n", "x".repeat(99_999));
        for number in 0..100 {
            log.write_all(format!("{number}\n{chunk}").as_bytes())
                .unwrap();
            let sizes = [NEWER, OLDER].map(|name| {
                let about = std::fs::metadata(path.join(name));
                about.map_or(0, |about| about.len())
            });
            assert!(sizes.iter().sum::<u64>() <= CALL_LOG_BYTES_MIN, "{sizes:?}");
        }
        let kept = lines(&path);
        assert_eq!(kept.iter().rfind(|line| line.len() < 4).unwrap(), "99");
        assert!(kept.len() >= 10, "half of it at least is kept");
    }

    #[test]
    fn a_bound_that_was_lowered_holds_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let mut log = CallLog::open(&path, 8 * CALL_LOG_BYTES_MIN).unwrap();
        let chunk = format!("{}\n", "x".repeat(99_999));
        for _ in 0..60 {
            log.write_all(chunk.as_bytes()).unwrap();
        }
        drop(log);
        CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        let bytes: usize = lines(&path).iter().map(String::len).sum();
        assert!(bytes as u64 <= CALL_LOG_BYTES_MIN, "{bytes}");
    }

    #[test]
    fn a_turn_over_that_stopped_in_its_middle_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let mut log = CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        log.write_all(b"one\n").unwrap();
        std::fs::rename(path.join(NEWER), path.join(OLDER)).unwrap();
        let chunk = format!("{}\n", "x".repeat(300_000));
        for _ in 0..2 {
            log.write_all(chunk.as_bytes()).unwrap();
        }
        log.write_all(b"two\n").unwrap();
        assert!(lines(&path).contains(&"two".to_owned()));
    }

    #[test]
    fn a_line_that_was_torn_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        let mut log = CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        log.write_all(b"one\nhal").unwrap();
        drop(log);
        let mut log = CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        log.write_all(b"two\n").unwrap();
        let kept = lines(&path);
        assert!(kept.contains(&"one".to_owned()) && kept.contains(&"two".to_owned()));
    }

    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls");
        CallLog::open(&path, CALL_LOG_BYTES_MIN).unwrap();
        let mode = std::fs::metadata(path.join(NEWER)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}
