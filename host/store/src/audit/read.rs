//! Reading a log for people: every record that can be read, the oldest first, whatever else is wrong. Whether they are what was written is
//! for [`verify`](super::verify()) to say.

use super::disk::{Entry, Folder, Source};
use super::error::AuditError;
use super::format::{Kind, LINE_BYTES_MAX, head};
use super::opening::{Before, Beginning, beginning};
use crate::error::StoreError;
use holdfast_call::WallTime;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// From where on a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From its beginning.
    Beginning,
    /// From the first record that was handed over then or later.
    Time(WallTime),
    /// From the record with this number.
    Record(u64),
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was handed over.
    pub at: WallTime,
    /// All of it, as it stands there: an object of JSON.
    pub text: &'a str,
}

/// Hands the records of the log in this directory to `each`, until it breaks off. The log may be written meanwhile; without one, there are none.
///
/// # Errors
/// The disk fails.
pub fn read(
    directory: &Path,
    since: Since,
    each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> Result<(), AuditError> {
    read_from(&Folder(directory), since, each)
}

/// The same of any files.
pub(super) fn read_from(
    source: &dyn Source,
    since: Since,
    mut each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> Result<(), AuditError> {
    let entries = match source.list() {
        Err(error) if gone(&error) => return Ok(()),
        entries => entries?,
    };
    let mut segments = entries
        .iter()
        .filter_map(|entry| segment(entry).map(|first| (first, entry)))
        .peekable();
    while let Some((_, entry)) = segments.next() {
        let next = match segments.peek() {
            Some((first, entry)) => Some((*first, beginning(source, &entry.name)?)),
            None => None,
        };
        if let Some((first, next)) = &next
            && before(since, *first, next.as_ref())
        {
            continue;
        }
        let void = |next: &Beginning| next.opening.before == Before::Void;
        let until = next.and_then(|(first, next)| next.filter(void).map(|_| first));
        let file = match source.read(&entry.name) {
            // The budget took it away meanwhile.
            Err(error) if gone(&error) => continue,
            file => file?,
        };
        let read = lines(file, since, until, &mut each);
        if read.map_err(|error| StoreError::read(Path::new(&entry.name), error))?
            == ControlFlow::Break(())
        {
            break;
        }
    }
    Ok(())
}

fn segment(entry: &Entry) -> Option<u64> {
    match entry.kind {
        Kind::Segment(first) => Some(first),
        Kind::Checkpoints(_) => None,
    }
}

/// Whether all of a segment is earlier, by how the next one begins. Clocks go back: a day is left for that.
fn before(since: Since, first: u64, next: Option<&Beginning>) -> bool {
    const DAY: u64 = 24 * 60 * 60 * 1_000_000;
    match (since, next) {
        (Since::Beginning, _) | (Since::Time(_), None) => false,
        (Since::Time(at), Some(next)) => next.ts.saturating_add(DAY) < at.0,
        (Since::Record(seq), _) => first <= seq,
    }
}

fn lines(
    segment: impl Read,
    since: Since,
    until: Option<u64>,
    each: &mut impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut reader = BufReader::with_capacity(1 << 16, segment);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            continue;
        };
        let Some((head, text)) = head(text).zip(std::str::from_utf8(text).ok()) else {
            continue;
        };
        if until == Some(head.seq) {
            return Ok(ControlFlow::Continue(()));
        }
        let line = Line {
            seq: head.seq,
            at: WallTime(head.ts),
            text,
        };
        let wanted = match since {
            Since::Beginning => true,
            Since::Time(at) => line.at >= at,
            Since::Record(seq) => line.seq >= seq,
        };
        if wanted && each(&line) == ControlFlow::Break(()) {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
