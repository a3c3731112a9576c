//! A secret as the host holds it: the value that is used, the one before it, and where a newer one would be.
//!
//! Who exchanges a key does it in two places, one after the other, and calls fall in between. So an upstream that refuses a credential is
//! believed only when there is nothing newer to be read, and, for a while after an exchange, when it refuses the value before as well. One
//! request tries the value before; it is used by others only once it was taken. So whoever provokes refusals of something else costs the
//! others no more than a second try for each.

use super::echo::Echo;
use holdfast_call::{Moment, Secret, Unread};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long after an exchange the value before is still tried, and looked for in answers.
pub const EXCHANGE_SPAN: Duration = Duration::from_secs(10 * 60);
/// Between two looks at the source because of a refused credential: whoever provokes refusals makes the host read no more often.
const LOOK_SPAN: Duration = Duration::from_secs(1);

/// Reads the secret where it is.
pub type Source = Box<dyn Fn() -> Result<Secret, Unread> + Send + Sync>;

/// A secret, its source, and the value before.
pub struct Held {
    source: Source,
    /// Held while the source is read and what it had is taken over: of two looks at once, the slower must not put an older value back.
    looking: Mutex<()>,
    state: Mutex<State>,
}

struct State {
    values: Values,
    echo: Arc<Echo>,
    looked: Option<Moment>,
}

/// What is known of the value. Pure: time comes in with each step.
#[derive(Clone, Debug)]
struct Values {
    current: Secret,
    previous: Option<(Secret, Moment)>,
    used: Used,
}

/// Which of the two goes into requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    Current,
    /// The upstream refused the current one: the next request tries the one before, and that one alone.
    Trial,
    /// The upstream took the one before: it has not heard of the current one yet.
    Previous,
}

/// What a refused credential means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another value is used now; the same request may be answered otherwise.
    Exchanged,
    /// There is no other value.
    Final,
}

/// What a look at the source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Another value; it is used from now on.
    Exchanged(Secret),
    /// The same.
    Same,
}

impl Values {
    /// The value for the next request.
    fn next(&mut self) -> &Secret {
        let used = self.used;
        if used == Used::Trial {
            self.used = Used::Current;
        }
        match (used, &self.previous) {
            (Used::Trial | Used::Previous, Some((previous, _))) => previous,
            _ => &self.current,
        }
    }

    fn is_previous(&self, sent: &Secret) -> bool {
        let previous = self.previous.as_ref();
        *sent != self.current && previous.is_some_and(|(previous, _)| previous == sent)
    }

    fn taken(&mut self, sent: &Secret) {
        if self.is_previous(sent) {
            self.used = Used::Previous;
        }
    }

    fn read(&mut self, secret: Secret, now: Moment) -> Look {
        if secret == self.current {
            return Look::Same;
        }
        let before = std::mem::replace(&mut self.current, secret.clone());
        self.previous = Some((before, now));
        self.used = Used::Current;
        Look::Exchanged(secret)
    }

    /// Lets the value before go when its time is over.
    fn age(&mut self, now: Moment) {
        if let Some((_, exchanged)) = self.previous
            && now.since(exchanged) >= EXCHANGE_SPAN
        {
            self.previous = None;
            self.used = Used::Current;
        }
    }

    fn refused(&mut self, sent: &Secret, now: Moment) -> Refused {
        self.age(now);
        if self.is_previous(sent) {
            self.used = Used::Current;
        } else if *sent == self.current && self.used == Used::Current {
            if self.previous.is_none() {
                return Refused::Final;
            }
            self.used = Used::Trial;
        }
        Refused::Exchanged
    }
}

impl Held {
    /// Reads the secret from its source for the first time.
    ///
    /// # Errors
    /// It is not there, or is none; the message does not hold it.
    pub fn read(source: Source) -> Result<Arc<Self>, Unread> {
        let current = source()?;
        let values = Values {
            current,
            previous: None,
            used: Used::Current,
        };
        let state = State {
            echo: Arc::new(Echo::of([&values.current])),
            values,
            looked: None,
        };
        Ok(Arc::new(Self {
            source,
            looking: Mutex::default(),
            state: Mutex::new(state),
        }))
    }

