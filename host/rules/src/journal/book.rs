//! What is known of the entries of one execution, and which result is let through next. A pure core: no clock, no disk.
//!
//! A guest is the same for the same results in the same order. So one result at a time is let through, in the order in which they were
//! written down, and only when the guest can go no further and has taken the last one. What it asks then is compared with the record.

use holdfast_store::runs::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// A sleep that is longer than this needs no instance meanwhile.
pub const SLEEPS_AWAKE: Duration = Duration::from_secs(5);

/// What is on record of something that a guest asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// What came of it, once it is let through.
    Came,
    /// It was begun then (in nanoseconds since 1970), and nobody knows what came of it.
    Begun(u64),
    /// Nothing.
    Nothing,
    /// Something else was asked for in its place.
    Differs(String),
}

/// What there is to do when the guest can go no further.
#[derive(Debug, PartialEq, Eq)]
pub enum Idle {
    /// A result was let through.
    Through,
    /// Something is under way.
    Waits,
    /// Nothing is, before that time.
    Sleeps(u64),
    /// The record has a result of something that the guest has not asked for.
    Differs(String),
}

/// A result.
#[derive(Clone, Debug)]
struct Result {
    ended_ns: u64,
    bytes: Vec<u8>,
}

/// The entries of one execution, as one instance meets them.
#[derive(Debug, Default)]
pub struct Book {
    record: BTreeMap<u32, Entry>,
    /// Those whose results are still to be let through, in order.
    order: VecDeque<u32>,
    /// How many of them are from the record.
    again: usize,
    results: HashMap<u32, Result>,
    /// Those that were let through and are still wanted.
    through: HashSet<u32>,
    /// Let through, and not taken yet.
    last: Option<u32>,
    /// Those that nobody waits for any more.
    taken: HashSet<u32>,
    issued: u32,
    place: u32,
    let_through: u64,
    shown_ns: u64,
    idle: bool,
    /// What was asked for, and is neither let through nor given up.
    under_way: HashSet<u32>,
    bytes: u64,
    sleeps: BTreeMap<u32, u64>,
}

