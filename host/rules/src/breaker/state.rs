//! The rule of the breaker, pure: from what became of tries to who may make the next one.
//!
//! It opens when tries fail one after the other, or when half of many do. Open, it lets one probe through when its pause is over; only a
//! probe that succeeds closes it. Being asked for less is no failure: it opens nothing, but until the moment that was named nobody is let
//! through, and a probe that meets it has not succeeded.

use crate::window::Window;
use holdfast_call::Moment;
use std::time::Duration;

/// As many failures in a row open it.
pub const ROW_MAX: u32 = 5;
/// So many tries within ten seconds are enough to judge by their share of failures.
pub const TRIES_MIN: u64 = 20;
/// So many of them, in per cent, must have failed.
pub const FAILED_PERCENT: u64 = 50;
/// How long it is open at first; twice as long after each probe that fails.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest that it is open before the next probe, chance aside.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);
/// By at most this part of itself a pause is longer, so that breakers that opened together do not probe together.
pub const JITTER_PART: u32 = 2;
/// The longest that a word of the upstream keeps everybody away.
pub const COOL_MAX: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants to try.
    Wanted,
    /// A try went well.
    Succeeded(Pass),
    /// A try failed; the number is drawn evenly from all of them.
    Failed(Pass, u64),
    /// A try was asked for less, for so long; the number is drawn evenly from all of them.
    Throttled(Pass, Duration, u64),
    /// A try ended without having found out.
    Left(Pass),
}

/// As what a try was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Like any other.
    Ordinary,
    /// As the one that finds out.
    Probe,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The try may be made.
    Let(Pass),
    /// It may not, before this moment.
    Refuse(Shut, Moment),
    /// From now on it is open.
    Opened(Moment),
    /// It is closed again.
    Closed,
}

/// Why nobody is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Too many tries failed.
    Open,
    /// The upstream asked for less.
    Cooling,
}

/// What is known of the tries of one target.
#[derive(Clone, Debug, Default)]
pub struct State {
    row: u32,
    /// Those that went well, and those that failed.
    tries: Window,
    open: Option<Open>,
    cool_until: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    probe: Moment,
    pause: Duration,
    probing: Probing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probing {
    Yes,
    No,
}

impl State {
    /// When somebody may try again, if nobody may now or if only a probe may.
    #[must_use]
    pub fn open_until(&self) -> Option<Moment> {
        self.open.map(|open| open.probe)
    }

    /// Takes an event in, and says what becomes of it.
    pub fn step(&mut self, event: Event, now: Moment) -> Effect {
        match event {
            Event::Wanted => self.wanted(now),
            Event::Succeeded(pass) => self.succeeded(pass, now),
            Event::Failed(pass, chance) => self.failed(pass, chance, now),
            Event::Throttled(pass, span, chance) => {
                let until = now.after(span.min(COOL_MAX));
                self.cool_until = self.cool_until.max(Some(until));
                match (pass, &mut self.open) {
                    (Pass::Probe, Some(open)) => {
                        // As long a pause as the last: it is not worse, but not well either.
                        open.again(open.pause, chance, now);
                        Effect::Nothing
                    }
                    (Pass::Probe | Pass::Ordinary, _) => Effect::Nothing,
                }
            }
            Event::Left(pass) => {
                if let (Pass::Probe, Some(open)) = (pass, &mut self.open) {
                    open.probing = Probing::No;
                }
                Effect::Nothing
            }
        }
    }

    fn wanted(&mut self, now: Moment) -> Effect {
        if let Some(until) = self.cool_until {
            if now < until {
                return Effect::Refuse(Shut::Cooling, until);
            }
            self.cool_until = None;
        }
        match &mut self.open {
            None => Effect::Let(Pass::Ordinary),
            Some(open) if open.probing == Probing::No && open.probe <= now => {
                open.probing = Probing::Yes;
                Effect::Let(Pass::Probe)
            }
            // While a probe is on its way, nobody knows when it comes back: the shortest pause is as good as any.
            Some(open) => Effect::Refuse(Shut::Open, open.probe.max(now.after(PAUSE_MIN))),
        }
    }

    fn succeeded(&mut self, pass: Pass, now: Moment) -> Effect {
        match (pass, self.open) {
            (Pass::Probe, Some(_)) => {
                *self = Self {
                    cool_until: self.cool_until,
                    ..Self::default()
                };
                Effect::Closed
            }
            // Let through before it opened: no news.
            (Pass::Ordinary, Some(_)) => Effect::Nothing,
            (Pass::Ordinary | Pass::Probe, None) => {
                self.row = 0;
                self.tries.at(now).one += 1;
                Effect::Nothing
            }
        }
    }

