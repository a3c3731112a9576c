//! The rule of a trial, pure: from what the first calls of a version showed to whether it stays.
//!
//! Nothing here knows a call, a clock or a service; the layer beside it says what was seen.

use std::fmt;

/// How many calls a trial has.
pub const CALLS: u32 = 50;
/// As many faults of [`CALLS`] are no reason to put a version back, however good the one before was: one in ten.
pub const FAULTS_FORGIVEN: u32 = CALLS / 10;
/// How many calls the version before must have answered before faults that nothing confirms can be compared with it.
pub const KNOWN_LEAST: u64 = 10;

/// What one call of a new version showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was answered.
    Well,
    /// It ended in a fault of the service's own, and the version before answers the same call.
    Confirmed,
    /// It ended in such a fault, and the version before fails at the same call too: the call's fault, or an upstream's.
    Shared,
    /// It ended in such a fault, and cannot be asked again: it may have had an effect.
    Alone,
}

/// How a version did over its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Calls that it answered.
    pub well: u64,
    /// Calls that ended in a fault of its own.
    pub faults: u64,
}

impl Record {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            well: self.well.saturating_sub(before.well),
            faults: self.faults.saturating_sub(before.faults),
        }
    }
}

/// Why a version is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worse {
    /// The faults that are held against it.
    pub faults: u32,
    /// Faults that it shares with the version before.
    pub shared: u32,
    /// How the version before did.
    pub before: Record,
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            faults,
            shared,
            before,
        } = self;
        let calls = before.well + before.faults;
        write!(
            f,
            "{faults} of its first {CALLS} calls ended in faults that the version before does not have \
             ({shared} in such as it has too); that one failed in {} of {calls}; more than twice its rate, \
             and more than {FAULTS_FORGIVEN} of {CALLS}, is put back",
            before.faults
        )
    }
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// It is over, and the version stays for good.
    Stays,
    /// It is over, and the version before is put back.
    Worse(Worse),
}

/// A trial that goes on: what was seen so far. The order of the calls does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    before: Record,
    well: u32,
    confirmed: u32,
    shared: u32,
    alone: u32,
}

impl Trial {
    /// A trial against a version that did as `before` says.
    #[must_use]
    pub fn against(before: Record) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Takes in what one more call showed, and says how the trial stands.
    pub fn step(&mut self, seen: Seen) -> Verdict {
        match seen {
            Seen::Well => self.well += 1,
            Seen::Confirmed => self.confirmed += 1,
            Seen::Shared => self.shared += 1,
            Seen::Alone => self.alone += 1,
        }
        if self.well + self.confirmed + self.shared + self.alone < CALLS {
            Verdict::Open
        } else {
            self.verdict()
        }
    }

