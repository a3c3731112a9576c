//! The shelves on which instances wait, one for each service, and what all that waits holds together.
//!
//! Whatever leaves a shelf leaves the count with it; and the memory of what does not go on to serve is free for others at that moment,
//! although it is dropped only when the lock is free again.

use super::{IDLE_INSTANCES_MAX, Instance, Way};
use crate::engine::EngineKind;
use holdfast_call::Moment;
use std::collections::HashMap;
use std::sync::Arc;

/// All shelves.
#[derive(Default)]
pub(super) struct Shelves {
    of: HashMap<Arc<str>, Shelf>,
    slots: HashMap<EngineKind, u32>,
    bytes: u64,
    count: usize,
}

/// The instances of one service, the one that came last at the end.
struct Shelf {
    version: u64,
    waiting: Vec<Waiting>,
}

/// An instance that waits, and what it holds meanwhile.
pub(super) struct Waiting {
    pub(super) instance: Instance,
    pub(super) kind: EngineKind,
    pub(super) slots: u32,
    pub(super) bytes: u64,
    pub(super) until: Moment,
}

/// What is to be dropped once the lock is free.
pub(super) type Gone = Vec<Waiting>;

impl Shelves {
    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Slots of an engine's pool that they hold.
    pub(super) fn slots(&self, kind: EngineKind) -> u32 {
        self.slots.get(&kind).copied().unwrap_or(0)
    }

    /// Bytes that they hold.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts `one` on its shelf; it is gone if the shelf is full or of a later version.
    pub(super) fn put(&mut self, service: &Arc<str>, version: u64, one: Waiting) -> Gone {
        let mut gone = self.cleared(service, version);
        let (kind, slots, bytes) = (one.kind, one.slots, one.bytes);
        match self.shelf(service, version) {
            Some(shelf) if shelf.waiting.len() < IDLE_INSTANCES_MAX => shelf.waiting.push(one),
            Some(_) | None => {
                gone.push(one);
                return gone;
            }
        }
        *self.slots.entry(kind).or_default() += slots;
        self.bytes += bytes;
        self.count += 1;
        gone
    }

    /// The instance of this version that came last, of those that are called in this way and whose last answer was read to its end.
    pub(super) fn take(
        &mut self,
        service: &Arc<str>,
        version: u64,
        way: Way,
    ) -> (Option<Instance>, Gone) {
        let gone = self.cleared(service, version);
        let found = self.shelf(service, version).and_then(|shelf| {
            let mut all = shelf.waiting.iter();
            let place = all.rposition(|one| {
                one.instance.exported.way() == way && one.instance.life.done_well()
            })?;
            Some(shelf.waiting.remove(place))
        });
        if let Some(one) = &found {
            self.uncount(one);
        }
        (found.map(|one| one.instance), gone)
    }

    /// Of those on this engine, one that has waited as long as any.
    pub(super) fn oldest(&mut self, kind: EngineKind) -> Option<Waiting> {
        let shelves = self.of.values_mut();
        let of_kind =
            shelves.filter(|shelf| shelf.waiting.first().is_some_and(|one| one.kind == kind));
        let shelf = of_kind.min_by_key(|shelf| shelf.waiting.first().map(|one| one.until))?;
        let one = shelf.waiting.remove(0);
        Some(self.let_go(one))
    }

    /// What waits of a version.
    pub(super) fn of_version(&mut self, version: u64) -> Gone {
        let mut shelves = self.of.iter();
        let found = shelves.find(|(_, shelf)| shelf.version == version);
        let Some(name) = found.map(|(name, _)| name.clone()) else {
            return Gone::new();
        };
        let shelf = self.of.remove(&name);
        self.let_all_go(shelf.into_iter().flat_map(|shelf| shelf.waiting).collect())
    }

    /// Everything.
    pub(super) fn all(&mut self) -> Gone {
        let shelves = std::mem::take(&mut self.of);
        self.let_all_go(
            shelves
                .into_values()
                .flat_map(|shelf| shelf.waiting)
                .collect(),
        )
    }

    /// What has waited for too long, and when the next will have.
    pub(super) fn overdue(&mut self, now: Moment) -> (Gone, Option<Moment>) {
        let mut gone = Gone::new();
        for shelf in self.of.values_mut() {
            gone.extend(shelf.waiting.extract_if(.., |one| one.until <= now));
        }
        self.of.retain(|_, shelf| !shelf.waiting.is_empty());
        let all = self.of.values().flat_map(|shelf| &shelf.waiting);
        let next = all.map(|one| one.until).min();
        (self.let_all_go(gone), next)
    }

    /// Clears a shelf of earlier versions, and of those whose answer turned out to be a fault only after their guest had ended.
    fn cleared(&mut self, service: &Arc<str>, version: u64) -> Gone {
        let Some(shelf) = self.of.get_mut(service) else {
            return Gone::new();
        };
        let mut gone = Gone::new();
        if shelf.version < version {
            gone.append(&mut shelf.waiting);
            shelf.version = version;
        }
        let spoilt = |one: &mut Waiting| !one.instance.life.answered_well();
        gone.extend(shelf.waiting.extract_if(.., spoilt));
        self.let_all_go(gone)
    }

    /// The shelf of a service, if it is not of a later version already.
    fn shelf(&mut self, service: &Arc<str>, version: u64) -> Option<&mut Shelf> {
        let shelf = self.of.entry(service.clone()).or_insert_with(|| Shelf {
            version,
            waiting: Vec::new(),
        });
        (shelf.version == version).then_some(shelf)
    }

    fn let_all_go(&mut self, all: Gone) -> Gone {
        all.into_iter().map(|one| self.let_go(one)).collect()
    }

    fn let_go(&mut self, mut one: Waiting) -> Waiting {
        self.uncount(&one);
        one.instance.store.data_mut().limiter.release();
        one
    }

    fn uncount(&mut self, one: &Waiting) {
        if let Some(held) = self.slots.get_mut(&one.kind) {
            *held = held.saturating_sub(one.slots);
        }
        self.bytes = self.bytes.saturating_sub(one.bytes);
        self.count = self.count.saturating_sub(1);
    }
}
