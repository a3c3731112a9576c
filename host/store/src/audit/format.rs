//! How the audit log is written: records are lines of JSON, each of which names the one before it by its SHA-256, and what was written
//! together stands in a frame.
//!
//! ```text
//! = 000001f3 9b2c5d0e6a7f8091                        a frame: the bytes that follow, and how the hash of its last record begins
//! {"seq":7,"ts":1795771200000000,"prev":"5f…","kind":"intent",…}
//! ```
//!
//! A frame is on the disk as a whole or was never acknowledged. It needs no checksum of its own: its last record vouches for the others.

use holdfast_call::WallTime;
use sha2::{Digest as _, Sha256};

/// The most that is written at once, in bytes.
pub(super) const GROUP_BYTES_MAX: usize = 4 << 20;
/// The longest record, in bytes, without what the log adds to it.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// The longest line of a segment: a record with what the log adds.
pub(super) const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX + 256;
/// A frame's header, with its end of line.
pub(super) const FRAME_BYTES: usize = 2 + 8 + 1 + CHECK_BYTES + 1;

const CHECK_BYTES: usize = 16;
const HASH_DIGITS: usize = 64;
const SEGMENT: &str = "segment-";
const CHECKPOINTS: &str = "checkpoints-";

/// The SHA-256 of a record's bytes, without the end of its line.
pub(super) type Hash = [u8; 32];
pub(super) type HashDigits = [u8; HASH_DIGITS];
pub(super) type Check = [u8; CHECK_BYTES];

/// What the first record of all follows.
pub(super) const ROOT: Hash = [0; 32];

pub(super) fn hash(line: &[u8]) -> Hash {
    Sha256::digest(line).into()
}

pub(super) fn digits(hash: &Hash) -> HashDigits {
    let mut digits = [0; HASH_DIGITS];
    data_encoding::HEXLOWER.encode_mut(hash, &mut digits);
    digits
}

fn check(hash: &Hash) -> Check {
    let digits = digits(hash);
    *digits.first_chunk().unwrap_or(&[0; CHECK_BYTES])
}

/// What the log itself has written into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) seq: u64,
    /// Microseconds since 1970.
    pub(super) ts: u64,
    pub(super) prev: &'a [u8],
}

/// Reads the beginning of a record; `None` if the log did not write it so.
pub(super) fn head(line: &[u8]) -> Option<Head<'_>> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let (seq, rest) = number(rest)?;
    let rest = rest.strip_prefix(b",\"ts\":")?;
    let (ts, rest) = number(rest)?;
    let rest = rest.strip_prefix(b",\"prev\":\"")?;
    let (prev, rest) = rest.split_at_checked(HASH_DIGITS)?;
    let ends = rest.starts_with(b"\",\"") || rest == b"\"}";
    ends.then_some(Head { seq, ts, prev })
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut rest = text;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        rest = after;
    }
    (rest.len() < text.len()).then_some((value, rest))
}

/// Where a chain of records stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The number of the next record.
    pub(super) next: u64,
    /// The hash of the last one.
    pub(super) head: Hash,
}

impl Chain {
    pub(super) const START: Self = Self {
        next: 0,
        head: ROOT,
    };

    /// The number of the last record; none, if there is none.
    pub(super) fn last(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Takes a record that stands next, if it is the one that follows.
    pub(super) fn follow(&mut self, line: &[u8]) -> Option<()> {
        let head = head(line)?;
        if head.seq != self.next || head.prev != digits(&self.head) {
            return None;
        }
        self.pass(line);
        Some(())
    }

    fn pass(&mut self, line: &[u8]) {
        self.next += 1;
        self.head = hash(line);
    }
}

/// What is written together.
pub(super) struct Frame {
    bytes: Vec<u8>,
    chain: Chain,
}

impl Frame {
    /// An empty one, whose first record follows this chain.
    pub(super) fn after(chain: Chain) -> Self {
        Self {
            bytes: vec![b' '; FRAME_BYTES],
            chain,
        }
    }

