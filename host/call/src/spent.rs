//! The time ledger of a call: where its time went, with nothing left over.
//!
//! At each moment the time belongs to one account, and when the account changes, what has passed goes to the one that held it. So the sum of
//! all accounts is the time that the call took, whatever happened in it. What a guest computes is measured elsewhere, on its thread's own
//! clock; it is taken out of the time that its call was served.

use crate::codes::Boundary;
use crate::time::Moment;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Who has the call, and so its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Account {
    /// The rules that ask whether it may.
    #[default]
    Authorize,
    /// A wait: for a place, or for the next try.
    Queue,
    /// What serves it.
    Serve,
    /// The rules on the way back.
    Settle,
}

/// Where the time of a call went, in nanoseconds. The sum is what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Finding out whether it may.
    pub authorize: u64,
    /// Waiting for a place, or for the next try.
    pub queue: u64,
    /// The guest's CPU.
    pub guest_cpu: u64,
    /// The guest, otherwise: it waited for something of its own, or to be run.
    pub guest_wait: u64,
    /// Upstreams: at least one call to one was under way.
    pub upstream: u64,
    /// From the answer to the end of the record.
    pub settle: u64,
}

impl Spent {
    /// Every account with its name, in the order in which a call comes to them.
    #[must_use]
    pub fn accounts(&self) -> [(&'static str, u64); 6] {
        [
            ("authorize", self.authorize),
            ("queue", self.queue),
            ("guest_cpu", self.guest_cpu),
            ("guest_wait", self.guest_wait),
            ("upstream", self.upstream),
            ("settle", self.settle),
        ]
    }

    /// The same for a call to an upstream: who served it was the upstream.
    #[must_use]
    pub fn outside(self) -> Self {
        Self {
            guest_cpu: 0,
            guest_wait: 0,
            upstream: self.upstream + self.guest_wait + self.guest_cpu,
            ..self
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.authorize + self.queue + self.guest_cpu + self.guest_wait + self.upstream + self.settle
    }

    /// Whom a call of a service that did not end in time is to be blamed on: whoever had most of its time. Half of it in a queue is the
    /// limit's doing, as it was meant; and what the upstream took is never held against the service. One of which no time is known was in the
    /// service.
    #[must_use]
    pub fn blame(&self) -> Boundary {
        let own = self.guest_cpu.saturating_add(self.guest_wait);
        if self.queue >= self.total().div_ceil(2) && self.queue > 0 {
            Boundary::Policy
        } else if self.upstream >= own && self.upstream > 0 {
            Boundary::Upstream
        } else if own > 0 || self.total() == 0 {
            Boundary::Application
        } else {
            // It never came to the service.
            Boundary::Platform
        }
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, nanos) in self.accounts() {
            if nanos > 0 {
                let micros = nanos / 1_000;
                write!(
                    f,
                    "{between}{name} {}.{:03} ms",
                    micros / 1_000,
                    micros % 1_000
                )?;
                between = ", ";
            }
        }
        Ok(())
    }
}

/// The accounts of one call, open.
#[derive(Debug, Default)]
pub struct TimeLedger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    account: Account,
    /// When the account was entered; `None` before the call has begun.
    since: Option<Moment>,
    authorize: u64,
    queue: u64,
    serve: u64,
    settle: u64,
    upstream: u64,
    /// Calls to upstreams that are under way.
    outside: u32,
}

impl State {
    fn charge(&mut self, now: Moment) {
        let Some(since) = self.since.replace(now) else {
            return;
        };
        let span = u64::try_from(now.since(since).as_nanos()).unwrap_or(u64::MAX);
        let account = match self.account {
            Account::Authorize => &mut self.authorize,
            Account::Queue => &mut self.queue,
            Account::Serve | Account::Settle if self.outside > 0 => &mut self.upstream,
            Account::Serve => &mut self.serve,
            Account::Settle => &mut self.settle,
        };
        *account = account.saturating_add(span);
    }
}

impl TimeLedger {
    /// From now on the time belongs to `account`. The first call of this begins the ledger.
    pub fn enter(&self, account: Account, now: Moment) {
        self.step(now, |state| state.account = account);
    }

