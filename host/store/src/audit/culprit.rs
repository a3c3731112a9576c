//! Which record of a segment is the first that is not as it was written, once it is known that one is.
//!
//! The frames are only witnesses here, since they may be what was changed. Of two records that do not fit to each other, the one is to
//! blame for which nobody else speaks: a later record speaks for the one that it names, a frame for its last.

use super::error::{Damage, Finding};
use super::format::{Chain, FRAME_BYTES, FrameHead, Hash, LINE_BYTES_MAX, digits, hash, head};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

/// How many lines are looked ahead: a header and the record behind it.
const AHEAD: usize = 2;

/// A line of a segment.
struct Line {
    at: u64,
    /// Without the end of the line.
    text: Vec<u8>,
    ended: bool,
}

impl Line {
    fn header(&self) -> Option<FrameHead> {
        let mut text = self.text.clone();
        text.push(b'\n');
        FrameHead::read(&text).filter(|_| self.ended)
    }

    /// The number of a record that reads as one.
    fn number(&self) -> Option<u64> {
        let whole = || serde_json::from_slice::<serde::de::IgnoredAny>(&self.text).is_ok();
        let head = head(&self.text)?;
        (self.ended && whole()).then_some(head.seq)
    }

    fn names(&self, before: &Hash) -> bool {
        head(&self.text).is_some_and(|head| head.prev == digits(before))
    }
}

/// The lines of a segment, with a look ahead.
struct Lines<R> {
    reader: BufReader<R>,
    read: u64,
    ahead: VecDeque<Line>,
}

impl<R: Read> Lines<R> {
    fn new(segment: R) -> io::Result<Self> {
        let mut this = Self {
            reader: BufReader::new(segment),
            read: 0,
            ahead: VecDeque::new(),
        };
        for _ in 0..AHEAD {
            this.fill()?;
        }
        Ok(this)
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        let count = limited.read_until(b'\n', &mut text)?;
        if count > 0 {
            let ended = text.pop_if(|last| *last == b'\n').is_some();
            let at = self.read;
            self.read += count as u64;
            self.ahead.push_back(Line { at, text, ended });
        }
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        let line = self.ahead.pop_front();
        self.fill()?;
        Ok(line)
    }

    /// The next record, whether a header stands before it or not.
    fn record_ahead(&self) -> Option<&Line> {
        let mut ahead = self.ahead.iter();
        ahead.find(|line| line.header().is_none())
    }

    /// Whether the frame ends here.
    fn frame_ends(&self) -> bool {
        self.ahead
            .front()
            .is_none_or(|line| line.header().is_some())
    }
}

/// The frame that is being read.
struct Open {
    head: FrameHead,
    at: u64,
    first: u64,
}

impl Open {
    fn end(&self) -> u64 {
        self.at + (FRAME_BYTES + self.head.len) as u64
    }
}

/// What is to be said of a record.
enum Said {
    Fits,
    Wrong(Finding),
    /// It has the number of a later record.
    Ahead,
}

/// Where a search stands.
struct Search<'a> {
    file: &'a str,
    chain: Chain,
    frame: Option<Open>,
    /// Where the last record that fits stands.
    before: u64,
}

/// The first record of a segment that is not as it was written, if one is not; the first is to follow `chain`, and what comes from the record
/// `until` on is not looked at.
pub(super) fn culprit(
    file: &str,
    segment: impl Read,
    chain: Chain,
    until: Option<u64>,
) -> io::Result<Option<Finding>> {
    let mut lines = Lines::new(segment)?;
    let mut search = Search {
        file,
        chain,
        frame: None,
        before: 0,
    };
    while let Some(line) = lines.next()? {
        if until == Some(search.chain.next) {
            return Ok(None);
        }
        if let Some(head) = line.header() {
            if let Some(found) = search.header(line.at, head) {
                return Ok(Some(found));
            }
            continue;
        }
        match search.record(&line, &lines) {
            Said::Fits => {}
            Said::Wrong(found) => return Ok(Some(found)),
            Said::Ahead => return Ok(Some(search.ahead(line.at, lines)?)),
        }
    }
    Ok(search.segment_end(lines.read))
}

