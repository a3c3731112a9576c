//! Opening a log: its last segment is read whole and held against the last checkpoints, so that nothing is written after an end that is not
//! the one that was acknowledged.
//!
//! What a host left that died while it wrote stands after the last whole frame and was never acknowledged: it is cut off. Anything else
//! that does not fit is damage, and the log stays as it is.

use super::checkpoint::{Checkpoint, Checkpoints, Next};
use super::culprit::culprit;
use super::disk::{Disk, Entry, Grow as _};
use super::error::{AuditError, Damage, Finding};
use super::format::{Chain, Kind, ROOT};
use super::frames::{Passed, Stop, follow, frame_after, rest};
use super::key::{Signed, SigningKey};
use super::log::{Growing, Kept, Limits, Log, day};
use super::opening::{Because, Before, beginning};
use crate::error::StoreError;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// What was cut off the end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: String,
    /// How many bytes it had too many.
    pub bytes: u64,
}

/// Opens the log of this disk. `copied` is the last checkpoint of the copy, if there is one.
pub(super) fn recover<D: Disk>(
    disk: D,
    key: SigningKey,
    limits: Limits,
    copied: Option<Checkpoint>,
) -> Result<(Log<D>, Option<Cut>), AuditError> {
    let entries = disk.list()?;
    let (segments, sheets) = kept(&entries);
    let mut log = Log {
        disk,
        key,
        limits,
        chain: Chain::START,
        signed: 0,
        segment: None,
        checkpoints: None,
        because: Because::Start,
        before: Before::Whole,
        kept_from: 0,
        segments,
        sheets,
        notes: Vec::new(),
    };
    let own = last_sheet(&mut log, &entries)?;
    log.signed = own.as_ref().map_or(0, |own| own.seq + 1);
    let known: Vec<_> = own.into_iter().chain(copied).collect();
    let cut = last_segment(&mut log, &entries, &known)?;
    match known.iter().find(|known| known.seq >= log.chain.next) {
        None => Ok((log, cut)),
        Some(_) => Err(damaged(Damage::Truncated, "its end", log.chain.next)),
    }
}

/// Keeps what the log kept, in numbers.
fn kept(entries: &[Entry]) -> (VecDeque<Kept>, VecDeque<Kept>) {
    let (mut segments, mut sheets) = (VecDeque::new(), VecDeque::new());
    for entry in entries {
        let bytes = entry.bytes;
        match entry.kind {
            Kind::Segment(first) => segments.push_back(Kept { first, bytes }),
            Kind::Checkpoints(first) => sheets.push_back(Kept { first, bytes }),
        }
    }
    (segments, sheets)
}

fn last_of(entries: &[Entry], is: fn(Kind) -> bool) -> Option<&Entry> {
    entries.iter().rfind(|entry| is(entry.kind))
}

/// Opens the last file of checkpoints to go on with it, and returns its last one.
fn last_sheet<D: Disk>(
    log: &mut Log<D>,
    entries: &[Entry],
) -> Result<Option<Checkpoint>, AuditError> {
    let is_sheet = |kind| matches!(kind, Kind::Checkpoints(_));
    let Some(entry) = last_of(entries, is_sheet) else {
        return Ok(None);
    };
    let mut file = log.disk.open(&entry.name)?;
    let mut notes = Checkpoints::new(log.disk.read(&entry.name)?, 0);
    let mut last = None;
    let more = loop {
        match notes.next().map_err(|error| failed(&entry.name, error))? {
            Next::One(one) => last = Some(one),
            more => break more,
        }
    };
    let seq = last.as_ref().map_or(0, |last: &Checkpoint| last.seq);
    let signed = |last: &Checkpoint| last.signed(log.key.public()) == Signed::Yes;
    if more == Next::Garbled || !last.as_ref().is_some_and(signed) {
        return Err(damaged(Damage::Unsigned, &entry.name, seq));
    }
    let bytes = notes.end();
    if bytes < entry.bytes {
        file.cut(bytes)?;
    }
    // On which day it was begun is not asked: it ends with the segment.
    log.checkpoints = Some(Growing {
        file,
        bytes,
        day: 0,
    });
    Ok(last)
}

/// Opens the last segment to go on with it, and brings the chain to its end.
fn last_segment<D: Disk>(
    log: &mut Log<D>,
    entries: &[Entry],
    known: &[Checkpoint],
) -> Result<Option<Cut>, AuditError> {
    let is_segment = |kind| matches!(kind, Kind::Segment(_));
    let Some(entry) = last_of(entries, is_segment) else {
        return Ok(None);
    };
    let Kind::Segment(first) = entry.kind else {
        return Ok(None);
    };
    let name = &entry.name;
    let mut file = log.disk.open(name)?;
    let Some(begins) = beginning(&log.disk, name)? else {
        return Err(damaged(Damage::Altered, name, first));
    };
    let prev = data_encoding::HEXLOWER.decode(&begins.prev).ok();
    let prev = prev.and_then(|prev| prev.try_into().ok());
    let start = Chain {
        next: first,
        head: prev.unwrap_or(ROOT),
    };
    log.chain = start;
    let meet = |seq, hash: &_| {
        let speaks = |known: &&Checkpoint| known.seq == seq && known.hash != *hash;
        known
            .iter()
            .find(speaks)
            .map_or(Passed::Yes, |_| Passed::No)
    };
    let stop = follow(log.disk.read(name)?, &mut log.chain, None, meet);
    let stop = stop.map_err(|error| failed(name, error))?;
    let bytes = match stop {
        Stop::End | Stop::Until(_) => entry.bytes,
        Stop::Short(at) | Stop::Broken(at) => {
            let later = |known: &Checkpoint| known.seq >= log.chain.next;
            let end = rest(log.disk.read(name)?, at).map_err(|error| failed(name, error))?;
            if known.iter().any(later) || end.is_none_or(|end| frame_after(&end)) {
                return Err(named(log, name, start)?);
            }
            file.cut(at)?;
            at
        }
    };
    if let Some(kept) = log.segments.back_mut() {
        kept.bytes = bytes;
    }
    log.kept_from = begins.opening.kept_from;
    log.segment = Some(Growing {
        file,
        bytes,
        day: day(holdfast_call::WallTime(begins.ts)),
    });
    let cut = entry.bytes - bytes;
    Ok((cut > 0).then(|| Cut {
        file: name.clone(),
        bytes: cut,
    }))
}

/// The damage of a segment, by the record that it begins with.
fn named<D: Disk>(log: &Log<D>, name: &str, start: Chain) -> Result<AuditError, AuditError> {
    let found = culprit(name, log.disk.read(name)?, start, None);
    let found = found.map_err(|error| failed(name, error))?;
    Ok(match found {
        Some(found) => AuditError::Damaged(found),
        // Its records follow each other, and are not those that were signed.
        None => damaged(Damage::Rewritten, name, log.chain.next),
    })
}

fn damaged(damage: Damage, file: &str, seq: u64) -> AuditError {
    AuditError::Damaged(Finding {
        damage,
        file: file.to_owned(),
        offset: 0,
        seq,
    })
}

fn failed(name: &str, error: io::Error) -> StoreError {
    StoreError::read(Path::new(name), error)
}