    fn verdict(&self) -> Verdict {
        let nothing_well = self.well == 0 && self.shared == 0;
        let alone_counts = nothing_well && self.before.well >= KNOWN_LEAST;
        let faults = self.confirmed + if alone_counts { self.alone } else { 0 };
        // What the version before showed in the trial is part of its record: the same calls, in the same minutes.
        let before = Record {
            well: self.before.well + u64::from(self.confirmed),
            faults: self.before.faults + u64::from(self.shared),
        };
        let calls = before.well + before.faults;
        let twice = 2 * u64::from(CALLS) * before.faults;
        if faults > FAULTS_FORGIVEN && u64::from(faults) * calls > twice {
            Verdict::Worse(Worse {
                faults,
                shared: self.shared,
                before,
            })
        } else {
            Verdict::Stays
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(before: Record, seen: &[Seen]) -> Verdict {
        let mut trial = Trial::against(before);
        let mut last = Verdict::Open;
        for one in seen {
            assert_eq!(last, Verdict::Open, "a trial goes on after its end");
            last = trial.step(*one);
        }
        last
    }

    fn fifty(parts: &[(Seen, usize)]) -> Vec<Seen> {
        let mut seen: Vec<_> = parts
            .iter()
            .flat_map(|(seen, times)| vec![*seen; *times])
            .collect();
        seen.resize(CALLS as usize, Seen::Well);
        seen
    }

    fn worse(before: Record, parts: &[(Seen, usize)]) -> bool {
        matches!(judged(before, &fifty(parts)), Verdict::Worse(_))
    }

    const GOOD: Record = Record {
        well: 1_000,
        faults: 0,
    };
    const NEVER_ASKED: Record = Record { well: 0, faults: 0 };

    #[test]
    fn a_version_that_breaks_what_worked_is_put_back() {
        assert!(worse(GOOD, &[(Seen::Confirmed, 50)]));
        assert!(worse(NEVER_ASKED, &[(Seen::Confirmed, 50)]));
        assert!(worse(GOOD, &[(Seen::Confirmed, 6)]));
        assert!(!worse(GOOD, &[(Seen::Confirmed, 5)]));
    }

    #[test]
    fn twice_the_rate_of_the_one_before_is_no_reason_and_more_is() {
        let flaky = Record {
            well: 900,
            faults: 100,
        };
        // With the trial's own calls the version before has failed in 100 of 1,010: twice that is 9.9 of 50.
        assert!(!worse(flaky, &[(Seen::Confirmed, 9)]));
        assert!(worse(flaky, &[(Seen::Confirmed, 10)]));
    }

    #[test]
    fn calls_that_both_versions_fail_at_never_put_one_back() {
        assert!(!worse(GOOD, &[(Seen::Shared, 50)]));
        assert!(!worse(GOOD, &[(Seen::Shared, 49)]));
        assert!(!worse(GOOD, &[(Seen::Shared, 45), (Seen::Confirmed, 5)]));
    }

    #[test]
    fn what_nothing_confirms_counts_only_against_a_version_that_answers_nothing() {
        assert!(worse(GOOD, &[(Seen::Alone, 50)]));
        assert!(!worse(GOOD, &[(Seen::Alone, 49)]));
        assert!(!worse(GOOD, &[(Seen::Alone, 49), (Seen::Shared, 1)]));
        assert!(!worse(NEVER_ASKED, &[(Seen::Alone, 50)]));
    }

    /// The rule once more, as a person would check it: by fractions, over the list.
    fn model(before: Record, seen: &[Seen]) -> Verdict {
        let count = |wanted| seen.iter().filter(|seen| **seen == wanted).count() as u64;
        if seen.len() < 50 {
            return Verdict::Open;
        }
        let saved = count(Seen::Well) + count(Seen::Shared) > 0 || before.well < 10;
        let held = count(Seen::Confirmed) + if saved { 0 } else { count(Seen::Alone) };
        let old_well = before.well + count(Seen::Confirmed);
        let old_faults = before.faults + count(Seen::Shared);
        let old_rate = old_faults as f64 / ((old_well + old_faults) as f64).max(1.0);
        let limit = (2.0 * old_rate).max(0.1) * 50.0;
        if held as f64 > limit + 1e-9 {
            Verdict::Worse(Worse {
                faults: held as u32,
                shared: count(Seen::Shared) as u32,
                before: Record {
                    well: old_well,
                    faults: old_faults,
                },
            })
        } else {
            Verdict::Stays
        }
    }

    fn seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            Just(Seen::Well),
            Just(Seen::Confirmed),
            Just(Seen::Shared),
            Just(Seen::Alone)
        ]
    }

    proptest! {
        #[test]
        fn the_rule_is_the_model_s(
            well in 0..2_000u64,
            faults in prop_oneof![0..3u64, 0..200u64],
            seen in prop_oneof![
                prop::collection::vec(seen(), 0..=50),
                prop::collection::vec(prop_oneof![9 => Just(Seen::Well), 1 => seen()], 50),
                (0..14usize, 0..4usize).prop_map(|(confirmed, shared)| {
                    fifty(&[(Seen::Confirmed, confirmed), (Seen::Shared, shared)])
                }),
                prop::collection::vec(prop_oneof![20 => Just(Seen::Alone), 1 => seen()], 50),
            ],
        ) {
            let before = Record { well, faults };
            prop_assert_eq!(judged(before, &seen), model(before, &seen));
        }

        #[test]
        fn whoever_sends_only_what_both_versions_fail_at_changes_nothing(
            well in 0..2_000u64,
            faults in 0..200u64,
            others in prop::collection::vec(prop_oneof![Just(Seen::Well), Just(Seen::Shared)], 50),
        ) {
            prop_assert_eq!(judged(Record { well, faults }, &others), Verdict::Stays);
        }
    }
}
