//! The end of the way: standard output, a file, or whatever takes bytes. It never fails upwards: what cannot be written is counted, and
//! said once on standard error.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes whole chunks of lines.
pub struct Sink {
    /// What it is for, in words.
    name: &'static str,
    way: Box<dyn Write + Send>,
    /// Whether the last write failed: the next failure is not said again.
    state: State,
    /// Whether the last byte written was not the end of a line.
    torn: bool,
}

/// Asks for the log file to be opened anew. Clones ask for the same.
#[derive(Clone, Debug, Default)]
pub struct Renew(Arc<AtomicBool>);

impl Renew {
    /// Before the next line is written.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Renewed {
    file: File,
    path: PathBuf,
    asked: Arc<AtomicBool>,
}

impl Write for Renewed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.asked.swap(false, Ordering::AcqRel) {
            // Where it cannot be opened, the old one takes the lines; losing them would be worse.
            if let Ok(file) = open(&self.path) {
                self.file = file;
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
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
        Ok(Self::new(open(path)?))
    }

    /// Such a file, opened anew under the same name whenever `renew` asks for it: whoever moves the old one away keeps it whole.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn renewed(path: &Path, renew: &Renew) -> io::Result<Self> {
        Ok(Self::new(Renewed {
            file: open(path)?,
            path: path.to_owned(),
            asked: renew.0.clone(),
        }))
    }

    /// Anything else that takes bytes.
    pub fn new(way: impl Write + Send + 'static) -> Self {
        Self::named("log", way)
    }

    /// The same, called by what it is for where it fails.
    pub fn named(name: &'static str, way: impl Write + Send + 'static) -> Self {
        Self {
            name,
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
                "holdfast: the {} cannot be written: {error}; lines are counted as dropped until it can",
                self.name
            );
        }
        lost.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}
