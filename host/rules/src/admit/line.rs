//! Those who wait for a place, as a pure structure: who is next, and who gives way.
//!
//! A higher class is served first. Within a class it is first come, first served, as long as the line is short-lived. Where it stands, that is
//! the worst order there is: everybody waits until it is too late to be served. So once somebody has waited longer than a moment for as long
//! as an interval, the last to come is served first (the figures are CoDel's, RFC 8289): most are served at once, and those who have waited
//! too long anyway are the ones who go away.

use holdfast_call::{Moment, Priority};
use std::collections::VecDeque;
use std::time::Duration;

/// Longer than this somebody waits only in a line that begins to stand.
pub(super) const TARGET: Duration = Duration::from_millis(5);
/// A line in which somebody waits too long for as long as this stands.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// One who waits.
#[derive(Debug)]
struct Waiter<T> {
    since: Moment,
    /// When it gives up; a place that it would get later is no use to it.
    until: Moment,
    who: T,
}

/// The line in front of some places.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// By class, the least first; in each, the first to come first.
    classes: [VecDeque<Waiter<T>>; Priority::ALL.len()],
    /// Since when somebody in it has waited too long.
    late_since: Option<Moment>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            classes: Priority::ALL.map(|_| VecDeque::new()),
            late_since: None,
        }
    }
}