    /// A call to an upstream is under way.
    pub fn goes_out(&self, now: Moment) {
        self.step(now, |state| state.outside += 1);
    }

    /// One is back.
    pub fn comes_back(&self, now: Moment) {
        self.step(now, |state| state.outside = state.outside.saturating_sub(1));
    }

    /// Where the time went until now. `cpu` is what the guest computed, in nanoseconds.
    #[must_use]
    pub fn read(&self, now: Moment, cpu: u64) -> Spent {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.charge(now);
        let mut left = cpu;
        let mut computed = |of: u64| {
            let part = left.min(of);
            left -= part;
            of - part
        };
        let guest_wait = computed(state.serve);
        let upstream = computed(state.upstream);
        let settle = computed(state.settle);
        Spent {
            authorize: state.authorize,
            queue: state.queue,
            guest_cpu: cpu - left,
            guest_wait,
            upstream,
            settle,
        }
    }

    /// The state is whole between two steps.
    fn step(&self, now: Moment, step: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.charge(now);
        step(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Enter(Account),
        Out,
        Back,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Enter(Account::Authorize)),
            Just(Event::Enter(Account::Queue)),
            Just(Event::Enter(Account::Serve)),
            Just(Event::Enter(Account::Settle)),
            Just(Event::Out),
            Just(Event::Back),
        ]
    }

    proptest! {
        #[test]
        fn the_sum_is_what_it_took(
            events in prop::collection::vec((event(), 0u64..1_000_000), 0..40),
            cpu in 0u64..10_000_000,
            last in 0u64..1_000_000,
        ) {
            let ledger = TimeLedger::default();
            let began = Moment::START.after(Duration::from_secs(5));
            ledger.enter(Account::Authorize, began);
            let mut now = began;
            for (event, pause) in events {
                now = now.after(Duration::from_nanos(pause));
                match event {
                    Event::Enter(account) => ledger.enter(account, now),
                    Event::Out => ledger.goes_out(now),
                    Event::Back => ledger.comes_back(now),
                }
            }
            now = now.after(Duration::from_nanos(last));
            let spent = ledger.read(now, cpu);
            prop_assert_eq!(u128::from(spent.total()), now.since(began).as_nanos());
            prop_assert!(spent.guest_cpu <= cpu);
            prop_assert_eq!(spent, ledger.read(now, cpu), "reading changes nothing");
        }
    }

    fn at(ms: u64) -> Moment {
        Moment::START.after(Duration::from_millis(ms))
    }

    #[test]
    fn each_account_gets_what_it_held() {
        let ledger = TimeLedger::default();
        ledger.enter(Account::Authorize, at(10));
        ledger.enter(Account::Queue, at(11));
        ledger.enter(Account::Serve, at(13));
        ledger.goes_out(at(16));
        // A second one at the same time is not counted twice.
        ledger.goes_out(at(18));
        ledger.comes_back(at(19));
        ledger.comes_back(at(26));
        ledger.enter(Account::Settle, at(30));
        let spent = ledger.read(at(31), 5_000_000);
        let ms = |ms: u64| ms * 1_000_000;
        let expected = Spent {
            authorize: ms(1),
            queue: ms(2),
            guest_cpu: ms(5),
            guest_wait: ms(2),
            upstream: ms(10),
            settle: ms(1),
        };
        assert_eq!(spent, expected);
    }

    #[test]
    fn who_had_most_of_the_time_is_blamed() {
        use Boundary::{Application, Platform, Policy, Upstream};
        let spent = |queue, guest_cpu, guest_wait, upstream| Spent {
            queue,
            guest_cpu,
            guest_wait,
            upstream,
            ..Spent::default()
        };
        for (spent, blamed) in [
            (spent(0, 80, 10, 10), Application),
            (spent(0, 0, 100, 0), Application),
            (spent(0, 10, 10, 80), Upstream),
            (spent(0, 30, 20, 50), Upstream),
            (spent(50, 0, 0, 50), Policy),
            (spent(40, 0, 0, 60), Upstream),
            (spent(0, 0, 0, 0), Application),
            (
                Spent {
                    authorize: 1,
                    ..Spent::default()
                },
                Platform,
            ),
        ] {
            assert_eq!(spent.blame(), blamed, "{spent:?}");
        }
    }
}
