//! HTTP/1.1 as it comes in: where a message begins and ends, and that every line of it ends as a line and is one.
//!
//! The protocol's library reads the same bytes afterwards, and more leniently: it takes a line feed alone for a line's end, drops a length
//! beside chunks, hides a fragment. It gets to see only what both read in the same way. Nothing is rewritten here.

use crate::entry::line::Begun;
use crate::entry::scan::lines::{Bad, Frames, Framing, chunk_size, field};

/// The longest line of a chunk's size with its extensions, in bytes.
const SIZE_LINE_BYTES_MAX: usize = 256;
/// The largest trailers of one message, in bytes.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Where in the stream of messages the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a request line; one empty line may stand there.
    Start { empty: bool },
    /// In the fields of a head.
    Fields(Framing),
    /// In a body of a known length, with so many bytes to come.
    Body(u64),
    /// In the line of a chunk's size.
    Size,
    /// In a chunk, its end among the bytes to come.
    Chunk(u64),
    /// In the trailers.
    Trailers,
}

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// They are as they should be.
    Good,
    /// The byte at this place ends a line of a head that is none.
    BadHead(usize),
    /// What begins at this place is no part of a body.
    BadBody(usize),
}

/// The state between two reads.
#[derive(Debug)]
pub struct Http1 {
    at: At,
    /// What came of the line that has not ended.
    line: Vec<u8>,
    line_bytes_max: usize,
    trailer_bytes: usize,
}

impl Http1 {
    /// At the beginning of a connection. A line of a head that is longer than `line_bytes_max` is the library's to refuse.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            at: At::Start { empty: false },
            line: Vec::new(),
            line_bytes_max,
            trailer_bytes: 0,
        }
    }

    /// Whether a head has begun and not ended.
    pub fn begun(&self) -> Begun {
        match self.at {
            At::Start { .. } if self.line.is_empty() => Begun::No,
            At::Start { .. } | At::Fields(_) => Begun::Yes,
            At::Body(_) | At::Size | At::Chunk(_) | At::Trailers => Begun::No,
        }
    }

    /// Looks at the next bytes.
    pub fn look(&mut self, bytes: &[u8]) -> Found {
        let mut place = 0;
        while let Some(rest) = bytes.get(place..).filter(|rest| !rest.is_empty()) {
            match &mut self.at {
                At::Body(left) => {
                    place += step(left, rest);
                    if *left == 0 {
                        self.at = At::Start { empty: false };
                    }
                }
                At::Chunk(left) if *left > 2 => {
                    let mut data = *left - 2;
                    place += step(&mut data, rest);
                    *left = data + 2;
                }
                At::Chunk(left) => {
                    let due = if *left == 2 { b'\r' } else { b'\n' };
                    if rest.first() != Some(&due) {
                        return Found::BadBody(place);
                    }
                    place += 1;
                    *left -= 1;
                    if *left == 0 {
                        self.at = At::Size;
                    }
                }
                At::Start { .. } | At::Fields(_) | At::Size | At::Trailers => {
                    match self.take_line(rest) {
                        Line::Open => return Found::Good,
                        Line::Ended(bytes) => place += bytes,
                        Line::Bad(feed) if self.is_of_head() => {
                            return Found::BadHead(place + feed);
                        }
                        Line::Bad(_) => return Found::BadBody(place),
                    }
                }
            }
        }
        Found::Good
    }

    fn is_of_head(&self) -> bool {
        matches!(self.at, At::Start { .. } | At::Fields(_))
    }

    /// Takes what of `rest` belongs to the line that has begun.
    fn take_line(&mut self, rest: &[u8]) -> Line {
        let feed = rest.iter().position(|byte| *byte == b'\n');
        let piece = feed.and_then(|feed| rest.get(..=feed)).unwrap_or(rest);
        let most = match self.at {
            At::Size => SIZE_LINE_BYTES_MAX,
            At::Trailers => TRAILER_BYTES_MAX.saturating_sub(self.trailer_bytes),
            // The library has room for no more, and says so itself; nothing that comes after is read.
            _ => self.line_bytes_max,
        };
        let last = piece.len().saturating_sub(1);
        if self.line.len() + piece.len() > most {
            return Line::Bad(last);
        }
        self.line.extend_from_slice(piece);
        if feed.is_none() {
            return Line::Open;
        }
        let mut line = std::mem::take(&mut self.line);
        let ended = match line.strip_suffix(b"\r\n") {
            Some(line) => self.end_line(line),
            None => Err(Bad),
        };
        line.clear();
        self.line = line;
        match ended {
            Ok(()) => Line::Ended(piece.len()),
            Err(Bad) => Line::Bad(last),
        }
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        self.at = match self.at {
            At::Start { empty: false } if line.is_empty() => At::Start { empty: true },
            At::Start { .. } => At::Fields(Framing::request_line(line)?),
            At::Fields(framing) if line.is_empty() => match framing.frames() {
                Frames::None => At::Start { empty: false },
                Frames::Length(bytes) => At::Body(bytes),
                Frames::Chunks => At::Size,
            },
            At::Fields(mut framing) => {
                framing.field_line(line)?;
                At::Fields(framing)
            }
            At::Size => match chunk_size(line)? {
                0 => {
                    self.trailer_bytes = 0;
                    At::Trailers
                }
                bytes => At::Chunk(bytes + 2),
            },
            At::Trailers if line.is_empty() => At::Start { empty: false },
            At::Trailers => {
                field(line)?;
                self.trailer_bytes += line.len() + 2;
                At::Trailers
            }
            at @ (At::Body(_) | At::Chunk(_)) => at,
        };
        Ok(())
    }
}

/// What became of a line.
enum Line {
    /// It has not ended.
    Open,
    /// It ended within so many bytes.
    Ended(usize),
    /// It is none, as is clear from the byte at this place.
    Bad(usize),
}

/// Takes from `left` what `rest` has of it.
fn step(left: &mut u64, rest: &[u8]) -> usize {
    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= taken as u64;
    taken
}
