//! The room that services share: the slots of their pool of instances.
//!
//! A service may take more as long as it then holds no more than was free. So one alone can have half of the slots, two greedy ones a third
//! each, and however many there are, something is left for one that comes later. (The rule is that of shared switch buffers: Choudhury and
//! Hahne, "Dynamic queue length thresholds", 1998, with a factor of one.)

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// The slots that services share.
#[derive(Debug)]
pub struct Room {
    slots: u32,
    used: AtomicU32,
}

impl Room {
    /// So many slots, all free.
    #[must_use]
    pub fn new(slots: u32) -> Arc<Self> {
        Arc::new(Self {
            slots,
            used: AtomicU32::new(0),
        })
    }

    /// As many slots as are `wanted`, for one who holds `held` already, unless that is its share.
    #[must_use]
    pub fn take(self: &Arc<Self>, held: u32, wanted: u32) -> Option<Slots> {
        // Whoever wants more than there are has them all, when nobody else is there.
        let wanted = wanted.clamp(1, self.slots.max(1));
        let used = self.used.fetch_add(wanted, SeqCst);
        let slots = Slots {
            room: self.clone(),
            count: wanted,
        };
        let free = self.slots.saturating_sub(used);
        (held.saturating_add(wanted) <= free).then_some(slots)
    }

    /// How many slots no call holds.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.slots.saturating_sub(self.used.load(SeqCst))
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.used.load(SeqCst);
        write!(f, "{used} of {} slots in use", self.slots)
    }
}

/// Slots that are taken. Dropped, they are free.
#[derive(Debug)]
pub struct Slots {
    room: Arc<Room>,
    count: u32,
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.count, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as much as there is for one who holds nothing yet, so many at once.
    fn greedy(room: &Arc<Room>, at_once: u32) -> Vec<Slots> {
        let mut slots = Vec::new();
        while let Some(more) = room.take(u32::try_from(slots.len()).unwrap() * at_once, at_once) {
            slots.push(more);
        }
        slots
    }

    #[test]
    fn whoever_takes_all_it_can_leaves_something_for_the_next() {
        let room = Room::new(100);
        let first = greedy(&room, 1);
        assert_eq!(first.len(), 50);
        let second = greedy(&room, 1);
        assert_eq!(second.len(), 25);
        let third = greedy(&room, 1);
        assert_eq!(third.len(), 13);
        drop(first);
        assert!(greedy(&room, 1).len() > third.len());
    }

    #[test]
    fn one_whose_calls_need_more_gets_fewer_of_them() {
        let room = Room::new(100);
        assert_eq!(greedy(&room, 5).len(), 10);
        let tiny = Room::new(2);
        assert_eq!(greedy(&tiny, 5).len(), 1);
    }

    #[test]
    fn slots_given_back_are_there_for_others_and_refused_ones_cost_nothing() {
        let room = Room::new(1);
        let slot = room.take(0, 1).unwrap();
        for _ in 0..3 {
            assert!(room.take(0, 1).is_none());
        }
        drop(slot);
        assert!(room.take(0, 1).is_some());
    }
}
