//! The locks of files, and the memory that all share who have one open, as SQLite wants them.

use super::{Disk, FileNumber, Handle, Make};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

/// The memory that all who have a file open share, and its locks.
#[derive(Default)]
pub(super) struct Memory {
    regions: Vec<Box<[AtomicU64]>>,
    users: BTreeSet<Handle>,
    shared: [BTreeSet<Handle>; 8],
    alone: [Option<Handle>; 8],
}

/// What became of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Taken,
    Busy,
}

/// With whom a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shared,
    Alone,
}

impl Disk {
    /// Takes a lock of a file: 1 shared, 2 reserved, 3 pending, 4 exclusive.
    pub(crate) fn lock(&self, file: FileNumber, who: Handle, level: i32) -> Lock {
        let mut state = self.state();
        let Some(file) = state.files.get_mut(file) else {
            return Lock::Busy;
        };
        let others = file.locks.iter().filter(|(other, _)| **other != who);
        let highest = others.map(|(_, level)| *level).max().unwrap_or(0);
        let own = file.locks.get(&who).copied().unwrap_or(0);
        let (most, got) = match level {
            1 => (2, level),
            2 => (1, level),
            _ => (1, 3),
        };
        if own >= level {
            return Lock::Taken;
        }
        if highest > most {
            return Lock::Busy;
        }
        if level <= 2 {
            file.locks.insert(who, got);
            return Lock::Taken;
        }
        let (level, lock) = match highest {
            0 => (4, Lock::Taken),
            _ => (got, Lock::Busy),
        };
        file.locks.insert(who, level);
        lock
    }

    pub(crate) fn unlock(&self, file: FileNumber, who: Handle, level: i32) {
        if let Some(file) = self.state().files.get_mut(file) {
            match level {
                0 => drop(file.locks.remove(&who)),
                _ => drop(file.locks.insert(who, level)),
            }
        }
    }

    pub(crate) fn is_reserved(&self, file: FileNumber) -> bool {
        let state = self.state();
        let file = state.files.get(file);
        file.is_some_and(|file| file.locks.values().any(|level| *level >= 2))
    }

    /// A region of the memory that is shared; none, if it is not there and not to be made. It stays where it is until nobody uses it.
    pub(crate) fn region(
        &self,
        (file, who): (FileNumber, Handle),
        place: usize,
        bytes: usize,
        make: Make,
    ) -> Option<*const AtomicU64> {
        let mut state = self.state();
        let memory = &mut state.files.get_mut(file)?.memory;
        memory.users.insert(who);
        while make == Make::Yes && memory.regions.len() <= place {
            let region = (0..bytes / 8).map(|_| AtomicU64::new(0));
            memory.regions.push(region.collect());
        }
        memory.regions.get(place).map(|region| region.as_ptr())
    }

    /// Stops using it.
    pub(crate) fn unmap(&self, file: FileNumber, who: Handle) {
        if let Some(file) = self.state().files.get_mut(file) {
            file.memory.users.remove(&who);
            if file.memory.users.is_empty() {
                file.memory = Memory::default();
            }
        }
    }

    /// Takes locks of the shared memory, all or none.
    pub(crate) fn lock_memory(
        &self,
        (file, who): (FileNumber, Handle),
        slots: Range<usize>,
        kind: Kind,
    ) -> Lock {
        let mut state = self.state();
        let Some(file) = state.files.get_mut(file) else {
            return Lock::Busy;
        };
        let memory = &mut file.memory;
        let busy = slots.clone().any(|slot| {
            let alone = memory.alone.get(slot).copied().flatten();
            let mut shared = memory.shared.get(slot).into_iter().flatten();
            let others = shared.any(|other| *other != who);
            alone.is_some_and(|other| other != who) || (kind == Kind::Alone && others)
        });
        if busy {
            return Lock::Busy;
        }
        for slot in slots {
            match (
                kind,
                memory.alone.get_mut(slot),
                memory.shared.get_mut(slot),
            ) {
                (Kind::Alone, Some(alone), _) => *alone = Some(who),
                (Kind::Shared, _, Some(shared)) => {
                    shared.insert(who);
                }
                _ => {}
            }
        }
        Lock::Taken
    }

    pub(crate) fn unlock_memory(
        &self,
        (file, who): (FileNumber, Handle),
        slots: Range<usize>,
        kind: Kind,
    ) {
        let mut state = self.state();
        let Some(file) = state.files.get_mut(file) else {
            return;
        };
        let memory = &mut file.memory;
        for slot in slots {
            match (
                kind,
                memory.alone.get_mut(slot),
                memory.shared.get_mut(slot),
            ) {
                (Kind::Alone, Some(alone), _) => *alone = None,
                (Kind::Shared, _, Some(shared)) => {
                    shared.remove(&who);
                }
                _ => {}
            }
        }
    }
}
