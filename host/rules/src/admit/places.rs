//! The places of one service or upstream: how many calls run, wait, are nested, or only stream.
//!
//! A place is a value: dropped, it is free, and goes to whoever is next in the line. One who stops waiting leaves no trace. The state is behind one short lock that is never held over an await or while a place is given away.

use super::line::Line;
use holdfast_call::{Clock, Moment, Priority};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
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
            state: Mutex::new(State {
                limits,
                running: 0,
                nested: 0,
                streams: 0,
                line: Line::default(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain addition: a panic elsewhere does not leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a place to run in, or to wait for one until `until`.
    #[must_use]
    pub fn enter(self: &Arc<Self>, class: Priority, until: Moment) -> Entered {
        let mut state = self.state();
        if state.running < state.limits.places {
            state.running += 1;
            drop(state);
            return Entered::Now(self.place(Kind::Running));
        }
        let now = self.clock.now();
        let most = state.limits.places as usize;
        let mut gone = None;
        if state.line.len() >= most {
            state.line.tidy(now, |waiter| !waiter.is_closed());
            if state.line.len() >= most {
                gone = state.line.gives_way(class);
                if gone.is_none() {
                    return Entered::Full;
                }
            }
        }
        let (give, take) = oneshot::channel();
        state.line.push(class, now, until, give);
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
        Some(self.place(Kind::Nested))
    }

    /// Changes how many there are. Nobody who has a place loses it; one too many is not given again.
    pub fn set(self: &Arc<Self>, limits: Limits) {
        let mut called = Vec::new();
        {
            let mut state = self.state();
            state.limits = limits;
            while state.running < limits.places {
                let Some(waiter) = state.line.next(self.clock.now()) else {
                    break;
                };
                state.running += 1;
                called.push(waiter);
            }
        }
        for waiter in called {
            // One who has stopped waiting hands the place on as it is dropped.
            let _ = waiter.send(self.place(Kind::Running));
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

    fn place(self: &Arc<Self>, kind: Kind) -> Place {
        Place {
            places: Some(self.clone()),
            kind,
        }
    }

    /// Takes a place back: it goes to whoever is next in the line, if there is one and there are not too many.
    fn leave(self: &Arc<Self>, kind: Kind) {
        let mut state = self.state();
        match kind {
            Kind::Nested => state.nested -= 1,
            Kind::Stream => state.streams -= 1,
            Kind::Running => loop {
                let next = if state.running > state.limits.places || state.line.is_empty() {
                    None
                } else {
                    state.line.next(self.clock.now())
                };
                let Some(waiter) = next else {
                    state.running -= 1;
                    return;
                };
                drop(state);
                match waiter.send(self.place(Kind::Running)) {
                    Ok(()) => return,
                    Err(mut unwanted) => {
                        // It is still ours to give, not to give back: that would come here once more.
                        unwanted.places = None;
                        state = self.state();
                    }
                }
            },
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
}

impl Place {
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
        Ok(places.place(Kind::Stream))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.leave(self.kind);
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
