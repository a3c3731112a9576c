//! `holdfast schedules`: what is asked of services by the clock, when next, and how often it was not.

use crate::cli::{DataArgs, print, print_json};
use crate::control::client::Client;
use crate::control::words::{Request, Response, ScheduleLine};
use crate::logs::instant;
use anyhow::bail;
use clap::Args;
use holdfast_call::WallTime;
use std::process::ExitCode;

/// How they are listed.
#[derive(Clone, Debug, Args)]
pub struct SchedulesArgs {
    /// Print them as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Lists them.
///
/// # Errors
/// No host runs, or it cannot read them.
pub fn run(args: &SchedulesArgs) -> anyhow::Result<ExitCode> {
    let answer = Client::connect(&args.data.data)?.ask(&Request::Schedules)?;
    let Response::Schedules(lines) = answer else {
        bail!("the host speaks another version of this program");
    };
    if args.json {
        print_json(&lines)?;
    } else {
        print(&table(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[ScheduleLine]) -> String {
    if lines.is_empty() {
        return "no schedules: no manifest has [schedule.NAME]".to_owned();
    }
    let mut text = vec![format!(
        "{:<16} {:<16} {:<28} {:<27} {:>8} {:>8} {:>8} OPERATION",
        "SERVICE", "SCHEDULE", "WHEN", "NEXT", "FIRED", "SKIPPED", "MISSED"
    )];
    for line in lines {
        let next = line.next_ms;
        let next = next.map_or("-".to_owned(), |ms| {
            instant(WallTime(ms.saturating_mul(1_000)))
        });
        text.push(format!(
            "{:<16} {:<16} {:<28} {next:<27} {:>8} {:>8} {:>8} {}",
            line.service,
            line.name,
            line.when,
            line.fired,
            line.skipped,
            line.missed,
            line.operation
        ));
    }
    text.join("\n")
}
