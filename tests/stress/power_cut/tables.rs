//! The tables of the database after the power has failed, before any host has begun to mend them.

use super::load::{Errand, PRICE, Recording, TICKETS_MAX};
use holdfast_store::db::{Database, DbError, Place, Row};
use holdfast_store::ledger;
use std::collections::HashMap;
use std::path::Path;

/// Reads all rows of a statement.
async fn rows(database: &Database, sql: &'static str) -> Result<Vec<Row>, DbError> {
    let read = database.read(sql, |sql, tx| {
        Box::pin(async move { tx.query(sql, &[]).await })
    });
    read.await
}

/// What is wrong with them. `calls` are those that effects on record were had for.
pub(super) async fn wrong(
    recording: &Recording,
    cut: usize,
    data: &Path,
    calls: &HashMap<String, String>,
) -> Result<Vec<String>, DbError> {
    let database = Database::open(Place::File(data.join("holdfast.db"))).await?;
    let mut wrong = Vec::new();
    for row in rows(&database, "PRAGMA integrity_check").await? {
        if row.text(0)? != "ok" {
            wrong.push(row.text(0)?.to_owned());
        }
    }
    wrong.extend(of_executions(&database, recording, cut, calls).await?);
    wrong.extend(of_values(&database, recording, cut).await?);
    wrong.extend(of_the_ledger(&database, recording, cut).await?);
    database.close().await;
    Ok(wrong)
}

/// What was answered under a key is kept; what was done under one and not answered is known to be under way, done or in doubt.
async fn of_executions(
    database: &Database,
    recording: &Recording,
    cut: usize,
    calls: &HashMap<String, String>,
) -> Result<Vec<String>, DbError> {
    let mut there = HashMap::new();
    for row in rows(database, "SELECT call, state, effects FROM executions").await? {
        there.insert(row.text(0)?.to_owned(), (row.integer(1)?, row.integer(2)?));
    }
    let mut wrong = Vec::new();
    let told = recording.told.iter();
    for told in told.filter(|told| told.errand() == Errand::Order) {
        let path = told.errand().path(told.nth);
        if let Some(answer) = told.served(cut) {
            if !matches!(there.get(answer.call()), Some((1, _))) {
                wrong.push(format!("the answer of {path} is not kept"));
            }
        } else if recording.seen(cut, &path) > 0 {
            let row = calls.get(&format!("POST {path}"));
            let row = row.and_then(|call| there.get(call));
            if !matches!(row, Some((0, 1) | (1 | 2, _))) {
                wrong.push(format!("{path} was done, and its row is {row:?}"));
            }
        }
    }
    Ok(wrong)
}

/// What was set is there, and no number is less than somebody was told or more than was asked for.
async fn of_values(
    database: &Database,
    recording: &Recording,
    cut: usize,
) -> Result<Vec<String>, DbError> {
    let mut there = HashMap::new();
    for row in rows(database, "SELECT key, value FROM kv").await? {
        let text = |cell| {
            row.bytes(cell)
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        there.insert(text(0)?, text(1)?);
    }
    let mut wrong = Vec::new();
    let (mut least, mut most) = (0, 0);
    for told in &recording.told {
        let served = told.served(cut);
        match told.errand() {
            Errand::Set => {
                let is = there.get(&format!("k{}", told.nth));
                if served.is_some() && is != Some(&format!("v{}", told.nth)) {
                    wrong.push(format!("the value of k{} is {is:?}", told.nth));
                }
            }
            Errand::Add => {
                most += i64::from(told.asked <= cut);
                least = served.map_or(least, |answer| least.max(answer.text().parse().unwrap()));
            }
            _ => {}
        }
    }
    let sum = there.get("sum").map_or(0, |sum| sum.parse().unwrap());
    if !(least..=most).contains(&sum) {
        wrong.push(format!("the number is {sum}, not {least} to {most}"));
    }
    Ok(wrong)
}

/// All sums agree, whatever was had is paid for or reserved, and no budget is exceeded.
async fn of_the_ledger(
    database: &Database,
    recording: &Recording,
    cut: usize,
) -> Result<Vec<String>, DbError> {
    let mut wrong = Vec::new();
    let sums = ledger::sums(database).await?;
    if (sums.entries, sums.settled, sums.reserved) != (sums.hours, sums.entries, sums.open) {
        wrong.push(format!("the ledger: {sums:?}"));
    }
    let known = "SELECT COUNT(*) FROM costs WHERE kind = 'settled'";
    let known = rows(database, known).await?[0].integer(0)?;
    let had = recording.seen.iter().filter(|(at, _)| *at <= cut).count();
    let had = i64::try_from(had).unwrap();
    let held = (sums.entries.0 + sums.open.0) / u64::try_from(PRICE).unwrap();
    if !(known..=i64::try_from(held).unwrap()).contains(&had) {
        wrong.push(format!(
            "{had} were had, {known} are paid for, {held} are held"
        ));
    }
    let spent = "SELECT CAST(COALESCE(MAX(settled + reserved), 0) AS BIGINT) FROM budgets WHERE level = 'upstream' AND name = 'tickets'";
    let spent = rows(database, spent).await?[0].integer(0)?;
    if spent > PRICE * i64::try_from(TICKETS_MAX).unwrap() {
        wrong.push(format!("{spent} of the budget for tickets are spent"));
    }
    Ok(wrong)
}
