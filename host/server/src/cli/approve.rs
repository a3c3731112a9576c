//! `holdfast approve`: what waits for a person, and what that person says of it.

use crate::cli::{DataArgs, clean, print, print_json, text};
use crate::control::client::Client;
use crate::control::words::{ApprovalLine, Decide, Request, Response};
use crate::logs::instant;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use holdfast_call::WallTime;
use std::fmt::Write as _;
use std::process::ExitCode;

/// What `approve` is told.
#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: ApproveCommand,
}

/// What can be done with approvals.
#[derive(Clone, Debug, Subcommand)]
pub enum ApproveCommand {
    /// List what waits to be approved, and what was approved and not done yet.
    Ls(LsArgs),
    /// Show one: who asks, for what exactly, and what was said of it.
    Show(ShowArgs),
    /// Say that this very action may be done, once, within 24 hours.
    ///
    /// Whoever asked for it sends the very same request again. What comes to nothing (no room, the host dies before anything was changed)
    /// does not use the approval up.
    Grant(DecideArgs),
    /// Say that it may not be done; also of one that was granted and is not used yet.
    Deny(DecideArgs),
}

/// How they are listed.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// Also those that were denied or used, or that nobody looked at in time, for a week.
    #[arg(long)]
    pub all: bool,
    /// Print them as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which one is shown.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The approval, as the list has it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print it as JSON; the payload is in base64.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What is said of which one.
#[derive(Clone, Debug, Args)]
pub struct DecideArgs {
    /// The approval, as the list has it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why: it is on record.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// No host runs, or it refused.
pub fn run(args: ApproveArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ApproveCommand::Ls(args) => ls(&args),
        ApproveCommand::Show(args) => show(args),
        ApproveCommand::Grant(args) => decide(args, true),
        ApproveCommand::Deny(args) => decide(args, false),
    }
}

fn decide(args: DecideArgs, grant: bool) -> anyhow::Result<ExitCode> {
    let DecideArgs { id, why, data } = args;
    text(&data, &Request::Decide(Decide { id, grant, why }))
}

fn ls(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let lines = ask(&args.data, &Request::Approvals { all: args.all })?;
    if args.json {
        print_json(&lines)?;
    } else {
        print(&table(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let lines = ask(&args.data, &Request::Approval { id: args.id })?;
    let line = lines.first().context("the host showed nothing")?;
    match args.json {
        true => print(&serde_json::to_string(line)?)?,
        false => print(whole(line)?.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(data: &DataArgs, request: &Request) -> anyhow::Result<Vec<ApprovalLine>> {
    match Client::connect(&data.data)?.ask(request)? {
        Response::Approvals(lines) => Ok(lines),
        _ => bail!("the host speaks another version of this program"),
    }
}

fn table(lines: &[ApprovalLine]) -> String {
    if lines.is_empty() {
        return "no approvals: nothing waits for anybody".to_owned();
    }
    let mut text = vec![format!(
        "{:<36} {:<8} {:<16} {:<32} CALLER",
        "ID", "STATE", "UNTIL", "OPERATION"
    )];
    for line in lines {
        text.push(format!(
            "{:<36} {:<8} {:<16} {:<32} {}",
            line.id,
            line.state,
            at(line.expires_ms),
            clean(&format!("{} {}", line.service, line.operation)),
            clean(&line.caller)
        ));
    }
    text.join("\n")
}

/// All of it, for people. What strangers wrote is shown as text and steers nothing.
fn whole(line: &ApprovalLine) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<10} {}", clean(value));
    };
    row("approval", &line.id);
    row("state", &line.state);
    row("caller", &line.caller);
    row("service", &line.service);
    row("operation", &line.operation);
    row("asks", &line.asked);
    row("says why", &line.why);
    row("since", &at(line.asked_ms));
    row("until", &at(line.expires_ms));
    if let (Some(by), Some(why)) = (&line.decided_by, &line.decided_why) {
        row("decided by", &format!("{by}: {why}"));
    }
    if let Some(call) = &line.used_by {
        row("done by", &format!("{call} (holdfast explain {call})"));
    }
    if let Some(kind) = &line.content_type {
        row("type", kind);
    }
    match &line.payload {
        None => row(
            "payload",
            &format!(
                "{} bytes, too many to be kept: its hash is what is approved",
                line.payload_bytes
            ),
        ),
        Some(_) if line.payload_bytes == 0 => row("payload", "none"),
        Some(payload) => {
            let bytes = BASE64.decode(payload.as_bytes())?;
            row("payload", &format!("{} bytes:", line.payload_bytes));
            for line in String::from_utf8_lossy(&bytes).lines() {
                let _ = writeln!(out, "  {}", clean(line));
            }
        }
    }
    Ok(out)
}

/// A time, to the minute.
fn at(millis: u64) -> String {
    const MINUTE: usize = "2026-01-01T00:00".len();
    let text = instant(WallTime(millis.saturating_mul(1_000)));
    text.chars().take(MINUTE).collect()
}
