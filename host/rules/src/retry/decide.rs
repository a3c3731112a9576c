//! The decision after a try, pure: whether there is another one, and when.
//!
//! The wait is drawn evenly between nothing and a bound that doubles (full jitter), so that callers who failed together do not come back
//! together. What an upstream says comes before it, so that those who were told the same moment do not come back at that one either, if it
//! can be waited for at all; if not, the call is given up at once, and its caller is told when to come back.

use super::class::{Failed, Repeat};
use super::hint::Hint;
use holdfast_call::{Class, Moment};
use std::time::Duration;

/// The first bound of the wait, after a failure.
pub const BASE: Duration = Duration::from_millis(50);
/// The first bound of the wait, where somebody asked for less.
pub const BASE_THROTTLED: Duration = Duration::from_secs(1);
/// The largest bound of the wait.
pub const BOUND_MAX: Duration = Duration::from_secs(20);
/// The longest that an upstream's word is waited for.
pub const HINT_MAX: Duration = Duration::from_secs(60);

/// What is known when a try has failed.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How it failed.
    pub failed: Failed,
    /// What another try could do.
    pub repeat: Repeat,
    /// Whether the request can be sent once more.
    pub replay: Replay,
    /// How many tries there were.
    pub tries: u32,
    /// How many there may be.
    pub tries_max: u32,
    /// Now.
    pub now: Moment,
    /// By when the answer must have begun.
    pub deadline: Moment,
    /// What a try usually takes: less than that left is no time to try.
    pub usual: Duration,
    /// Drawn evenly from all of them.
    pub chance: u64,
}

/// Whether a request can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// All of it that was sent is kept.
    Kept,
    /// It was larger than what is kept.
    Gone,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again then, if the budget allows.
    Again(Moment),
    /// Hand on what there is.
    Stop(Stop),
}

/// Why there is no other try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It would fail the same way, or nobody waits for it.
    Final,
    /// It could take effect a second time.
    Doubles,
    /// There were as many as there may be.
    Tries,
    /// The request is no longer there to be sent.
    Gone,
    /// There is no time for it; how long the upstream wants to be left alone, if it said so.
    Time(Option<Duration>),
    /// There were too many second tries lately.
    Budget,
}

impl Stop {
    /// The word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Doubles => "not-repeatable",
            Self::Tries => "attempts",
            Self::Gone => "body-too-large-to-replay",
            Self::Time(_) => "no-time",
            Self::Budget => "retry-budget",
        }
    }
}

/// Decides. The budget is asked by the caller, last, because asking draws on it.
#[must_use]
pub fn decide(known: &Known) -> Decision {
    let helps = |repeat| known.failed.may_repeat(repeat);
    if !helps(Repeat::Harmless) {
        return Decision::Stop(Stop::Final);
    }
    if !helps(known.repeat) {
        return Decision::Stop(Stop::Doubles);
    }
    if known.tries >= known.tries_max {
        return Decision::Stop(Stop::Tries);
    }
    if known.replay == Replay::Gone {
        return Decision::Stop(Stop::Gone);
    }
    let hint = match known.failed.hint {
        Hint::After(hint) => Some(hint),
        Hint::Nothing | Hint::Worthwhile | Hint::Never => None,
    };
    let wait = drawn(known).saturating_add(hint.unwrap_or_default());
    let left = known.deadline.since(known.now);
    if wait.saturating_add(known.usual) >= left || hint.is_some_and(|hint| hint > HINT_MAX) {
        return Decision::Stop(Stop::Time(hint));
    }
    Decision::Again(known.now.after(wait))
}

