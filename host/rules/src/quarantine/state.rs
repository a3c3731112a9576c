//! The rule of quarantine, pure: from what became of starts to who may try the next one.

use holdfast_call::Moment;
use std::time::Duration;

/// As many starts in a row must fail before a service is left alone.
pub const FAILURES_MAX: u32 = 3;
/// How long it is left alone at first; twice as long after each probe that fails.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest that it is left alone.
pub const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call wants to start the service.
    Wanted,
    /// A call that was let through has started it.
    Started,
    /// A call that was let through has seen the start fail.
    Failed(Pass),
    /// A call that was let through has ended without having found out.
    Left(Pass),
}

/// As what a call was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Like any other.
    Ordinary,
    /// As the one that tries whether the service starts again.
    Probe,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The call may go on.
    Let(Pass),
    /// The call is refused.
    Refuse(Standing),
    /// From now on the service is left alone.
    Begun(Standing),
    /// The service is no longer left alone.
    Over,
}

/// How a service in quarantine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many starts have failed in a row.
    pub failures: u32,
    /// Since when it is left alone.
    pub since: Moment,
    /// When the next probe is let through.
    pub probe: Moment,
}

/// What is known of the starts of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    failures: u32,
    kept: Option<Kept>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    since: Moment,
    probe: Moment,
    pause: Duration,
    /// A probe is on its way.
    probing: Probing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probing {
    Yes,
    No,
}

impl State {
    /// Whether every start is let through and none has failed lately: nothing has to be asked or noted.
    #[must_use]
    pub fn calm(&self) -> bool {
        *self == Self::default()
    }

