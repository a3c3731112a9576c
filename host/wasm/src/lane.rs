//! The low-priority lane: where a guest goes on that used a whole tick, so that it never again holds a serving thread.
//!
//! A second runtime whose threads yield to the serving ones. On it every poll needs a turn (`turns.rs`), so that services share its CPU
//! evenly however many guests each has here. Must not be used for anything but guests: whoever waits here waits behind them.

use crate::turns::{Asked, Turns, Waiter};
use holdfast_call::{BoxFuture, Level, Log};
use std::collections::HashMap;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// The lane. Whoever drops it ends what still runs on it.
#[derive(Debug)]
pub struct Lane {
    handle: Handle,
    // There until the drop, which has to take it out to end it without waiting.
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

/// A guest on the lane; dropping it ends the guest.
///
/// The drop does not wait: what the guest holds is dropped on the lane, at the latest when its present tick ends.
#[derive(Debug)]
#[must_use = "dropping it ends the guest"]
pub struct LaneTask(AbortHandle);

/// The lane's threads cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("start the low-priority threads: {0}")]
pub struct LaneError(#[source] std::io::Error);

/// How much the lane's threads yield: a tenth of a serving thread's weight. Enough to go on under load, too little to be felt.
const NICENESS: i32 = 10;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    names: AtomicU64,
}

#[derive(Debug)]
struct State {
    turns: Turns,
    // Those who wait, with how to wake them; one who got a turn is taken out.
    wakers: HashMap<Waiter, Waker>,
}

// === Lane ===

impl Lane {
    /// Starts the lane with one turn per core.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(log: Arc<dyn Log>) -> Result<Self, LaneError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_turns(cores, log)
    }

    /// Starts the lane with a given number of turns at once.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn with_turns(turns: usize, log: Arc<dyn Log>) -> Result<Self, LaneError> {
        let turns = turns.max(1);
        // One thread more than turns: while every turn is taken by a spinning guest, timers and sockets still need somebody to look.
        let runtime = Builder::new_multi_thread()
            .worker_threads(turns.saturating_add(1))
            .thread_name("holdfast-lane")
            .enable_all()
            .on_thread_start(move || lower_priority(log.as_ref()))
            .build()
            .map_err(LaneError)?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    turns: Turns::new(turns),
                    wakers: HashMap::new(),
                }),
                names: AtomicU64::new(0),
            }),
        })
    }

    /// Goes on with `future` on the lane, for that service.
    pub fn run(&self, service: Arc<str>, future: BoxFuture<'static, ()>) -> LaneTask {
        let turned = Turned {
            future,
            place: Place {
                waiter: Waiter(self.shared.names.fetch_add(1, Relaxed)),
                shared: Arc::clone(&self.shared),
                service,
                stand: Stand::Outside,
            },
        };
        LaneTask(self.handle.spawn(turned).abort_handle())
    }

    /// How many guests wait for a turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().turns.waiting()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // A runtime must not be waited for on another runtime's thread, which is where the host drops this.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for LaneTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes the thread that asks yield to the serving ones: on Linux the priority belongs to the thread.
pub(crate) fn give_way() -> std::io::Result<()> {
    rustix::process::setpriority_process(None, NICENESS).map_err(Into::into)
}

fn lower_priority(log: &dyn Log) {
    if let Err(error) = give_way() {
        log.host(
            Level::Warn,
            format!("the priority of a low-priority thread cannot be lowered: {error}"),
        );
    }
}

// === Turned ===

/// A future whose every poll needs a turn.
struct Turned {
    future: BoxFuture<'static, ()>,
    place: Place,
}

/// Where it stands in the queue; leaves the queue, or gives the turn back, when dropped.
struct Place {
    waiter: Waiter,
    shared: Arc<Shared>,
    service: Arc<str>,
    stand: Stand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It wants nothing.
    Outside,
    /// It waits; whether its turn has come is known to the shared state.
    Waiting,
    /// It has a turn.
    Inside,
}

impl Future for Turned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.place.enter(context) == Stand::Waiting {
            return Poll::Pending;
        }
        let polled = this.future.as_mut().poll(context);
        this.place.leave();
        polled
    }
}

impl Place {
    /// Takes a turn if there is one; else makes sure to be woken when there is.
    fn enter(&mut self, context: &Context<'_>) -> Stand {
        let mut state = self.shared.lock();
        self.stand = match self.stand {
            Stand::Inside => Stand::Inside,
            Stand::Outside => match state.turns.ask(&self.service, self.waiter) {
                Asked::Granted => Stand::Inside,
                Asked::Waiting => {
                    state.wakers.insert(self.waiter, context.waker().clone());
                    Stand::Waiting
                }
            },
            Stand::Waiting => match state.wakers.get_mut(&self.waiter) {
                Some(waker) => {
                    waker.clone_from(context.waker());
                    Stand::Waiting
                }
                None => Stand::Inside,
            },
        };
        self.stand
    }

    /// Gives the turn back, or stops waiting for one.
    fn leave(&mut self) {
        let next = {
            let mut state = self.shared.lock();
            match std::mem::replace(&mut self.stand, Stand::Outside) {
                Stand::Outside => None,
                Stand::Waiting if state.wakers.remove(&self.waiter).is_some() => {
                    state.turns.leave(&self.service, self.waiter);
                    None
                }
                // Its turn had come, but it was ended before it could take it.
                Stand::Waiting | Stand::Inside => state.pass_on(),
            }
        };
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl State {
    fn pass_on(&mut self) -> Option<Waker> {
        let next = self.turns.done()?;
        self.wakers.remove(&next)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
