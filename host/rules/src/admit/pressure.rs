//! How hard pressed the host is, and so whom it sends away at its door: a pure decision from what was read of the machine.
//!
//! Two things are read. How much of the memory is in use, since a host that runs out of it is killed with all that it serves; and how late
//! the runtime wakes a task, since beyond that everybody waits. What is decided holds until the reading is clearly below what led to it.

use holdfast_call::{Priority, ShedReason};
use std::time::Duration;

/// From how much memory in use on callers are sent away, in thousandths of what there is, if nothing else is said.
pub const MEMORY_FROM: u32 = 850;

/// How late a task is woken when batch is sent away, and when all but what is critical is.
pub const LATE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// How far below its threshold a reading must be before what it led to ends: thousandths of the memory, and parts of the delay.
const MEMORY_BACK: u32 = 30;
const LATE_BACK: u32 = 2;

/// What was read of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// How much of the memory is in use, in thousandths; 0 where that cannot be read.
    pub memory: u32,
    /// How late a task was woken.
    pub late: Duration,
}

/// Whom the host sends away, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shedding {
    /// How many of the classes, the least first.
    pub classes: u8,
    /// How many of them for want of memory.
    pub by_memory: u8,
    /// What was read of the machine when this was decided.
    pub readings: Readings,
}

impl Shedding {
    /// Whether calls of this class are sent away.
    #[must_use]
    pub fn sheds(self, class: Priority) -> bool {
        (class as u8) < self.classes
    }

    /// For want of what calls of a class that it sends away are sent away.
    #[must_use]
    pub fn reason(self, class: Priority) -> ShedReason {
        if (class as u8) < self.by_memory {
            ShedReason::MemoryPressure
        } else {
            ShedReason::Delay
        }
    }
}

/// What is remembered between two readings; nothing in a host that is not pressed.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    by_memory: u8,
    by_delay: u8,
    /// The last delays: one that stands alone says nothing.
    lately: [Duration; 2],
}

impl Pressure {
    /// Decides by a new reading. From `memory_from` thousandths of the memory in use on somebody is sent away.
    pub fn step(&mut self, readings: Readings, memory_from: u32) -> Shedding {
        let memory = memory_thresholds(memory_from.min(1_000));
        let back = memory.map(|at| at.saturating_sub(MEMORY_BACK));
        self.by_memory = level(self.by_memory, readings.memory, memory, back);
        let [before, last] = self.lately;
        let late = readings.late.min(last).min(before);
        self.lately = [last, readings.late];
        self.by_delay = level(self.by_delay, late, LATE, LATE.map(|at| at / LATE_BACK));
        Shedding {
            classes: self.by_memory.max(self.by_delay),
            by_memory: self.by_memory,
            readings,
        }
    }
}

/// For batch, default and critical. With 85 % for the first: 85, 92 and 95.
fn memory_thresholds(from: u32) -> [u32; 3] {
    let rest = 1_000 - from;
    [0, rest * 7 / 15, rest * 10 / 15].map(|more| from + more)
}

/// How many thresholds the reading has reached; one that was reached before holds until the reading is below its way back.
fn level<const N: usize, T: PartialOrd + Copy>(
    before: u8,
    reading: T,
    up: [T; N],
    back: [T; N],
) -> u8 {
    let reached = |number: usize, up: T, back: T| {
        let at = if number < usize::from(before) {
            back
        } else {
            up
        };
        reading >= at
    };
    let steps = up.into_iter().zip(back).enumerate();
    let count = steps.take_while(|(number, (up, back))| reached(*number, *up, *back));
    u8::try_from(count.count()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(thousandths: u32) -> Readings {
        Readings {
            memory: thousandths,
            late: Duration::ZERO,
        }
    }

    fn late(ms: u64) -> Readings {
        Readings {
            memory: 0,
            late: Duration::from_millis(ms),
        }
    }

    #[test]
    fn the_fuller_the_memory_the_more_are_sent_away_and_never_the_operator() {
        let mut pressure = Pressure::default();
        for (reading, classes) in [
            (849, 0),
            (850, 1),
            (919, 1),
            (920, 2),
            (949, 2),
            (950, 3),
            (1_000, 3),
        ] {
            let shedding = pressure.step(memory(reading), MEMORY_FROM);
            assert_eq!(shedding.classes, classes, "{reading}");
            assert!(!shedding.sheds(Priority::Control));
            assert_eq!(shedding.sheds(Priority::Batch), classes > 0);
            assert_eq!(shedding.sheds(Priority::Critical), classes > 2);
        }
    }

    #[test]
    fn what_was_decided_holds_until_it_is_clearly_better() {
        let mut pressure = Pressure::default();
        for (reading, classes) in [(930, 2), (891, 2), (889, 1), (821, 1), (819, 0), (849, 0)] {
            assert_eq!(
                pressure.step(memory(reading), MEMORY_FROM).classes,
                classes,
                "{reading}"
            );
        }
    }

    #[test]
    fn one_late_moment_is_none_and_three_in_a_row_are() {
        let mut pressure = Pressure::default();
        for (ms, classes) in [
            (900, 0),
            (0, 0),
            (900, 0),
            (60, 0),
            (60, 1),
            (40, 1),
            (24, 0),
            (600, 0),
            (600, 0),
            (600, 2),
            (600, 2),
            (300, 2),
            (200, 1),
        ] {
            assert_eq!(
                pressure.step(late(ms), MEMORY_FROM).classes,
                classes,
                "{ms}"
            );
        }
    }

    #[test]
    fn each_class_is_told_what_there_is_too_little_of() {
        let mut pressure = Pressure::default();
        let both = Readings {
            memory: 860,
            late: Duration::from_millis(600),
        };
        pressure.step(both, MEMORY_FROM);
        pressure.step(both, MEMORY_FROM);
        let shedding = pressure.step(both, MEMORY_FROM);
        assert_eq!((shedding.classes, shedding.by_memory), (2, 1));
        assert_eq!(shedding.reason(Priority::Batch), ShedReason::MemoryPressure);
        assert_eq!(shedding.reason(Priority::Default), ShedReason::Delay);
    }

    #[test]
    fn what_cannot_be_read_sends_nobody_away() {
        let mut pressure = Pressure::default();
        assert_eq!(pressure.step(Readings::default(), MEMORY_FROM).classes, 0);
        let mut pressure = Pressure::default();
        assert_eq!(pressure.step(memory(300), 10).classes, 1);
    }
}
