//! A disk that loses what was not synced, and fails when it is told to.

use super::super::disk::{Disk, Entry, Grow, Source};
use super::super::format::kind;
use crate::error::StoreError;
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What the next thing that changes the disk comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It works.
    Well,
    /// It fails, and does nothing.
    Refused(Errno),
    /// It fails in the middle: after half of the bytes, or with what was to be synced lost for good.
    Half(Errno),
}

/// A file: what reading it gives, and what would be there without power.
#[derive(Clone, Debug, Default)]
struct Inode {
    memory: Vec<u8>,
    disk: Vec<u8>,
    /// Up to which byte a later sync does nothing: a sync of it has failed.
    lost: usize,
}

impl Inode {
    fn sync(&mut self) {
        let mut disk = self.disk.clone();
        disk.resize(self.memory.len().min(self.lost).max(disk.len()), 0);
        disk.extend_from_slice(self.memory.get(disk.len()..).unwrap_or_default());
        self.disk = disk;
    }
}

#[derive(Debug, Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    lasting: BTreeMap<String, usize>,
    fates: VecDeque<Fate>,
    /// Syncs wait while this is set.
    held: bool,
}

impl World {
    fn fate(&mut self) -> Fate {
        self.fates.pop_front().unwrap_or(Fate::Well)
    }

    fn inode(&mut self, bytes: &[u8]) -> usize {
        let (memory, disk) = (bytes.to_vec(), bytes.to_vec());
        self.inodes.push(Inode {
            memory,
            disk,
            lost: 0,
        });
        self.inodes.len() - 1
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Lossy {
    world: Arc<Mutex<World>>,
    changed: Arc<Condvar>,
}

fn failed(errno: Errno) -> StoreError {
    StoreError::write(Path::new("lossy"), errno)
}

impl Lossy {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// What the next changes come to; those after them go well.
    pub(super) fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.world().fates = fates.into_iter().collect();
    }

    /// Makes syncs wait, or lets them go on.
    pub(super) fn hold(&self, held: bool) {
        self.world().held = held;
        self.changed.notify_all();
    }

    /// The power fails. `chance` draws a number below its argument.
    pub(super) fn crash(&self, mut chance: impl FnMut(usize) -> usize) {
        let mut world = self.world();
        world.fates.clear();
        for inode in &mut world.inodes {
            let written = inode.memory.get(inode.disk.len()..).unwrap_or_default();
            let mut kept = written.to_vec();
            kept.truncate(chance(written.len() + 1));
            if chance(2) == 1 {
                let from = chance(kept.len() + 1);
                let to = from + chance(kept.len() - from + 1);
                kept[from..to].fill(0);
            }
            if inode.lost > inode.disk.len() {
                kept.fill(0);
            }
            inode.disk.extend_from_slice(&kept);
            inode.memory.clone_from(&inode.disk);
            inode.lost = 0;
        }
        let (names, lasting) = (world.names.clone(), world.lasting.clone());
        for name in names.keys().chain(lasting.keys()) {
            let one = [&names, &lasting][chance(2)].get(name).copied();
            match one {
                Some(inode) => world.names.insert(name.clone(), inode),
                None => world.names.remove(name),
            };
        }
        world.lasting = world.names.clone();
    }
}

impl Source for Lossy {
    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let world = self.world();
        let entries = world.names.iter().map(|(name, inode)| Entry {
            name: name.clone(),
            kind: kind(name).unwrap(),
            bytes: world.inodes[*inode].memory.len() as u64,
        });
        Ok(entries.collect())
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read>, StoreError> {
        let world = self.world();
        let inode = world.names.get(name);
        let inode = inode.ok_or_else(|| StoreError::read(Path::new(name), Errno::NOENT))?;
        Ok(Box::new(Cursor::new(world.inodes[*inode].memory.clone())))
    }
}

impl Disk for Lossy {
    type File = Open;

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Open, StoreError> {
        let mut world = self.world();
        let fate = world.fate();
        if let Fate::Refused(errno) = fate {
            return Err(failed(errno));
        }
        let inode = world.inode(bytes);
        world.names.insert(name.to_owned(), inode);
        if let Fate::Half(errno) = fate {
            return Err(failed(errno));
        }
        world.lasting = world.names.clone();
        Ok(Open {
            disk: self.clone(),
            inode,
        })
    }

    fn open(&self, name: &str) -> Result<Open, StoreError> {
        let mut world = self.world();
        let inode = *world.names.get(name).unwrap();
        world.lasting = world.names.clone();
        let file = &mut world.inodes[inode];
        file.sync();
        file.memory.clone_from(&file.disk);
        file.lost = 0;
        Ok(Open {
            disk: self.clone(),
            inode,
        })
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut world = self.world();
        match world.fate() {
            Fate::Well => {
                world.names.remove(name);
                Ok(())
            }
            Fate::Refused(errno) | Fate::Half(errno) => Err(failed(errno)),
        }
    }
}

pub(super) struct Open {
    disk: Lossy,
    inode: usize,
}

impl Grow for Open {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut world = self.disk.world();
        let (count, result) = match world.fate() {
            Fate::Well => (bytes.len(), Ok(())),
            Fate::Refused(errno) => (0, Err(failed(errno))),
            Fate::Half(errno) => (bytes.len() / 2, Err(failed(errno))),
        };
        let memory = &mut world.inodes[self.inode].memory;
        memory.extend_from_slice(&bytes[..count]);
        result
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let world = self.disk.world();
        let held = |world: &mut World| world.held;
        let mut world = self.disk.changed.wait_while(world, held).unwrap();
        let fate = world.fate();
        let inode = &mut world.inodes[self.inode];
        match fate {
            Fate::Well => {
                inode.sync();
                Ok(())
            }
            Fate::Refused(errno) => Err(failed(errno)),
            Fate::Half(errno) => {
                inode.lost = inode.memory.len();
                Err(failed(errno))
            }
        }
    }

    fn cut(&mut self, bytes: u64) -> Result<(), StoreError> {
        let mut world = self.disk.world();
        match world.fate() {
            Fate::Well => {
                let inode = &mut world.inodes[self.inode];
                let bytes = usize::try_from(bytes).unwrap();
                inode.memory.truncate(bytes);
                inode.disk.truncate(bytes);
                inode.sync();
                inode.lost = inode.lost.min(bytes);
                Ok(())
            }
            Fate::Refused(errno) | Fate::Half(errno) => Err(failed(errno)),
        }
    }
}
