//! A flow for each caller, and never more of them than fit: whoever comes when the table is full shares one with all others who do.
//!
//! What has flowed is as good as new, so it need not be kept. A hand goes round and takes it out, a few entries for each newcomer: nobody
//! waits for a sweep, however many come.

use super::caller::Key;
use super::flow::{Flow, Share};
use holdfast_call::Moment;
use std::collections::HashMap;

/// The most callers that are counted apart.
pub const KEYS_MAX: usize = 100_000;
/// How many entries are looked at for each newcomer: more than one, so that the table empties faster than it fills.
const LOOKED_AT: usize = 4;

/// Flows by their callers.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: HashMap<Key, usize>,
    entries: Vec<(Key, Flow)>,
    /// What is looked at next.
    hand: usize,
    /// That of all for whom there was no room.
    others: Flow,
}

impl Table {
    /// The flow that counts for `key`.
    pub(super) fn flow(&mut self, key: Key, now: Moment) -> &mut Flow {
        if !self.places.contains_key(&key) {
            self.make_room(now);
            if self.entries.len() < KEYS_MAX {
                self.places.insert(key, self.entries.len());
                self.entries.push((key, Flow::default()));
            }
        }
        let place = self.places.get(&key);
        match place.and_then(|place| self.entries.get_mut(*place)) {
            Some((_, flow)) => flow,
            None => &mut self.others,
        }
    }

    /// Gives a share back to the flow of `key`, if it has one of its own: what all others share is not given back.
    pub(super) fn give_back(&mut self, key: Key, share: Share, now: Moment) {
        let place = self.places.get(&key);
        if let Some((_, flow)) = place.and_then(|place| self.entries.get_mut(*place)) {
            flow.give_back(share, now);
        }
    }

    fn make_room(&mut self, now: Moment) {
        for _ in 0..LOOKED_AT.min(self.entries.len()) {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let idle = self.entries.get(self.hand);
            if idle.is_some_and(|(_, flow)| flow.idle(now)) {
                self.take_out(self.hand);
            } else {
                self.hand += 1;
            }
        }
    }

    /// Takes the entry at `place` out; the last one moves there.
    fn take_out(&mut self, place: usize) {
        let (gone, _) = self.entries.swap_remove(place);
        self.places.remove(&gone);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::{Grant, Quota};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    fn take(table: &mut Table, key: u64, quota: &Quota, now: Moment) -> Grant {
        table.flow(Key::Numbered(key), now).take(quota, 1, now)
    }

    fn size(table: &Table) -> usize {
        assert_eq!(table.places.len(), table.entries.len());
        table.entries.len()
    }

    #[test]
    fn a_million_callers_take_no_more_room_than_there_is_and_the_rest_share() {
        let (mut table, one) = (Table::default(), Quota::parse("1/d").unwrap());
        let mut granted = 0;
        for key in 0..1_000_000 {
            granted += usize::from(take(&mut table, key, &one, at(0)) == Grant::Now);
        }
        assert_eq!(size(&table), KEYS_MAX);
        assert_eq!(granted, KEYS_MAX + 1, "one for all who share");
        let bytes = table.entries.capacity() * size_of::<(Key, Flow)>()
            + table.places.capacity() * (size_of::<(Key, usize)>() + 1) * 2;
        assert!(bytes < 24 << 20, "{bytes} bytes");
        // Whoever was there first is still held to his own, and whoever shares to theirs.
        assert_ne!(take(&mut table, 7, &one, at(0)), Grant::Now);
        assert_ne!(take(&mut table, 999_999, &one, at(0)), Grant::Now);
        // A day later all has flowed: newcomers have flows of their own again, and those who are gone are forgotten.
        let day = at(86_400_000);
        for key in 0..KEYS_MAX as u64 {
            assert_eq!(take(&mut table, 2_000_000 + key, &one, day), Grant::Now);
        }
        assert_eq!(size(&table), KEYS_MAX);
        assert!(table.entries.iter().all(|(_, flow)| !flow.idle(day)));
    }

    #[test]
    fn what_has_flowed_is_taken_out_as_others_come() {
        let (mut table, ten) = (Table::default(), Quota::parse("10/s").unwrap());
        for key in 0..1_000 {
            take(&mut table, key, &ten, at(0));
        }
        assert_eq!(size(&table), 1_000);
        for key in 0..400 {
            take(&mut table, 5_000 + key, &ten, at(100));
        }
        assert_eq!(size(&table), 400);
    }

    proptest! {
        /// Each caller is granted what a flow of his own would grant him, whoever else comes and whatever is taken out meanwhile.
        #[test]
        fn nobody_gets_anything_by_being_taken_out(
            events in prop::collection::vec((0..12u64, 0..300u64, any::<bool>()), 1..300),
        ) {
            let quota = Quota::parse("10/s burst 3").unwrap();
            let (mut table, mut alone) = (Table::default(), HashMap::<u64, Flow>::new());
            let (mut shares, mut now) = (Vec::new(), 0);
            for (key, later, back) in events {
                now += later;
                let own = alone.entry(key).or_default();
                let flow = table.flow(Key::Numbered(key), at(now));
                let grant = flow.look(&quota, 1, at(now));
                prop_assert_eq!(grant, own.look(&quota, 1, at(now)));
                if grant == Grant::Now {
                    shares.push((key, flow.count(&quota, 1, at(now)), own.count(&quota, 1, at(now))));
                }
                if let Some((key, share, same)) = shares.pop().filter(|_| back) {
                    table.give_back(Key::Numbered(key), share, at(now));
                    alone.get_mut(&key).unwrap().give_back(same, at(now));
                }
                size(&table);
            }
        }
    }
}
