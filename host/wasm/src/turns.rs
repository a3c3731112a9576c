//! Who may compute next on the low-priority lane: the service whose last turn is the longest ago, and within it the first who asked.
//!
//! A pure core without time, threads or wakers. However many guests of one service spin, a guest of another waits for at most one turn of
//! each other service. That its own last turn is remembered while it does not ask is what makes two services truly alternate: a guest
//! asks again only after its turn was passed on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Names one who asks; unique among those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// The queue of turns.
#[derive(Debug)]
pub struct Turns {
    all: usize,
    free: usize,
    // Counts turns given and lines begun; orders them, nothing more.
    count: u64,
    // When each service had its last turn. Forgotten when nobody is left, so it does not grow with services that are gone.
    last: HashMap<Arc<str>, u64>,
    // The services with somebody waiting, the next one first.
    order: BTreeMap<Place, Arc<str>>,
    waiting: HashMap<Arc<str>, Line>,
}

/// What became of asking for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is given; [`Turns::done`] must follow.
    Granted,
    /// It is given later, by a [`Turns::done`] of somebody else.
    Waiting,
}

/// A service's place: its last turn, then the beginning of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, u64);

/// Those of one service who wait.
#[derive(Debug)]
struct Line {
    place: Place,
    queue: VecDeque<Waiter>,
}

impl Turns {
    /// A queue in which at most `turns` are taken at once.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        let all = turns.max(1);
        Self {
            all,
            free: all,
            count: 0,
            last: HashMap::new(),
            order: BTreeMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Asks for a turn.
    pub fn ask(&mut self, service: &Arc<str>, waiter: Waiter) -> Asked {
        // Nobody waits while a turn is free, so nobody is overtaken here.
        if self.free > 0 {
            self.free -= 1;
            let now = self.counted();
            self.last.insert(Arc::clone(service), now);
            return Asked::Granted;
        }
        match self.waiting.get_mut(service) {
            Some(line) => line.queue.push_back(waiter),
            None => {
                let last = self.last.get(service).copied().unwrap_or(0);
                let place = Place(last, self.counted());
                self.stand(Arc::clone(service), place, VecDeque::from([waiter]));
            }
        }
        Asked::Waiting
    }

    /// Gives a turn back; names the one who has it now, if somebody waited.
    pub fn done(&mut self) -> Option<Waiter> {
        while let Some((_, service)) = self.order.pop_first() {
            let Some(mut line) = self.waiting.remove(&service) else {
                continue;
            };
            let next = line.queue.pop_front();
            let now = self.counted();
            self.last.insert(Arc::clone(&service), now);
            if !line.queue.is_empty() {
                self.stand(service, Place(now, now), line.queue);
            }
            if next.is_some() {
                return next;
            }
        }
        self.free += 1;
        if self.free == self.all {
            self.last.clear();
        }
        None
    }

    /// Takes one out who no longer wants to wait.
    pub fn leave(&mut self, service: &Arc<str>, waiter: Waiter) {
        let Some(line) = self.waiting.get_mut(service) else {
            return;
        };
        line.queue.retain(|other| *other != waiter);
        if line.queue.is_empty() {
            self.order.remove(&line.place);
            self.waiting.remove(service);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(|line| line.queue.len()).sum()
    }

    fn stand(&mut self, service: Arc<str>, place: Place, queue: VecDeque<Waiter>) {
        self.order.insert(place, Arc::clone(&service));
        self.waiting.insert(service, Line { place, queue });
    }

    fn counted(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}