    /// The value for one request.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.state().values.next().clone()
    }

    /// Every value that may still be met, the newest first.
    #[must_use]
    pub fn live(&self, now: Moment) -> Vec<Secret> {
        let mut state = self.state();
        state.values.age(now);
        let previous = state.values.previous.as_ref();
        let previous = previous.map(|(previous, _)| previous.clone());
        let current = state.values.current.clone();
        std::iter::once(current).chain(previous).collect()
    }

    /// The upstream did not refuse `sent`.
    pub(super) fn taken(&self, sent: &Secret) {
        self.state().values.taken(sent);
    }

    /// What is looked for in answers.
    pub(super) fn echo(&self) -> Arc<Echo> {
        self.state().echo.clone()
    }

    /// Looks whether the source has another value now.
    ///
    /// # Errors
    /// It cannot be read; the value that is held stays in use.
    pub fn look(&self, now: Moment) -> Result<Look, Unread> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = (self.source)()?;
        let mut state = self.state();
        state.looked = Some(now);
        let look = state.values.read(secret, now);
        if let (Look::Exchanged(new), Some((before, _))) = (&look, &state.values.previous) {
            state.echo = Arc::new(Echo::of([new, before]));
        }
        Ok(look)
    }

    /// The upstream refused `sent`. Reads the source, if it was not read a moment ago, and so may wait for the disk.
    pub fn refused(&self, sent: &Secret, now: Moment) -> Refused {
        let lately = {
            let mut state = self.state();
            if *sent != state.values.current {
                return state.values.refused(sent, now);
            }
            state
                .looked
                .is_some_and(|looked| now.since(looked) < LOOK_SPAN)
        };
        // A source that cannot be read has no newer value.
        if !lately && matches!(self.look(now), Ok(Look::Exchanged(_))) {
            return Refused::Exchanged;
        }
        self.state().values.refused(sent, now)
    }

    /// The state is whole between two steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn fixed(secret: Secret) -> Arc<Self> {
        Self::read(Box::new(move || Ok(secret.clone()))).unwrap()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn secret(text: &str) -> Secret {
        Secret::new(&format!("secret-{text}")).unwrap()
    }

    /// A source that can be written to, and counts how often it was read.
    fn source(text: &str) -> (Arc<Mutex<String>>, Arc<AtomicUsize>, Arc<Held>) {
        let (file, reads) = (
            Arc::new(Mutex::new(text.to_owned())),
            Arc::new(AtomicUsize::new(0)),
        );
        let (content, count) = (file.clone(), reads.clone());
        let read = move || {
            count.fetch_add(1, Ordering::Relaxed);
            match content.lock().unwrap().as_str() {
                "" => Err(Unread::Missing("gone".to_owned())),
                text => Ok(secret(text)),
            }
        };
        let held = Held::read(Box::new(read)).unwrap();
        (file, reads, held)
    }

    fn at(seconds: u64) -> Moment {
        Moment::START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_refusal_is_final_where_there_is_nothing_newer() {
        let (_, reads, held) = source("a");
        for _ in 0..10 {
            assert_eq!(held.refused(&secret("a"), at(5)), Refused::Final);
        }
        assert_eq!(
            reads.load(Ordering::Relaxed),
            2,
            "read once for all of them"
        );
        assert_eq!(held.refused(&secret("a"), at(6)), Refused::Final);
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_refusal_reads_what_is_newer() {
        let (file, _, held) = source("a");
        "b".clone_into(&mut file.lock().unwrap());
        assert_eq!(held.secret(), secret("a"));
        assert_eq!(held.refused(&secret("a"), at(1)), Refused::Exchanged);
        assert_eq!(held.secret(), secret("b"));
        // A call that was on its way with the old one meanwhile.
        assert_eq!(held.refused(&secret("a"), at(1)), Refused::Exchanged);
        assert_eq!(held.secret(), secret("b"));
    }

    #[test]
    fn the_value_before_is_used_while_the_upstream_has_not_heard_of_the_new_one() {
        let (file, _, held) = source("a");
        "b".clone_into(&mut file.lock().unwrap());
        assert_eq!(held.look(at(1)), Ok(Look::Exchanged(secret("b"))));
        assert_eq!(held.refused(&secret("b"), at(2)), Refused::Exchanged);
        // One request tries it, and no other until it was taken.
        assert_eq!(held.secret(), secret("a"));
        assert_eq!(held.secret(), secret("b"));
        held.taken(&secret("b"));
        assert_eq!(held.secret(), secret("b"));
        held.taken(&secret("a"));
        assert_eq!(held.secret(), secret("a"));
        assert_eq!(held.secret(), secret("a"));
        // Now it has.
        assert_eq!(held.refused(&secret("a"), at(9)), Refused::Exchanged);
        assert_eq!(held.secret(), secret("b"));
    }

    #[test]
    fn who_is_refused_for_something_else_costs_others_one_try_each() {
        let (file, _, held) = source("a");
        "b".clone_into(&mut file.lock().unwrap());
        held.look(at(1)).unwrap();
        for second in 2..100 {
            assert_eq!(held.refused(&secret("b"), at(second)), Refused::Exchanged);
            // Somebody else is the one who tries the value before, and is told to ask again.
            assert_eq!(held.secret(), secret("a"));
            assert_eq!(held.refused(&secret("a"), at(second)), Refused::Exchanged);
            assert_eq!(held.secret(), secret("b"));
        }
    }

    #[test]
    fn what_was_sent_with_the_value_before_is_known_for_a_while() {
        let (file, _, held) = source("a");
        assert_eq!(held.live(at(0)), [secret("a")]);
        "b".clone_into(&mut file.lock().unwrap());
        held.look(at(1)).unwrap();
        assert_eq!(held.live(at(600)), [secret("b"), secret("a")]);
        assert_eq!(held.live(at(601)), [secret("b")]);
    }

    #[test]
    fn the_value_before_is_forgotten_in_time() {
        let (file, _, held) = source("a");
        "b".clone_into(&mut file.lock().unwrap());
        held.look(at(1)).unwrap();
        assert_eq!(held.refused(&secret("b"), at(601)), Refused::Final);
        assert_eq!(held.secret(), secret("b"));
    }

    #[test]
    fn a_source_that_is_gone_takes_nothing_away() {
        let (file, _, held) = source("a");
        file.lock().unwrap().clear();
        assert!(held.look(at(1)).is_err());
        assert_eq!(held.refused(&secret("a"), at(9)), Refused::Final);
        assert_eq!(held.secret(), secret("a"));
    }
}
