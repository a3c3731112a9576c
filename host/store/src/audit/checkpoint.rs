//! Checkpoints: how far the log had come at a time, signed, so that neither its end nor the whole of it can be exchanged unnoticed.
//!
//! Each is a signed note of five lines and a signature, in the form that transparency logs use for theirs. What stands in the place of a
//! tree's root is the hash of the last record, which vouches for all before it:
//!
//! ```text
//! holdfast.audit/HOST
//! 4711                      how many records there are
//! xfR2…=                    the hash of the last one
//! time 1795771200000000     microseconds since 1970
//!
//! — holdfast.audit/HOST gSLL…=
//! ```

use super::format::Hash;
use super::key::{PublicKey, SIGNED, Signed, SigningKey};
use data_encoding::BASE64;
use holdfast_call::WallTime;
use std::io::{self, BufRead, BufReader, Read};

/// No line of a checkpoint is longer.
const LINE_BYTES_MAX: u64 = 256;
/// No checkpoint is longer.
pub(super) const CHECKPOINT_BYTES_MAX: u64 = 1024;

/// How far a log had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The last record.
    pub(super) seq: u64,
    pub(super) hash: Hash,
    /// What was signed, and the line that signs it.
    text: String,
    signature: String,
}

impl Checkpoint {
    /// Whether it is signed with the key of the log.
    pub(super) fn signed(&self, key: &PublicKey) -> Signed {
        key.signed(&self.text, &self.signature)
    }

    /// Its text, as it stands in a file.
    pub(super) fn note(&self) -> String {
        format!("{}{}", self.text, self.signature)
    }

    pub(super) fn sign(key: &SigningKey, seq: u64, hash: Hash, at: WallTime) -> Self {
        let text = format!(
            "{}\n{}\n{}\ntime {}\n\n",
            key.public().origin(),
            seq + 1,
            BASE64.encode(&hash),
            at.0
        );
        let signature = key.sign(&text);
        Self {
            seq,
            hash,
            text,
            signature,
        }
    }
}

/// Reads checkpoints, one after the other.
pub(super) struct Checkpoints<R> {
    reader: BufReader<R>,
    /// Where the last whole one ended.
    end: u64,
}

/// What stands next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A checkpoint, whoever signed it.
    One(Checkpoint),
    /// The beginning of one that was never finished, at the end of the file.
    Unfinished,
    /// Something else.
    Garbled,
    /// No more.
    End,
}

impl<R: Read> Checkpoints<R> {
    /// Reads from here, which is so far into the file.
    pub(super) fn new(reader: R, offset: u64) -> Self {
        Self {
            reader: BufReader::new(reader),
            end: offset,
        }
    }

    /// Where the last whole one ended.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut text = String::new();
        let mut bytes = 0;
        for line in 0..6 {
            let mut read = Vec::new();
            let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX);
            limited.read_until(b'\n', &mut read)?;
            // A machine that lost its power may have left zeros where nothing was written yet.
            if read.first() == Some(&0) {
                return Ok(Next::Unfinished);
            }
            if read.last() != Some(&b'\n') {
                return Ok(match (line, read.len()) {
                    (0, 0) => Next::End,
                    (_, len) if (len as u64) < LINE_BYTES_MAX => Next::Unfinished,
                    _ => Next::Garbled,
                });
            }
            bytes += read.len() as u64;
            match String::from_utf8(read) {
                Ok(read) => text.push_str(&read),
                Err(_) => return Ok(Next::Garbled),
            }
        }
        match parse(text) {
            Some(checkpoint) => {
                self.end += bytes;
                Ok(Next::One(checkpoint))
            }
            None => Ok(Next::Garbled),
        }
    }
}

fn parse(mut note: String) -> Option<Checkpoint> {
    let signature = note.split_off(note.find("\n\n")? + 2);
    let mut lines = note.lines().skip(1);
    let count: u64 = lines.next()?.parse().ok()?;
    let hash = BASE64.decode(lines.next()?.as_bytes()).ok()?;
    let _: u64 = lines.next()?.strip_prefix("time ")?.parse().ok()?;
    signature.starts_with(SIGNED).then_some(Checkpoint {
        seq: count.checked_sub(1)?,
        hash: hash.try_into().ok()?,
        text: note,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::of(&[7; 32]).unwrap()
    }

    fn one(seq: u64) -> Checkpoint {
        Checkpoint::sign(&key(), seq, [9; 32], WallTime(5))
    }

    fn read(bytes: &[u8]) -> Vec<Next> {
        let mut all = Checkpoints::new(bytes, 0);
        let mut found = Vec::new();
        loop {
            found.push(all.next().unwrap());
            if !matches!(found.last(), Some(Next::One(_))) {
                return found;
            }
        }
    }

    #[test]
    fn what_was_signed_reads_back() {
        let (first, second) = (one(0), one(300));
        let bytes = first.note() + &second.note();
        assert!(bytes.len() < 2 * CHECKPOINT_BYTES_MAX as usize);
        let found = read(bytes.as_bytes());
        assert_eq!(
            found,
            [Next::One(first), Next::One(second.clone()), Next::End]
        );
        assert_eq!(second.signed(key().public()), Signed::Yes);
    }

    #[test]
    fn one_that_was_never_finished_is_told_from_one_that_was_changed() {
        let note = one(300).note();
        for end in 1..note.len() {
            let bytes = &note.as_bytes()[..end];
            assert_eq!(read(bytes), [Next::Unfinished], "{end}");
        }
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let found = read(&bytes);
            let taken =
                matches!(&found[0], Next::One(one) if one.signed(key().public()) == Signed::Yes);
            assert!(!taken, "byte {at}: {found:?}");
        }
    }
}
