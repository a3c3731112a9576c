//! The places of one service or upstream: how many calls run, wait, are nested, or only stream.
//!
//! A place is a value: dropped, it is free, and goes to whoever is next in the line. One who stops waiting leaves no trace. Who could not
//! be served in the time he has left, as others were lately, does not wait at all. The state is behind one short lock that is never held
//! over an await or while a place is given away.

use super::line::Line;
use super::served::Served;
use holdfast_call::{Clock, Moment, Priority};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// How many of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls that run at once; as many may wait, and as many may be nested.
    pub places: u32,
    /// Answers that only stream. An upstream has none: its answers keep their places.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: 64,
            streams: 1_024,
        }
    }
}

/// The places of one target. They outlive its versions, and their number can change while calls run.
pub struct Places {
    state: Mutex<State>,
    /// Whether every place is taken, for those who only want to know whether it is worth asking.
    crowded: AtomicBool,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    running: u32,
    nested: u32,
    streams: u32,
    /// Only while every place is taken is anybody in here.
    line: Line<oneshot::Sender<Place>>,
    /// How long those took that were served while every place was taken.
    served: Served,
}

/// What one asks for who wants to run.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The class of the call.
    pub class: Priority,
    /// When it asks.
    pub now: Moment,
    /// How long it waits for a place.
    pub until: Moment,
    /// When it must have been served.
    pub deadline: Moment,
}

