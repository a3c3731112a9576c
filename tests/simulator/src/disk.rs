//! A disk that loses what was not synced. Of each file it has what is seen now, what is on the disk, and what was written in between.
//!
//! When the power is cut, each write since the last sync of its file is kept, lost or torn, whatever came before or after it; a name that was
//! made or removed and not synced is there or not. A sync that fails has kept some of it, and what it has not is lost although it is still seen.

mod locks;

pub(crate) use locks::{Kind, Lock};

use crate::dice::Dice;
use locks::Memory;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a write may be torn.
const SECTOR_BYTES: usize = 512;

/// What is on a disk: files by their names.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// The time of all that share the disk, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct SharedClock(AtomicI64);

impl SharedClock {
    pub(crate) fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

/// Why the disk does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has no power, or fails.
    Broken,
    /// It has no room.
    Full,
}

/// A disk.
pub(crate) struct Disk {
    pub(crate) clock: Arc<SharedClock>,
    state: Mutex<State>,
}

/// A file of it, by its number: it has one also when it has lost its name.
pub(crate) type FileNumber = usize;
/// Who has a file open.
pub(crate) type Handle = u64;

#[derive(Default)]
struct State {
    files: Vec<File>,
    /// The names as they are seen.
    seen: BTreeMap<String, FileNumber>,
    /// The names as they are on the disk.
    kept: BTreeMap<String, FileNumber>,
    dead: bool,
    trouble: Option<(u32, Trouble)>,
    dice: Option<Dice>,
    handles: Handle,
    syncs: u64,
}

/// What goes wrong with a change of the disk that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The power is cut.
    PowerCut,
    /// The next sync fails.
    SyncFails,
    /// There is no room for so many changes.
    Full(u32),
}

#[derive(Default)]
struct File {
    seen: Vec<u8>,
    kept: Vec<u8>,
    pending: Vec<Change>,
    temporary: bool,
    locks: BTreeMap<Handle, i32>,
    memory: Memory,
}

enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// A disk with these files on it, which meets its troubles as the dice say.
    pub(crate) fn new(image: Image, clock: Arc<SharedClock>, dice: Dice) -> Self {
        let mut state = State {
            dice: Some(dice),
            ..State::default()
        };
        for (name, bytes) in image {
            state.kept.insert(name.clone(), state.files.len());
            state.seen.insert(name, state.files.len());
            state.files.push(File {
                seen: bytes.clone(),
                kept: bytes,
                ..File::default()
            });
        }
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    /// Something goes wrong after so many changes.
    pub(crate) fn after(&self, changes: u32, trouble: Trouble) {
        self.state().trouble = Some((changes, trouble));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heals(&self) {
        self.state().trouble = None;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// How many syncs it has made.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// What is seen of it.
    pub(crate) fn seen(&self) -> Image {
        let state = self.state();
        let file = |(name, number): (&String, &FileNumber)| {
            let file = state.files.get(*number)?;
            Some((name.clone(), file.seen.clone()))
        };
        state.seen.iter().filter_map(file).collect()
    }

    /// The power is cut: what is on it then. From now on it does nothing.
    pub(crate) fn cut(&self) -> Image {
        let mut state = self.state();
        state.dead = true;
        let dice = state.dice.take().unwrap_or_else(|| Dice::new(0));
        for file in &mut state.files {
            file.keep_some(&dice);
        }
        let names: BTreeSet<_> = state.seen.keys().chain(state.kept.keys()).collect();
        let mut image = Image::new();
        for name in names {
            let (seen, kept) = (state.seen.get(name), state.kept.get(name));
            let number = match seen == kept || dice.happens(500) {
                true => seen,
                false => kept,
            };
            if let Some(file) = number.and_then(|number| state.files.get(*number)) {
                image.insert(name.clone(), file.kept.clone());
            }
        }
        image
    }

    // === Files ===

    /// Opens a file; one without a name is there as long as it is open. None, if it is not there and not to be made.
    pub(crate) fn open(&self, name: Option<&str>, make: Make) -> Option<(FileNumber, Handle)> {
        let mut state = self.state();
        state.handles += 1;
        let handle = state.handles;
        let there = name.and_then(|name| state.seen.get(name).copied());
        let number = match (there, make) {
            (Some(number), _) => number,
            (None, Make::No) => return None,
            (None, Make::Yes) => {
                let number = state.files.len();
                state.files.push(File {
                    temporary: name.is_none(),
                    ..File::default()
                });
                if let Some(name) = name {
                    state.seen.insert(name.to_owned(), number);
                }
                number
            }
        };
        Some((number, handle))
    }

    /// Reads into `to`; how many bytes there were.
    pub(crate) fn read(&self, file: FileNumber, at: usize, to: &mut [u8]) -> Result<usize, Fault> {
        let state = self.state();
        if state.dead {
            return Err(Fault::Broken);
        }
        let seen = state.files.get(file).map_or(&[][..], |file| &file.seen);
        let from = seen.get(at..).unwrap_or_default();
        let count = from.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    pub(crate) fn write(&self, file: FileNumber, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        self.change(file, Change::Write(at, bytes.to_vec()))
    }

    pub(crate) fn truncate(&self, file: FileNumber, bytes: usize) -> Result<(), Fault> {
        self.change(file, Change::Cut(bytes))
    }

    fn change(&self, number: FileNumber, change: Change) -> Result<(), Fault> {
        let mut state = self.state();
        let temporary = state.files.get(number).is_none_or(|file| file.temporary);
        let trouble = match temporary {
            true => None,
            false => state.meets()?,
        };
        if matches!(trouble, Some(Trouble::Full(_))) {
            return Err(Fault::Full);
        }
        if let Some(file) = state.files.get_mut(number) {
            change.apply(&mut file.seen);
            file.pending.push(change);
        }
        match trouble {
            Some(_) => Err(Fault::Broken),
            None => Ok(()),
        }
    }

    /// Puts on the disk what was written, and the name of the file.
    pub(crate) fn sync(&self, number: FileNumber) -> Result<(), Fault> {
        let mut state = self.state();
        let trouble = state.meets_sync()?;
        state.syncs += 1;
        let dice = state.dice.take().unwrap_or_else(|| Dice::new(0));
        // It may be done, and nobody hears of it.
        let whole = trouble.is_none() || (trouble == Some(Trouble::PowerCut) && dice.happens(500));
        let names = state.seen.iter().filter(|(_, at)| **at == number);
        let names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        if let Some(file) = state.files.get_mut(number) {
            match whole {
                true => file.keep_all(),
                false if trouble == Some(Trouble::SyncFails) => file.keep_some(&dice),
                false => {}
            }
        }
        if whole {
            for name in names {
                state.kept.insert(name, number);
            }
        }
        state.dice = Some(dice);
        match trouble {
            Some(_) => Err(Fault::Broken),
            None => Ok(()),
        }
    }

    pub(crate) fn size(&self, file: FileNumber) -> usize {
        self.state()
            .files
            .get(file)
            .map_or(0, |file| file.seen.len())
    }

    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.state().seen.contains_key(name)
    }

    /// Removes a name.
    pub(crate) fn remove(&self, name: &str, synced: Synced) -> Result<(), Fault> {
        let mut state = self.state();
        let trouble = state.meets()?;
        state.seen.remove(name);
        if synced == Synced::Yes && trouble.is_none() {
            state.kept.remove(name);
        }
        match trouble {
            Some(_) => Err(Fault::Broken),
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is not there is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Yes,
    No,
}

/// Whether a name is removed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synced {
    Yes,
    No,
}

impl State {
    /// What a change of the disk meets.
    fn meets(&mut self) -> Result<Option<Trouble>, Fault> {
        if self.dead {
            return Err(Fault::Broken);
        }
        match &mut self.trouble {
            Some((changes, _)) if *changes > 0 => {
                *changes -= 1;
                Ok(None)
            }
            Some((_, Trouble::PowerCut)) => {
                self.dead = true;
                Ok(Some(Trouble::PowerCut))
            }
            Some((_, Trouble::Full(left))) => {
                let trouble = Trouble::Full(*left);
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.trouble = None;
                }
                Ok(Some(trouble))
            }
            Some((_, Trouble::SyncFails)) | None => Ok(None),
        }
    }

    /// What a sync of it meets.
    fn meets_sync(&mut self) -> Result<Option<Trouble>, Fault> {
        if let Some((0, Trouble::SyncFails)) = self.trouble {
            self.trouble = None;
            return Ok(Some(Trouble::SyncFails));
        }
        // A sync needs no room.
        match self.trouble {
            Some((0, Trouble::Full(_))) => Ok(None),
            _ => self.meets(),
        }
    }
}

impl File {
    fn keep_all(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.kept);
        }
    }

    /// Of each change since the last sync, all, a part or nothing.
    fn keep_some(&mut self, dice: &Dice) {
        for change in self.pending.drain(..) {
            match dice.below(3) {
                0 => {}
                1 => change.apply(&mut self.kept),
                _ => change.torn(dice).apply(&mut self.kept),
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                if let Some(to) = bytes.get_mut(*at..at + new.len()) {
                    to.copy_from_slice(new);
                }
            }
            Self::Cut(length) => bytes.resize(*length, 0),
        }
    }

    /// The beginning of it, up to the end of a sector.
    fn torn(self, dice: &Dice) -> Self {
        match self {
            Self::Write(at, mut bytes) => {
                let some = dice.below(bytes.len() as u64 + 1);
                let end = (at + usize::try_from(some).unwrap_or(0)) / SECTOR_BYTES * SECTOR_BYTES;
                bytes.truncate(end.saturating_sub(at));
                Self::Write(at, bytes)
            }
            Self::Cut(length) => Self::Cut(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(seed: u64) -> (Disk, FileNumber) {
        let disk = Disk::new(Image::new(), Arc::default(), Dice::new(seed));
        let (file, _) = disk.open(Some("file"), Make::Yes).unwrap();
        (disk, file)
    }

    /// What is in the file after a power cut, whatever the seed.
    fn after(story: impl Fn(&Disk, FileNumber)) -> BTreeSet<Option<Vec<u8>>> {
        let cut = |seed| {
            let (disk, file) = disk(seed);
            story(&disk, file);
            disk.cut().remove("file")
        };
        (0..200).map(cut).collect()
    }

    #[test]
    fn what_was_synced_is_there_after_a_power_cut() {
        let there = after(|disk, file| {
            disk.write(file, 0, b"kept").unwrap();
            disk.sync(file).unwrap();
        });
        assert_eq!(there, BTreeSet::from([Some(b"kept".to_vec())]));
    }

    #[test]
    fn what_was_not_synced_is_kept_lost_or_torn() {
        let there = after(|disk, file| {
            disk.write(file, 0, &[1; 1_024]).unwrap();
            disk.sync(file).unwrap();
            disk.write(file, 0, &[2; 1_024]).unwrap();
        });
        let torn = [[2; 512], [1; 512]].concat();
        let all = [vec![1; 1_024], vec![2; 1_024], torn].map(Some);
        assert_eq!(there, BTreeSet::from(all));
    }

    #[test]
    fn of_two_writes_the_later_may_be_the_one_that_is_kept() {
        let there = after(|disk, file| {
            disk.write(file, 0, &[1; 512]).unwrap();
            disk.write(file, 512, &[2; 512]).unwrap();
        });
        assert!(there.contains(&Some([[0; 512], [2; 512]].concat())));
    }

    #[test]
    fn what_a_sync_that_failed_has_not_kept_no_later_one_keeps() {
        let there = after(|disk, file| {
            disk.write(file, 0, &[1; 512]).unwrap();
            disk.after(0, Trouble::SyncFails);
            assert_eq!(disk.sync(file), Err(Fault::Broken));
            disk.sync(file).unwrap();
        });
        assert!(there.contains(&Some(Vec::new())) && there.contains(&Some(vec![1; 512])));
    }

    #[test]
    fn without_power_and_without_room_nothing_is_done() {
        let (disk, file) = disk(1);
        disk.after(1, Trouble::Full(1));
        assert_eq!(disk.write(file, 0, b"one"), Ok(()));
        assert_eq!(disk.write(file, 0, b"two"), Err(Fault::Full));
        assert_eq!(disk.write(file, 0, b"three"), Ok(()));
        disk.after(0, Trouble::PowerCut);
        assert_eq!(disk.write(file, 0, b"four"), Err(Fault::Broken));
        assert!(disk.is_dead());
        assert_eq!(disk.read(file, 0, &mut [0; 4]), Err(Fault::Broken));
    }
}
