//! The checkpoints that a log is held against, read beside it: those in its own directory, or the copy of them elsewhere.

use super::super::checkpoint::{Checkpoint, Checkpoints, Next};
use super::super::error::{Damage, Finding};
use super::super::format::Hash;
use super::super::frames::Passed;
use super::super::key::{PublicKey, Signed};
use std::collections::VecDeque;
use std::io::{self, Read};

/// A file of checkpoints.
pub(in super::super) struct Sheet<'a> {
    pub(in super::super) name: String,
    pub(in super::super) open: Box<dyn FnOnce() -> io::Result<Box<dyn Read>> + 'a>,
}

/// Checkpoints, in the order in which they were made.
pub(super) struct Witness<'a> {
    key: &'a PublicKey,
    sheets: VecDeque<Sheet<'a>>,
    sheet: Option<(String, Checkpoints<Box<dyn Read>>)>,
    /// The next one, and where it begins.
    next: Option<(Checkpoint, u64)>,
    /// The record of the last one that fits.
    pub(super) passed: Option<u64>,
    /// The first that does not fit.
    pub(super) wrong: Option<Finding>,
    /// Why no more could be read.
    pub(super) failed: Option<io::Error>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(key: &'a PublicKey, sheets: impl IntoIterator<Item = Sheet<'a>>) -> Self {
        let mut this = Self {
            key,
            sheets: sheets.into_iter().collect(),
            sheet: None,
            next: None,
            passed: None,
            wrong: None,
            failed: None,
        };
        this.advance(0);
        this
    }

    /// Holds a record against the checkpoints that speak of it.
    pub(super) fn meet(&mut self, seq: u64, hash: &Hash) -> Passed {
        loop {
            let of = match &self.next {
                Some((one, _)) if self.wrong.is_none() && one.seq <= seq => one,
                _ if self.wrong.is_some() || self.failed.is_some() => return Passed::No,
                _ => return Passed::Yes,
            };
            let damage = match of.signed(self.key) {
                Signed::No => Some(Damage::Unsigned),
                // Of a record that is no longer kept.
                Signed::Yes if of.seq < seq && self.passed.is_none() => None,
                // It speaks of a record that another one spoke of after it.
                Signed::Yes if of.seq < seq => Some(Damage::Forked),
                Signed::Yes if of.hash != *hash => Some(Damage::Rewritten),
                Signed::Yes => {
                    self.passed = Some(seq);
                    None
                }
            };
            if let Some(damage) = damage {
                self.accuse(damage);
                return Passed::No;
            }
            self.advance(seq);
        }
    }

    /// Records were given up here: what speaks of them is passed over.
    pub(super) fn skip(&mut self) {
        self.passed = None;
    }

    /// The first record of which a checkpoint speaks that is not among those before `next`.
    pub(super) fn beyond(&mut self, next: u64) -> Option<Finding> {
        while self.wrong.is_none() {
            let (one, _) = self.next.as_ref()?;
            let damage = match one.signed(self.key) {
                Signed::No => Damage::Unsigned,
                Signed::Yes if one.seq >= next => return Some(self.truncated(next)),
                Signed::Yes if self.passed.is_some() => Damage::Forked,
                Signed::Yes => {
                    self.advance(next);
                    continue;
                }
            };
            self.accuse(damage);
        }
        self.wrong.clone()
    }

    /// What speaks against the log; if the other one speaks for it, there have been two.
    pub(super) fn contradiction(&self, other: &Self) -> Option<Finding> {
        let mut wrong = self.wrong.clone()?;
        let spoken = self.next.as_ref().map(|(one, _)| one.seq);
        if wrong.damage == Damage::Rewritten && other.passed >= spoken {
            wrong.damage = Damage::Forked;
        }
        Some(wrong)
    }

    fn truncated(&self, seq: u64) -> Finding {
        self.finding(Damage::Truncated, seq)
    }

    fn finding(&self, damage: Damage, seq: u64) -> Finding {
        let name = self.sheet.as_ref().map(|(name, _)| name.clone());
        let end = self.sheet.as_ref().map(|(_, sheet)| sheet.end());
        let at = self.next.as_ref().map(|(_, at)| *at).or(end);
        Finding {
            damage,
            file: name.unwrap_or_default(),
            offset: at.unwrap_or_default(),
            seq,
        }
    }

    fn accuse(&mut self, damage: Damage) {
        let spoken = self.next.as_ref().map_or(0, |(one, _)| one.seq);
        let seq = match damage {
            Damage::Rewritten => self.passed.map_or(0, |passed| passed + 1),
            _ => spoken,
        };
        self.wrong = Some(self.finding(damage, seq));
    }

    /// Goes on to the next one; the records before `seq` have been read.
    fn advance(&mut self, seq: u64) {
        self.next = None;
        if let Err(error) = self.read(seq) {
            self.failed = Some(error);
        }
    }

    fn read(&mut self, seq: u64) -> io::Result<()> {
        loop {
            if let Some((_, sheet)) = &mut self.sheet {
                let at = sheet.end();
                match sheet.next()? {
                    Next::One(one) => {
                        self.next = Some((one, at));
                        return Ok(());
                    }
                    // A host that died, or could not go on with this file, began another one.
                    Next::End | Next::Unfinished => {}
                    Next::Garbled => {
                        self.wrong = Some(self.finding(Damage::Unsigned, seq));
                        return Ok(());
                    }
                }
            }
            let Some(Sheet { name, open }) = self.sheets.pop_front() else {
                return Ok(());
            };
            self.sheet = Some((name, Checkpoints::new(open()?, 0)));
        }
    }
}
