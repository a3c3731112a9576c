//! The budgets that a unit of work touches, read once, changed in memory step by step, and written back once.

use super::write::Reservation;
use super::{Budget, Reserve, Span, Standing};
use crate::db::{DbError, Tx, Value};
use holdfast_call::NanoUsd;
use std::collections::BTreeMap;

/// Which budget, and which of its times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) level: String,
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) start: i64,
}

/// What of it is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    settled: i64,
    reserved: i64,
}

/// The budgets of a unit, at its moment.
pub(super) struct Book {
    now: i64,
    budgets: BTreeMap<Key, (Spent, Spent)>,
}

impl Book {
    pub(super) fn at(now: i64) -> Self {
        Self {
            now,
            budgets: BTreeMap::new(),
        }
    }

    /// The time of the budget in which now is.
    pub(super) fn key(&self, budget: &Budget) -> Key {
        Key {
            level: budget.level.to_owned(),
            name: budget.name.clone(),
            span: budget.span,
            start: budget.span.start(self.now),
        }
    }

    pub(super) fn keys(&self, wanted: &Reserve) -> Vec<Key> {
        wanted.budgets.iter().map(|one| self.key(one)).collect()
    }

    /// Reads a budget, unless that was done.
    pub(super) async fn open(&mut self, key: Key, tx: &mut dyn Tx) -> Result<(), DbError> {
        const SQL: &str = "SELECT settled, reserved FROM budgets \
                           WHERE level = $1 AND name = $2 AND span = $3 AND start_ms = $4";
        if self.budgets.contains_key(&key) {
            return Ok(());
        }
        let rows = tx.query(SQL, &named(&key)).await?;
        let spent = match rows.first() {
            Some(row) => Spent {
                settled: row.integer(0)?,
                reserved: row.integer(1)?,
            },
            None => Spent::default(),
        };
        self.budgets.insert(key, (spent, spent));
        Ok(())
    }

    /// Reserves under all budgets or none: then the number of the first that has too little left, and how it stands.
    pub(super) fn reserve(&mut self, wanted: &Reserve) -> Result<Vec<Standing>, (usize, Standing)> {
        let keys = self.keys(wanted);
        let amount = wanted.amount.as_i64();
        for (number, (budget, key)) in wanted.budgets.iter().zip(&keys).enumerate() {
            let Spent { settled, reserved } = self.spent(key);
            let sum = settled.saturating_add(reserved).saturating_add(amount);
            if sum > budget.limit.as_i64() {
                return Err((number, self.standing(key)));
            }
        }
        for key in &keys {
            if let Some((_, spent)) = self.budgets.get_mut(key) {
                spent.reserved = spent.reserved.saturating_add(amount);
            }
        }
        Ok(keys.iter().map(|key| self.standing(key)).collect())
    }

    /// What was reserved came to `actual`.
    pub(super) fn resolve(&mut self, reservation: &Reservation, actual: NanoUsd) -> Vec<Standing> {
        for key in &reservation.keys {
            if let Some((_, spent)) = self.budgets.get_mut(key) {
                spent.reserved = spent.reserved.saturating_sub(reservation.amount.as_i64());
                spent.settled = spent.settled.saturating_add(actual.as_i64());
            }
        }
        let keys = reservation.keys.iter();
        keys.map(|key| self.standing(key)).collect()
    }

    /// Writes back what has changed.
    pub(super) async fn close(self, tx: &mut dyn Tx) -> Result<(), DbError> {
        const SQL: &str = "INSERT INTO budgets (level, name, span, start_ms, settled, reserved) \
                           VALUES ($1, $2, $3, $4, $5, $6) \
                           ON CONFLICT (level, name, span, start_ms) \
                           DO UPDATE SET settled = excluded.settled, reserved = excluded.reserved";
        for (key, (before, after)) in &self.budgets {
            if before != after {
                let [level, name, span, start] = named(key);
                let values = [
                    level,
                    name,
                    span,
                    start,
                    after.settled.into(),
                    after.reserved.into(),
                ];
                tx.execute(SQL, &values).await?;
            }
        }
        Ok(())
    }

    fn spent(&self, key: &Key) -> Spent {
        self.budgets
            .get(key)
            .map_or_else(Spent::default, |(_, spent)| *spent)
    }

    fn standing(&self, key: &Key) -> Standing {
        let Spent { settled, reserved } = self.spent(key);
        Standing {
            level: key.level.clone(),
            name: key.name.clone(),
            settled: NanoUsd::of_i64(settled),
            reserved: NanoUsd::of_i64(reserved),
            left: key.span.left(key.start, self.now),
        }
    }
}

fn named(key: &Key) -> [Value; 4] {
    [
        (&key.level).into(),
        (&key.name).into(),
        key.span.as_str().into(),
        key.start.into(),
    ]
}
