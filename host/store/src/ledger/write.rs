//! Reservations and entries, as rows: many of them in one statement.

use super::book::Key;
use super::{Certainty, Paid, ReservationId, Reserve, Source, Span};
use crate::db::{DbError, Row, Tx, Value};
use crate::executions::Holder;
use holdfast_call::NanoUsd;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// How many rows one statement takes: few sizes, because the database keeps each form of a statement.
const SIZES: [usize; 3] = [64, 8, 1];

const HOUR: Span = Span::Hour;

/// A reservation that is taken out, to be resolved.
pub(super) struct Reservation {
    id: ReservationId,
    pub(super) amount: NanoUsd,
    pub(super) keys: Vec<Key>,
    paid: Paid,
}

/// An entry that is made.
pub(super) struct Entry {
    id: ReservationId,
    paid: Paid,
    reserved: NanoUsd,
    amount: NanoUsd,
    posted: Posted,
    source: Source,
}

/// What kind of entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// What was paid.
    Settled,
    /// What may have been paid.
    Unconfirmed,
    /// What was paid is more than what was reserved.
    Overrun,
}

impl Posted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Unconfirmed => "unconfirmed",
            Self::Overrun => "overrun",
        }
    }
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Answer => "answer",
            Self::Counted => "counted",
            Self::WorstCase => "worst-case",
        }
    }
}

impl Entry {
    pub(super) fn of(
        reservation: Reservation,
        amount: NanoUsd,
        certainty: Certainty,
        source: Source,
    ) -> Self {
        let posted = match certainty {
            Certainty::Unconfirmed => Posted::Unconfirmed,
            Certainty::Known if amount > reservation.amount => Posted::Overrun,
            Certainty::Known => Posted::Settled,
        };
        Self {
            id: reservation.id,
            paid: reservation.paid,
            reserved: reservation.amount,
            amount,
            posted,
            source,
        }
    }
}

/// The columns of a reservation, as [`reservation`] reads them.
pub(super) const COLUMNS: &str =
    "id, amount, levels, call, service, caller, upstream, operation, price_version";

/// Reads a reservation.
pub(super) fn reservation(row: &Row) -> Result<Reservation, DbError> {
    let wrong = |what: &str| DbError::Corrupt(format!("{what} of a reservation"));
    let id = ReservationId::try_from(row.bytes(0)?).map_err(|_| wrong("the name"))?;
    let levels: Vec<(String, String, String, i64)> =
        serde_json::from_str(row.text(2)?).map_err(|_| wrong("the budgets"))?;
    let key = |(level, name, span, start): (String, String, String, i64)| {
        let span = Span::parse(&span).ok_or_else(|| wrong("the time"))?;
        Ok(Key {
            level,
            name,
            span,
            start,
        })
    };
    Ok(Reservation {
        id,
        amount: NanoUsd::of_i64(row.integer(1)?),
        keys: levels
            .into_iter()
            .map(key)
            .collect::<Result<_, DbError>>()?,
        paid: Paid {
            call: row.text(3)?.to_owned(),
            service: row.text(4)?.to_owned(),
            caller: row.text(5)?.to_owned(),
            upstream: row.text(6)?.to_owned(),
            operation: row.text(7)?.to_owned(),
            price_version: row.text(8)?.to_owned(),
        },
    })
}

/// Takes reservations out: those that are still there.
pub(super) async fn resolved(
    ids: impl Iterator<Item = ReservationId>,
    tx: &mut dyn Tx,
) -> Result<HashMap<ReservationId, Reservation>, DbError> {
    let mut open = HashMap::new();
    let ids: Vec<_> = ids.map(|id| vec![Value::from(&id)]).collect();
    for some in portions(&ids) {
        let names = places(1, some.len()).replace(['(', ')'], "");
        let sql = format!("DELETE FROM reservations WHERE id IN ({names}) RETURNING {COLUMNS}");
        for row in tx.query(&sql, &some.concat()).await? {
            let reservation = reservation(&row)?;
            open.insert(reservation.id, reservation);
        }
    }
    Ok(open)
}

