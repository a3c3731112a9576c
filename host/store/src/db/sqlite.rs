//! The database in a file of the data directory: one thread writes, a few read, and callers wait for neither the disk nor each other.

mod fault;
mod file;
mod job;
mod look;
mod queue;
mod reader;
mod shared;
mod transaction;
mod writer;

use super::error::DbError;
use super::unit::Unit;
use super::{Counts, Seen};
use job::{Job, Work};
use queue::Queue;
use reader::Reader;
use shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
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

/// An open database. Its threads end with it, once they have done what was asked before.
pub(super) struct Sqlite {
    writes: Line,
    reads: Line,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf, counts: Arc<Counts>) -> Result<Self, DbError> {
        let this = Self {
            writes: Arc::new(Queue::new(WRITES_WAITING_MAX)),
            reads: Arc::new(Queue::new(READS_WAITING_MAX)),
        };
        let (told, opened) = oneshot::channel();
        let (line, file) = (Arc::clone(&this.writes), path.clone());
        start("db-write", move || {
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
        start("db-read", move || {
            let reader = Reader::new(path, shared);
            // Whoever asked may have gone; then the line is closed too.
            let _ = told.send(());
            while let Some(job) = line.take(1).pop() {
                reader.serve(job);
            }
        })?;
        opened.await.map_err(|_| ended())
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

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), DbError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(DbError::Failing(format!("no thread for it: {error}"))),
    }
}

fn ended() -> DbError {
    DbError::Failing("its thread has ended".to_owned())
}

#[cfg(test)]
mod tests;
