//! The end of the way: standard output, a file, or whatever takes bytes. It never fails upwards: what cannot be written is counted, and
//! said once on standard error.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Takes whole chunks of lines.
pub struct Sink {
    way: Box<dyn Write + Send>,
    /// Whether the last write failed: the next failure is not said again.
    state: State,
    /// Whether the last byte written was not the end of a line.
    torn: bool,
}

enum State {
    Working,
    Failing,
}

impl Sink {
    /// Standard output, without the line buffer of the standard library.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn stdout() -> io::Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::new(File::from(descriptor)))
    }

    /// A file, made if it is not there, readable by its owner alone, always written at its end.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self::new(file))
    }

    /// Anything else that takes bytes.
    pub fn new(way: impl Write + Send + 'static) -> Self {
        Self {
            way: Box::new(way),
            state: State::Working,
            torn: false,
        }
    }

    /// Writes whole lines; returns how many of them are lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        if self.torn {
            // Half a line stands at the end of the file: what follows must not grow onto it.
            if let Err(error) = self.all(&mut &b"\n"[..]) {
                return self.failed(lines, &error);
            }
            self.torn = false;
        }
        match self.all(&mut rest) {
            Ok(()) => {
                self.state = State::Working;
                0
            }
            Err(error) => {
                let done = lines.len() - rest.len();
                let last = lines.get(..done).and_then(<[u8]>::last);
                self.torn = last.is_some_and(|byte| *byte != b'\n');
                self.failed(rest, &error)
            }
        }
    }

    fn all(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.way.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => *rest = rest.get(done..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody made the terminal non-blocking: this thread may wait, nobody else does.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn failed(&mut self, lost: &[u8], error: &io::Error) -> u64 {
        if let State::Working = self.state {
            self.state = State::Failing;
            // Nothing is left to say it to if this fails too.
            let _ = writeln!(
                io::stderr(),
                "holdfast: the log cannot be written: {error}; lines are counted as dropped until it can"
            );
        }
        lost.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}