impl Search<'_> {
    fn finding(&self, damage: Damage, seq: u64, offset: u64) -> Finding {
        Finding {
            damage,
            file: self.file.to_owned(),
            offset,
            seq,
        }
    }

    fn header(&mut self, at: u64, head: FrameHead) -> Option<Finding> {
        let before = self.frame_end(at);
        self.frame = Some(Open {
            head,
            at,
            first: self.chain.next,
        });
        before
    }

    /// Whether the frame that is being read ends where it says, with a record at least.
    fn frame_end(&self, at: u64) -> Option<Finding> {
        let frame = self.frame.as_ref()?;
        let fits = frame.end() == at && frame.first < self.chain.next;
        (!fits).then(|| self.finding(Damage::Altered, frame.first, frame.at))
    }

    /// The same where the segment ends: there a frame may have lost its own end.
    fn segment_end(&self, at: u64) -> Option<Finding> {
        let frame = self.frame.as_ref()?;
        if frame.end() > at && !frame.head.ends_with(&self.chain.head) {
            return Some(self.finding(Damage::Truncated, self.chain.next, at));
        }
        self.frame_end(at)
    }

    fn record(&mut self, line: &Line, lines: &Lines<impl Read>) -> Said {
        let next = self.chain.next;
        let wrong = |this: &Self, seq, at| Said::Wrong(this.finding(Damage::Altered, seq, at));
        let Some(number) = line.number() else {
            return wrong(self, next, line.at);
        };
        match number.cmp(&next) {
            Ordering::Equal => {}
            Ordering::Greater => return Said::Ahead,
            // What follows the last one is this record with another number; anything else was taken from elsewhere.
            Ordering::Less if line.names(&self.chain.head) => return wrong(self, next, line.at),
            Ordering::Less => {
                return Said::Wrong(self.finding(Damage::Forked, number, line.at));
            }
        }
        let Some(frame) = &self.frame else {
            return wrong(self, next, line.at);
        };
        let this = hash(&line.text);
        let named = lines.record_ahead().is_some_and(|one| one.names(&this));
        let last = lines.frame_ends();
        let framed = last && frame.head.ends_with(&this);
        let cut = lines.ahead.is_empty() && frame.end() > lines.read;
        if !line.names(&self.chain.head) {
            return match next.checked_sub(1) {
                Some(before) if named || framed => wrong(self, before, self.before),
                _ => wrong(self, next, line.at),
            };
        }
        if last && !framed && !cut {
            let after = lines.record_ahead().and_then(Line::number);
            return match after {
                _ if named => wrong(self, frame.first, frame.at),
                Some(after) if after > next + 1 => {
                    Said::Wrong(self.finding(Damage::Missing, next + 1, lines.read))
                }
                _ => wrong(self, next, line.at),
            };
        }
        self.chain = Chain {
            next: next + 1,
            head: this,
        };
        self.before = line.at;
        // A frame that is complete holds nothing more: what follows without a header has lost it.
        let end = line.at + line.text.len() as u64 + 1;
        if end == frame.end() && frame.head.ends_with(&this) {
            self.frame = None;
        }
        Said::Fits
    }

    /// What it means that a later record stands where the next one should.
    fn ahead(&self, at: u64, mut lines: Lines<impl Read>) -> io::Result<Finding> {
        let next = self.chain.next;
        let goes_on = lines.record_ahead().and_then(Line::number) == Some(next + 1);
        while let Some(line) = lines.next()? {
            if line.number() == Some(next) {
                return Ok(self.finding(Damage::Moved, next, at));
            }
        }
        let damage = match goes_on {
            true => Damage::Altered,
            false => Damage::Missing,
        };
        Ok(self.finding(damage, next, at))
    }
}