    /// How it stands, if it is left alone.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let failures = self.failures;
        self.kept.map(|Kept { since, probe, .. }| Standing {
            failures,
            since,
            probe,
        })
    }

    /// Takes an event in, and says what becomes of it.
    pub fn step(&mut self, event: Event, now: Moment) -> Effect {
        match event {
            Event::Wanted => self.wanted(now),
            Event::Started => {
                let kept = self.kept.is_some();
                *self = Self::default();
                if kept { Effect::Over } else { Effect::Nothing }
            }
            Event::Failed(pass) => self.failed(pass, now),
            Event::Left(pass) => {
                if let (Pass::Probe, Some(kept)) = (pass, &mut self.kept) {
                    // It has found out nothing, so the next call may.
                    kept.probing = Probing::No;
                }
                Effect::Nothing
            }
        }
    }

    fn wanted(&mut self, now: Moment) -> Effect {
        let failures = self.failures;
        match &mut self.kept {
            None => Effect::Let(Pass::Ordinary),
            Some(kept) if kept.probing == Probing::No && kept.probe <= now => {
                kept.probing = Probing::Yes;
                Effect::Let(Pass::Probe)
            }
            Some(Kept { since, probe, .. }) => Effect::Refuse(Standing {
                failures,
                since: *since,
                probe: *probe,
            }),
        }
    }

    fn failed(&mut self, pass: Pass, now: Moment) -> Effect {
        match (&mut self.kept, pass) {
            // Let through before it was left alone: no news.
            (Some(_), Pass::Ordinary) => Effect::Nothing,
            (Some(kept), Pass::Probe) => {
                self.failures = self.failures.saturating_add(1);
                kept.pause = (kept.pause * 2).min(PAUSE_MAX);
                kept.probe = now.after(kept.pause);
                kept.probing = Probing::No;
                Effect::Nothing
            }
            (None, _) => {
                self.failures += 1;
                if self.failures < FAILURES_MAX {
                    return Effect::Nothing;
                }
                let probe = now.after(PAUSE_MIN);
                self.kept = Some(Kept {
                    since: now,
                    probe,
                    pause: PAUSE_MIN,
                    probing: Probing::No,
                });
                Effect::Begun(Standing {
                    failures: self.failures,
                    since: now,
                    probe,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    fn quarantined() -> State {
        let mut state = State::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(
                state.step(Event::Wanted, at(0)),
                Effect::Let(Pass::Ordinary)
            );
            state.step(Event::Failed(Pass::Ordinary), at(0));
        }
        state
    }

    #[test]
    fn three_failures_in_a_row_and_not_three_failures() {
        let mut state = State::default();
        for _ in 0..10 {
            state.step(Event::Failed(Pass::Ordinary), at(0));
            state.step(Event::Failed(Pass::Ordinary), at(0));
            assert_eq!(state.step(Event::Started, at(0)), Effect::Nothing);
        }
        assert!(state.calm());
        assert!(quarantined().standing().is_some());
    }

    #[test]
    fn exactly_one_call_is_the_probe() {
        let mut state = quarantined();
        assert!(matches!(
            state.step(Event::Wanted, at(999)),
            Effect::Refuse(_)
        ));
        assert_eq!(
            state.step(Event::Wanted, at(1_000)),
            Effect::Let(Pass::Probe)
        );
        assert!(matches!(
            state.step(Event::Wanted, at(1_000)),
            Effect::Refuse(_)
        ));
        // One that left without having found out makes room for another.
        state.step(Event::Left(Pass::Probe), at(1_001));
        assert_eq!(
            state.step(Event::Wanted, at(1_001)),
            Effect::Let(Pass::Probe)
        );
        assert_eq!(state.step(Event::Started, at(1_002)), Effect::Over);
        assert!(state.calm());
    }

    #[test]
    fn the_pause_doubles_from_one_second_to_five_minutes() {
        let mut state = quarantined();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let probe = state.standing().unwrap().probe;
            pauses.push(probe.since(now).as_secs());
            now = probe;
            assert_eq!(state.step(Event::Wanted, now), Effect::Let(Pass::Probe));
            state.step(Event::Failed(Pass::Probe), now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    /// The rule once more, from the whole history: what a person would work out on paper.
    fn model(history: &[(Event, u64)]) -> Option<(u64, u32)> {
        let (mut row, mut probe, mut pause) = (0, None, 1_000);
        for (event, now) in history {
            match (event, probe) {
                (Event::Started, _) => (row, probe) = (0, None),
                (Event::Failed(_), None) => {
                    row += 1;
                    if row == 3 {
                        (probe, pause) = (Some(now + 1_000), 1_000);
                    }
                }
                (Event::Failed(Pass::Probe), Some(_)) => {
                    row += 1;
                    pause = (pause * 2).min(300_000);
                    probe = Some(now + pause);
                }
                (Event::Failed(Pass::Ordinary) | Event::Wanted | Event::Left(_), _) => {}
            }
        }
        probe.map(|probe| (probe, row))
    }

    proptest! {
        /// Calls come, start, fail and leave in any order; those that are under way are remembered with their passes.
        #[test]
        fn the_machine_is_the_model_s(steps in prop::collection::vec((0..4u8, 0..4_000u64, any::<prop::sample::Index>()), 1..200)) {
            let mut state = State::default();
            let (mut now, mut under_way, mut history) = (0, Vec::new(), Vec::new());
            for (what, later, which) in steps {
                now += later;
                let known = model(&history);
                if what == 0 || under_way.is_empty() {
                    let probes = under_way.iter().filter(|pass| **pass == Pass::Probe).count();
                    match (state.step(Event::Wanted, at(now)), known) {
                        (Effect::Let(Pass::Ordinary), None) => under_way.push(Pass::Ordinary),
                        (Effect::Let(Pass::Probe), Some((due, _))) => {
                            prop_assert!(due <= now);
                            prop_assert_eq!(probes, 0, "two probes at once");
                            under_way.push(Pass::Probe);
                        }
                        (Effect::Refuse(standing), Some((due, row))) => {
                            prop_assert!(due > now || probes == 1, "nobody may probe");
                            prop_assert_eq!((standing.probe, standing.failures), (at(due), row));
                        }
                        (effect, known) => prop_assert!(false, "{:?} where the model says {:?}", effect, known),
                    }
                    history.push((Event::Wanted, now));
                    continue;
                }
                let pass = under_way.swap_remove(which.index(under_way.len()));
                let event = match what {
                    1 => Event::Started,
                    2 => Event::Failed(pass),
                    _ => Event::Left(pass),
                };
                // A probe that is under way when an ordinary call starts the service is one no longer.
                if event == Event::Started {
                    under_way.iter_mut().for_each(|pass| *pass = Pass::Ordinary);
                }
                state.step(event, at(now));
                history.push((event, now));
                let stands = state.standing().map(|standing| (standing.probe, standing.failures));
                prop_assert_eq!(stands, model(&history).map(|(due, row)| (at(due), row)));
            }
        }
    }
}
