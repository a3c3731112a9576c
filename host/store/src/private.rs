//! Private files: readable by their owner alone, replaced as a whole, and never believed when they are anybody else's.
//!
//! Every check is made on the open file, and every name is looked up in an open directory, so nothing can be exchanged in between.

use crate::error::StoreError;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The largest file that is read: compiled components are the largest there are, and none comes near.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 30;

const OWNER_FILE: Mode = Mode::from_raw_mode(0o600);
const OWNER_DIRECTORY: Mode = Mode::from_raw_mode(0o700);
const OTHERS: u32 = 0o077;
const TEMPORARY: &str = ".new-";

/// What reading a private file came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Its bytes.
    Found(Vec<u8>),
    /// There is none.
    Absent,
    /// There is something, but not what we wrote: to be treated as if there were nothing, and worth a line in the log.
    Untrusted(String),
}

/// A file of a private directory, from outside.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// When it was written or [marked](Directory::mark) last; comparable with others of its directory.
    pub(crate) used: (i64, i64),
}

/// A directory that belongs to us alone.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    /// Opens the directory, made if it is not there. One that others could write to is closed to them.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path.parent().unwrap_or(path))
            .map_err(|source| StoreError::write(path, source))?;
        match rustix::fs::mkdirat(CWD, path, OWNER_DIRECTORY) {
            Ok(()) => keep_name(path)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(StoreError::write(path, errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let read = |errno: Errno| StoreError::read(path, errno);
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(read)?;
        let stat = rustix::fs::fstat(&fd).map_err(read)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(StoreError::NotOurs {
                path: path.to_owned(),
                why: format!("it belongs to the user {}", stat.st_uid),
            });
        }
        if stat.st_mode & OTHERS != 0 {
            rustix::fs::fchmod(&fd, OWNER_DIRECTORY)
                .map_err(|errno| StoreError::write(path, errno))?;
        }
        Ok(Self {
            path: path.to_owned(),
            fd,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The names in it, without those of files that were never finished.
    pub(crate) fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self
            .all()?
            .into_iter()
            .filter(|name| !name.starts_with(TEMPORARY))
            .collect())
    }

    /// Removes what a host that died while writing has left. Only the holder of the data directory may do it.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        for name in self.all()? {
            if name.starts_with(TEMPORARY) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    fn all(&self) -> Result<Vec<String>, StoreError> {
        let read = |errno: Errno| StoreError::read(&self.path, errno);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(read)? {
            let entry = entry.map_err(read)?;
            // We only make names that are plain ASCII; others are not ours.
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The files in it, without those that were never finished.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            match rustix::fs::statat(&self.fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => entries.push(Entry {
                    name,
                    bytes: u64::try_from(stat.st_size).unwrap_or(0),
                    used: (
                        stat.st_mtime,
                        i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
                    ),
                }),
                // Somebody was faster; then there is nothing to know of it.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(StoreError::read(&self.path.join(name), errno)),
            }
        }
        Ok(entries)
    }

    /// Marks a file as used now.
    pub(crate) fn mark(&self, name: &str) -> Result<(), StoreError> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        rustix::fs::utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| StoreError::write(&self.path.join(name), errno))
    }

    /// Reads a file, if it is one that we wrote.
    pub(crate) fn read(&self, name: &str) -> Result<Read, StoreError> {
        let path = self.path.join(name);
        // Without NONBLOCK, opening a pipe that somebody put here would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(Read::Absent),
            Err(Errno::LOOP) => return Ok(untrusted(&path, "it is a symbolic link")),
            Err(errno) => return Err(StoreError::read(&path, errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| StoreError::read(&path, errno))?;
        if let Err(why) = trusted(&stat) {
            return Ok(untrusted(&path, &why));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0));
        File::from(fd)
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|source| StoreError::read(&path, source))?;
        Ok(Read::Found(bytes))
    }

    /// Puts a whole file in the place of what was there.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let synced = |file: &mut File| file.write_all(bytes).and_then(|()| file.sync_all());
        self.replace(name, synced)
            .and_then(|()| Ok(rustix::fs::fsync(&self.fd)?))
            .map_err(|source| StoreError::write(&self.path.join(name), source))
    }

    /// The same for what may be lost when the machine loses its power.
    pub(crate) fn leave(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(name, |file| file.write_all(bytes))
            .map_err(|source| StoreError::write(&self.path.join(name), source))
    }

    /// Opens a file to be written at its end, made if it is not there; one that is not ours is refused.
    pub(crate) fn append(&self, name: &str) -> Result<File, StoreError> {
        let file = self.open_ours(name, OFlags::WRONLY | OFlags::APPEND)?;
        let path = self.path.join(name);
        let stat = rustix::fs::fstat(&file).map_err(|errno| StoreError::write(&path, errno))?;
        match trusted(&stat) {
            Ok(()) => Ok(file),
            Err(why) => Err(StoreError::NotOurs { path, why }),
        }
    }

    /// Makes sure that a file is there, of whatever size, and ours; one that is not is refused. Its name lasts.
    pub(crate) fn claim(&self, name: &str) -> Result<(), StoreError> {
        self.open_ours(name, OFlags::RDWR)?;
        rustix::fs::fsync(&self.fd).map_err(|errno| StoreError::write(&self.path, errno))
    }

    fn open_ours(&self, name: &str, flags: OFlags) -> Result<File, StoreError> {
        let path = self.path.join(name);
        let flags = flags | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let failed = |errno: Errno| StoreError::write(&path, errno);
        let fd = rustix::fs::openat(&self.fd, name, flags, OWNER_FILE).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        match ours(&stat) {
            Ok(()) => Ok(File::from(fd)),
            Err(why) => Err(StoreError::NotOurs { path, why }),
        }
    }

    /// Gives a file another name, in the place of what had it; that it is not there is as good.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        match rustix::fs::renameat(&self.fd, from, &self.fd, to) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(StoreError::write(&self.path.join(to), errno)),
        }
    }

    /// Whatever goes wrong, `name` is what it was, or what it was to be; never something in between.
    fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let temporary = format!("{TEMPORARY}{}-{number}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, &temporary, flags, OWNER_FILE)?;
        let mut file = File::from(fd);
        let written = rustix::fs::fchmod(&file, OWNER_FILE)
            .map_err(io::Error::from)
            .and_then(|()| write(&mut file))
            .and_then(|()| Ok(rustix::fs::renameat(&self.fd, &temporary, &self.fd, name)?));
        if let Err(error) = written {
            // The first error is the one to tell; what is left behind here goes at the next start.
            let _ = rustix::fs::unlinkat(&self.fd, &temporary, AtFlags::empty());
            return Err(error);
        }
        Ok(())
    }

    /// Removes a file; that it is not there is as good.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(StoreError::write(&self.path.join(name), errno)),
        }
    }
}

