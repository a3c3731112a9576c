//! Guests of durable executions: what one asks for depends on its seed and on what it was told, and in which order, alone.
//!
//! A guest has a few threads of thought, each of which asks for one thing after the other. What it asks for carries a hash of all that it was
//! told before, so that a guest that is told something else, or in another order, asks for something else. What it comes to does not depend on
//! the order, so that it is known beforehand.

use crate::dice::mixed;
use crate::upstream::{hash, result};

/// What kind of thing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An effect whose name the upstream knows again.
    Keyed,
    /// An effect that is another one each time.
    Unkeyed,
    /// Time, in milliseconds.
    Sleep(u64),
    /// That a message is sent.
    Send,
}

/// Something that a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) kind: Kind,
    /// What for.
    pub(crate) what: String,
    /// The hash of all that the guest was told before.
    pub(crate) chain: u64,
    thought: usize,
}

/// A guest.
#[derive(Debug)]
pub(crate) struct Guest {
    seed: u64,
    chain: u64,
    thoughts: Vec<Thought>,
}

#[derive(Clone, Copy, Debug)]
struct Thought {
    asked: u64,
    sum: u64,
}

impl Guest {
    pub(crate) fn new(seed: u64) -> Self {
        let thoughts = 1 + mixed(seed) % 3;
        let thoughts = (0..thoughts).map(|number| Thought {
            asked: 0,
            sum: mixed(seed ^ number),
        });
        Self {
            seed,
            chain: seed,
            thoughts: thoughts.collect(),
        }
    }

    /// What it asks for first.
    pub(crate) fn begin(&mut self) -> Vec<Want> {
        let all = 0..self.thoughts.len();
        all.filter_map(|thought| self.next(thought)).collect()
    }

    /// What it asks for once it is told this.
    pub(crate) fn told(&mut self, want: &Want, told: &[u8]) -> Option<Want> {
        self.chain = mixed(self.chain ^ hash(told) ^ hash(want.what.as_bytes()));
        if let Some(thought) = self.thoughts.get_mut(want.thought) {
            thought.sum = mixed(thought.sum ^ hash(told));
        }
        self.next(want.thought)
    }

    /// What it has come to, once it asks for nothing more.
    pub(crate) fn came(&self) -> Vec<u8> {
        let sum = self
            .thoughts
            .iter()
            .fold(self.seed, |all, thought| mixed(all ^ thought.sum));
        sum.to_be_bytes().to_vec()
    }

    fn next(&mut self, number: usize) -> Option<Want> {
        let place = mixed(self.seed ^ (number as u64 + 1) << 32);
        let thought = self.thoughts.get_mut(number)?;
        if thought.asked > place % 3 {
            return None;
        }
        thought.asked += 1;
        let draw = mixed(place ^ thought.asked);
        let kind = match draw % 8 {
            0..=2 => Kind::Keyed,
            3..=4 => Kind::Unkeyed,
            5 => Kind::Send,
            6 => Kind::Sleep(draw / 8 % 4_000),
            _ => Kind::Sleep(6_000 + draw / 8 % 14_000),
        };
        Some(Want {
            kind,
            what: format!(
                "run {:016x}, thought {number}, {}",
                self.seed, thought.asked
            ),
            chain: self.chain,
            thought: number,
        })
    }
}

/// What is answered to something that is asked for.
pub(crate) fn answer(want: &Want) -> Vec<u8> {
    match want.kind {
        Kind::Keyed | Kind::Unkeyed => result(&want.what),
        Kind::Sleep(_) => Vec::new(),
        Kind::Send => b"sent".to_vec(),
    }
}

/// What a guest of this seed comes to that nothing disturbs.
pub(crate) fn expected(seed: u64) -> Vec<u8> {
    let mut guest = Guest::new(seed);
    let mut wants = guest.begin();
    while let Some(want) = wants.pop() {
        wants.extend(guest.told(&want, &answer(&want)));
    }
    guest.came()
}