/// What one who wants to run gets.
#[derive(Debug)]
pub enum Entered {
    /// A place.
    Now(Place),
    /// A place later, if there is one in time.
    Later(Waiting),
    /// Nothing: even the queue is full.
    Full,
    /// Nothing: it has less time left than others took lately.
    TooLate {
        /// What it has left.
        left: Duration,
        /// What more than half of the others took at least.
        median: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Running,
    Nested,
    Stream,
}

impl Places {
    /// So many places, all free.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            crowded: AtomicBool::new(false),
            state: Mutex::new(State {
                limits,
                running: 0,
                nested: 0,
                streams: 0,
                line: Line::default(),
                served: Served::default(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain addition: a panic elsewhere does not leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts those who run, and says whether there are as many as there may be.
    fn run(&self, state: &mut State, running: u32) {
        state.running = running;
        self.crowded.store(running >= state.limits.places, Relaxed);
    }

    /// Asks for a place to run in, or to wait for one.
    #[must_use]
    pub fn enter(self: &Arc<Self>, wish: Wish) -> Entered {
        let mut state = self.state();
        if state.running < state.limits.places {
            let running = state.running + 1;
            self.run(&mut state, running);
            drop(state);
            return Entered::Now(self.place(Kind::Running, Some(wish.now)));
        }
        let now = self.clock.now();
        let left = wish.deadline.since(now);
        // Another one has to leave first, too; but how soon that is nobody knows, so it is not held against it.
        if let Some(median) = state.served.median(now).filter(|median| left < *median) {
            return Entered::TooLate { left, median };
        }
        let most = state.limits.places as usize;
        let mut gone = None;
        if state.line.len() >= most {
            state.line.tidy(now, |waiter| !waiter.is_closed());
            if state.line.len() >= most {
                gone = state.line.gives_way(wish.class);
                if gone.is_none() {
                    return Entered::Full;
                }
            }
        }
        let (give, take) = oneshot::channel();
        state.line.push(wish.class, now, wish.until, give);
        drop(state);
        // Dropped outside of the lock: it wakes whoever had to give way.
        drop(gone);
        Entered::Later(Waiting(take))
    }

    /// Asks for a nested place: there is one at once, or none.
    #[must_use]
    pub fn nested(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state();
        if state.nested >= state.limits.places {
            return None;
        }
        state.nested += 1;
        drop(state);
        Some(self.place(Kind::Nested, None))
    }

    /// Changes how many there are. Nobody who has a place loses it; one too many is not given again.
    pub fn set(self: &Arc<Self>, limits: Limits) {
        let now = self.clock.now();
        let mut called = Vec::new();
        {
            let mut state = self.state();
            state.limits = limits;
            let mut running = state.running;
            while running < limits.places {
                let Some(waiter) = state.line.next(now) else {
                    break;
                };
                running += 1;
                called.push(waiter);
            }
            self.run(&mut state, running);
        }
        for waiter in called {
            // One who has stopped waiting hands the place on as it is dropped.
            let _ = waiter.send(self.place(Kind::Running, Some(now)));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.state().limits
    }

    /// How many calls hold a place, of whatever kind.
    #[must_use]
    pub fn held(&self) -> u32 {
        let state = self.state();
        state.running + state.nested + state.streams
    }

    /// How many calls run.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.state().running
    }

    fn place(self: &Arc<Self>, kind: Kind, since: Option<Moment>) -> Place {
        Place {
            places: Some(self.clone()),
            kind,
            since,
        }
    }

    /// Takes a place back.
    fn leave(self: &Arc<Self>, kind: Kind, since: Option<Moment>) {
        let mut state = self.state();
        match kind {
            Kind::Nested => state.nested -= 1,
            Kind::Stream => state.streams -= 1,
            Kind::Running if state.running < state.limits.places => {
                let running = state.running - 1;
                self.run(&mut state, running);
            }
            Kind::Running => {
                let now = self.clock.now();
                if let Some(since) = since {
                    state.served.add(now, now.since(since));
                }
                self.hand_on(state, now);
            }
        }
    }

    /// Gives a place of those that are all taken to whoever is next in the line, if there is one and there are not too many.
    fn hand_on<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>, now: Moment) {
        loop {
            let next = if state.running > state.limits.places || state.line.is_empty() {
                None
            } else {
                state.line.next(now)
            };
            let Some(waiter) = next else {
                let running = state.running - 1;
                self.run(&mut state, running);
                return;
            };
            drop(state);
            match waiter.send(self.place(Kind::Running, Some(now))) {
                Ok(()) => return,
                Err(mut unwanted) => {
                    // It is still ours to give, not to give back: that would come here once more.
                    unwanted.places = None;
                    state = self.state();
                }
            }
        }
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({self})")
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(
            f,
            "{} of {} places running, {} waiting, {} nested, {} of {} streams open",
            state.running,
            state.limits.places,
            state.line.len(),
            state.nested,
            state.streams,
            state.limits.streams
        )
    }
}

/// A place. Dropped, it is free.
#[derive(Debug)]
pub struct Place {
    /// `None` once it is somebody else's.
    places: Option<Arc<Places>>,
    kind: Kind,
    /// Since when its call is being served; `None` where nobody asks, or once it was.
    since: Option<Moment>,
}

impl Place {
    /// Since when its call is being served, if it still is.
    #[must_use]
    pub fn since(&self) -> Option<Moment> {
        self.since
    }

    /// Its call is being served since then, and not since it was given; `None` where it still has to wait for something else.
    #[must_use]
    pub fn counted_from(mut self, since: Option<Moment>) -> Self {
        self.since = since;
        self
    }

    /// Its call is served, though it goes on holding it: the answer has begun, and no further does a deadline go.
    pub fn begun(&mut self) {
        let (Some(places), Some(since)) = (&self.places, self.since.take()) else {
            return;
        };
        if places.crowded.load(Relaxed) {
            let now = places.clock.now();
            places.state().served.add(now, now.since(since));
        }
    }

    /// Exchanges it for that of an open stream.
    ///
    /// # Errors
    /// There are too many open streams; the place is free again.
    pub fn into_stream(self) -> Result<Self, Arc<Places>> {
        let Some(places) = self.places.clone() else {
            return Ok(self);
        };
        {
            let mut state = places.state();
            if state.streams >= state.limits.streams {
                drop(state);
                return Err(places);
            }
            state.streams += 1;
        }
        Ok(places.place(Kind::Stream, None))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.leave(self.kind, self.since);
        }
    }
}

/// One who waits for a place. Dropped, it waits no more, and a place already on its way goes to the next.
#[derive(Debug)]
pub struct Waiting(oneshot::Receiver<Place>);

impl Future for Waiting {
    type Output = Option<Place>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

#[cfg(test)]
mod tests;