impl Book {
    /// The book of an execution that was begun then.
    pub fn new(entries: Vec<Entry>, began_ns: u64) -> Self {
        let mut came: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((entry.came.as_ref()?.place, entry.ordinal)))
            .collect();
        came.sort_unstable();
        let bytes = entries.iter().filter_map(|entry| entry.came.as_ref());
        let bytes = bytes.map(|came| came.bytes.len() as u64).sum();
        let results = entries.iter().filter_map(|entry| {
            let came = entry.came.as_ref()?;
            let result = Result {
                ended_ns: came.ended_ns,
                bytes: came.bytes.clone(),
            };
            Some((entry.ordinal, result))
        });
        Self {
            results: results.collect(),
            bytes,
            again: came.len(),
            place: came.last().map_or(0, |(place, _)| *place),
            order: came.into_iter().map(|(_, ordinal)| ordinal).collect(),
            record: entries
                .into_iter()
                .map(|entry| (entry.ordinal, entry))
                .collect(),
            shown_ns: began_ns,
            ..Self::default()
        }
    }

    /// The number of what the guest asks for next. It is under way from now on, whoever is to make it.
    pub fn issue(&mut self) -> u32 {
        self.idle = false;
        self.issued += 1;
        self.under_way.insert(self.issued);
        self.issued
    }

    /// What is on record of it.
    pub fn ask(&self, ordinal: u32, what: &str, asked: &[u8; 32]) -> Found {
        match self.record.get(&ordinal) {
            None => Found::Nothing,
            Some(entry) if entry.what != what => {
                Found::Differs(differs(ordinal, &entry.what, what))
            }
            Some(entry) if entry.asked != *asked => Found::Differs(format!(
                "entry {ordinal}: {what} is asked for with something else than before"
            )),
            Some(entry) if entry.came.is_some() => Found::Came,
            Some(entry) => Found::Begun(entry.began_ns),
        }
    }

    /// Whether all that is on record was let through, so that something new may be begun.
    pub fn is_new(&self) -> bool {
        self.again == 0
    }

    /// What was asked for has come to something, or is given up.
    pub fn ends(&mut self, ordinal: u32) {
        self.under_way.remove(&ordinal);
    }

    /// Whether anything is under way.
    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many things are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How many bytes its results have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The guest sleeps until then: that needs nobody.
    pub fn sleeps(&mut self, ordinal: u32, until_ns: u64) {
        self.under_way.remove(&ordinal);
        self.sleeps.insert(ordinal, until_ns);
    }

    /// The place of the next result.
    pub fn next_place(&mut self) -> u32 {
        self.place += 1;
        self.place
    }

    /// What came of an entry is written down, and let through in its turn.
    pub fn came(&mut self, ordinal: u32, ended_ns: u64, bytes: Vec<u8>) {
        self.bytes += bytes.len() as u64;
        self.results.insert(ordinal, Result { ended_ns, bytes });
        self.order.push_back(ordinal);
        if self.idle {
            self.let_next_through();
        }
    }

    /// What came of an entry, once it was let through.
    pub fn take(&mut self, ordinal: u32) -> Option<Vec<u8>> {
        if !self.through.remove(&ordinal) {
            return None;
        }
        self.results.remove(&ordinal).map(|result| result.bytes)
    }

    /// Whoever asked for it has it, or does not want it.
    pub fn taken(&mut self, ordinal: u32) {
        self.sleeps.remove(&ordinal);
        self.taken.insert(ordinal);
    }

    /// Whether nobody waits for it.
    pub fn is_taken(&self, ordinal: u32) -> bool {
        self.taken.contains(&ordinal)
    }

    /// The guest can go no further.
    pub fn idle(&mut self, now_ns: u64) -> Idle {
        if self.last.is_some_and(|last| !self.taken.contains(&last)) {
            // It is on its way, and the guest goes on when it arrives.
            return Idle::Waits;
        }
        self.idle = true;
        if self.let_next_through() {
            return Idle::Through;
        }
        if let Some(ordinal) = self.order.front().filter(|next| **next > self.issued) {
            let what = self.record.get(ordinal).map_or("", |entry| &entry.what);
            return Idle::Differs(differs(*ordinal, what, "nothing"));
        }
        let first = self.sleeps.values().min();
        match first.filter(|_| self.order.is_empty() && self.is_settled() && self.is_new()) {
            Some(until) if until.saturating_sub(now_ns) > nanos(SLEEPS_AWAKE) => {
                Idle::Sleeps(*until)
            }
            Some(_) | None => Idle::Waits,
        }
    }

    /// What the record has that the guest has ended without asking for.
    pub fn missing(&self) -> Option<String> {
        let (ordinal, entry) = self.record.range(self.issued + 1..).next()?;
        Some(differs(*ordinal, &entry.what, "an end"))
    }

    /// What the guest's clock shows: the time of the last result, and a nanosecond more each time.
    pub fn read_clock(&mut self) -> u64 {
        self.shown_ns += 1;
        self.shown_ns
    }

    /// How many results were let through.
    pub fn let_through(&self) -> u64 {
        self.let_through
    }

    /// Whether there is one now that somebody waits for.
    fn let_next_through(&mut self) -> bool {
        loop {
            if let Some(last) = self.last {
                if !self.taken.contains(&last) {
                    return false;
                }
                self.last = None;
                self.through.remove(&last);
                self.results.remove(&last);
            }
            let Some(next) = self.order.pop_front_if(|next| *next <= self.issued) else {
                return false;
            };
            self.again = self.again.saturating_sub(1);
            self.let_through += 1;
            let ended_ns = self.results.get(&next).map_or(0, |result| result.ended_ns);
            self.shown_ns = self.shown_ns.max(ended_ns);
            self.sleeps.remove(&next);
            self.under_way.remove(&next);
            self.last = Some(next);
            if !self.taken.contains(&next) {
                self.idle = false;
                self.through.insert(next);
                return true;
            }
        }
    }
}

fn differs(ordinal: u32, recorded: &str, asked: &str) -> String {
    format!("entry {ordinal}: the record has {recorded}, and the guest asks for {asked}")
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
