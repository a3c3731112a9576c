//! Who may compute next on the low-priority lane: services take turns, and within a service the first who asked is the first served.
//!
//! A pure core without time, threads or wakers. However many guests of one service spin, another service's guest waits for at most one
//! turn of each service before it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Names one who asks; unique among those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// The queue of turns.
#[derive(Debug)]
pub struct Turns {
    free: usize,
    // Each service with somebody waiting stands here exactly once, in the order in which it gets its next turn.
    ring: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<Waiter>>,
}

/// What became of asking for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is given; [`Turns::done`] must follow.
    Granted,
    /// It is given later, by a [`Turns::done`] of somebody else.
    Waiting,
}

impl Turns {
    /// A queue in which at most `turns` are taken at once.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self {
            free: turns.max(1),
            ring: VecDeque::new(),
            waiting: HashMap::new(),
        }
    }

    /// Asks for a turn.
    pub fn ask(&mut self, service: &Arc<str>, waiter: Waiter) -> Asked {
        // Nobody waits while a turn is free, so nobody is overtaken here.
        if self.free > 0 {
            self.free -= 1;
            return Asked::Granted;
        }
        match self.waiting.get_mut(service) {
            Some(queue) => queue.push_back(waiter),
            None => {
                self.waiting
                    .insert(Arc::clone(service), VecDeque::from([waiter]));
                self.ring.push_back(Arc::clone(service));
            }
        }
        Asked::Waiting
    }

    /// Gives a turn back; names the one who has it now, if somebody waited.
    pub fn done(&mut self) -> Option<Waiter> {
        while let Some(service) = self.ring.pop_front() {
            let Some(queue) = self.waiting.get_mut(&service) else {
                continue;
            };
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&service);
            } else {
                self.ring.push_back(service);
            }
            if next.is_some() {
                return next;
            }
        }
        self.free += 1;
        None
    }

    /// Takes one out who no longer wants to wait.
    pub fn leave(&mut self, service: &Arc<str>, waiter: Waiter) {
        let Some(queue) = self.waiting.get_mut(service) else {
            return;
        };
        queue.retain(|other| *other != waiter);
        if queue.is_empty() {
            self.waiting.remove(service);
            self.ring.retain(|other| other != service);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}
