//! The ledger: what is reserved, what was paid, and what of each budget is left.
//!
//! A try that costs something is reserved at its worst before it is made, under every budget that it counts for or under none, and resolved
//! once: settled with what it came to, or voided where it is certain that nothing was sent. `settled + reserved` of a budget is never more
//! than its limit because of a reservation. What is paid is a fact: a try that came to more than its reservation is entered as it is, and
//! flagged. A reservation whose host is gone may have been sent, so it is entered in full as `unconfirmed`, and nothing is given back.
//!
//! Many steps are one unit of work: whoever keeps the ledger collects what is asked at the same time.

mod book;
mod costs;
mod span;
mod write;

pub use costs::{CostLine, Grouped, Key as CostKey, costs};
pub use span::{Span, day_of};

use crate::db::{Database, DbError, Row, Tx, Value};
use crate::executions::Holder;
use book::Book;
use holdfast_call::NanoUsd;
use std::time::Duration;
use write::Entry;

/// How many steps one unit takes at most.
pub const STEPS_MAX: usize = 256;
/// For how long a host is taken for alive that does not say so.
pub const SILENT_MAX: Duration = Duration::from_secs(30);
/// For how long single entries are kept; the sums of each hour stay.
pub const KEEP: Duration = Duration::from_secs(400 * 24 * 3600);
/// How many rows one sweep removes at most, so that it holds nobody up.
const SWEPT_MAX: i64 = 1_000;

/// The name of a reservation: unique over hosts and restarts.
pub type ReservationId = [u8; 16];

/// A budget that a try counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose kind of budget it is: `host`, `service`, `caller` or `upstream`.
    pub level: &'static str,
    /// Whose it is.
    pub name: String,
    /// For which time it is.
    pub span: Span,
    /// How much may be spent in that time.
    pub limit: NanoUsd,
}

/// What is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The call, by its name.
    pub call: String,
    /// The service that it is made for.
    pub service: String,
    /// Who asked for the first call of its tree.
    pub caller: String,
    /// Who is paid.
    pub upstream: String,
    /// What is done.
    pub operation: String,
    /// Which price list it is.
    pub price_version: String,
}

/// A reservation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Its name.
    pub id: ReservationId,
    /// The most that it can cost.
    pub amount: NanoUsd,
    /// The budgets that it counts for.
    pub budgets: Vec<Budget>,
    /// What it is for.
    pub paid: Paid,
}

/// What an amount is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The price of a request alone.
    Price,
    /// What the answer says was used.
    Answer,
    /// What the host itself has counted.
    Counted,
    /// The worst case: nobody has said what was used.
    WorstCase,
}

/// Whether what was paid is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It is.
    Known,
    /// It may have been less, or nothing.
    Unconfirmed,
}

/// A step that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reserve.
    Reserve(Reserve),
    /// It came to this.
    Settle {
        /// Which reservation.
        id: ReservationId,
        /// How much.
        actual: NanoUsd,
        /// Whether that is known.
        certainty: Certainty,
        /// What it is taken from.
        source: Source,
    },
    /// Nothing was sent.
    Void(ReservationId),
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It is reserved; how each of its budgets stands, in their order.
    Reserved(Vec<Standing>),
    /// Nothing is reserved, because of the budget with this number.
    Refused(usize, Standing),
    /// It is resolved; how each budget stands that it had counted for.
    Resolved(Vec<Standing>),
    /// It was resolved before: by whoever took this host for dead.
    Gone,
}

/// How a budget stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its kind.
    pub level: String,
    /// Whose it is.
    pub name: String,
    /// What was paid in its time.
    pub settled: NanoUsd,
    /// What may still be paid.
    pub reserved: NanoUsd,
    /// For how long its time still goes on.
    pub left: Duration,
}

/// What an earlier life of a host, or a host that is gone, has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// So many tries of which nobody knows whether they were made.
    pub unconfirmed: u64,
    /// What they cost if all of them were.
    pub amount: NanoUsd,
}

