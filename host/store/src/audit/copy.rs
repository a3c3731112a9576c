//! The copy of the checkpoints, in a file that stands elsewhere: on another disk, best on another machine. It is what finds that somebody
//! took away the end of the log together with the checkpoints beside it.
//!
//! A thread of its own writes it, so that a disk which hangs holds nobody up. A copy that fails is told to the operator and does not stop the
//! host: what it would have said, the next checkpoint that gets through says, too.

use super::checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, Checkpoints, Next};
use super::key::{PublicKey, SIGNED, Signed};
use super::{Event, Tell};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How much of the end of a copy is read: a few checkpoints.
const END_BYTES: u64 = 4 * CHECKPOINT_BYTES_MAX;
/// How many checkpoints wait for it; beyond that the oldest are left out.
const WAITING_MAX: usize = 64;
/// When a copy that failed is tried again, if no checkpoint comes before.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long the end of the host waits for it.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    /// Whether one came since they were taken last.
    fresh: bool,
    closed: bool,
    done: bool,
}

impl State {
    fn trim(&mut self) {
        let beyond = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..beyond);
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The copy.
pub(super) struct Copy(Arc<Shared>);

impl Copy {
    /// Begins to write to this file, made if it is not there.
    pub(super) fn start(path: PathBuf, key: PublicKey, tell: Tell) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let this = Self(Arc::clone(&shared));
        let name = "audit-copy".to_owned();
        let work = move || {
            shared.run(&path, &key, &tell);
            shared.state().done = true;
            shared.changed.notify_all();
        };
        thread::Builder::new().name(name).spawn(work)?;
        Ok(this)
    }

    /// Hands over a checkpoint.
    pub(super) fn push(&self, note: String) {
        let mut state = self.0.state();
        state.waiting.push_back(note);
        state.fresh = true;
        state.trim();
        drop(state);
        self.0.changed.notify_all();
    }

    /// Writes what waits, if that does not take too long.
    pub(super) fn close(self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
        let waits = |state: &mut State| !state.done;
        let state = self.0.state();
        drop(self.0.changed.wait_timeout_while(state, CLOSING, waits));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, path: &Path, key: &PublicKey, tell: &Tell) {
        let (mut file, mut failing): (_, Option<String>) = (None, None);
        while let Some(notes) = self.next(failing.as_ref().map(|_| AGAIN_AFTER)) {
            let text: String = notes.iter().map(String::as_str).collect();
            let failed = match write(file.take(), path, key, text.as_bytes()) {
                Ok(written) => {
                    file = Some(written);
                    None
                }
                Err(error) => {
                    self.put_back(notes);
                    Some(error.to_string())
                }
            };
            if failed != failing {
                failing.clone_from(&failed);
                tell(failed.map_or(Event::Copying, Event::NotCopying));
            }
        }
    }

