//! Checking a whole log, from its first record to its last, in constant memory: by the chain, and by the checkpoints in the log and in the
//! copy.
//!
//! The chain finds what was changed by somebody who did not write all that follows anew. The checkpoints find that, too, and that records
//! were taken away at the end. Whoever can write to the log can take away its last checkpoints with them: that is found by the copy alone.

use super::culprit::culprit;
use super::disk::{Entry, Folder, Source};
use super::error::{AuditError, Damage, Finding};
use super::format::{Chain, Hash, Kind, ROOT};
use super::frames::{Passed, Stop, follow, frame_after, rest};
use super::key::PublicKey;
use super::log::UNSIGNED_MAX;
use super::opening::{Before, Beginning, beginning};
use crate::error::StoreError;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
pub(super) use witness::Sheet;
use witness::Witness;

mod witness;

/// What checking a log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first record that is kept.
    pub first: u64,
    /// How many records fit.
    pub records: u64,
    /// The last record that a checkpoint vouches for.
    pub signed: Option<u64>,
    /// A frame at the end that was begun and, if nobody took its end away, never acknowledged: its file, and the byte at which it begins.
    pub unfinished: Option<(String, u64)>,
    /// The first thing that is wrong.
    pub found: Option<Finding>,
}

/// Checks the log in this directory, which may be in use, by this key; `copy` is the copy of its checkpoints, if there is one.
///
/// # Errors
/// Something cannot be read. That something is wrong is no error, but stands in the report.
pub fn verify(
    directory: &Path,
    key: &PublicKey,
    copy: Option<&Path>,
) -> Result<Report, AuditError> {
    let sheet = |path: &Path| {
        let failed = |source| StoreError::read(path, source);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok::<_, StoreError>(Sheet {
            name: path.display().to_string(),
            open: Box::new(move || Ok(Box::new(file.take(bytes)))),
        })
    };
    let copy = copy.map(sheet).transpose()?;
    check(&Folder(directory), key, copy)
}

/// The same of any files.
pub(super) fn check<'a>(
    source: &'a dyn Source,
    key: &'a PublicKey,
    copy: Option<Sheet<'a>>,
) -> Result<Report, AuditError> {
    // A checkpoint is written after the records that it speaks of: what is looked at first is no further than what is looked at after it.
    let sheets = source.list()?.into_iter();
    let sheets = sheets.filter(|entry| matches!(entry.kind, Kind::Checkpoints(_)));
    let sheets: Vec<_> = sheets.map(|entry| own_sheet(source, entry)).collect();
    let segments = source.list()?.into_iter();
    let segments = segments.filter_map(|entry| match entry.kind {
        Kind::Segment(first) => Some((first, entry.name)),
        Kind::Checkpoints(_) => None,
    });
    let mut check = Checking {
        source,
        own: Witness::new(key, sheets),
        copy: Witness::new(key, copy),
        chain: Chain::START,
        report: Report::default(),
    };
    check.report.found = check.all(&segments.collect::<Vec<_>>())?;
    let Checking {
        own,
        copy,
        mut report,
        ..
    } = check;
    report.signed = own.passed.max(copy.passed);
    match own.failed.or(copy.failed) {
        Some(error) => Err(failed("the checkpoints", error).into()),
        None => Ok(report),
    }
}

fn own_sheet(source: &dyn Source, entry: Entry) -> Sheet<'_> {
    let Entry { name, bytes, .. } = entry;
    let open = {
        let name = name.clone();
        move || {
            let read: Box<dyn Read> = match source.read(&name) {
                Ok(file) => Box::new(file.take(bytes)),
                // The budget took it away meanwhile, with the records that it speaks of.
                Err(error) if gone(&error) => Box::new(io::empty()),
                Err(error) => return Err(io::Error::other(error)),
            };
            Ok(read)
        }
    };
    Sheet {
        name,
        open: Box::new(open),
    }
}

fn failed(name: &str, error: io::Error) -> StoreError {
    StoreError::read(Path::new(name), error)
}

/// A log that is being checked.
struct Checking<'a> {
    source: &'a dyn Source,
    own: Witness<'a>,
    copy: Witness<'a>,
    chain: Chain,
    report: Report,
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// With the log.
    Last,
    /// With its last record; another segment follows.
    Whole,
    /// Before this record: what was written after it was never acknowledged.
    Before(u64),
}

/// What a segment says was given up: the number of the record that says so, and from which on records are kept.
struct Claim {
    seq: u64,
    kept_from: u64,
}

