//! `holdfast executions`: the calls with a key that are not done, and what a person says of those that nobody knows the end of.

use crate::cli::{DataArgs, print, print_json, text};
use crate::control::client::Client;
use crate::control::words::{ExecutionLine, Request, Response};
use crate::logs::date;
use anyhow::bail;
use clap::{Args, Subcommand};
use holdfast_call::WallTime;
use std::process::ExitCode;

/// What `executions` is told.
#[derive(Clone, Debug, Args)]
pub struct ExecutionsArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: ExecutionsCommand,
}

/// What can be done with executions.
#[derive(Clone, Debug, Subcommand)]
pub enum ExecutionsCommand {
    /// List the calls with a key that run, and those of which nobody knows what came of them.
    ///
    /// The latter had begun to change something when their host died. Asked for again they are refused as `indeterminate`, until somebody
    /// has looked (`holdfast explain CALL`) and released them.
    Ls(LsArgs),
    /// Say that a call of which nobody knew what came of it may be made again: the next request with its key runs.
    Release(ReleaseArgs),
}

/// How they are listed.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// Print them as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which one is released.
#[derive(Clone, Debug, Args)]
pub struct ReleaseArgs {
    /// The call, as the list has it.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// No host runs, or it refused.
pub fn run(args: &ExecutionsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ExecutionsCommand::Ls(args) => ls(args),
        ExecutionsCommand::Release(args) => text(
            &args.data,
            &Request::ReleaseExecution {
                call: args.call.clone(),
            },
        ),
    }
}

fn ls(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let answer = Client::connect(&args.data.data)?.ask(&Request::Executions)?;
    let Response::Executions(lines) = answer else {
        bail!("the host speaks another version of this program");
    };
    if args.json {
        print_json(&lines)?;
    } else {
        print(&table(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[ExecutionLine]) -> String {
    if lines.is_empty() {
        return "no executions: every call with a key has come to its end".to_owned();
    }
    let mut text = vec![format!(
        "{:<36} {:<14} {:<10} {:<32} CALLER",
        "CALL", "STATE", "SINCE", "OPERATION"
    )];
    for line in lines {
        let since = date(WallTime(line.began_ms.saturating_mul(1_000)));
        text.push(format!(
            "{:<36} {:<14} {since:<10} {:<32} {}",
            line.call, line.state, line.operation, line.caller
        ));
    }
    text.join("\n")
}
