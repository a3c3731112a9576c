//! The few things that the audit log does to a disk, so that a test can put one in its place that loses what was not synced.

use super::format::{Kind, kind};
use crate::error::StoreError;
use crate::private::Directory;
use rustix::fs::{Advice, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file of the log, with its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
}

/// The files of a log, as whoever only looks at them sees them.
pub(super) trait Source {
    /// The segments and the files of checkpoints, each in the order of their records.
    fn list(&self) -> Result<Vec<Entry>, StoreError>;
    /// Reads one from its beginning.
    fn read(&self, name: &str) -> Result<Box<dyn Read>, StoreError>;
}

/// The files of a log, as its writer has them.
pub(super) trait Disk: Source + Send + 'static {
    type File: Grow;
    /// Makes a file with these bytes, in the place of one that may be there. When this returns, it lasts.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Self::File, StoreError>;
    /// Opens a file that is there, to go on with it. What reading it gives afterwards is what the disk has.
    fn open(&self, name: &str) -> Result<Self::File, StoreError>;
    /// Removes a file.
    fn remove(&self, name: &str) -> Result<(), StoreError>;
}

/// A file that grows.
pub(super) trait Grow: Send {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
    /// When this returns, what was appended lasts, under the name of the file.
    fn sync(&mut self) -> Result<(), StoreError>;
    /// Cuts it to its first bytes, for good.
    fn cut(&mut self, bytes: u64) -> Result<(), StoreError>;
}

/// A directory that anybody may have copied here: nothing is asked but that it can be read.
pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Source for Folder<'_> {
    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let read = |source| StoreError::read(self.0, source);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.0).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(kind) = kind(&name) {
                let bytes = entry.metadata().map_err(read)?.len();
                entries.push(Entry { name, kind, bytes });
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read>, StoreError> {
        let path = self.0.join(name);
        let file = File::open(&path).map_err(|source| StoreError::read(&path, source))?;
        Ok(Box::new(file))
    }
}

/// The directory of the log, which belongs to the host alone.
pub(super) struct Private(Directory);

impl Private {
    /// Opens it, made if it is not there. The caller holds the data directory's lock.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let directory = Directory::open(path)?;
        directory.sweep()?;
        Ok(Self(directory))
    }

    fn opened(&self, name: &str) -> Result<Segment, StoreError> {
        let file = Segment {
            file: self.0.append(name)?,
            path: self.0.path().join(name),
        };
        file.has_its_name()?;
        Ok(file)
    }
}

impl Source for Private {
    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let entries = self.0.entries()?.into_iter();
        let entries = entries.filter_map(|entry| {
            Some(Entry {
                kind: kind(&entry.name)?,
                name: entry.name,
                bytes: entry.bytes,
            })
        });
        Ok(entries.collect())
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read>, StoreError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.0.fd(), name, flags, Mode::empty());
        let fd = fd.map_err(|errno| StoreError::read(&self.0.path().join(name), errno))?;
        Ok(Box::new(File::from(fd)))
    }
}

impl Disk for Private {
    type File = Segment;

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Segment, StoreError> {
        self.0.write(name, bytes)?;
        self.opened(name)
    }

    fn open(&self, name: &str) -> Result<Segment, StoreError> {
        let mut segment = self.opened(name)?;
        // A host that died may have left what is in memory alone; and what a sync once failed for may be in memory and never on the disk.
        segment.sync()?;
        // The same is true of its name.
        rustix::fs::fsync(self.0.fd()).map_err(|errno| segment.failed(errno))?;
        let forgotten = rustix::fs::fadvise(&segment.file, 0, None, Advice::DontNeed);
        forgotten.map_err(|errno| segment.failed(errno))?;
        Ok(segment)
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.0.remove(name)
    }
}

/// A file that is open for the log.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
}

impl Segment {
    fn failed(&self, source: impl Into<std::io::Error>) -> StoreError {
        StoreError::write(&self.path, source)
    }

    /// Only what is in the file that has the name is found again.
    fn has_its_name(&self) -> Result<(), StoreError> {
        let named = std::fs::symlink_metadata(&self.path);
        let named = named.map_err(|source| self.failed(source))?;
        let open = self.file.metadata().map_err(|source| self.failed(source))?;
        if (named.dev(), named.ino()) == (open.dev(), open.ino()) {
            return Ok(());
        }
        Err(StoreError::NotOurs {
            path: self.path.clone(),
            why: "it is another file than the one that was opened".to_owned(),
        })
    }
}

impl Grow for Segment {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.failed(source))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.file.sync_data();
        synced.map_err(|source| self.failed(source))?;
        self.has_its_name()
    }

    fn cut(&mut self, bytes: u64) -> Result<(), StoreError> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.sync_all());
        cut.map_err(|source| self.failed(source))
    }
}
