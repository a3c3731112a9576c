//! The database in a file of the data directory: one thread writes, a few read, and callers wait for neither the disk nor each other.

mod fault;
mod file;
mod job;
mod look;
mod queue;
mod reader;
mod shared;
mod source;
mod transaction;
mod writer;

pub(super) use source::read_all;

use super::error::DbError;
use super::unit::Unit;
use super::{Counts, Seen};
use job::{Job, Work};
use queue::Queue;
use reader::Reader;
use shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;
use writer::Writer;

/// How many units may wait to be written; more are refused at once.
const WRITES_WAITING_MAX: usize = 4096;
/// How many units are kept with one sync. What waits behind a group waits at most as long as so many take.
const GROUP_UNITS_MAX: usize = 256;
/// How many units may wait to be read; more are refused at once.
const READS_WAITING_MAX: usize = 4096;
/// How many threads read.
const READERS: usize = 4;

type Line = Arc<Queue<Box<dyn Job>>>;

/// Looks at the file without changing it.
pub(super) async fn look(path: PathBuf) -> Result<Seen, DbError> {
    let looked = tokio::task::spawn_blocking(move || look::look(&path)).await;
    looked.unwrap_or_else(|_| Err(ended()))
}

/// Writes what the file holds at this moment into a new one, which is synced by whoever asked for it.
pub(super) fn snapshot(from: &Path, to: &Path) -> Result<(), DbError> {
    let name = to.to_str();
    let name = name.ok_or_else(|| DbError::Failing(format!("{} is no name", to.display())))?;
    let connection = file::open_to_read(from)?;
    let written = connection.execute("VACUUM INTO ?1", [name]);
    written.map(|_| ()).map_err(|error| fault::fault(&error))
}

/// An open database. Its threads end with it, once they have done what was asked before.
pub(super) struct Sqlite {
    writes: Line,
    reads: Line,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf, counts: Arc<Counts>) -> Result<Self, DbError> {
        let this = Self {
            writes: Arc::new(Queue::new(WRITES_WAITING_MAX)),
            reads: Arc::new(Queue::new(READS_WAITING_MAX)),
            threads: Mutex::default(),
        };
        let (told, opened) = oneshot::channel();
        let (line, file) = (Arc::clone(&this.writes), path.clone());
        this.start("db-write", move || {
            let mut writer = match Writer::open(file, counts) {
                Ok(writer) => writer,
                Err(why) => {
                    // Whoever asked may have gone; then nobody is told.
                    let _ = told.send(Err(why));
                    return;
                }
            };
            let _ = told.send(Ok(writer.shared()));
            write(&line, &mut writer);
        })?;
        let shared = opened.await.map_err(|_| ended())??;
        for _ in 0..READERS {
            this.start_reader(path.clone(), Arc::clone(&shared)).await?;
        }
        Ok(this)
    }

    /// Starts a thread that reads. When it returns, the thread has its files open: whatever their names lead to later, it has read no others.
    async fn start_reader(&self, path: PathBuf, shared: Arc<Shared>) -> Result<(), DbError> {
        let line = Arc::clone(&self.reads);
        let (told, opened) = oneshot::channel();
        self.start("db-read", move || {
            let reader = Reader::new(path, shared);
            // Whoever asked may have gone; then the line is closed too.
            let _ = told.send(());
            while let Some(job) = line.take(1).pop() {
                reader.serve(job);
            }
        })?;
        opened.await.map_err(|_| ended())
    }

    fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), DbError> {
        let started = thread::Builder::new().name(name.to_owned()).spawn(run);
        let started =
            started.map_err(|error| DbError::Failing(format!("no thread for it: {error}")))?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(started);
        Ok(())
    }

    /// Waits until its threads have done what was asked, and closed the files.
    pub(super) async fn close(&self) {
        self.writes.close();
        self.reads.close();
        let threads = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // One that panicked has closed its connection too.
                let _ = thread.join();
            }
        });
        // There is nobody to tell.
        let _ = joined.await;
    }

    pub(super) async fn run<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        ask(&self.writes, input, unit).await
    }

    pub(super) async fn read<I, T>(&self, input: I, unit: Unit<I, T>) -> Result<T, DbError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        ask(&self.reads, input, unit).await
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

fn write(line: &Line, writer: &mut Writer) {
    loop {
        let group = line.take(GROUP_UNITS_MAX);
        if group.is_empty() {
            return;
        }
        writer.serve(group);
    }
}

async fn ask<I, T>(line: &Line, input: I, unit: Unit<I, T>) -> Result<T, DbError>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let (work, answer) = Work::new(input, unit);
    line.push(Box::new(work)).map_err(|_| DbError::Busy)?;
    answer.await.map_err(|_| ended())?
}

fn ended() -> DbError {
    DbError::Failing("its thread has ended".to_owned())
}

#[cfg(test)]
mod tests;
