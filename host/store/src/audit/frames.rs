//! Reading a segment: frame by frame, with the chain followed through the records of each. What does not fit stops it, and is looked at
//! again more closely by whoever wants to know which record it is.

use super::format::{Chain, FRAME_BYTES, FrameHead, GROUP_BYTES_MAX, Hash, LINE_BYTES_MAX};
use std::io::{self, BufRead as _, BufReader, Read};

const READ_BYTES: usize = 1 << 18;

/// Where reading a segment stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At its end; all fits.
    End,
    /// Before the record that was to be the first not to be read, in front of this byte.
    Until(u64),
    /// Before a frame that begins at this byte and goes beyond the end of the file.
    Short(u64),
    /// Before a frame that begins at this byte and does not fit.
    Broken(u64),
}

/// Reads a segment whose first record is the next of `chain`, up to the record `until`. The chain ends where the last frame that fits ends;
/// `each` is given every record of a frame that fits so far, with its hash.
pub(super) fn follow(
    segment: impl Read,
    chain: &mut Chain,
    until: Option<u64>,
    mut each: impl FnMut(u64, &Hash) -> Passed,
) -> io::Result<Stop> {
    let mut reader = BufReader::with_capacity(READ_BYTES, segment);
    let (mut at, mut body) = (0, Vec::new());
    loop {
        if until == Some(chain.next) {
            return Ok(Stop::Until(at));
        }
        let mut header = Vec::with_capacity(FRAME_BYTES);
        let mut limited = reader.by_ref().take(FRAME_BYTES as u64);
        limited.read_until(b'\n', &mut header)?;
        if header.is_empty() {
            return Ok(Stop::End);
        }
        let Some(head) = FrameHead::read(&header) else {
            let cut = header.len() < FRAME_BYTES && header.last() != Some(&b'\n');
            return Ok(if cut {
                Stop::Short(at)
            } else {
                Stop::Broken(at)
            });
        };
        body.clear();
        reader
            .by_ref()
            .take(head.len as u64)
            .read_to_end(&mut body)?;
        if body.len() < head.len {
            return Ok(Stop::Short(at));
        }
        match walk(&body, *chain, &mut each) {
            Some(after) if head.ends_with(&after.head) && after != *chain => *chain = after,
            _ => return Ok(Stop::Broken(at)),
        }
        at += (FRAME_BYTES + head.len) as u64;
    }
}

/// Whether a record fits to what else is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Yes,
    No,
}

fn walk(
    mut body: &[u8],
    mut chain: Chain,
    each: &mut impl FnMut(u64, &Hash) -> Passed,
) -> Option<Chain> {
    while !body.is_empty() {
        let end = memchr::memchr(b'\n', body)?;
        let (line, rest) = body.split_at_checked(end)?;
        let seq = chain.next;
        chain.follow(line)?;
        if each(seq, &chain.head) == Passed::No {
            return None;
        }
        body = rest.split_first()?.1;
    }
    Some(chain)
}

/// What stands in a segment from this byte on; nothing, if that is more than is ever written at once.
pub(super) fn rest(mut segment: impl Read, at: u64) -> io::Result<Option<Vec<u8>>> {
    io::copy(&mut segment.by_ref().take(at), &mut io::sink())?;
    let most = (FRAME_BYTES + GROUP_BYTES_MAX + LINE_BYTES_MAX) as u64;
    let mut rest = Vec::new();
    segment.take(most + 1).read_to_end(&mut rest)?;
    Ok((rest.len() as u64 <= most).then_some(rest))
}

/// Whether a frame that fits stands anywhere in this end of a segment, behind its first byte. What is before such a frame was on the disk
/// when it was begun.
pub(super) fn frame_after(end: &[u8]) -> bool {
    let starts = memchr::memchr_iter(b'\n', end).filter_map(|place| end.get(place + 1..));
    starts.into_iter().any(|start| {
        let whole = || {
            let (header, body) = start.split_at_checked(FRAME_BYTES)?;
            let head = FrameHead::read(header)?;
            let body = body.get(..head.len)?.strip_suffix(b"\n")?;
            let last = memchr::memrchr(b'\n', body).map_or(0, |place| place + 1);
            let last = super::format::hash(body.get(last..)?);
            head.ends_with(&last).then_some(())
        };
        whole().is_some()
    })
}
