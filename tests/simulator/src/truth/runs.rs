//! Durable executions: what is on record stays, guests are told the same, and only the newest holder writes.

use super::{Truth, kept};
use crate::guest;
use crate::look::Seen;
use crate::stage::Kept;
use holdfast_store::db::DbError;
use holdfast_store::executions::{Held, Hold, Holder};
use holdfast_store::runs::{Came, Intent, Taken};
use std::collections::BTreeMap;
use std::time::Duration;

/// The outcome of a run that a person has ended.
pub(crate) const KILLED: &[u8] = b"killed";

#[derive(Default)]
pub(super) struct State {
    runs: BTreeMap<String, Run>,
}

#[derive(Default)]
struct Run {
    seed: u64,
    newest: i64,
    holder: Option<Holder>,
    until: i64,
    told: Vec<(u32, Vec<u8>, u64)>,
    results: BTreeMap<u32, Came>,
    outcome: Option<Vec<u8>>,
    killed: Option<Kept>,
}

impl Truth {
    /// An execution of this name may begin.
    pub(crate) fn run_may_begin(&self, call: &str, seed: u64) {
        let mut state = self.runs.borrow_mut();
        state.runs.entry(call.to_owned()).or_default().seed = seed;
    }

    /// Somebody takes executions.
    pub(crate) fn runs_taken(
        &self,
        holder: &Holder,
        lease: Duration,
        came: &Result<Vec<Taken>, DbError>,
    ) {
        let now = self.now();
        let mut state = self.runs.borrow_mut();
        let taken = match came {
            Ok(taken) => taken,
            Err(DbError::Ambiguous(_)) => {
                state.runs.values_mut().for_each(|run| run.until = 0);
                return;
            }
            Err(_) => return,
        };
        for taken in taken {
            let call = taken.hold.call.to_string();
            let run = state.runs.entry(call.clone()).or_default();
            if taken.hold.fence <= run.newest {
                let how = format!("{call} under {}, after {}", taken.hold.fence, run.newest);
                self.broken("runs: no fence is given twice", how);
            }
            let had = run.holder.as_ref();
            let had = had.filter(|had| had.host != holder.host || had.epoch >= holder.epoch);
            if let Some(had) = had.filter(|_| run.until > now) {
                let how = format!("{call} is taken by {holder:?} while {had:?} has it");
                self.broken("runs: a run is one host's at a time", how);
            }
            if run.outcome.is_some() {
                self.broken("runs: what is done is not taken up again", call);
            }
            run.newest = taken.hold.fence;
            run.holder = Some(holder.clone());
            run.until = now + millis(lease);
        }
    }

    /// A host may have begun another life: what its earlier ones had is anybody's.
    pub(crate) fn life_begins(&self, host: &str) {
        let mut state = self.runs.borrow_mut();
        let had = |run: &&mut Run| run.holder.as_ref().is_some_and(|had| had.host == host);
        let runs = state.runs.values_mut();
        runs.filter(had).for_each(|run| run.until = 0);
    }

    /// A host holds on to its runs, and these it still has.
    pub(crate) fn runs_renewed(&self, holder: &Holder, lease: Duration, calls: &[String]) {
        let until = self.now() + millis(lease);
        let mut state = self.runs.borrow_mut();
        for call in calls {
            let run = state.runs.get_mut(call);
            if let Some(run) = run.filter(|run| run.holder.as_ref() == Some(holder)) {
                run.until = until;
            }
        }
    }

    /// Somebody writes to a run.
    pub(crate) fn run_written(&self, what: &str, hold: &Hold, came: &Result<Held, DbError>) {
        let mut state = self.runs.borrow_mut();
        let run = state.runs.entry(hold.call.to_string()).or_default();
        if kept(came) == Kept::Yes && (hold.fence < run.newest || run.outcome.is_some()) {
            let how = format!(
                "{what} of {} under {}, and the newest is {}",
                hold.call, hold.fence, run.newest
            );
            self.broken("runs: whoever comes late changes nothing", how);
        }
    }

    /// Somebody lets go of a run.
    pub(crate) fn run_let_go(&self, what: &str, hold: &Hold, came: &Result<Held, DbError>) {
        self.run_written(what, hold, came);
        if kept(came) != Kept::No {
            let mut state = self.runs.borrow_mut();
            state.runs.entry(hold.call.to_string()).or_default().until = 0;
        }
    }