/// Makes the name of a new directory last: what is synced in it is found by that name alone.
fn keep_name(path: &Path) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    match File::open(parent).and_then(|parent| parent.sync_all()) {
        // Whoever may go through it and not look into it cannot have it synced; then it lasts as the file system sees fit.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced.map_err(|source| StoreError::write(parent, source)),
    }
}

fn untrusted(path: &Path, why: &str) -> Read {
    Read::Untrusted(format!("{}: {why}", path.display()))
}

/// Whether a file is a plain one that nobody but us can read; why not.
pub(crate) fn ours(stat: &Stat) -> Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("it is not a regular file".to_owned());
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to the user {}", stat.st_uid));
    }
    if stat.st_mode & 0o7777 != 0o600 {
        return Err(format!("its mode is {:o}, not 600", stat.st_mode & 0o7777));
    }
    Ok(())
}

fn trusted(stat: &Stat) -> Result<(), String> {
    ours(stat)?;
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn directory() -> (tempfile::TempDir, Directory) {
        let temp = tempfile::tempdir().unwrap();
        let directory = Directory::open(&temp.path().join("private")).unwrap();
        (temp, directory)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path)
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    fn untrusted(directory: &Directory, name: &str) -> String {
        match directory.read(name).unwrap() {
            Read::Untrusted(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_its_owners_alone_and_reads_back() {
        let (_temp, directory) = directory();
        directory.write("file", b"one").unwrap();
        directory.write("file", b"two").unwrap();
        assert_eq!(
            directory.read("file").unwrap(),
            Read::Found(b"two".to_vec())
        );
        assert_eq!(directory.read("other").unwrap(), Read::Absent);
        assert_eq!(mode(&directory.path().join("file")), 0o600);
        assert_eq!(mode(directory.path()), 0o700);
        assert_eq!(directory.names().unwrap(), ["file"]);
    }

    #[test]
    fn a_directory_that_others_could_write_to_is_closed_to_them() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("open");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        Directory::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_file_that_is_not_as_we_write_it_is_not_believed() {
        let (_temp, directory) = directory();
        directory.write("file", b"bytes").unwrap();
        let path = directory.path().join("file");
        for loose in [0o640, 0o604, 0o666, 0o700, 0o4600] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(loose)).unwrap();
            assert!(
                untrusted(&directory, "file").contains("its mode is"),
                "{loose:o}"
            );
        }
        symlink(&path, directory.path().join("link")).unwrap();
        assert!(untrusted(&directory, "link").contains("symbolic link"));
        std::fs::create_dir(directory.path().join("folder")).unwrap();
        assert!(untrusted(&directory, "folder").contains("not a regular file"));
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, OWNER_FILE, 0).unwrap();
        assert!(untrusted(&directory, "pipe").contains("not a regular file"));
    }

    #[test]
    fn somebody_elses_file_is_not_believed() {
        let (_temp, directory) = directory();
        directory.write("file", b"bytes").unwrap();
        let path = directory.path().join("file");
        // Only the superuser can give a file away; for anybody else the check is on what `stat` says.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert!(untrusted(&directory, "file").contains("belongs to the user 12345"));
        } else {
            let mut stat = rustix::fs::stat(&path).unwrap();
            stat.st_uid += 1;
            assert!(trusted(&stat).unwrap_err().contains("belongs to the user"));
        }
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there_and_nothing_else() {
        let (_temp, directory) = directory();
        directory.write("file", b"before").unwrap();
        let full = directory.replace("file", |file| {
            file.write_all(b"half of it")?;
            Err(Errno::NOSPC.into())
        });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            directory.read("file").unwrap(),
            Read::Found(b"before".to_vec())
        );
        assert_eq!(directory.all().unwrap(), ["file"]);
    }

    #[test]
    fn what_a_dead_host_left_half_written_is_swept_away() {
        let (_temp, directory) = directory();
        directory.write("file", b"whole").unwrap();
        std::fs::write(directory.path().join(".new-1-1"), b"hal").unwrap();
        assert_eq!(directory.names().unwrap(), ["file"]);
        directory.sweep().unwrap();
        assert_eq!(directory.all().unwrap(), ["file"]);
    }
}
