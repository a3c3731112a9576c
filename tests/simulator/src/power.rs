//! The database on its disk, and what becomes of the two when the power is cut.

use crate::dice::Dice;
use crate::disk::{Disk, Image, SharedClock};
use crate::vfs::{Mounted, mount};
use holdfast_store::db::{Database, DbError, Place};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// A database, and the disk that it is on.
pub(crate) struct Power {
    pub(crate) disk: Arc<Disk>,
    pub(crate) database: Database,
    folder: TempDir,
    cuts: u64,
    /// Each folder is a disk as long as anybody may have files there.
    _mounted: Vec<Mounted>,
}

/// The name of the database's file.
const FILE: &str = "holdfast.db";

impl Power {
    /// A database in which nothing is.
    pub(crate) async fn on(clock: &Arc<SharedClock>, dice: Dice) -> Result<Self, DbError> {
        let folder = folder()?;
        let disk = Arc::new(Disk::new(empty().await?, clock.clone(), dice));
        let (database, mounted) = open(folder.path(), 0, &disk).await?;
        Ok(Self {
            disk,
            database,
            folder,
            cuts: 0,
            _mounted: vec![mounted],
        })
    }

    /// The power is cut, and comes back.
    pub(crate) async fn cut(&mut self, dice: Dice) -> Result<(), DbError> {
        let image = self.disk.cut();
        self.database.close().await;
        self.cuts += 1;
        let disk = Arc::new(Disk::new(image, self.disk.clock.clone(), dice));
        let (database, mounted) = open(self.folder.path(), self.cuts, &disk).await?;
        self.disk = disk;
        self.database = database;
        self._mounted = vec![mounted];
        Ok(())
    }

    /// Copies the log into the database as far as that goes, as somebody from outside would.
    pub(crate) fn checkpoint(&self) {
        let path = self.folder.path().join(self.cuts.to_string()).join(FILE);
        // Where the disk fails, there is nothing to be seen of it.
        let _ = rusqlite::Connection::open(path).and_then(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        });
    }

    /// Closes it.
    pub(crate) async fn off(self) {
        self.disk.cut();
        self.database.close().await;
    }
}

fn folder() -> Result<TempDir, DbError> {
    // The files in it are empty: they are there only because hosts look whether they are.
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.map_err(|error| DbError::Failing(error.to_string()))
}

async fn open(
    folder: &Path,
    number: u64,
    disk: &Arc<Disk>,
) -> Result<(Database, Mounted), DbError> {
    let folder = folder.join(number.to_string());
    let mounted = mount(&folder.to_string_lossy(), disk);
    let database = Database::open(Place::File(folder.join(FILE))).await?;
    Ok((database, mounted))
}

/// What is on the disk of a database that was made and closed: made once, since that takes longer than all the rest.
async fn empty() -> Result<Image, DbError> {
    static MADE: Mutex<Option<Image>> = Mutex::new(None);
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(image) = made {
        return Ok(image);
    }
    let folder = folder()?;
    let disk = Arc::new(Disk::new(Image::new(), Arc::default(), Dice::new(0)));
    let (database, _mounted) = open(folder.path(), 0, &disk).await?;
    database.close().await;
    let image = disk.seen();
    *MADE.lock().unwrap_or_else(PoisonError::into_inner) = Some(image.clone());
    Ok(image)
}
