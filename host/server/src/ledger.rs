//! The ledger of this host, as its operator reads it, and as another life of it finds it.

use crate::control::words::{CostLine, CostRequest};
use crate::logs::date;
use holdfast_call::{Clock, Level, Log, WallTime};
use holdfast_rules::budget::{Ledger, left_text};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::Holder;
use holdfast_store::ledger::{self, CostKey, Grouped, Left};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger of this host.
pub struct HostLedger {
    database: Database,
    held: Arc<Ledger>,
}

impl HostLedger {
    /// Begins another life: what the earlier ones had reserved is in the ledger as unconfirmed, and `held` keeps it in the database.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin(
        database: Database,
        holder: Holder,
        held: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        log: Arc<dyn Log>,
    ) -> Result<Arc<Self>, DbError> {
        let left = ledger::begin(&database, holder.clone()).await?;
        if left != Left::default() {
            log.host(
                Level::Warn,
                left_text(&left, "an earlier life of this host"),
            );
        }
        held.keep_in(database.clone(), holder, clock, log);
        Ok(Arc::new(Self { database, held }))
    }

    /// Says that this host lives, and enters what others have left, for ever.
    pub async fn follow(self: Arc<Self>) {
        self.held.clone().follow().await;
    }

    /// Waits until all is on record that has come to its end.
    pub async fn settled(&self) {
        self.held.settled().await;
    }

    /// What was paid, as it is asked.
    ///
    /// # Errors
    /// It cannot be read, or something is asked that there is not.
    pub async fn costs(&self, asked: CostRequest) -> Result<Vec<CostLine>, String> {
        // What has ended is in it.
        self.settled().await;
        costs(&self.database, asked).await
    }
}

/// What was paid, as it is asked, by what a database says.
///
/// # Errors
/// It cannot be read, or something is asked that there is not.
pub async fn costs(database: &Database, asked: CostRequest) -> Result<Vec<CostLine>, String> {
    let key = |word: &String| {
        CostKey::parse(word).ok_or_else(|| {
            let words = CostKey::ALL.map(CostKey::as_str).join(", ");
            let word = word.escape_debug();
            format!("`{word}` is nothing that costs are told apart by: {words}")
        })
    };
    let by = asked.by.iter().map(key).collect::<Result<_, _>>()?;
    let grouped = Grouped {
        since_ms: asked.since_ms,
        until_ms: asked.until_ms,
        by,
    };
    let lines = ledger::costs(database, grouped).await;
    let lines = lines.map_err(|error| format!("failed to {error}"))?;
    Ok(lines.into_iter().map(line).collect())
}

fn line(line: ledger::CostLine) -> CostLine {
    let day = line.day_ms.and_then(|day| u64::try_from(day).ok());
    let day = day.map(|day| date(WallTime(day.saturating_mul(1_000))));
    let names = line.names.into_iter();
    let names = names.map(|(key, name)| (key.as_str().to_owned(), name));
    let day = day.map(|day| (CostKey::Day.as_str().to_owned(), day));
    CostLine {
        by: day.into_iter().chain(names).collect::<BTreeMap<_, _>>(),
        amount_nanousd: line.amount.0,
        tries: line.entries,
        unconfirmed_nanousd: line.unconfirmed.0,
    }
}