    fn failed(&mut self, pass: Pass, chance: u64, now: Moment) -> Effect {
        if let Some(open) = &mut self.open {
            if pass == Pass::Probe {
                open.again((open.pause * 2).min(PAUSE_MAX), chance, now);
            }
            return Effect::Nothing;
        }
        self.row = self.row.saturating_add(1);
        self.tries.at(now).other += 1;
        let seen = self.tries.sum(now);
        let all = seen.one + seen.other;
        let many = all >= TRIES_MIN && seen.other * 100 >= all * FAILED_PERCENT;
        if self.row < ROW_MAX && !many {
            return Effect::Nothing;
        }
        let mut open = Open {
            probe: now,
            pause: PAUSE_MIN,
            probing: Probing::No,
        };
        open.again(PAUSE_MIN, chance, now);
        self.open = Some(open);
        Effect::Opened(open.probe)
    }
}

impl Open {
    fn again(&mut self, pause: Duration, chance: u64, now: Moment) {
        let nanos = u64::try_from((pause / JITTER_PART).as_nanos()).unwrap_or(u64::MAX);
        let part = (u128::from(chance) * u128::from(nanos)) >> 64;
        self.pause = pause;
        self.probe = now
            .after(pause)
            .after(Duration::from_nanos(u64::try_from(part).unwrap_or(nanos)));
        self.probing = Probing::No;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::START.after(Duration::from_millis(millis))
    }

    const FAILED: Event = Event::Failed(Pass::Ordinary, 0);
    const SUCCEEDED: Event = Event::Succeeded(Pass::Ordinary);

    fn opened() -> State {
        let mut state = State::default();
        for row in 1..=ROW_MAX {
            let effect = state.step(FAILED, at(0));
            let last = row == ROW_MAX;
            assert_eq!(
                effect,
                if last {
                    Effect::Opened(at(1_000))
                } else {
                    Effect::Nothing
                }
            );
        }
        state
    }