    /// Waits for the next ones, or until those that wait are to be tried again; none, once no more come.
    fn next(&self, again: Option<Duration>) -> Option<VecDeque<String>> {
        let waits = |state: &mut State| !state.fresh && !state.closed;
        let state = self.state();
        let mut state = match again {
            None => self
                .changed
                .wait_while(state, waits)
                .unwrap_or_else(PoisonError::into_inner),
            Some(again) => {
                let waited = self.changed.wait_timeout_while(state, again, waits);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.fresh = false;
        let over = state.closed && state.waiting.is_empty();
        (!over).then(|| mem::take(&mut state.waiting))
    }

    fn put_back(&self, mut notes: VecDeque<String>) {
        let mut state = self.state();
        if !state.closed {
            notes.append(&mut state.waiting);
            state.waiting = notes;
            state.trim();
        }
    }
}

fn write(file: Option<File>, path: &Path, key: &PublicKey, text: &[u8]) -> io::Result<File> {
    let mut file = match file {
        Some(file) if has_the_name(&file, path) => file,
        _ => open(path, key)?,
    };
    file.write_all(text)?;
    file.sync_data()?;
    Ok(file)
}

/// Whether this is the file at that place; somebody may have moved it away since it was opened.
fn has_the_name(file: &File, path: &Path) -> bool {
    let place = |about: std::fs::Metadata| (about.dev(), about.ino());
    let (open, named) = (
        file.metadata().map(place),
        std::fs::metadata(path).map(place),
    );
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

fn open(path: &Path, key: &PublicKey) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let mut file = options.open(path)?;
    let (_, end) = end(&mut file, key)?;
    if end < file.metadata()?.len() {
        file.set_len(end)?;
    }
    Ok(file)
}

/// The last checkpoint of a copy; none, if there is no copy yet.
pub(super) fn last(path: &Path, key: &PublicKey) -> io::Result<Option<Checkpoint>> {
    match File::open(path) {
        Ok(mut file) => Ok(end(&mut file, key)?.0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last checkpoint in a file, and where it ends. A file of anybody else's is refused: it may be precious.
fn end(file: &mut File, key: &PublicKey) -> io::Result<(Option<Checkpoint>, u64)> {
    let not_ours = || {
        let why = "it is no copy of this log's checkpoints; name a file of its own in `copy`";
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    let len = file.metadata()?.len();
    let start = len.saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let skipped = match start {
        0 => 0,
        _ => after_a_signature(&bytes).ok_or_else(not_ours)?,
    };
    let whole = bytes.get(skipped..).unwrap_or_default();
    let mut notes = Checkpoints::new(whole, start + skipped as u64);
    let mut last = None;
    loop {
        match notes.next()? {
            Next::One(one) => last = Some(one),
            Next::Garbled => return Err(not_ours()),
            Next::End | Next::Unfinished => break,
        }
    }
    let origin = key.origin();
    let begun = text.starts_with(&origin) || origin.starts_with(text.as_ref());
    match &last {
        Some(one) if one.signed(key) == Signed::No => Err(not_ours()),
        None if !begun => Err(not_ours()),
        _ => Ok((last, notes.end())),
    }
}

fn after_a_signature(bytes: &[u8]) -> Option<usize> {
    let start = memchr::memmem::find(bytes, format!("\n{SIGNED}").as_bytes())? + 1;
    Some(start + memchr::memchr(b'\n', bytes.get(start..)?)? + 1)
}

#[cfg(test)]
mod tests {
    use super::super::key::SigningKey;
    use super::*;
    use holdfast_call::WallTime;

    fn key() -> SigningKey {
        SigningKey::of(&[7; 32]).unwrap()
    }

    fn note(seq: u64) -> String {
        Checkpoint::sign(&key(), seq, [9; 32], WallTime(5)).note()
    }

    fn add(path: &Path, text: &str) -> io::Result<()> {
        write(None, path, key().public(), text.as_bytes()).map(drop)
    }

    fn last_seq(path: &Path) -> Option<u64> {
        last(path, key().public()).unwrap().map(|one| one.seq)
    }

    #[test]
    fn it_goes_on_after_the_last_whole_one_however_long_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        assert_eq!(last_seq(&path), None);
        for seq in 0..50 {
            add(
                &path,
                &(note(seq) + &note(seq)[..usize::try_from(seq).unwrap() * 4]),
            )
            .unwrap();
            assert_eq!(last_seq(&path), Some(seq));
        }
        add(&path, &note(50)).unwrap();
        let whole: String = (0..=50).map(note).collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn a_file_of_somebody_elses_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let other = SigningKey::of(&[8; 32]).unwrap();
        let other = Checkpoint::sign(&other, 3, [9; 32], WallTime(5)).note();
        let long = "precious\n".repeat(1000);
        for text in ["precious", "precious\n", &long, &other, &other[..60]] {
            std::fs::write(&path, text).unwrap();
            assert!(add(&path, &note(1)).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn one_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let key = key();
        let file = write(None, &path, key.public(), note(1).as_bytes()).unwrap();
        std::fs::rename(&path, folder.path().join("older")).unwrap();
        write(Some(file), &path, key.public(), note(2).as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), note(2));
    }
}
