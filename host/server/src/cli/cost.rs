//! `holdfast cost`: what was paid, by whom and for what, and whether an invoice says the same.

mod invoice;
pub(crate) mod when;

use crate::cli::{DataArgs, complain, print};
use crate::control::client::Client;
use crate::control::words::{CostLine, CostRequest, Request, Response};
use crate::ledger;
use crate::logs::date;
use crate::settings::store::Store;
use anyhow::bail;
use clap::{Args, Subcommand};
use holdfast_call::{Clock as _, NanoUsd, WallTime};
use holdfast_rules::clock::HostClock;
use holdfast_store::DataLock;
use holdfast_store::db::{Database, Place};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `cost` is told.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CostArgs {
    /// What is to be done, where it is something else.
    #[command(subcommand)]
    pub command: Option<CostCommand>,
    /// From when on, in UTC: "today", "yesterday", "last tuesday", "7d", "24h", "2026-11-01".
    #[arg(long, default_value = "today", value_name = "WHEN")]
    pub since: String,
    /// Until when, written in the same way: a day is not part of it. Else until now.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// By what sums are told apart: day, service, caller, upstream, operation, or several of them, with commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "service,upstream",
        value_name = "KEYS"
    )]
    pub by: Vec<String>,
    /// Print them as JSON, an object a line, amounts in billionths of a US dollar.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What else can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum CostCommand {
    /// Compare the ledger with what a provider has billed, day by day. Ends with 1 where they differ.
    ///
    /// The file has a line of names and then one for each item, with commas: `day` (2026-11-01) or `time` (2026-11-01T13:14:15Z),
    /// `upstream`, as the policy calls it, and `amount` in US dollars; other columns are passed over. What the ledger calls unconfirmed may
    /// have been paid or not, so it is shown beside the difference.
    Reconcile(ReconcileArgs),
}

/// What is compared.
#[derive(Clone, Debug, Args)]
pub struct ReconcileArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Says it.
///
/// # Errors
/// The host refused, what was asked makes no sense, or no host runs and its ledger is not in its data directory.
pub fn run(args: &CostArgs) -> anyhow::Result<ExitCode> {
    if let Some(CostCommand::Reconcile(args)) = &args.command {
        return invoice::reconcile(args);
    }
    let now = i64::try_from(HostClock::start().wall().millis()).unwrap_or(i64::MAX);
    let since_ms = when::parse(&args.since, now).map_err(anyhow::Error::msg)?;
    let until_ms = match &args.until {
        Some(text) => when::parse(text, now).map_err(anyhow::Error::msg)?,
        None => i64::MAX,
    };
    let by: Vec<_> = args.by.iter().map(|word| word.trim().to_owned()).collect();
    let lines = ask(&args.data, since_ms, until_ms, by.clone())?;
    if args.json {
        for line in &lines {
            print(&as_json(line).to_string())?;
        }
    } else {
        print(&table(&lines, &by, since_ms))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(
    data: &DataArgs,
    since_ms: i64,
    until_ms: i64,
    by: Vec<String>,
) -> anyhow::Result<Vec<CostLine>> {
    let asked = CostRequest {
        since_ms,
        until_ms,
        by,
    };
    let mut client = match Client::connect(&data.data) {
        Ok(client) => client,
        Err(_) if Store::file(&data.data).exists() => return of_a_stopped_host(&data.data, asked),
        Err(error) => return Err(error),
    };
    let Response::Costs(lines) = client.ask(&Request::Cost(asked))? else {
        bail!("the host speaks another version of this program");
    };
    Ok(lines)
}

/// What the file of a host says that does not run.
fn of_a_stopped_host(data: &Path, asked: CostRequest) -> anyhow::Result<Vec<CostLine>> {
    let _lock = DataLock::take(data)?;
    complain(&format!(
        "no host runs on {}: this is what {} says. What was under way when it ended is entered when it starts, and a ledger on a server \
         ([store] url) is only read by a host that runs",
        data.display(),
        Store::file(data).display()
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let database = Database::open(Place::File(Store::file(data))).await?;
        ledger::costs(&database, asked)
            .await
            .map_err(anyhow::Error::msg)
    })
}

fn as_json(line: &CostLine) -> Value {
    let mut object: Map<_, _> = line
        .by
        .iter()
        .map(|(key, name)| (key.clone(), json!(name)))
        .collect();
    object.insert("amount_nanousd".to_owned(), json!(line.amount_nanousd));
    object.insert("tries".to_owned(), json!(line.tries));
    object.insert(
        "unconfirmed_nanousd".to_owned(),
        json!(line.unconfirmed_nanousd),
    );
    Value::Object(object)
}

/// The order in which keys are shown.
const KEYS: [&str; 5] = ["day", "service", "caller", "upstream", "operation"];

fn table(lines: &[CostLine], by: &[String], since_ms: i64) -> String {
    let since = date(WallTime(
        u64::try_from(since_ms).unwrap_or(0).saturating_mul(1_000),
    ));
    if lines.iter().all(|line| line.tries == 0) {
        return format!("nothing was paid since {since} (UTC)");
    }
    let keys: Vec<_> = KEYS
        .into_iter()
        .filter(|key| by.iter().any(|word| word == key))
        .collect();
    let cell = |line: &CostLine, key: &str| match line.by.get(key).map(String::as_str) {
        Some("") | None => "-".to_owned(),
        Some(name) => name.to_owned(),
    };
    let widths: Vec<_> = keys
        .iter()
        .map(|key| {
            let cells = lines.iter().map(|line| cell(line, key).chars().count());
            cells.max().unwrap_or(0).max(key.len())
        })
        .collect();
    let row = |names: Vec<String>, amount: &str, tries: &str, unconfirmed: &str| {
        let names = names.iter().zip(&widths);
        let names: String = names
            .map(|(name, width)| format!("{name:<width$}  "))
            .collect();
        format!("{names}{amount:>20}  {tries:>10}  {unconfirmed:>20}")
    };
    let head = keys.iter().map(|key| key.to_uppercase()).collect();
    let mut text = vec![row(head, "PAID", "TRIES", "UNCONFIRMED OF IT")];
    let mut total = (NanoUsd(0), 0, NanoUsd(0));
    for line in lines {
        let (paid, unconfirmed) = (
            NanoUsd(line.amount_nanousd),
            NanoUsd(line.unconfirmed_nanousd),
        );
        total = (
            total.0.plus(paid),
            total.1 + line.tries,
            total.2.plus(unconfirmed),
        );
        let names = keys.iter().map(|key| cell(line, key)).collect();
        text.push(row(
            names,
            &paid.to_string(),
            &line.tries.to_string(),
            &unconfirmed.to_string(),
        ));
    }
    text.push(format!(
        "since {since} (UTC): {} in {} tries, of which {} are unconfirmed",
        total.0, total.1, total.2
    ));
    text.join("\n")
}
