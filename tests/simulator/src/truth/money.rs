//! The ledger: it adds up, no budget is overspent, and what is reserved is resolved once.

use super::Truth;
use crate::look::Seen;
use holdfast_call::NanoUsd;
use holdfast_store::db::DbError;
use holdfast_store::ledger::{Left, ReservationId, Step, Stepped};
use std::collections::{BTreeMap, BTreeSet};

/// What may be spent of each budget.
const LIMIT: NanoUsd = NanoUsd(2_000_000_000);
/// What may be spent once nothing goes wrong any more, so that all comes to an end.
const RAISED: NanoUsd = NanoUsd(2_000_000_000_000);

#[derive(Default)]
pub(super) struct State {
    open: BTreeMap<ReservationId, i64>,
    resolved: BTreeSet<ReservationId>,
    settled: i64,
    /// So many of those that are open were taken for sent since it was looked last.
    orphans: u64,
    /// It is not known what the last unit did.
    vague: Vague,
    raised: Raised,
}

/// Whether the budgets were raised.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Raised {
    Yes,
    #[default]
    No,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Vague {
    Yes,
    #[default]
    No,
}

impl Truth {
    /// From now on more may be spent.
    pub(crate) fn raise_budgets(&self) {
        self.money.borrow_mut().raised = Raised::Yes;
    }

    /// How much may be spent.
    pub(crate) fn limit(&self) -> NanoUsd {
        match self.money.borrow().raised {
            Raised::Yes => RAISED,
            Raised::No => LIMIT,
        }
    }

    /// Steps were to be taken.
    pub(crate) fn money_moved(&self, steps: &[Step], came: &Result<Vec<Stepped>, DbError>) {
        let mut state = self.money.borrow_mut();
        let answers = match came {
            Ok(answers) => answers,
            Err(DbError::Ambiguous(_)) => {
                state.vague = Vague::Yes;
                return;
            }
            Err(_) => return,
        };
        for (step, answer) in steps.iter().zip(answers) {
            let (id, actual) = match step {
                Step::Reserve(wanted) => {
                    if matches!(answer, Stepped::Reserved(_)) {
                        if state.resolved.contains(&wanted.id) {
                            self.broken(
                                "ledger: a reservation is made once",
                                format!("{:?}", wanted.id),
                            );
                        }
                        state.open.insert(wanted.id, wanted.amount.as_i64());
                    }
                    continue;
                }
                Step::Settle { id, actual, .. } => (id, actual.as_i64()),
                Step::Void(id) => (id, 0),
            };
            if matches!(answer, Stepped::Gone) {
                continue;
            }
            if state.open.remove(id).is_none() && state.vague == Vague::No {
                self.broken("ledger: a reservation is resolved once", format!("{id:?}"));
            }
            state.resolved.insert(*id);
            state.settled += actual;
        }
    }

    /// What hosts had reserved that are gone was taken for spent.
    pub(crate) fn orphans_spent(&self, came: &Result<Left, DbError>) {
        let mut state = self.money.borrow_mut();
        match came {
            Ok(left) => {
                state.orphans += left.unconfirmed;
                state.settled += left.amount.as_i64();
            }
            Err(DbError::Ambiguous(_)) => state.vague = Vague::Yes,
            Err(_) => {}
        }
    }

    pub(super) fn look_at_money(&self, seen: &Seen) {
        let sums = seen.sums;
        if sums.entries != sums.hours || sums.entries != sums.settled || sums.open != sums.reserved
        {
            self.broken("ledger: it adds up", format!("{sums:?}"));
        }
        let limit = self.limit().as_i64();
        for (name, settled, reserved) in &seen.budgets {
            if settled + reserved > limit || *reserved < 0 || *settled < 0 {
                let how = format!("{name}: {settled} settled and {reserved} reserved");
                self.broken("ledger: no budget is overspent", how);
            }
        }
        let mut state = self.money.borrow_mut();
        if state.vague == Vague::No {
            let known = |id| state.open.contains_key(id);
            let gone =
                state.open.len() as u64 - seen.reservations.len().min(state.open.len()) as u64;
            if !seen.reservations.iter().all(known) || gone != state.orphans {
                let how = format!(
                    "{:?} are open, and {} were",
                    seen.reservations,
                    state.open.len()
                );
                self.broken(
                    "ledger: what was reserved is open until it is resolved",
                    how,
                );
            }
            if sums.entries.as_i64() != state.settled {
                let how = format!(
                    "{:?} is entered, and {} was spent",
                    sums.entries, state.settled
                );
                self.broken("ledger: what was spent is entered", how);
            }
        }
        let there = |id: &ReservationId| (*id, state.open.get(id).copied().unwrap_or(0));
        let open: BTreeMap<_, _> = seen.reservations.iter().map(there).collect();
        let gone: Vec<_> = state
            .open
            .keys()
            .filter(|id| !open.contains_key(*id))
            .copied()
            .collect();
        state.resolved.extend(gone);
        state.open = open;
        state.settled = sums.entries.as_i64();
        state.orphans = 0;
        state.vague = Vague::No;
    }
}