impl<T> Line<T> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// One more, who goes away at `until`.
    pub(super) fn push(&mut self, class: Priority, now: Moment, until: Moment, who: T) {
        self.note(now);
        let waiter = Waiter {
            since: now,
            until,
            who,
        };
        if let Some(of_class) = self.classes.get_mut(class as usize) {
            of_class.push_back(waiter);
        }
    }

    /// The one to be served next. Those whose time is over are let go on the way.
    pub(super) fn next(&mut self, now: Moment) -> Option<T> {
        self.note(now);
        let stands = self.stands(now);
        for of_class in self.classes.iter_mut().rev() {
            of_class.retain(|waiter| waiter.until > now);
            let next = if stands {
                of_class.pop_back()
            } else {
                of_class.pop_front()
            };
            if let Some(waiter) = next {
                return Some(waiter.who);
            }
        }
        None
    }

    /// Lets go of those who are no use in it: they went away, or their time is over.
    pub(super) fn tidy(&mut self, now: Moment, waits: impl Fn(&T) -> bool) {
        for of_class in &mut self.classes {
            of_class.retain(|waiter| waiter.until > now && waits(&waiter.who));
        }
    }

    /// Who gives way to one more of `class`: the last to come of the least class, if that is a lesser one.
    pub(super) fn gives_way(&mut self, class: Priority) -> Option<T> {
        let lesser = self.classes.iter_mut().take(class as usize);
        let last = lesser.into_iter().find_map(VecDeque::pop_back);
        last.map(|waiter| waiter.who)
    }

    /// Whether the line has stood for so long that the last to come is served first.
    pub(super) fn stands(&self, now: Moment) -> bool {
        self.late_since
            .is_some_and(|since| now.since(since) >= INTERVAL)
    }

    fn note(&mut self, now: Moment) {
        // Who is still in it but has given up says nothing of how long one waits.
        let live = |of_class: &'_ VecDeque<Waiter<T>>| {
            let oldest = of_class.iter().find(|waiter| waiter.until > now);
            oldest.map(|waiter| waiter.since)
        };
        let oldest = self.classes.iter().filter_map(live);
        let longest = oldest.map(|since| now.since(since)).max();
        if longest.is_some_and(|longest| longest > TARGET) {
            self.late_since.get_or_insert(now);
        } else {
            self.late_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment::START.after(Duration::from_millis(ms))
    }

    fn line(waiters: &[(Priority, u64, u32)]) -> Line<u32> {
        let mut line = Line::default();
        for (class, ms, who) in waiters {
            line.push(*class, at(*ms), at(10_000), *who);
        }
        line
    }

    fn all(line: &mut Line<u32>, now: Moment) -> Vec<u32> {
        std::iter::from_fn(|| line.next(now)).collect()
    }

    #[test]
    fn a_higher_class_is_first_and_within_one_who_came_first() {
        use Priority::{Batch, Critical, Default};
        let waiters = [
            (Batch, 0, 1),
            (Default, 1, 2),
            (Critical, 2, 3),
            (Default, 3, 4),
            (Critical, 4, 5),
        ];
        assert_eq!(all(&mut line(&waiters), at(5)), [3, 5, 2, 4, 1]);
    }

    #[test]
    fn a_line_that_stands_serves_the_last_to_come() {
        let mut waiting = line(&[(Priority::Default, 0, 1), (Priority::Default, 1, 2)]);
        // Late, but not yet for long.
        waiting.push(Priority::Default, at(6), at(10_000), 3);
        assert!(!waiting.stands(at(105)));
        assert_eq!(waiting.next(at(105)), Some(1));
        assert!(waiting.stands(at(106)));
        assert_eq!(waiting.next(at(106)), Some(3));
        assert_eq!(waiting.next(at(107)), Some(2));
        // It was empty, so it begins anew.
        waiting.push(Priority::Default, at(200), at(10_000), 4);
        waiting.push(Priority::Default, at(201), at(10_000), 5);
        assert_eq!(waiting.next(at(204)), Some(4));
    }

    #[test]
    fn who_has_given_up_makes_no_line_stand() {
        let mut waiting = Line::default();
        waiting.push(Priority::Default, at(0), at(20), 1);
        waiting.push(Priority::Default, at(200), at(10_000), 2);
        waiting.push(Priority::Default, at(400), at(10_000), 3);
        assert!(!waiting.stands(at(400)));
        assert_eq!(waiting.next(at(402)), Some(2));
    }

    #[test]
    fn who_cannot_be_served_in_time_is_passed_over() {
        let mut waiting = Line::default();
        waiting.push(Priority::Critical, at(0), at(10), 1);
        waiting.push(Priority::Default, at(0), at(20), 2);
        assert_eq!(waiting.next(at(10)), Some(2));
        assert!(waiting.is_empty());
    }

    #[test]
    fn the_last_of_the_least_gives_way_and_never_to_its_like() {
        use Priority::{Batch, Control, Critical, Default};
        let mut waiting = line(&[
            (Default, 0, 1),
            (Batch, 1, 2),
            (Batch, 2, 3),
            (Critical, 3, 4),
        ]);
        assert_eq!(waiting.gives_way(Batch), None);
        assert_eq!(waiting.gives_way(Default), Some(3));
        assert_eq!(waiting.gives_way(Critical), Some(2));
        assert_eq!(waiting.gives_way(Default), None);
        assert_eq!(waiting.gives_way(Critical), Some(1));
        assert_eq!(waiting.gives_way(Critical), None);
        assert_eq!(waiting.gives_way(Control), Some(4));
        assert_eq!(waiting.len(), 0);
    }

    proptest! {
        /// A plain list, sorted whenever it is asked, serves the same ones in the same order.
        #[test]
        fn it_serves_as_a_plain_list_would(steps in prop::collection::vec((0u64..60, 0u8..4, 1u64..400, any::<bool>()), 1..80)) {
            let mut waiting = Line::default();
            let mut list: Vec<(Priority, u64, u64, usize)> = Vec::new();
            let (mut now, mut late) = (0, None::<u64>);
            for (number, (pause, class, patience, serve)) in steps.into_iter().enumerate() {
                now += pause;
                let longest = list.iter().filter(|one| one.2 > now).map(|one| now - one.1).max().unwrap_or(0);
                late = (longest > 5).then(|| late.unwrap_or(now));
                if serve {
                    let stands = late.is_some_and(|late| now - late >= 100);
                    let lowest = highest_live(&list, now);
                    list.retain(|one| one.2 > now || one.0 < lowest);
                    let best = list.iter().map(|one| one.0).max();
                    let mut of_best = list.iter().enumerate().filter(|(_, one)| Some(one.0) == best);
                    let place = if stands { of_best.next_back() } else { of_best.next() };
                    let expected = place.map(|(place, _)| place).map(|place| list.remove(place).3);
                    prop_assert_eq!(waiting.next(at(now)), expected);
                } else {
                    let class = Priority::numbered(class);
                    waiting.push(class, at(now), at(now + patience), number);
                    list.push((class, now, now + patience, number));
                }
                prop_assert_eq!(waiting.len(), list.len());
            }
        }
    }

    /// The highest class in which somebody can still be served: only down to there is the line looked through.
    fn highest_live(list: &[(Priority, u64, u64, usize)], now: u64) -> Priority {
        let live = list.iter().filter(|one| one.2 > now);
        live.map(|one| one.0).max().unwrap_or(Priority::Batch)
    }
}
