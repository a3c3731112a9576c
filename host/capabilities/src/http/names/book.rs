//! What is known of each name, and until when. Pure: it is told the time and the answers, and says when a lookup is due.
//!
//! | the name's last lookup | who asks is told |
//! |---|---|
//! | found addresses, and their time has not run out | these |
//! | is under way | to wait; and what it had before, for who cannot |
//! | found that there is nothing | that, for as long as the answer says |
//! | failed, and the name had addresses within the hour | these (RFC 8767); it is looked up again every few seconds, and nobody waits for it |
//! | failed, and it had none | why, for a few seconds |

use super::super::resolve::{Found, Unresolved};
use holdfast_call::Moment;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The least and the most that an answer holds: less would be a lookup for each connection, more would hide a move.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(300);
/// The most that it holds that there is no such name: somebody may be about to make it.
const MISSING_MAX: Duration = Duration::from_secs(30);
/// How long a failure holds, so that many calls do not make it worse.
const FAILED_SPAN: Duration = Duration::from_secs(2);
/// How long the addresses of a name are used that cannot be looked up any more.
const KEPT_MAX: Duration = Duration::from_secs(3600);
/// The longest that a lookup takes. One that has not ended by then has lost whoever made it, and the next asker makes another.
pub(super) const LOOKUP_MAX: Duration = Duration::from_secs(15);
/// The most names. The policy has far fewer; those it had before it was changed go first.
const NAMES_MAX: usize = 1024;

/// Where a name leads.
pub(super) type Addresses = Arc<[IpAddr]>;

/// What is known of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It leads there.
    Holds(Addresses),
    /// It leads nowhere, and why.
    Nowhere(Arc<str>),
    /// It is being looked up.
    Awaited {
        /// Where it led before.
        old: Option<Addresses>,
        /// Since when it is looked up.
        since: Moment,
    },
}

/// What is to be done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Lookup,
    Nothing,
}

/// What an operator should know of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It cannot be resolved, and its old addresses are used on.
    Kept(Arc<str>),
    /// Its old addresses are too old.
    GivenUp,
    /// It is resolved again.
    Back,
}

struct Answer {
    addresses: Addresses,
    until: Moment,
}

struct Trouble {
    cause: Arc<str>,
    until: Moment,
}

/// Where there are both an answer and trouble, the answer is kept although its time has run out.
struct Entry {
    answer: Option<Answer>,
    trouble: Option<Trouble>,
    looked_up_since: Option<Moment>,
    asked: Moment,
}

/// Every name that was asked for of late.
#[derive(Default)]
pub(super) struct Book {
    names: HashMap<Arc<str>, Entry>,
}

impl Book {
    /// What is known of `host`. Whoever is told that a lookup is due makes it.
    pub(super) fn ask(&mut self, host: &str, now: Moment) -> (Known, Due) {
        if let Some(entry) = self.names.get_mut(host) {
            return entry.ask(now);
        }
        if self.names.len() >= NAMES_MAX {
            self.drop_oldest();
        }
        let entry = Entry {
            answer: None,
            trouble: None,
            looked_up_since: None,
            asked: now,
        };
        self.names.entry(host.into()).or_insert(entry).ask(now)
    }

    /// The lookup of `host` has ended so.
    pub(super) fn answered(
        &mut self,
        host: &str,
        answer: Result<Found, Unresolved>,
        now: Moment,
    ) -> Option<News> {
        self.names.get_mut(host)?.answered(answer, now)
    }

    /// No answer holds any longer; what is old may still be kept.
    pub(super) fn run_out(&mut self, now: Moment) {
        for entry in self.names.values_mut() {
            if let Some(answer) = &mut entry.answer {
                answer.until = answer.until.min(now);
            }
            if let Some(trouble) = &mut entry.trouble {
                trouble.until = trouble.until.min(now);
            }
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.names.iter().min_by_key(|(_, entry)| entry.asked);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            self.names.remove(&oldest);
        }
    }
}

impl Entry {
    fn ask(&mut self, now: Moment) -> (Known, Due) {
        self.asked = now;
        let old = match &self.answer {
            Some(answer) if now < answer.until => {
                return (Known::Holds(answer.addresses.clone()), Due::Nothing);
            }
            Some(answer) if now < answer.until.after(KEPT_MAX) => Some(answer.addresses.clone()),
            Some(_) | None => None,
        };
        match (&self.trouble, &old) {
            (Some(trouble), None) if now < trouble.until => {
                return (Known::Nowhere(trouble.cause.clone()), Due::Nothing);
            }
            (Some(trouble), Some(old)) if now < trouble.until => {
                return (Known::Holds(old.clone()), Due::Nothing);
            }
            (Some(_) | None, _) => {}
        }
        let under_way = self
            .looked_up_since
            .filter(|since| now < since.after(LOOKUP_MAX));
        let (since, due) = match under_way {
            Some(since) => (since, Due::Nothing),
            None => (now, Due::Lookup),
        };
        self.looked_up_since = Some(since);
        match (old, &self.trouble) {
            // It failed before: that it may not do so now is not worth waiting for.
            (Some(old), Some(_)) => (Known::Holds(old), due),
            (old, Some(_) | None) => (Known::Awaited { old, since }, due),
        }
    }

    fn answered(&mut self, answer: Result<Found, Unresolved>, now: Moment) -> Option<News> {
        self.looked_up_since = None;
        let kept = self.answer.is_some() && self.trouble.is_some();
        match answer {
            Ok(found) if found.addresses.is_empty() => {
                self.missing("the name has no address", None, now);
            }
            Ok(found) => {
                self.answer = Some(Answer {
                    addresses: found.addresses.into(),
                    until: now.after(found.ttl.clamp(TTL_MIN, TTL_MAX)),
                });
                self.trouble = None;
            }
            Err(Unresolved::Missing { cause, ttl }) => self.missing(&cause, ttl, now),
            Err(Unresolved::Failed { cause }) => return self.failed(&cause, now),
        }
        kept.then_some(News::Back)
    }

    /// That there is nothing is an answer too, and ends the old one.
    fn missing(&mut self, cause: &str, ttl: Option<Duration>, now: Moment) {
        self.answer = None;
        let ttl = ttl.map_or(FAILED_SPAN, |ttl| ttl.clamp(TTL_MIN, MISSING_MAX));
        self.trouble = Some(Trouble {
            cause: cause.into(),
            until: now.after(ttl),
        });
    }

    fn failed(&mut self, cause: &str, now: Moment) -> Option<News> {
        let before = self.trouble.replace(Trouble {
            cause: cause.into(),
            until: now.after(FAILED_SPAN),
        });
        let old = self.answer.as_ref()?;
        if now < old.until.after(KEPT_MAX) {
            return before.is_none().then(|| News::Kept(cause.into()));
        }
        self.answer = None;
        before.map(|_| News::GivenUp)
    }
}

#[cfg(test)]
mod tests;