impl Checking<'_> {
    /// The first thing that is wrong.
    fn all(&mut self, segments: &[(u64, String)]) -> Result<Option<Finding>, AuditError> {
        let claims = self.claims(segments)?;
        let given_up = |number: u64| claims.iter().any(|claim| claim.kept_from >= number);
        let mut begun = None;
        let mut segments = segments.iter().peekable();
        while let Some((number, name)) = segments.next() {
            let this = match beginning(self.source, name) {
                // The budget may have taken it away since the directory was looked at.
                Err(error) if begun.is_none() && gone(&error) => continue,
                this => this?,
            };
            let begins = begun.is_none() || (given_up(*number) && *number > self.chain.next);
            match this {
                Some(this) if begins => {
                    begun = Some(name);
                    self.start(*number, &this);
                }
                None if begins => return Ok(Some(finding(Damage::Altered, name, *number))),
                _ => {}
            }
            let ends = match segments.peek() {
                None => Ends::Last,
                Some((next, name)) => self.ends_before(*next, name)?,
            };
            if let Some(found) = self.segment(*number, name, ends)? {
                // The one that said how this one ends was given up with it, and of the two only this one is back after a crash.
                let hole = |next: u64| given_up(next) && next > self.chain.next;
                if !segments.peek().is_some_and(|(next, _)| hole(*next)) {
                    return Ok(Some(found));
                }
            }
        }
        let name = begun.map_or("", String::as_str);
        Ok(self.end(name, &claims))
    }

    /// What the segments say was given up.
    fn claims(&self, segments: &[(u64, String)]) -> Result<Vec<Claim>, AuditError> {
        let mut claims = Vec::new();
        for (seq, name) in segments {
            match beginning(self.source, name) {
                Err(error) if gone(&error) => {}
                this => claims.extend(this?.map(|this| Claim {
                    seq: *seq,
                    kept_from: this.opening.kept_from,
                })),
            }
        }
        Ok(claims)
    }

    fn start(&mut self, number: u64, this: &Beginning) {
        let prev = data_encoding::HEXLOWER.decode(&this.prev).ok();
        let prev = prev.and_then(|prev| prev.try_into().ok());
        self.report.first = number;
        self.report.records = 0;
        self.own.skip();
        self.copy.skip();
        self.chain = Chain {
            next: number,
            head: prev.filter(|_| number > 0).unwrap_or(ROOT),
        };
    }

    fn ends_before(&self, next: u64, name: &str) -> Result<Ends, StoreError> {
        let next_one = beginning(self.source, name)?;
        let void = next_one.is_some_and(|one| one.opening.before == Before::Void);
        Ok(match void {
            true => Ends::Before(next),
            false => Ends::Whole,
        })
    }

    fn segment(
        &mut self,
        number: u64,
        name: &str,
        ends: Ends,
    ) -> Result<Option<Finding>, AuditError> {
        let start = self.chain;
        if number != start.next {
            let damage = match number > start.next {
                true => Damage::Missing,
                false => Damage::Forked,
            };
            return Ok(Some(finding(damage, name, number.min(start.next))));
        }
        let until = match ends {
            Ends::Before(next) => Some(next),
            Ends::Last | Ends::Whole => None,
        };
        let file = self.source.read(name)?;
        let (own, copy) = (&mut self.own, &mut self.copy);
        let meet = |seq, hash: &Hash| match (own.meet(seq, hash), copy.meet(seq, hash)) {
            (Passed::Yes, Passed::Yes) => Passed::Yes,
            _ => Passed::No,
        };
        let stop = follow(file, &mut self.chain, until, meet);
        let stop = stop.map_err(|error| failed(name, error))?;
        self.report.records += self.chain.next - start.next;
        match stop {
            Stop::End | Stop::Until(_) => Ok(None),
            Stop::Short(at) if ends == Ends::Last && self.never_finished(name, at)? => {
                self.report.unfinished = Some((name.to_owned(), at));
                Ok(None)
            }
            Stop::Short(_) | Stop::Broken(_) => self.culprit(name, start, until).map(Some),
        }
    }

    /// Whether the frame that goes beyond the end of the log can be one that a host which died was writing.
    fn never_finished(&mut self, name: &str, at: u64) -> Result<bool, AuditError> {
        let end = rest(self.source.read(name)?, at).map_err(|error| failed(name, error))?;
        let next = self.chain.next;
        let later = end.is_none_or(|end| frame_after(&end));
        Ok(!later && self.own.beyond(next).is_none() && self.copy.beyond(next).is_none())
    }

    /// The record of a segment that does not fit, or the checkpoint that speaks against it.
    fn culprit(
        &mut self,
        name: &str,
        start: Chain,
        until: Option<u64>,
    ) -> Result<Finding, AuditError> {
        let file = self.source.read(name)?;
        let found = culprit(name, file, start, until).map_err(|error| failed(name, error))?;
        // What all follow each other in is still not what was written, if the segment after it says so.
        let found = found.map(|found| match found.seq < start.next {
            true => finding(Damage::Rewritten, name, self.unsigned()),
            false => found,
        });
        let spoken = self.own.contradiction(&self.copy);
        let spoken = spoken.or_else(|| self.copy.contradiction(&self.own));
        Ok(match (found, spoken) {
            (Some(found), Some(spoken)) if spoken.damage == Damage::Rewritten => found,
            (Some(found), Some(spoken)) if found.seq <= spoken.seq => found,
            (_, Some(spoken)) => spoken,
            (Some(found), None) => found,
            (None, None) => finding(Damage::Altered, name, self.chain.next),
        })
    }

    /// The first record that no checkpoint vouches for.
    fn unsigned(&self) -> u64 {
        let signed = self.own.passed.max(self.copy.passed);
        signed.map_or(self.report.first, |signed| signed + 1)
    }

    /// What is wrong at the end of a log whose records fit.
    fn end(&mut self, name: &str, claims: &[Claim]) -> Option<Finding> {
        let next = self.chain.next;
        let beyond = self.own.beyond(next).or_else(|| self.copy.beyond(next));
        if beyond.is_some() {
            return beyond;
        }
        // Only what is signed can say that records were given up: anybody can write a segment.
        let signed = self.own.passed.max(self.copy.passed);
        let honest = claims.iter().filter(|claim| Some(claim.seq) <= signed);
        let kept_from = honest.map(|claim| claim.kept_from).max().unwrap_or(0);
        if self.report.first > kept_from {
            return Some(finding(Damage::Missing, name, kept_from));
        }
        let unsigned = self.unsigned();
        let many = next.saturating_sub(unsigned) > UNSIGNED_MAX;
        let none = signed.is_none() && self.report.records > 0;
        (many || none).then(|| finding(Damage::Unsigned, name, unsigned))
    }
}

fn finding(damage: Damage, name: &str, seq: u64) -> Finding {
    Finding {
        damage,
        file: name.to_owned(),
        offset: 0,
        seq,
    }
}

fn gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
