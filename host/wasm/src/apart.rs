//! A guest whose call has a journal runs apart: on a thread of its own, with a runtime that has nothing else to do. Then "it can go no further" is the moment
//! in which that thread would go to sleep, and there its journal lets the next result through.
//!
//! What wakes the guest is either on this thread or comes from the journal: a result that was let through, on its way through the pipeline.
//! So from the moment in which the journal was told that the guest is idle, the guest is idle until what is let through has reached it.
//! Nothing may be added that wakes it from outside without the journal knowing: no timer, no socket, no reader of what it writes
//! (`drained.rs`).

use crate::bounds::Bounds;
use crate::drive::Work;
use crate::lane;
use holdfast_call::{Failure, FailureKind};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use tokio::runtime::Builder;

/// A guest that runs apart; dropping it ends the guest.
///
/// The drop does not wait: what the guest holds is dropped on its thread, at the latest at the next tick of the epoch.
#[must_use = "dropping it ends the guest"]
pub(crate) struct ApartTask(Arc<Bounds>);

impl Drop for ApartTask {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Begins the guest's work on a thread of its own. Where there is none, its life is told.
pub(crate) fn run(work: Box<Work>, bounds: Arc<Bounds>) -> ApartTask {
    let task = ApartTask(bounds.clone());
    // Whoever takes it out runs it, or says why nobody does.
    let place = Arc::new(Mutex::new(Some(work)));
    let take = |place: &Mutex<Option<Box<Work>>>| {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.take()
    };
    let there = place.clone();
    let begun = thread::Builder::new()
        .name("holdfast-apart".to_owned())
        .spawn(move || {
            if let Some(work) = take(&there) {
                alone(work, &bounds);
            }
        });
    if let Err(error) = begun
        && let Some(work) = take(&place)
    {
        nowhere(&work, &error);
    }
    task
}

/// All that a thread does.
fn alone(mut work: Box<Work>, bounds: &Arc<Bounds>) {
    // Where that fails it has failed for the lane too, which has said so.
    let _ = lane::give_way();
    let journal = bounds.journal().clone();
    let runtime = Builder::new_current_thread()
        .enable_time()
        // What is woken in there keeps the thread awake. What is woken by others meanwhile wakes it again.
        .on_thread_park(move || journal.idle())
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return nowhere(&work, &error),
    };
    runtime.block_on(async move {
        poll_fn(|cx| match bounds.poll_cut(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => Pin::new(&mut *work).poll(cx),
        })
        .await;
        // Before the runtime, whose tasks take the last of what the guest wrote.
        drop(work);
    });
}

fn nowhere(work: &Work, error: &io::Error) {
    let cause = format!("there is no thread for the guest: {error}");
    work.finish(Failure::new(FailureKind::PoolExhausted, cause));
}
