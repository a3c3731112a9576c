//! The log as its one writer holds it: groups of records go to the end of a segment, checkpoints to the end of a file of theirs.
//!
//! A group is written and synced, or it was never there: after a write or a sync that failed, nobody can say what the disk holds, so that
//! file is never written to again. The next group begins a new segment, which says what happened and that what may stand after the last
//! acknowledged record of the one before is void.

use super::checkpoint::Checkpoint;
use super::disk::{Disk, Grow as _};
use super::error::AuditError;
use super::format::{Chain, Frame, checkpoints_name, segment_name};
use super::key::SigningKey;
use super::opening::{Because, Before, Opening, beginning};
use crate::error::StoreError;
use holdfast_call::WallTime;
use std::collections::VecDeque;

/// How many records there are between two checkpoints, if no second is over before.
pub(super) const CHECKPOINT_RECORDS: u64 = 256;
/// How many records are written at once.
pub(super) const GROUP_RECORDS_MAX: usize = 1024;
/// How many records at the end may have no checkpoint: those since the last one, and what was written at once after them.
pub(super) const UNSIGNED_MAX: u64 = CHECKPOINT_RECORDS + GROUP_RECORDS_MAX as u64;

const DAY_MICROS: u64 = 24 * 60 * 60 * 1_000_000;

/// How large a log becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of one segment; what is written at once goes into one, so that it may become a little larger.
    pub(super) segment_bytes: u64,
    /// Of all of it. The segment that is written is never removed.
    pub(super) budget_bytes: u64,
    /// How long a record is kept at least where there is room, and not much longer: it goes with its segment.
    pub(super) keep_days: u64,
}

/// A record that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) at: WallTime,
    /// An object of JSON.
    pub(super) body: String,
}

/// A file of the log that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

/// A file that is being written.
pub(super) struct Growing<F> {
    pub(super) file: F,
    pub(super) bytes: u64,
    /// The day on which it was begun.
    pub(super) day: u64,
}

/// The log.
pub(super) struct Log<D: Disk> {
    pub(super) disk: D,
    pub(super) key: SigningKey,
    pub(super) limits: Limits,
    /// Where the acknowledged records end.
    pub(super) chain: Chain,
    /// How many of them are signed.
    pub(super) signed: u64,
    /// The segment that is written; without one, the next group begins it.
    pub(super) segment: Option<Growing<D::File>>,
    pub(super) checkpoints: Option<Growing<D::File>>,
    /// Why the next segment is begun, and what the one before it ends with.
    pub(super) because: Because,
    pub(super) before: Before,
    /// What stands before this record is given up, once the segment that says so is signed.
    pub(super) kept_from: u64,
    /// The segments, and the files of checkpoints, in their order.
    pub(super) segments: VecDeque<Kept>,
    pub(super) sheets: VecDeque<Kept>,
    /// The checkpoints that were signed and not taken yet.
    pub(super) notes: Vec<String>,
}

impl<D: Disk> Log<D> {
    /// Writes records so that they last, and returns the number of the first.
    ///
    /// # Errors
    /// None of them is in the log.
    pub(super) fn commit(&mut self, group: &[&Pending], now: WallTime) -> Result<u64, AuditError> {
        if let Some(because) = self.over(now) {
            // What ends here is signed as a whole, if it can be.
            let _ = self.checkpoint(now);
            self.close(because, Before::Whole);
        }
        match self.segment.take() {
            Some(segment) => self.append(segment, group),
            None => self.begin(group, now),
        }
    }

    /// Why the segment that is written is to be the last but one.
    fn over(&self, now: WallTime) -> Option<Because> {
        let segment = self.segment.as_ref()?;
        if segment.bytes >= self.limits.segment_bytes {
            return Some(Because::Size);
        }
        (segment.day != day(now)).then_some(Because::Day)
    }

    fn close(&mut self, because: Because, before: Before) {
        self.segment = None;
        self.checkpoints = None;
        self.because = because;
        self.before = before;
    }

    fn append(
        &mut self,
        mut segment: Growing<D::File>,
        group: &[&Pending],
    ) -> Result<u64, AuditError> {
        let first = self.chain.next;
        let (bytes, chain) = frame(self.chain, None, group);
        let written = segment.file.append(&bytes);
        if let Err(error) = written.and_then(|()| segment.file.sync()) {
            let error = AuditError::from(error);
            // It is void whether it can be taken away or not.
            let _ = segment.file.cut(segment.bytes);
            self.close(Because::Failure(error.to_string()), Before::Void);
            return Err(error);
        }
        segment.bytes += bytes.len() as u64;
        if let Some(kept) = self.segments.back_mut() {
            kept.bytes = segment.bytes;
        }
        self.segment = Some(segment);
        self.chain = chain;
        Ok(first)
    }