/// The wait by chance alone.
fn drawn(known: &Known) -> Duration {
    let base = match known.failed.class {
        Class::Throttled => BASE_THROTTLED,
        Class::NotSent
        | Class::Transient
        | Class::Ambiguous
        | Class::Permanent
        | Class::Cancelled => BASE,
    };
    let doubled = 1u32
        .checked_shl(known.tries.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let bound = base.saturating_mul(doubled).min(BOUND_MAX);
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    // The high half of the product: even, without a division.
    let part = (u128::from(known.chance) * u128::from(nanos)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use super::super::class::Effect;
    use super::*;
    use proptest::prelude::*;

    fn known() -> Known {
        Known {
            failed: Failed {
                class: Class::Transient,
                effect: Effect::Possible,
                hint: Hint::Nothing,
            },
            repeat: Repeat::Harmless,
            replay: Replay::Kept,
            tries: 1,
            tries_max: 3,
            now: Moment::START,
            deadline: Moment::START.after(Duration::from_secs(30)),
            usual: Duration::from_millis(100),
            chance: u64::MAX,
        }
    }

    fn hinted(hint: Duration) -> Known {
        let mut known = known();
        known.failed.class = Class::Throttled;
        known.failed.hint = Hint::After(hint);
        known
    }

    fn waits(known: Known) -> Duration {
        match decide(&known) {
            Decision::Again(moment) => moment.since(known.now),
            Decision::Stop(stop) => panic!("{stop:?}"),
        }
    }

    #[test]
    fn the_bound_of_the_wait_doubles_and_ends() {
        let tries_max = u32::MAX;
        let deadline = Moment::FAR;
        let bounds = [1, 2, 3, 9, 10, 40, 200].map(|tries| {
            let known = Known {
                tries,
                tries_max,
                deadline,
                ..known()
            };
            waits(known).as_millis()
        });
        // Just below the bound, because the largest chance is.
        assert_eq!(bounds, [49, 99, 199, 12_799, 19_999, 19_999, 19_999]);
        assert_eq!(
            waits(Known {
                chance: 0,
                ..known()
            }),
            Duration::ZERO
        );
    }

    #[test]
    fn an_upstream_s_word_is_waited_for_if_there_is_time_and_handed_on_if_not() {
        let second = Duration::from_secs(1);
        assert_eq!(
            waits(Known {
                chance: 0,
                ..hinted(second)
            }),
            second
        );
        assert_eq!(
            waits(Known {
                chance: 0,
                ..hinted(29 * second)
            }),
            29 * second
        );
        // The deadline is in 30 s, and a try takes its time too.
        let late = Some(30 * second);
        assert_eq!(
            decide(&hinted(30 * second)),
            Decision::Stop(Stop::Time(late))
        );
        let far = Known {
            deadline: Moment::FAR,
            ..hinted(61 * second)
        };
        assert_eq!(decide(&far), Decision::Stop(Stop::Time(Some(61 * second))));
    }

    #[test]
    fn each_reason_to_stop_has_its_name() {
        let mut cut = known();
        cut.failed.class = Class::Cancelled;
        let table = [
            (cut, Stop::Final),
            (
                Known {
                    repeat: Repeat::Doubles,
                    ..known()
                },
                Stop::Doubles,
            ),
            (
                Known {
                    tries: 3,
                    ..known()
                },
                Stop::Tries,
            ),
            (
                Known {
                    replay: Replay::Gone,
                    ..known()
                },
                Stop::Gone,
            ),
            (
                Known {
                    deadline: Moment::START,
                    ..known()
                },
                Stop::Time(None),
            ),
        ];
        for (known, stop) in table {
            assert_eq!(decide(&known), Decision::Stop(stop));
        }
    }

    fn failures() -> impl Strategy<Value = Failed> {
        let class = prop::sample::select(vec![
            (Class::NotSent, Effect::None),
            (Class::Ambiguous, Effect::Possible),
            (Class::Throttled, Effect::None),
            (Class::Throttled, Effect::Possible),
            (Class::Transient, Effect::Possible),
            (Class::Permanent, Effect::Possible),
            (Class::Cancelled, Effect::Possible),
        ]);
        let hint = prop_oneof![
            Just(Hint::Nothing),
            Just(Hint::Worthwhile),
            (0..120_000u64).prop_map(|millis| Hint::After(Duration::from_millis(millis))),
            Just(Hint::After(Duration::MAX)),
        ];
        (class, hint).prop_map(|((class, effect), hint)| Failed {
            class,
            effect,
            hint,
        })
    }

    proptest! {
        /// Every schedule of failures, whatever the upstream says: tries stay within their number, none begins behind the deadline, and
        /// what may have taken effect is sent once, unless repeating it is harmless.
        #[test]
        fn no_schedule_breaks_a_promise(
            script in prop::collection::vec((failures(), 0..20_000u64, any::<u64>()), 1..12),
            harmless in any::<bool>(),
            tries_max in 1..6u32,
            patience in 0..40_000u64,
        ) {
            let repeat = if harmless { Repeat::Harmless } else { Repeat::Doubles };
            let deadline = Moment::START.after(Duration::from_millis(patience));
            let (mut now, mut tries, mut effects) = (Moment::START, 0, 0);
            for (failed, took, chance) in script {
                prop_assert!(now < deadline || tries == 0, "a try after the deadline");
                now = now.after(Duration::from_millis(took));
                tries += 1;
                effects += u32::from(failed.effect == Effect::Possible);
                let known = Known { failed, repeat, replay: Replay::Kept, tries, tries_max, now, deadline, usual: Duration::ZERO, chance };
                match decide(&known) {
                    Decision::Again(then) => {
                        prop_assert!(then < deadline);
                        prop_assert!(harmless || effects == 0, "a second effect");
                        if let Hint::After(hint) = failed.hint {
                            prop_assert!(then >= now.after(hint), "earlier than it was told");
                        }
                        now = then;
                    }
                    Decision::Stop(_) => break,
                }
            }
            prop_assert!(tries <= tries_max);
        }
    }
}