/// Puts reservations in.
pub(super) async fn reservations(
    holder: &Holder,
    reserved: &[(&Reserve, Vec<Key>)],
    now: i64,
    tx: &mut dyn Tx,
) -> Result<(), DbError> {
    const HEAD: &str = "INSERT INTO reservations (id, holder, epoch, amount, levels, began_ms, call, \
                        service, caller, upstream, operation, price_version) VALUES ";
    let row = |(wanted, keys): &(&Reserve, Vec<Key>)| {
        let levels: Vec<_> = keys
            .iter()
            .map(|key| (&key.level, &key.name, key.span.as_str(), key.start))
            .collect();
        // Texts and numbers alone: there is nothing in it that could not be written.
        let levels = serde_json::to_string(&levels).unwrap_or_default();
        let paid = &wanted.paid;
        vec![
            Value::from(&wanted.id),
            (&holder.host).into(),
            holder.epoch.into(),
            wanted.amount.as_i64().into(),
            levels.into(),
            now.into(),
            (&paid.call).into(),
            (&paid.service).into(),
            (&paid.caller).into(),
            (&paid.upstream).into(),
            (&paid.operation).into(),
            (&paid.price_version).into(),
        ]
    };
    let rows: Vec<_> = reserved.iter().map(row).collect();
    put(HEAD, &rows, "", tx).await
}

/// Puts entries in, and adds them to the sums of their hour.
pub(super) async fn entries(posted: &[Entry], now: i64, tx: &mut dyn Tx) -> Result<(), DbError> {
    const HEAD: &str = "INSERT INTO costs (id, posted_ms, kind, amount, reserved, source, call, service, \
                        caller, upstream, operation, price_version) VALUES ";
    const HOURS: &str = "INSERT INTO cost_hours (hour_ms, service, caller, upstream, operation, amount, \
                         entries, unconfirmed) VALUES ";
    const ADDED: &str = " ON CONFLICT (hour_ms, service, caller, upstream, operation) DO UPDATE SET \
                         amount = cost_hours.amount + excluded.amount, \
                         entries = cost_hours.entries + excluded.entries, \
                         unconfirmed = cost_hours.unconfirmed + excluded.unconfirmed";
    let rows: Vec<_> = posted.iter().map(|entry| entry_row(entry, now)).collect();
    put(HEAD, &rows, "", tx).await?;
    let mut hours = BTreeMap::<_, (i64, i64, i64)>::new();
    for entry in posted {
        let paid = &entry.paid;
        let key = (&paid.service, &paid.caller, &paid.upstream, &paid.operation);
        let amount = entry.amount.as_i64();
        let sums = hours.entry(key).or_default();
        sums.0 = sums.0.saturating_add(amount);
        sums.1 += 1;
        if entry.posted == Posted::Unconfirmed {
            sums.2 = sums.2.saturating_add(amount);
        }
    }
    let hour = HOUR.start(now);
    let row = |((service, caller, upstream, operation), sums): (_, (i64, i64, i64))| {
        let (service, caller, upstream, operation): (&String, &String, &String, &String) =
            (service, caller, upstream, operation);
        vec![
            Value::from(hour),
            service.into(),
            caller.into(),
            upstream.into(),
            operation.into(),
            sums.0.into(),
            sums.1.into(),
            sums.2.into(),
        ]
    };
    let rows: Vec<_> = hours.into_iter().map(row).collect();
    put(HOURS, &rows, ADDED, tx).await
}

fn entry_row(entry: &Entry, now: i64) -> Vec<Value> {
    let paid = &entry.paid;
    vec![
        Value::from(&entry.id),
        now.into(),
        entry.posted.as_str().into(),
        entry.amount.as_i64().into(),
        entry.reserved.as_i64().into(),
        entry.source.as_str().into(),
        (&paid.call).into(),
        (&paid.service).into(),
        (&paid.caller).into(),
        (&paid.upstream).into(),
        (&paid.operation).into(),
        (&paid.price_version).into(),
    ]
}

/// Runs `head`, so many rows, `tail` for all rows.
async fn put(head: &str, rows: &[Vec<Value>], tail: &str, tx: &mut dyn Tx) -> Result<(), DbError> {
    for some in portions(rows) {
        let columns = some.first().map_or(0, Vec::len);
        let sql = [head, &places(columns, some.len()), tail].concat();
        tx.execute(&sql, &some.concat()).await?;
    }
    Ok(())
}

/// All rows, in portions of few sizes.
fn portions(mut rows: &[Vec<Value>]) -> Vec<&[Vec<Value>]> {
    let mut portions = Vec::new();
    for size in SIZES {
        while let Some((some, rest)) = rows.split_at_checked(size) {
            portions.push(some);
            rows = rest;
        }
    }
    portions
}

/// `($1, $2), ($3, $4)`.
fn places(columns: usize, rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let mut before = if row == 0 { "(" } else { ", (" };
        for column in 1..=columns {
            // Writing to a string cannot fail.
            let _ = write!(text, "{before}${}", row * columns + column);
            before = ", ";
        }
        text.push(')');
    }
    text
}
