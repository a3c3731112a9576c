//! The places of one service or upstream: how many calls run, wait, are nested, or only stream.
//!
//! First come, first served. A place is a value: dropped, it is free, and goes to the one who has waited longest. One who stops waiting
//! leaves no trace. The state is behind one short lock that is never held over an await or while a place is given away.

use std::collections::VecDeque;
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
#[derive(Debug)]
pub struct Places {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    running: u32,
    nested: u32,
    streams: u32,
    /// Only while every place is taken is anybody in here.
    queue: VecDeque<oneshot::Sender<Place>>,
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
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limits,
                running: 0,
                nested: 0,
                streams: 0,
                queue: VecDeque::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain addition: a panic elsewhere does not leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a place to run in.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Entered {
        let mut state = self.state();
        if state.running < state.limits.places {
            state.running += 1;
            drop(state);
            return Entered::Now(self.place(Kind::Running));
        }
        if state.queue.len() >= state.limits.places as usize {
            state.queue.retain(|waiter| !waiter.is_closed());
            if state.queue.len() >= state.limits.places as usize {
                return Entered::Full;
            }
        }
        let (give, take) = oneshot::channel();
        state.queue.push_back(give);
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
                let Some(waiter) = state.queue.pop_front() else {
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

    /// Takes a place back: it goes to the one who has waited longest, if there is one and there are not too many.
    fn leave(self: &Arc<Self>, kind: Kind) {
        let mut state = self.state();
        match kind {
            Kind::Nested => state.nested -= 1,
            Kind::Stream => state.streams -= 1,
            Kind::Running => loop {
                let next = if state.running > state.limits.places {
                    None
                } else {
                    state.queue.pop_front()
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

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(
            f,
            "{} of {} places running, {} waiting, {} nested, {} of {} streams open",
            state.running,
            state.limits.places,
            state.queue.len(),
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    fn places(places: u32, streams: u32) -> Arc<Places> {
        Places::new(Limits { places, streams })
    }

    fn now(entered: Entered) -> Place {
        match entered {
            Entered::Now(place) => place,
            other => panic!("{other:?}"),
        }
    }

    fn later(entered: Entered) -> Waiting {
        match entered {
            Entered::Later(waiting) => waiting,
            other => panic!("{other:?}"),
        }
    }

    fn poll(waiting: &mut Waiting) -> Poll<Option<Place>> {
        Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn whoever_waits_longest_is_next_and_a_full_queue_refuses() {
        let places = places(2, 0);
        let (first, second) = (now(places.enter()), now(places.enter()));
        let (mut third, mut fourth) = (later(places.enter()), later(places.enter()));
        assert!(matches!(places.enter(), Entered::Full));
        drop(second);
        assert!(poll(&mut fourth).is_pending());
        let Poll::Ready(Some(third)) = poll(&mut third) else {
            panic!("the place was not handed on");
        };
        assert_eq!(places.running(), 2);
        drop((first, third, fourth));
        assert_eq!(places.running(), 0);
    }

    #[test]
    fn one_who_stops_waiting_leaves_no_trace() {
        let places = places(1, 0);
        let running = now(places.enter());
        drop(later(places.enter()));
        let mut next = later(places.enter());
        drop(running);
        assert!(matches!(poll(&mut next), Poll::Ready(Some(_))));
        // A place that is already on its way when its taker leaves goes to the one behind.
        let running = now(places.enter());
        let given = later(places.enter());
        drop(running);
        drop(given);
        assert_eq!(places.running(), 0);
    }

    #[test]
    fn nested_places_are_their_own() {
        let places = places(1, 0);
        let outer = now(places.enter());
        let nested = places.nested().unwrap();
        assert!(places.nested().is_none());
        drop(nested);
        assert!(places.nested().is_some());
        assert_eq!(places.running(), 1);
        drop(outer);
    }

    #[test]
    fn a_stream_frees_its_running_place_and_has_a_limit_of_its_own() {
        let places = places(1, 1);
        let stream = now(places.enter()).into_stream().unwrap();
        assert_eq!(places.running(), 0);
        assert!(now(places.enter()).into_stream().is_err());
        assert_eq!(
            places.running(),
            0,
            "a stream that is refused holds nothing"
        );
        drop(stream);
        let _again = now(places.enter()).into_stream().unwrap();
    }

    #[test]
    fn more_places_let_the_waiting_in_and_fewer_are_not_given_again() {
        let places = places(1, 0);
        let first = now(places.enter());
        let mut second = later(places.enter());
        places.set(Limits {
            places: 2,
            streams: 0,
        });
        let Poll::Ready(Some(second)) = poll(&mut second) else {
            panic!("a new place was not handed out");
        };
        let mut third = later(places.enter());
        places.set(Limits {
            places: 1,
            streams: 0,
        });
        drop(first);
        assert!(poll(&mut third).is_pending());
        assert_eq!(places.running(), 1);
        drop(second);
        assert!(matches!(poll(&mut third), Poll::Ready(Some(_))));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Enter,
        Nest,
        Stream(usize),
        Leave(usize),
        Poll(usize),
        GiveUp(usize),
        Set(u32, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Enter),
            1 => Just(Step::Nest),
            2 => any::<usize>().prop_map(Step::Stream),
            4 => any::<usize>().prop_map(Step::Leave),
            3 => any::<usize>().prop_map(Step::Poll),
            2 => any::<usize>().prop_map(Step::GiveUp),
            1 => (1u32..5, 0u32..4).prop_map(|(places, streams)| Step::Set(places, streams)),
        ]
    }

    /// Takes whichever `pick` points to.
    fn take<T>(from: &mut Vec<T>, pick: usize) -> Option<T> {
        (!from.is_empty()).then(|| from.remove(pick % from.len()))
    }

    proptest! {
        /// Whatever happens in whatever order: the counts are those of the places out there, nobody waits beside a free place, nobody gets
        /// in while too many run, and at the end everything is free.
        #[test]
        fn nothing_is_lost_and_nobody_is_stuck(steps in prop::collection::vec(step(), 1..120)) {
            let places = places(3, 2);
            let mut held: Vec<Place> = Vec::new();
            let mut waiting: Vec<Waiting> = Vec::new();
            for step in steps {
                let before = places.running();
                let limit = places.limits().places;
                match step {
                    Step::Enter => match places.enter() {
                        Entered::Now(place) => {
                            prop_assert!(before < limit);
                            held.push(place);
                        }
                        Entered::Later(one) => {
                            prop_assert!(before >= limit);
                            waiting.push(one);
                        }
                        Entered::Full => prop_assert!(waiting.len() >= limit as usize),
                    },
                    Step::Nest => held.extend(places.nested()),
                    Step::Stream(pick) => {
                        if let Some(place) = take(&mut held, pick) {
                            held.extend(place.into_stream());
                        }
                    }
                    Step::Leave(pick) => drop(take(&mut held, pick)),
                    Step::Poll(pick) => {
                        if let Some(mut one) = take(&mut waiting, pick) {
                            match poll(&mut one) {
                                Poll::Ready(place) => held.push(place.unwrap()),
                                Poll::Pending => waiting.push(one),
                            }
                        }
                    }
                    Step::GiveUp(pick) => drop(take(&mut waiting, pick)),
                    Step::Set(running, streams) => places.set(Limits { places: running, streams }),
                }
                let state = places.state();
                let of = |kind| u32::try_from(held.iter().filter(|place| place.kind == kind).count()).unwrap();
                prop_assert_eq!(state.nested, of(Kind::Nested));
                prop_assert_eq!(state.streams, of(Kind::Stream));
                prop_assert!(state.running >= of(Kind::Running));
                prop_assert!(state.running <= limit.max(before).max(state.limits.places));
                prop_assert!(state.queue.is_empty() || state.running >= state.limits.places);
                prop_assert!(state.nested <= 5 && state.streams <= 5);
            }
            drop(held);
            // With every place free, those who still wait are served one after the other.
            while !waiting.is_empty() {
                let count = waiting.len();
                waiting.retain_mut(|one| poll(one).is_pending());
                prop_assert!(waiting.len() < count, "somebody waits for nothing");
            }
            prop_assert_eq!(places.running(), 0);
            let state = places.state();
            prop_assert_eq!((state.nested, state.streams, state.queue.len()), (0, 0, 0));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn never_more_than_the_limit_runs_at_once() {
        use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
        let places = places(3, 0);
        let (running, served) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let tasks: Vec<_> = (0u32..400)
            .map(|number| {
                let (places, running, served) = (places.clone(), running.clone(), served.clone());
                tokio::spawn(async move {
                    let place = match places.enter() {
                        Entered::Now(place) => place,
                        // Every third one gives up at once.
                        Entered::Later(_) if number % 3 == 0 => return,
                        Entered::Later(waiting) => waiting.await.unwrap(),
                        Entered::Full => return,
                    };
                    assert!(running.fetch_add(1, SeqCst) < 3);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, SeqCst);
                    served.fetch_add(1, SeqCst);
                    drop(place);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(served.load(SeqCst) >= 3);
        assert_eq!(places.running(), 0);
    }
}
