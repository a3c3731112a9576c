//! What was spent, by whom and for what: answered from the sums of each hour, so that it does not matter how many entries there are.

use super::{Span, amount};
use crate::db::{Database, DbError, Row, Value};
use holdfast_call::NanoUsd;

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// By the day, in UTC.
    Day,
    /// By the service that the call was made for.
    Service,
    /// By who asked first.
    Caller,
    /// By who was paid.
    Upstream,
    /// By what was done.
    Operation,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Day,
        Self::Service,
        Self::Caller,
        Self::Upstream,
        Self::Operation,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Service => "service",
            Self::Caller => "caller",
            Self::Upstream => "upstream",
            Self::Operation => "operation",
        }
    }

    /// The key of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == word)
    }

    /// What it is in the table.
    const fn column(self) -> &'static str {
        match self {
            Self::Day => "hour_ms - hour_ms % 86400000",
            Self::Service => "service",
            Self::Caller => "caller",
            Self::Upstream => "upstream",
            Self::Operation => "operation",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// From this moment on, in milliseconds since 1970: the whole hour that it is in.
    pub since_ms: i64,
    /// Until this moment: an hour that began before it counts as a whole.
    pub until_ms: i64,
    /// By what; one sum of all, without any.
    pub by: Vec<Key>,
}

/// A sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostLine {
    /// The day, in milliseconds since 1970, if it is told apart by that.
    pub day_ms: Option<i64>,
    /// The other keys that it is told apart by, and what they are.
    pub names: Vec<(Key, String)>,
    /// What was paid, and what may have been.
    pub amount: NanoUsd,
    /// In so many tries.
    pub entries: u64,
    /// What of the amount may have been less, or nothing.
    pub unconfirmed: NanoUsd,
}

/// So many sums are answered at most; the largest, if there are more.
const LINES_MAX: i64 = 10_000;

/// What was spent, the days in their order and within one the largest first.
///
/// # Errors
/// The database fails.
pub async fn costs(database: &Database, asked: Grouped) -> Result<Vec<CostLine>, DbError> {
    let mut by = asked.by;
    by.sort_unstable();
    by.dedup();
    let (since, until) = (Span::Hour.start(asked.since_ms), asked.until_ms);
    database
        .read((since, until, by), |(since, until, by), tx| {
            Box::pin(async move {
                let values: [Value; 3] = [(*since).into(), (*until).into(), LINES_MAX.into()];
                let rows = tx.query(&statement(by), &values).await?;
                rows.iter().map(|row| line(row, by)).collect()
            })
        })
        .await
}

fn statement(by: &[Key]) -> String {
    let columns: String = by.iter().map(|key| format!("{}, ", key.column())).collect();
    let numbers: Vec<_> = (1..=by.len()).map(|number| number.to_string()).collect();
    let grouped = match by {
        [] => String::new(),
        _ => format!(" GROUP BY {}", numbers.join(", ")),
    };
    let first = match by.first() {
        Some(Key::Day) => "1, ",
        _ => "",
    };
    let sum = by.len() + 1;
    format!(
        "SELECT {columns}CAST(COALESCE(SUM(amount), 0) AS BIGINT), CAST(COALESCE(SUM(entries), 0) AS BIGINT), \
         CAST(COALESCE(SUM(unconfirmed), 0) AS BIGINT) FROM cost_hours \
         WHERE hour_ms >= $1 AND hour_ms < $2{grouped} ORDER BY {first}{sum} DESC LIMIT $3"
    )
}

fn line(row: &Row, by: &[Key]) -> Result<CostLine, DbError> {
    let mut line = CostLine {
        day_ms: None,
        names: Vec::new(),
        amount: amount(row, by.len())?,
        entries: u64::try_from(row.integer(by.len() + 1)?).unwrap_or(0),
        unconfirmed: amount(row, by.len() + 2)?,
    };
    for (cell, key) in by.iter().enumerate() {
        match key {
            Key::Day => line.day_ms = Some(row.integer(cell)?),
            Key::Service | Key::Caller | Key::Upstream | Key::Operation => {
                line.names.push((*key, row.text(cell)?.to_owned()));
            }
        }
    }
    Ok(line)
}