/// Takes these steps, in their order; what became of each. The same steps may be asked again if they are not answered.
///
/// # Errors
/// The database fails; none of them is taken, unless the error says that nobody knows.
pub async fn take(
    database: &Database,
    holder: Holder,
    steps: Vec<Step>,
) -> Result<Vec<Stepped>, DbError> {
    database
        .run((holder, steps), |(holder, steps), tx| {
            Box::pin(taken(holder, steps, tx))
        })
        .await
}

/// Begins another life of this host: what its earlier lives had reserved is entered as unconfirmed.
///
/// # Errors
/// The database fails.
pub async fn begin(database: &Database, holder: Holder) -> Result<Left, DbError> {
    const ORPHANS: &str = "DELETE FROM reservations WHERE holder = $1 AND epoch < $2 RETURNING ";
    database
        .run(holder, |holder, tx| {
            Box::pin(async move {
                alive(holder, tx).await?;
                let values = [(&holder.host).into(), holder.epoch.into()];
                orphans(ORPHANS, &values, tx).await
            })
        })
        .await
}

/// Says that this host is alive, and enters what hosts had reserved that are not.
///
/// # Errors
/// The database fails.
pub async fn follow(database: &Database, holder: Holder) -> Result<Left, DbError> {
    const ORPHANS: &str = "DELETE FROM reservations WHERE holder <> $1 AND holder IN \
                           (SELECT id FROM hosts WHERE seen_ms < $2) RETURNING ";
    database
        .run(holder, |holder, tx| {
            Box::pin(async move {
                let now = alive(holder, tx).await?;
                let dead = now.saturating_sub(millis(SILENT_MAX));
                let left = orphans(ORPHANS, &[(&holder.host).into(), dead.into()], tx).await?;
                swept(now, tx).await?;
                Ok(left)
            })
        })
        .await
}

async fn taken(holder: &Holder, steps: &[Step], tx: &mut dyn Tx) -> Result<Vec<Stepped>, DbError> {
    let now = tx.now().await?;
    let resolved = steps.iter().filter_map(|step| match step {
        Step::Reserve(_) => None,
        Step::Settle { id, .. } | Step::Void(id) => Some(*id),
    });
    let mut open = write::resolved(resolved, tx).await?;
    let mut book = Book::at(now);
    for step in steps {
        if let Step::Reserve(wanted) = step {
            for budget in &wanted.budgets {
                book.open(book.key(budget), tx).await?;
            }
        }
    }
    for reservation in open.values() {
        for key in &reservation.keys {
            book.open(key.clone(), tx).await?;
        }
    }
    let (mut reserved, mut posted) = (Vec::new(), Vec::new());
    let mut answers = Vec::with_capacity(steps.len());
    for step in steps {
        let answer = match step {
            Step::Reserve(wanted) => match book.reserve(wanted) {
                Ok(standing) => {
                    reserved.push((wanted, book.keys(wanted)));
                    Stepped::Reserved(standing)
                }
                Err((number, standing)) => Stepped::Refused(number, standing),
            },
            Step::Settle {
                id,
                actual,
                certainty,
                source,
            } => match open.remove(id) {
                Some(reservation) => {
                    let standing = book.resolve(&reservation, *actual);
                    let entry = Entry::of(reservation, *actual, *certainty, *source);
                    posted.push(entry);
                    Stepped::Resolved(standing)
                }
                None => Stepped::Gone,
            },
            Step::Void(id) => match open.remove(id) {
                Some(reservation) => Stepped::Resolved(book.resolve(&reservation, NanoUsd(0))),
                None => Stepped::Gone,
            },
        };
        answers.push(answer);
    }
    write::reservations(holder, &reserved, now, tx).await?;
    write::entries(&posted, now, tx).await?;
    book.close(tx).await?;
    Ok(answers)
}