    /// Puts a record at its end: the JSON object `body`, with what the log adds.
    pub(super) fn add(&mut self, at: WallTime, body: &str) {
        let start = self.bytes.len();
        let Chain { next, head } = self.chain;
        let head = digits(&head);
        let head = String::from_utf8_lossy(&head);
        let front = format!("{{\"seq\":{next},\"ts\":{},\"prev\":\"{head}\"", at.0);
        self.bytes.extend_from_slice(front.as_bytes());
        let inner = body.strip_prefix('{').unwrap_or(body);
        if inner != "}" {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(inner.as_bytes());
        if let Some(line) = self.bytes.get(start..) {
            self.chain.pass(line);
        }
        self.bytes.push(b'\n');
    }

    /// Its bytes, and where the chain stands after it.
    pub(super) fn finish(mut self) -> (Vec<u8>, Chain) {
        let header = header(self.bytes.len() - FRAME_BYTES, &self.chain.head);
        if let Some(place) = self.bytes.first_chunk_mut() {
            *place = header;
        }
        (self.bytes, self.chain)
    }
}

fn header(len: usize, last: &Hash) -> [u8; FRAME_BYTES] {
    let check = check(last);
    let check = String::from_utf8_lossy(&check);
    let text = format!("= {len:08x} {check}\n");
    *text.as_bytes().first_chunk().unwrap_or(&[0; FRAME_BYTES])
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The bytes after it.
    pub(super) len: usize,
    pub(super) check: Check,
}

impl FrameHead {
    /// Reads a header with its end of line; `None` if it is not as the log writes one.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"= ")?;
        let (len, rest) = rest.split_at_checked(8)?;
        let plain = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !len.iter().all(plain) {
            return None;
        }
        let len = usize::from_str_radix(std::str::from_utf8(len).ok()?, 16).ok()?;
        let rest = rest.strip_prefix(b" ")?;
        let check = rest.strip_suffix(b"\n")?.try_into().ok()?;
        (len <= GROUP_BYTES_MAX + LINE_BYTES_MAX).then_some(Self { len, check })
    }

    /// Whether a record with this hash can be the last of the frame.
    pub(super) fn ends_with(&self, last: &Hash) -> bool {
        self.check == check(last)
    }
}

/// The file of the segment that begins with this record.
pub(super) fn segment_name(first: u64) -> String {
    format!("{SEGMENT}{first:020}")
}

/// The file of the checkpoints that begin with this record's.
pub(super) fn checkpoints_name(first: u64) -> String {
    format!("{CHECKPOINTS}{first:020}")
}

/// What a file of the log is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment(u64),
    Checkpoints(u64),
}

pub(super) fn kind(name: &str) -> Option<Kind> {
    let first = |digits: &str| {
        let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    match name.strip_prefix(SEGMENT) {
        Some(digits) => first(digits).map(Kind::Segment),
        None => first(name.strip_prefix(CHECKPOINTS)?).map(Kind::Checkpoints),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split(|byte| *byte == b'\n').skip(1).collect()
    }

    #[test]
    fn what_is_written_is_read_and_each_record_follows_the_one_before() {
        let mut frame = Frame::after(Chain::START);
        frame.add(WallTime(5), "{\"kind\":\"intent\"}");
        frame.add(WallTime(6), "{}");
        let (bytes, after) = frame.finish();
        let read = FrameHead::read(bytes.get(..FRAME_BYTES).unwrap()).unwrap();
        assert_eq!(read.len, bytes.len() - FRAME_BYTES);
        assert!(read.ends_with(&after.head));
        let lines = lines(&bytes);
        let mut chain = Chain::START;
        chain.follow(lines[0]).unwrap();
        assert_eq!(chain.follow(lines[0]), None, "not twice");
        chain.follow(lines[1]).unwrap();
        assert_eq!(chain, after);
        for line in &lines[..2] {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(head(lines[1]).unwrap().ts, 6);
    }

    #[test]
    fn nothing_else_is_taken_for_a_record_or_a_header() {
        for bad in [
            "",
            "{}",
            "{\"seq\":,\"ts\":1,\"prev\":\"",
            "{\"seq\":99999999999999999999999,\"ts\":1",
            "{\"seq\":1,\"ts\":1,\"prev\":\"00\"}",
        ] {
            assert_eq!(head(bad.as_bytes()), None, "{bad}");
        }
        let good = String::from_utf8(header(5, &ROOT).to_vec()).unwrap();
        assert!(FrameHead::read(good.as_bytes()).is_some());
        for bad in [
            good.trim_end().to_owned(),
            good.replace("= ", "=="),
            good.replace("00000005", "+0000005"),
            good.replace("00000005", "ffffffff"),
        ] {
            assert_eq!(FrameHead::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names_stand_in_the_order_of_the_records() {
        assert!(segment_name(9) < segment_name(10));
        assert_eq!(kind(&segment_name(7)), Some(Kind::Segment(7)));
        assert_eq!(kind(&checkpoints_name(7)), Some(Kind::Checkpoints(7)));
        for other in ["", "segment-", "segment-7", ".new-1-1", "checkpoints-x"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
