//! Calls with a key: one of them takes effect, and what came of it is told the same to all.

use super::{Truth, kept};
use crate::look::Seen;
use crate::stage::Kept;
use holdfast_store::db::DbError;
use holdfast_store::executions::{Claimed, Held, Hold};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct State {
    keys: BTreeMap<[u8; 32], Key>,
}

#[derive(Default)]
struct Key {
    /// Who holds it, as far as that is known.
    newest: Option<(i64, String)>,
    /// What came of it, and of which call.
    done: Option<(String, Vec<u8>)>,
    /// What may have come of it.
    perhaps: Vec<(String, Vec<u8>)>,
    marked: BTreeSet<String>,
    released: u64,
    told: Option<Vec<u8>>,
}

impl Truth {
    /// Somebody claims a key.
    pub(crate) fn row_claimed(&self, key: [u8; 32], came: &Result<Claimed, DbError>) {
        let mut state = self.once.borrow_mut();
        let known = state.keys.entry(key).or_default();
        match came {
            Ok(Claimed::Yours(hold)) => {
                if known.done.is_some() {
                    let how = format!("{} begins what is done", hold.call);
                    self.broken("once: what is done is not done again", how);
                }
                known.perhaps.clear();
                known.newest = Some((hold.fence, hold.call.to_string()));
            }
            Ok(Claimed::Done(outcome)) => {
                let perhaps = known.perhaps.iter().find(|(_, one)| one == outcome);
                let done = known.done.clone().or_else(|| perhaps.cloned());
                if done.as_ref().map(|(_, one)| one) != Some(outcome) {
                    let how = format!("{outcome:?}, and it is {done:?}");
                    self.broken("once: an outcome stays what it is", how);
                }
                known.done = done;
            }
            Ok(Claimed::InDoubt(call)) if !known.marked.contains(call) => {
                let how = format!("{call} had no effect, and is in doubt");
                self.broken("once: in doubt is only what may have had an effect", how);
            }
            Err(DbError::Ambiguous(_)) => known.newest = None,
            Ok(_) | Err(_) => {}
        }
    }

    /// It was to be said that an effect is about to be had.
    pub(crate) fn row_marked(&self, hold: &Hold, came: &Result<Held, DbError>) {
        self.by_holder(hold, came);
        if kept(came) != Kept::No {
            let mut state = self.once.borrow_mut();
            let known = state.keys.entry(hold.key).or_default();
            known.marked.insert(hold.call.to_string());
        }
    }

    /// What came of it was to be kept.
    pub(crate) fn row_finished(&self, hold: &Hold, outcome: &[u8], came: &Result<Held, DbError>) {
        self.by_holder(hold, came);
        let mut state = self.once.borrow_mut();
        let known = state.keys.entry(hold.key).or_default();
        let this = (hold.call.to_string(), outcome.to_vec());
        match kept(came) {
            Kept::Yes => known.done = Some(this),
            Kept::Unknown => known.perhaps.push(this),
            Kept::No => {}
        }
    }

    /// It was to be forgotten, or given up.
    pub(crate) fn row_let_go(&self, hold: &Hold, came: &Result<Held, DbError>) {
        self.by_holder(hold, came);
        if kept(came) != Kept::No {
            let mut state = self.once.borrow_mut();
            state.keys.entry(hold.key).or_default().newest = None;
        }
    }

    fn by_holder(&self, hold: &Hold, came: &Result<Held, DbError>) {
        let state = self.once.borrow();
        let known = state.keys.get(&hold.key);
        let newest = known.and_then(|known| known.newest.as_ref());
        let this = (hold.fence, hold.call.to_string());
        let done = known.is_some_and(|known| known.done.is_some());
        let late = newest.is_some_and(|newest| *newest != this) || done;
        if late && kept(came) == Kept::Yes {
            let how = format!("{this:?} writes, and {newest:?} has it");
            self.broken("once: whoever comes late changes nothing", how);
        }
    }

    /// A person has looked: it may be done once more.
    pub(crate) fn released(&self, call: &str) {
        let mut state = self.once.borrow_mut();
        let found = state
            .keys
            .values_mut()
            .find(|known| known.marked.contains(call));
        if let Some(known) = found {
            known.released += 1;
            known.newest = None;
        }
    }

    /// It has taken effect so often.
    pub(crate) fn took_effect(&self, key: &[u8; 32], times: u64) {
        let state = self.once.borrow();
        let released = state.keys.get(key).map_or(0, |known| known.released);
        if times > 1 + released {
            let how = format!("{times} times, and was released {released} times");
            self.broken("once: a key takes effect once", how);
        }
    }

    /// Somebody was told what came of it.
    pub(crate) fn client_saw(&self, key: &[u8; 32], outcome: &[u8]) {
        let mut state = self.once.borrow_mut();
        let known = state.keys.entry(*key).or_default();
        let told = known.told.get_or_insert_with(|| outcome.to_vec());
        if told != outcome {
            let how = format!("{outcome:?}, and before {told:?}");
            self.broken("once: everybody is told the same", how);
        }
    }

    pub(super) fn look_at_once(&self, seen: &Seen) {
        let mut state = self.once.borrow_mut();
        for row in seen.executions.iter().filter(|row| row.durable == 0) {
            let Some(known) = state.keys.get_mut(row.key.as_slice()) else {
                self.broken("once: each row was claimed", row.call.clone());
                continue;
            };
            if row.state == 2 && !known.marked.contains(&row.call) {
                let how = row.call.clone();
                self.broken("once: in doubt is only what may have had an effect", how);
            }
            if row.state == 1 && known.done.is_none() {
                let this = |(call, _): &&(String, Vec<u8>)| *call == row.call;
                known.done = known.perhaps.iter().find(this).cloned();
            }
        }
        for known in state.keys.values() {
            let Some((call, outcome)) = &known.done else {
                continue;
            };
            let there = seen.executions.iter().any(|row| {
                row.call == *call && row.state == 1 && row.outcome.as_ref() == Some(outcome)
            });
            if !there {
                self.broken("once: an outcome that was kept is there", call.clone());
            }
        }
    }
}