/// Says that the host lives, in its row; now.
async fn alive(holder: &Holder, tx: &mut dyn Tx) -> Result<i64, DbError> {
    const SQL: &str = "UPDATE hosts SET seen_ms = $1 WHERE id = $2 AND epoch = $3";
    let now = tx.now().await?;
    let values: [Value; 3] = [now.into(), (&holder.host).into(), holder.epoch.into()];
    tx.execute(SQL, &values).await?;
    Ok(now)
}

/// Enters in full what `sql` takes out of the reservations.
async fn orphans(sql: &'static str, values: &[Value], tx: &mut dyn Tx) -> Result<Left, DbError> {
    let now = tx.now().await?;
    let rows = tx.query(&[sql, write::COLUMNS].concat(), values).await?;
    let reservations: Vec<_> = rows
        .iter()
        .map(write::reservation)
        .collect::<Result<_, _>>()?;
    let mut book = Book::at(now);
    let (mut left, mut posted) = (Left::default(), Vec::new());
    for reservation in reservations {
        for key in &reservation.keys {
            book.open(key.clone(), tx).await?;
        }
        let all = reservation.amount;
        book.resolve(&reservation, all);
        left.unconfirmed += 1;
        left.amount = left.amount.plus(all);
        let (certainty, source) = (Certainty::Unconfirmed, Source::WorstCase);
        posted.push(Entry::of(reservation, all, certainty, source));
    }
    write::entries(&posted, now, tx).await?;
    book.close(tx).await?;
    Ok(left)
}

/// Removes some of what was kept for long enough.
async fn swept(now: i64, tx: &mut dyn Tx) -> Result<(), DbError> {
    const ENTRIES: &str = "DELETE FROM costs WHERE id IN \
                           (SELECT id FROM costs WHERE posted_ms < $1 LIMIT $2)";
    const BUDGETS: &str = "DELETE FROM budgets WHERE start_ms < $1 AND reserved = 0";
    let end = now.saturating_sub(millis(KEEP));
    tx.execute(ENTRIES, &[end.into(), SWEPT_MAX.into()]).await?;
    tx.execute(BUDGETS, &[end.into()]).await?;
    Ok(())
}

/// The sums that must agree, for whoever checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Of all entries.
    pub entries: NanoUsd,
    /// Of the sums of each hour.
    pub hours: NanoUsd,
    /// Of what the budgets of the level `host` have settled.
    pub settled: NanoUsd,
    /// Of what they have reserved.
    pub reserved: NanoUsd,
    /// Of all open reservations.
    pub open: NanoUsd,
}

/// Adds everything up.
///
/// # Errors
/// The database fails.
pub async fn sums(database: &Database) -> Result<Sums, DbError> {
    database
        .read((), |(), tx| {
            Box::pin(async move {
                const SQL: &str = "SELECT \
                    CAST((SELECT COALESCE(SUM(amount), 0) FROM costs) AS BIGINT), \
                    CAST((SELECT COALESCE(SUM(amount), 0) FROM cost_hours) AS BIGINT), \
                    CAST((SELECT COALESCE(SUM(settled), 0) FROM budgets WHERE level = 'host') AS BIGINT), \
                    CAST((SELECT COALESCE(SUM(reserved), 0) FROM budgets WHERE level = 'host') AS BIGINT), \
                    CAST((SELECT COALESCE(SUM(amount), 0) FROM reservations) AS BIGINT)";
                let rows = tx.query(SQL, &[]).await?;
                let none = || DbError::Failing("a sum has no row".to_owned());
                let row = rows.first().ok_or_else(none)?;
                Ok(Sums {
                    entries: amount(row, 0)?,
                    hours: amount(row, 1)?,
                    settled: amount(row, 2)?,
                    reserved: amount(row, 3)?,
                    open: amount(row, 4)?,
                })
            })
        })
        .await
}

fn amount(row: &Row, cell: usize) -> Result<NanoUsd, DbError> {
    row.integer(cell).map(NanoUsd::of_i64)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
