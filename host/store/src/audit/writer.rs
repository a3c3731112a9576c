//! The one thread that writes the log: it takes all that waits, writes it with one sync, and only then answers.
//!
//! A group that failed is answered so to everybody who waits for an answer. Records that nobody waits for are kept, and come first in the
//! next group, which is tried when the next record comes or a little later, whichever is first.

use super::copy::Copy;
use super::disk::Disk;
use super::error::AuditError;
use super::format::GROUP_BYTES_MAX;
use super::line::{Answer, Item, Line, Room, Woken};
use super::log::{CHECKPOINT_RECORDS, GROUP_RECORDS_MAX, Log, Pending};
use super::{Event, Figures, Tell};
use holdfast_call::{Clock, Moment};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;

/// How long a record that nobody waits for waits for others.
const WINDOW: Duration = Duration::from_millis(5);
/// How long a checkpoint is put off while there are few records.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(1);
/// When what failed is tried again, if nothing comes before.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// What the log adds to a record, at most.
const ADDED_BYTES: usize = 256;

/// Whether the log can be written, as far as the last try says.
pub(super) type Going = Result<(), AuditError>;

pub(super) struct Writer<D: Disk> {
    pub(super) log: Log<D>,
    pub(super) line: Arc<Line>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) going: watch::Sender<Going>,
    pub(super) figures: Arc<Figures>,
    pub(super) tell: Tell,
    pub(super) copy: Option<Copy>,
    /// What nobody waits for and is not written yet.
    pub(super) held: Vec<Item>,
    /// When the last checkpoint was made, or tried; the first is made at once.
    pub(super) signed_at: Option<Moment>,
    /// Whether the last checkpoint failed, so that it is told once.
    pub(super) unsigned: Option<AuditError>,
}

impl<D: Disk> Writer<D> {
    /// Writes until the line is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let woken = self.line.wait(self.patience());
            if woken == Woken::Some {
                self.line.gather(WINDOW, GROUP_RECORDS_MAX);
            }
            let group = self.next();
            if !group.is_empty() {
                self.write(group);
            }
            if self.to_sign().is_zero() || self.log.unsigned() >= CHECKPOINT_RECORDS {
                self.sign();
            }
            // What is held may be more than one group; a disk that fails now keeps nobody waiting.
            if woken == Woken::Closed && (self.held.is_empty() || self.going.borrow().is_err()) {
                break;
            }
        }
        self.sign();
        if let Some(copy) = self.copy {
            copy.close();
        }
    }

    /// How long there is nothing to do, if nothing comes.
    fn patience(&self) -> Option<Duration> {
        if !self.held.is_empty() {
            return Some(AGAIN_AFTER);
        }
        (self.log.unsigned() > 0).then(|| self.to_sign())
    }

    /// How long the next checkpoint is put off.
    fn to_sign(&self) -> Duration {
        self.signed_at.map_or(Duration::ZERO, |at| {
            CHECKPOINT_AFTER.saturating_sub(self.clock.now().since(at))
        })
    }

    /// What is written together: what was held, and as many of those who wait as there is room for.
    fn next(&mut self) -> Vec<Item> {
        let (mut records, mut bytes) = (0, 0);
        let mut room = |item: &Item| {
            records += 1;
            bytes += item.record.body.len() + ADDED_BYTES;
            match records <= GROUP_RECORDS_MAX && bytes <= GROUP_BYTES_MAX {
                true => Room::Yes,
                false => Room::No,
            }
        };
        let held = self.held.iter();
        let fits = held.take_while(|item| room(item) == Room::Yes).count();
        let mut group: Vec<_> = self.held.drain(..fits).collect();
        group.append(&mut self.line.take(room));
        group
    }

    fn write(&mut self, group: Vec<Item>) {
        let records: Vec<&Pending> = group.iter().map(|item| &item.record).collect();
        match self.log.commit(&records, self.clock.wall()) {
            Ok(first) => {
                self.figures.groups.fetch_add(1, Relaxed);
                let count = group.len() as u64;
                self.figures.records.fetch_add(count, Relaxed);
                let bytes = group
                    .iter()
                    .map(|item| item.record.body.len() + ADDED_BYTES);
                let bytes = bytes.sum::<usize>() as u64;
                self.figures.bytes.fetch_add(bytes, Relaxed);
                // Before the answers: whoever has one sees the log as it was then.
                let before = self.going.send_replace(Ok(()));
                for (item, seq) in group.into_iter().zip(first..) {
                    item.answer.give(Ok(seq));
                }
                if before.is_err() {
                    (self.tell)(Event::Recovered);
                }
            }
            Err(error) => self.failed(group, error),
        }
        self.hand_on();
    }

    /// Whoever waits is told so, and nobody has to wait for the next try; the records that nobody waits for are held.
    fn failed(&mut self, mut group: Vec<Item>, error: AuditError) {
        let before = self.going.send_replace(Err(error.clone()));
        group.append(&mut self.held);
        group.append(&mut self.line.take(|_| Room::Yes));
        for item in group {
            match item.answer {
                Answer::Durable(_) => item.answer.give(Err(error.clone())),
                Answer::Soon => self.held.push(item),
            }
        }
        if before.is_ok() {
            (self.tell)(Event::Failing(error));
        }
    }

    fn sign(&mut self) {
        if self.log.unsigned() == 0 {
            return;
        }
        self.signed_at = Some(self.clock.now());
        let signed = self.log.checkpoint(self.clock.wall()).err();
        if signed != self.unsigned {
            self.unsigned.clone_from(&signed);
            (self.tell)(signed.map_or(Event::Signing, Event::NotSigning));
        }
        self.hand_on();
    }

    /// Gives the copy what was signed.
    fn hand_on(&mut self) {
        let notes = mem::take(&mut self.log.notes);
        if let Some(copy) = &self.copy {
            notes.into_iter().for_each(|note| copy.push(note));
        }
    }
}