    /// What came of an effect was to be written down.
    pub(crate) fn run_came(
        &self,
        hold: &Hold,
        intent: &Intent,
        result: &Came,
        came: &Result<Held, DbError>,
    ) {
        self.run_written("a result", hold, came);
        if kept(came) != Kept::Yes {
            return;
        }
        let mut state = self.runs.borrow_mut();
        let run = state.runs.entry(hold.call.to_string()).or_default();
        let first = run
            .results
            .entry(intent.ordinal)
            .or_insert_with(|| result.clone());
        if first != result {
            let how = format!(
                "entry {} of {}: {first:?} became {result:?}",
                intent.ordinal, hold.call
            );
            self.broken("runs: a result stays what it is", how);
        }
    }

    /// A guest was told a result, the how-manieth of its instance, and then read its clock.
    pub(crate) fn guest_told(&self, call: &str, place: usize, told: (u32, Vec<u8>, u64)) {
        let mut state = self.runs.borrow_mut();
        let run = state.runs.entry(call.to_owned()).or_default();
        match run.told.get(place) {
            None => run.told.push(told),
            Some(first) if *first == told => {}
            Some(first) => {
                let how = format!("{call}, place {place}: {told:?}, and before {first:?}");
                self.broken("runs: a guest is told the same in the same order", how);
            }
        }
    }

    /// A run was to be done, with this outcome.
    pub(crate) fn run_finished(&self, hold: &Hold, outcome: &[u8], came: &Result<Held, DbError>) {
        self.run_let_go("the outcome", hold, came);
        let mut state = self.runs.borrow_mut();
        let run = state.runs.entry(hold.call.to_string()).or_default();
        if outcome != guest::expected(run.seed) {
            let how = format!("{} came to {outcome:?}", hold.call);
            self.broken(
                "runs: the outcome is that of a run that nothing disturbed",
                how,
            );
        }
        if kept(came) == Kept::Yes {
            run.outcome = Some(outcome.to_vec());
        }
    }

    /// A person ends a run.
    pub(crate) fn run_killed(&self, call: &str, came: &Result<Held, DbError>) {
        let mut state = self.runs.borrow_mut();
        let run = state.runs.entry(call.to_owned()).or_default();
        if kept(came) != Kept::No {
            run.killed = Some(kept(came));
            run.until = 0;
        }
        if kept(came) == Kept::Yes {
            run.outcome = Some(KILLED.to_vec());
        }
    }

    pub(super) fn look_at_runs(&self, seen: &Seen) {
        let mut state = self.runs.borrow_mut();
        for row in seen
            .executions
            .iter()
            .filter(|row| row.durable == 1 && row.state == 1)
        {
            let run = state.runs.entry(row.call.clone()).or_default();
            let outcome = row.outcome.clone().unwrap_or_default();
            let expected = outcome == guest::expected(run.seed);
            if !(expected || (outcome == KILLED && run.killed.is_some())) {
                let how = format!("{} came to {outcome:?}", row.call);
                self.broken(
                    "runs: the outcome is that of a run that nothing disturbed",
                    how,
                );
            }
            if *run.outcome.get_or_insert_with(|| outcome.clone()) != outcome {
                self.broken("runs: an outcome stays what it is", row.call.clone());
            }
        }
        for (call, run) in &state.runs {
            for (ordinal, result) in &run.results {
                let step = seen
                    .steps
                    .iter()
                    .find(|step| step.call == *call && step.ordinal == *ordinal);
                let same = step.is_some_and(|step| {
                    step.came.as_ref() == Some(&result.bytes)
                        && step.place == Some(i64::from(result.place))
                });
                if !same {
                    let how = format!("entry {ordinal} of {call} is {step:?}, and was {result:?}");
                    self.broken("runs: a result that was written down is there", how);
                }
            }
            let row = seen.executions.iter().find(|row| row.call == *call);
            if run.outcome.is_some() && row.is_none_or(|row| row.state != 1) {
                self.broken("runs: an outcome that was kept is there", call.clone());
            }
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
