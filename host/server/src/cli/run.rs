//! `holdfast run`: durable executions, how far each came, and what a person does about it.

use crate::cli::{DataArgs, clean, print, print_json, text};
use crate::control::client::Client;
use crate::control::run::{RunLine, RunRequest, RunShown, StepLine, StepWord};
use crate::control::words::{Request, Response};
use crate::logs::instant;
use anyhow::bail;
use clap::{Args, Subcommand};
use holdfast_call::WallTime;
use std::process::ExitCode;

/// What `run` is told.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: RunCommand,
}

/// What can be done with durable executions.
#[derive(Clone, Debug, Subcommand)]
pub enum RunCommand {
    /// List them: those that are not done, then those whose outcome is still kept.
    Ls(LsArgs),
    /// Show one: what it asked for, when, and what came of it.
    Show(ShowArgs),
    /// Let one go on that is paused or waits; what is not known to have been done, and must not be done twice, pauses it again, unless a word
    /// is said of it.
    Resume(ResumeArgs),
    /// End one, and undo what its steps did, the last first, as far as their services declare how ([effects.undo]).
    ///
    /// Asked again it goes on with what is not undone yet; nothing is undone twice.
    Cancel(RunNameArgs),
    /// End one for good. What it did stays done: nothing is undone.
    Kill(RunNameArgs),
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

/// Which one is shown.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The execution, as the list has it.
    #[arg(value_name = "EXECUTION")]
    pub call: String,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which one goes on, and with what word.
#[derive(Clone, Debug, Args)]
pub struct ResumeArgs {
    /// The execution.
    #[command(flatten)]
    pub run: RunNameArgs,
    /// Say of the step of this number, of which nobody knew, that it was not done: it is asked for again.
    #[arg(long, value_name = "STEP")]
    pub not_done: Option<u32>,
    /// Have the service told that nobody knows whether the step of this number was done: it gets the error `indeterminate`, and decides.
    #[arg(long, value_name = "STEP", conflicts_with = "not_done")]
    pub indeterminate: Option<u32>,
}

/// Which one is meant.
#[derive(Clone, Debug, Args)]
pub struct RunNameArgs {
    /// The execution, as the list has it.
    #[arg(value_name = "EXECUTION")]
    pub call: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// No host runs, or it refused.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        RunCommand::Ls(args) => ls(&args),
        RunCommand::Show(args) => show(args),
        RunCommand::Resume(args) => {
            let not_done = args.not_done.map(StepWord::NotDone);
            let asked = RunRequest::Resume {
                call: args.run.call,
                word: not_done.or(args.indeterminate.map(StepWord::Indeterminate)),
            };
            text(&args.run.data, &Request::Run(asked))
        }
        RunCommand::Cancel(args) => {
            let asked = RunRequest::Cancel { call: args.call };
            text(&args.data, &Request::Run(asked))
        }
        RunCommand::Kill(args) => {
            let asked = RunRequest::Kill { call: args.call };
            text(&args.data, &Request::Run(asked))
        }
    }
}

fn ask(data: &DataArgs, asked: RunRequest) -> anyhow::Result<Response> {
    Client::connect(&data.data)?.ask(&Request::Run(asked))
}

fn ls(args: &LsArgs) -> anyhow::Result<ExitCode> {
    let Response::Runs(lines) = ask(&args.data, RunRequest::List)? else {
        bail!("the host speaks another version of this program");
    };
    match args.json {
        true => print_json(&lines)?,
        false => print(&table(&lines))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[RunLine]) -> String {
    if lines.is_empty() {
        return "no durable executions".to_owned();
    }
    let mut text = vec![format!(
        "{:<36} {:<8} {:<16} {:<27} {:>6} OPERATION",
        "EXECUTION", "STATE", "SERVICE", "BEGAN", "STEPS"
    )];
    for line in lines {
        text.push(format!(
            "{:<36} {:<8} {:<16} {:<27} {:>6} {}",
            line.call,
            line.state,
            line.service,
            millis(line.began_ms),
            line.steps,
            clean(&line.operation)
        ));
        if !line.reason.is_empty() {
            text.push(format!("{:<36} {}", "", clean(&line.reason)));
        }
    }
    text.join("\n")
}

fn show(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let answer = ask(&args.data, RunRequest::Show { call: args.call })?;
    let Response::Run(shown) = answer else {
        bail!("the host speaks another version of this program");
    };
    match args.json {
        true => print_json(&[*shown])?,
        false => print(&timeline(&shown))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn timeline(shown: &RunShown) -> String {
    let run = &shown.run;
    let state = match (run.until_ms, &*run.reason) {
        (Some(until), _) => format!("{} until {}", run.state, millis(until)),
        (None, _) => run.state.clone(),
    };
    let mut rows = vec![
        ("execution", run.call.clone()),
        ("service", run.service.clone()),
        ("version", run.digest.clone()),
        ("operation", run.operation.clone()),
        ("caller", run.caller.clone()),
        ("began", millis(run.began_ms)),
        ("state", state),
        ("round", run.rounds.to_string()),
    ];
    if !run.reason.is_empty() {
        rows.push(("because", run.reason.clone()));
    }
    if let Some(outcome) = &shown.outcome {
        rows.push(("outcome", outcome.clone()));
    }
    let mut text: Vec<_> = rows
        .iter()
        .map(|(name, value)| format!("{name:<12} {}", clean(value)))
        .collect();
    if !shown.steps.is_empty() {
        text.push(String::new());
        text.push(format!(
            "{:>6} {:<27} {:>12} {:<40} CAME",
            "STEP", "BEGAN", "TOOK", "WHAT"
        ));
    }
    text.extend(shown.steps.iter().map(step));
    text.join("\n")
}

fn step(step: &StepLine) -> String {
    let took = step
        .ended_ns
        .map(|ended| ended.saturating_sub(step.began_ns));
    let took = took.map_or("?".to_owned(), |nanos| format!("{} us", nanos / 1_000));
    let came = step.came.as_deref().unwrap_or("not known");
    format!(
        "{:>6} {:<27} {took:>12} {:<40} {}",
        step.number,
        instant(WallTime(step.began_ns / 1_000)),
        clean(&step.what),
        clean(came)
    )
}

fn millis(ms: u64) -> String {
    instant(WallTime(ms.saturating_mul(1_000)))
}
