//! One limit: a quota, and what of it was granted; in all, or to each caller.

use super::caller::Key;
use super::flow::{Flow, Quota, Share};
use super::table::Table;
use holdfast_call::Moment;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A limit.
pub struct Limit {
    quota: Quota,
    granted: Mutex<Granted>,
}

enum Granted {
    InAll(Flow),
    Each(Table),
}

/// Which limit it is: whatever policy comes into force, the one that says the same goes on with what it has granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Each caller's, at all services together.
    Caller,
    /// Each caller's, at this service.
    CallerHere(Arc<str>),
    /// That of this service, whoever calls.
    Service(Arc<str>),
    /// That of this operation of the service.
    Operation(Arc<str>, Arc<str>),
}

impl Limit {
    fn new(whose: &Whose, quota: Quota) -> Self {
        let granted = match whose {
            Whose::Caller | Whose::CallerHere(_) => Granted::Each(Table::default()),
            Whose::Service(_) | Whose::Operation(..) => Granted::InAll(Flow::default()),
        };
        Self {
            quota,
            granted: Mutex::new(granted),
        }
    }

    /// How much.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Has `step` done with the flow that counts for `key`, which is held as long as that takes.
    pub(super) fn held<T>(&self, key: Key, now: Moment, step: impl FnOnce(&mut Flow) -> T) -> T {
        match &mut *self.granted() {
            Granted::InAll(flow) => step(flow),
            Granted::Each(table) => step(table.flow(key, now)),
        }
    }

    pub(super) fn give_back(&self, key: Key, share: Share, now: Moment) {
        match &mut *self.granted() {
            Granted::InAll(flow) => flow.give_back(share, now),
            Granted::Each(table) => table.give_back(key, share, now),
        }
    }

    // A flow is whole between two steps, and none of them panics.
    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({})", self.quota)
    }
}

/// The limits that something is counted by.
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<(Whose, Quota), Weak<Limit>>>);

impl Limits {
    /// The limit of `whose`. As long as anything is counted by one that says the same, it is that one: so neither a new version nor another
    /// policy gives anybody what he has had.
    #[must_use]
    pub fn limit(&self, whose: Whose, quota: Quota) -> Arc<Limit> {
        // Every change is one insertion or removal: a panic elsewhere does not leave it half done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (whose, quota);
        if let Some(same) = known.get(&key).and_then(Weak::upgrade) {
            return same;
        }
        known.retain(|_, limit| limit.strong_count() > 0);
        let new = Arc::new(Limit::new(&key.0, quota));
        known.insert(key, Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_says_the_same_is_the_same_as_long_as_it_is_used() {
        let (limits, whose) = (Limits::default(), Whose::Service("a".into()));
        let five = Quota::parse("5/m").unwrap();
        let first = limits.limit(whose.clone(), five);
        assert!(Arc::ptr_eq(&first, &limits.limit(whose.clone(), five)));
        let other = limits.limit(Whose::CallerHere("a".into()), five);
        assert!(!Arc::ptr_eq(&first, &other));
        // A policy that was tried and did not come into force has changed nothing.
        let six = limits.limit(whose.clone(), Quota::parse("6/m").unwrap());
        assert!(!Arc::ptr_eq(&first, &six));
        assert!(Arc::ptr_eq(&first, &limits.limit(whose.clone(), five)));
        drop((first, six));
        let _anew = limits.limit(whose, five);
        assert_eq!(limits.0.lock().unwrap().len(), 2);
    }
}
