//! `holdfast locks`: who holds which lease, since when, until when, and what for.

use crate::cli::{DataArgs, print, print_json};
use crate::control::client::Client;
use crate::control::words::{LockLine, Request, Response};
use crate::logs::instant;
use anyhow::bail;
use clap::Args;
use holdfast_call::WallTime;
use std::process::ExitCode;

/// How they are listed.
#[derive(Clone, Debug, Args)]
pub struct LocksArgs {
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
pub fn run(args: &LocksArgs) -> anyhow::Result<ExitCode> {
    let answer = Client::connect(&args.data.data)?.ask(&Request::Locks)?;
    let Response::Locks(lines) = answer else {
        bail!("the host speaks another version of this program");
    };
    if args.json {
        print_json(&lines)?;
    } else {
        print(&table(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[LockLine]) -> String {
    if lines.is_empty() {
        return "no leases: nobody holds one".to_owned();
    }
    let mut text = vec![format!(
        "{:<16} {:<24} {:<36} {:<12} {:<27} {:<27} WHY",
        "SERVICE", "LEASE", "CALL", "HOST", "SINCE", "UNTIL"
    )];
    for line in lines {
        let time = |ms: u64| instant(WallTime(ms.saturating_mul(1_000)));
        let host: String = line.host.chars().take(8).collect();
        text.push(format!(
            "{:<16} {:<24} {:<36} {:<12} {:<27} {:<27} {}",
            line.service,
            line.name,
            line.call,
            format!("{host}/{}", line.epoch),
            time(line.since_ms),
            time(line.until_ms),
            line.why.escape_debug()
        ));
    }
    text.join("\n")
}