    #[test]
    fn five_in_a_row_open_it_and_five_in_all_do_not() {
        let mut state = State::default();
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(state.step(FAILED, at(0)), Effect::Nothing);
            }
            state.step(SUCCEEDED, at(0));
            // Sixteen seconds later none of them counts.
        }
        assert_eq!(
            state.step(Event::Wanted, at(0)),
            Effect::Let(Pass::Ordinary)
        );
        opened();
    }

    #[test]
    fn half_of_twenty_within_ten_seconds_open_it() {
        let mut state = State::default();
        for second in 0..9 {
            assert_eq!(state.step(FAILED, at(second * 1_000)), Effect::Nothing);
            state.step(SUCCEEDED, at(second * 1_000));
        }
        state.step(SUCCEEDED, at(9_000));
        assert!(matches!(state.step(FAILED, at(9_500)), Effect::Opened(_)));
        // The same ones, spread over more than the window, do not.
        let mut state = State::default();
        for second in 0..100 {
            assert_eq!(state.step(FAILED, at(second * 1_100)), Effect::Nothing);
            state.step(SUCCEEDED, at(second * 1_100));
        }
    }

    #[test]
    fn one_probe_finds_out_and_only_its_success_closes() {
        let mut state = opened();
        let refused = Effect::Refuse(Shut::Open, at(1_999));
        assert_eq!(state.step(Event::Wanted, at(999)), refused);
        assert_eq!(
            state.step(Event::Wanted, at(1_000)),
            Effect::Let(Pass::Probe)
        );
        assert!(matches!(
            state.step(Event::Wanted, at(1_500)),
            Effect::Refuse(Shut::Open, _)
        ));
        // Those that were under way when it opened say nothing.
        assert_eq!(state.step(SUCCEEDED, at(1_500)), Effect::Nothing);
        assert!(state.open_until().is_some());
        assert_eq!(
            state.step(Event::Succeeded(Pass::Probe), at(1_600)),
            Effect::Closed
        );
        assert_eq!(
            state.step(Event::Wanted, at(1_600)),
            Effect::Let(Pass::Ordinary)
        );
        // And four failures are four again.
        for _ in 0..4 {
            assert_eq!(state.step(FAILED, at(1_600)), Effect::Nothing);
        }
    }

    #[test]
    fn the_pause_doubles_from_one_second_to_a_minute_and_chance_makes_it_half_longer() {
        let mut state = opened();
        let mut pauses = Vec::new();
        let mut now = at(1_000);
        for _ in 0..8 {
            assert_eq!(state.step(Event::Wanted, now), Effect::Let(Pass::Probe));
            state.step(Event::Failed(Pass::Probe, 0), now);
            let probe = state.open_until().unwrap();
            pauses.push(probe.since(now).as_secs());
            now = probe;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        state.step(Event::Wanted, now);
        state.step(Event::Failed(Pass::Probe, u64::MAX), now);
        let longest = state.open_until().unwrap().since(now);
        assert!(longest > Duration::from_secs(89) && longest < Duration::from_secs(90));
    }

    #[test]
    fn being_asked_for_less_opens_nothing_but_is_heeded() {
        let mut state = State::default();
        for _ in 0..1_000 {
            let throttled = Event::Throttled(Pass::Ordinary, Duration::from_secs(3), 0);
            assert_eq!(state.step(throttled, at(0)), Effect::Nothing);
        }
        let cooling = Effect::Refuse(Shut::Cooling, at(3_000));
        assert_eq!(state.step(Event::Wanted, at(2_999)), cooling);
        assert_eq!(
            state.step(Event::Wanted, at(3_000)),
            Effect::Let(Pass::Ordinary)
        );
        // Whoever asks for a year gets a minute.
        let year = Event::Throttled(Pass::Ordinary, Duration::MAX, 0);
        state.step(year, at(3_000));
        assert_eq!(
            state.step(Event::Wanted, at(3_000)),
            Effect::Refuse(Shut::Cooling, at(63_000))
        );
    }

    #[test]
    fn a_probe_that_is_asked_for_less_keeps_it_open() {
        let mut state = opened();
        assert_eq!(
            state.step(Event::Wanted, at(1_000)),
            Effect::Let(Pass::Probe)
        );
        state.step(Event::Throttled(Pass::Probe, Duration::ZERO, 0), at(1_100));
        assert_eq!(state.open_until(), Some(at(2_100)));
    }

    #[test]
    fn a_probe_that_left_makes_room_for_another() {
        let mut state = opened();
        assert_eq!(
            state.step(Event::Wanted, at(1_000)),
            Effect::Let(Pass::Probe)
        );
        state.step(Event::Left(Pass::Probe), at(1_100));
        assert_eq!(
            state.step(Event::Wanted, at(1_100)),
            Effect::Let(Pass::Probe)
        );
    }

    /// The rule once more, from the whole history.
    #[derive(Default)]
    struct Model {
        /// When, and whether it went well, of those that count since it was last closed.
        tries: Vec<(u64, bool)>,
        open: Option<(u64, u64)>,
        cool: u64,
    }

    impl Model {
        fn note(&mut self, well: bool, probe: bool, now: u64) {
            match (self.open, probe, well) {
                (Some(_), true, true) => (self.tries, self.open) = (Vec::new(), None),
                (Some((_, pause)), true, false) => {
                    let pause = (pause * 2).min(60_000);
                    self.open = Some((now + pause, pause));
                }
                (Some(_), false, _) => {}
                (None, _, _) => {
                    self.tries.push((now, well));
                    let row = self
                        .tries
                        .iter()
                        .rev()
                        .take_while(|(_, well)| !well)
                        .count();
                    let live: Vec<_> = self
                        .tries
                        .iter()
                        .filter(|(then, _)| then / 1_000 + 10 > now / 1_000)
                        .collect();
                    let bad = live.iter().filter(|(_, well)| !well).count();
                    if !well && (row >= 5 || (live.len() >= 20 && bad * 2 >= live.len())) {
                        self.open = Some((now + 1_000, 1_000));
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_machine_is_the_model_s(steps in prop::collection::vec((0..8u8, 0..700u64, any::<prop::sample::Index>()), 1..300)) {
            let (mut state, mut model) = (State::default(), Model::default());
            let (mut now, mut under_way) = (0, Vec::new());
            for (what, later, which) in steps {
                now += later;
                if what < 3 || under_way.is_empty() {
                    let probes = under_way.iter().filter(|pass| **pass == Pass::Probe).count();
                    match state.step(Event::Wanted, at(now)) {
                        Effect::Let(Pass::Ordinary) => {
                            prop_assert!(model.open.is_none() && model.cool <= now);
                            under_way.push(Pass::Ordinary);
                        }
                        Effect::Let(Pass::Probe) => {
                            prop_assert!(model.cool <= now && model.open.is_some_and(|(due, _)| due <= now));
                            prop_assert_eq!(probes, 0, "two probes at once");
                            under_way.push(Pass::Probe);
                        }
                        Effect::Refuse(Shut::Cooling, until) => prop_assert_eq!(until, at(model.cool)),
                        Effect::Refuse(Shut::Open, until) => {
                            prop_assert!(until > at(now), "refused, and told to come at once");
                            prop_assert!(model.open.is_some_and(|(due, _)| due > now || probes == 1));
                        }
                        effect => prop_assert!(false, "{:?}", effect),
                    }
                    continue;
                }
                let pass = under_way.swap_remove(which.index(under_way.len()));
                let probe = pass == Pass::Probe;
                match what {
                    3 | 4 => {
                        state.step(Event::Succeeded(pass), at(now));
                        model.note(true, probe, now);
                    }
                    5 | 6 => {
                        state.step(Event::Failed(pass, 0), at(now));
                        model.note(false, probe, now);
                    }
                    _ if later % 2 == 0 => {
                        state.step(Event::Throttled(pass, Duration::from_millis(later), 0), at(now));
                        model.cool = model.cool.max(now + later);
                        if let (true, Some((_, pause))) = (probe, model.open) {
                            model.open = Some((now + pause, pause));
                        }
                    }
                    _ => {
                        state.step(Event::Left(pass), at(now));
                    }
                }
                prop_assert_eq!(state.open_until(), model.open.map(|(due, _)| at(due)));
            }
        }
    }
}