    fn begin(&mut self, group: &[&Pending], now: WallTime) -> Result<u64, AuditError> {
        let name = segment_name(self.chain.next);
        let kept_from = self.within_age(self.within_budget(), now);
        let opening = Opening::new(
            self.key.public().host(),
            self.because.clone(),
            self.before,
            kept_from,
        );
        let opening = Pending {
            at: now,
            body: serde_json::to_string(&opening)
                .map_err(|error| AuditError::NoRecord(error.to_string()))?,
        };
        let (bytes, chain) = frame(self.chain, Some(&opening), group);
        let file = self.disk.create(&name, &bytes).map_err(|error| {
            // Whether it is there or not: until the next one takes its name, nothing of it was acknowledged.
            let _ = self.disk.remove(&name);
            AuditError::from(error)
        })?;
        let first = self.chain.next;
        let bytes = bytes.len() as u64;
        self.segments.push_back(Kept { first, bytes });
        self.segment = Some(Growing {
            file,
            bytes,
            day: day(now),
        });
        self.chain = chain;
        self.before = Before::Whole;
        self.kept_from = kept_from;
        Ok(first + 1)
    }

    /// From which record on the budget allows the log to be kept, with room for one more segment.
    fn within_budget(&self) -> u64 {
        let sum = |files: &VecDeque<Kept>| files.iter().map(|kept| kept.bytes).sum::<u64>();
        let mut bytes = sum(&self.segments) + sum(&self.sheets) + self.limits.segment_bytes;
        let mut from = self.kept_from;
        let mut after = self.segments.iter().skip(1).map(|kept| kept.first);
        for segment in &self.segments {
            if bytes <= self.limits.budget_bytes {
                break;
            }
            bytes -= segment.bytes;
            from = from.max(after.next().unwrap_or(self.chain.next));
        }
        from
    }

    /// From which record on the log is young enough to be kept, from `from` on. A segment is old when the one after it was begun too long ago.
    ///
    /// It is measured from the beginning of the segment that ends now, if that is earlier than the clock says: one that leaps ahead by years
    /// gives nothing up before a whole segment was written in that time. A segment that seems to be young keeps all after it.
    fn within_age(&self, mut from: u64, now: WallTime) -> u64 {
        let begun = |kept: &Kept| {
            // One that cannot be read is not old.
            let begins = beginning(&self.disk, &segment_name(kept.first))
                .ok()
                .flatten();
            begins.map_or(u64::MAX, |begins| begins.ts)
        };
        let Some(last) = self.segments.back().filter(|_| self.segments.len() > 1) else {
            return from;
        };
        let age = self.limits.keep_days.saturating_mul(DAY_MICROS);
        let Some(oldest) = begun(last).min(now.0).checked_sub(age) else {
            return from;
        };
        for after in self.segments.iter().skip(1) {
            if begun(after) > oldest {
                break;
            }
            from = from.max(after.first);
        }
        from
    }

    /// Removes what was given up. What cannot be removed now is after the next checkpoint.
    fn give_up(&mut self) {
        remove(&self.disk, &mut self.segments, self.kept_from, segment_name);
        remove(
            &self.disk,
            &mut self.sheets,
            self.kept_from,
            checkpoints_name,
        );
    }

    /// Signs how far the log has come, if that is not signed yet.
    ///
    /// # Errors
    /// The checkpoint stands in no file of the log. The next one will speak for these records, too.
    pub(super) fn checkpoint(&mut self, now: WallTime) -> Result<(), AuditError> {
        let Some(last) = self.chain.last().filter(|_| self.unsigned() > 0) else {
            return Ok(());
        };
        let note = Checkpoint::sign(&self.key, last, self.chain.head, now).note();
        let written = self.write_checkpoint(note.as_bytes(), last, now);
        self.notes.push(note);
        written?;
        self.signed = self.chain.next;
        // Only now: whoever could say unsigned that records were given up could take away all of them.
        self.give_up();
        Ok(())
    }

    fn write_checkpoint(
        &mut self,
        note: &[u8],
        last: u64,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let Some(mut sheet) = self.checkpoints.take() else {
            let file = self.disk.create(&checkpoints_name(last), note)?;
            let bytes = note.len() as u64;
            self.sheets.push_back(Kept { first: last, bytes });
            self.checkpoints = Some(Growing {
                file,
                bytes,
                day: day(now),
            });
            return Ok(());
        };
        if let Err(error) = sheet.file.append(note).and_then(|()| sheet.file.sync()) {
            let _ = sheet.file.cut(sheet.bytes);
            return Err(error);
        }
        sheet.bytes += note.len() as u64;
        if let Some(kept) = self.sheets.back_mut() {
            kept.bytes = sheet.bytes;
        }
        self.checkpoints = Some(sheet);
        Ok(())
    }

    /// How many records there are that no checkpoint speaks of.
    pub(super) fn unsigned(&self) -> u64 {
        self.chain.next - self.signed
    }
}

fn remove<D: Disk>(disk: &D, files: &mut VecDeque<Kept>, from: u64, name: fn(u64) -> String) {
    // A file goes if the one after it begins early enough; so the last one never goes.
    while let (Some(kept), Some(after)) = (files.front(), files.get(1)) {
        if after.first > from || disk.remove(&name(kept.first)).is_err() {
            return;
        }
        files.pop_front();
    }
}

fn frame(chain: Chain, opening: Option<&Pending>, group: &[&Pending]) -> (Vec<u8>, Chain) {
    let mut frame = Frame::after(chain);
    for record in opening.into_iter().chain(group.iter().copied()) {
        frame.add(record.at, &record.body);
    }
    frame.finish()
}

pub(super) fn day(at: WallTime) -> u64 {
    at.0 / DAY_MICROS
}
