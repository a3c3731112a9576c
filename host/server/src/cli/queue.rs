//! `holdfast queue`: what waits to be delivered, what was delivered in vain, and what a person does about it.

use crate::cli::{DataArgs, clean, print, print_json, text};
use crate::control::client::Client;
use crate::control::queue::{MessageLine, QueueLine, QueueRequest};
use crate::control::words::{Request, Response};
use crate::logs::instant;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use holdfast_call::WallTime;
use std::process::ExitCode;

/// What `queue` is told.
#[derive(Clone, Debug, Args)]
pub struct QueueArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: QueueCommand,
}

/// What can be done with queues.
#[derive(Clone, Debug, Subcommand)]
pub enum QueueCommand {
    /// List the queues that have messages, or the messages of one.
    Ls(LsArgs),
    /// Show one message: where it is, what its last delivery came to, and what it says.
    Show(MessageArgs),
    /// Have a dead letter delivered again, under the same name and as if for the first time; with --all every one of a queue.
    Redrive(RedriveArgs),
    /// Remove a message for good, unless it is being delivered.
    Drop(MessageArgs),
}

/// What is listed.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// The service whose queue it is.
    #[arg(value_name = "QUEUE")]
    pub queue: Option<String>,
    /// List the dead letters.
    #[arg(long, requires = "queue")]
    pub dead: bool,
    /// Print them as JSON, an object a line.
    #[arg(long)]
    pub json: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which message is meant.
#[derive(Clone, Debug, Args)]
pub struct MessageArgs {
    /// The message, as the list has it.
    #[arg(value_name = "MESSAGE")]
    pub id: String,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Which dead letters are delivered again.
#[derive(Clone, Debug, Args)]
pub struct RedriveArgs {
    /// The message, or with --all the service whose queue it is.
    #[arg(value_name = "MESSAGE|QUEUE")]
    pub what: String,
    /// Every dead letter of the queue.
    #[arg(long)]
    pub all: bool,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// No host runs, or it refused.
pub fn run(args: QueueArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        QueueCommand::Ls(args) => ls(args),
        QueueCommand::Show(args) => show(args),
        QueueCommand::Redrive(args) => {
            let asked = match args.all {
                true => QueueRequest::RedriveAll { queue: args.what },
                false => QueueRequest::Redrive { id: args.what },
            };
            text(&args.data, &Request::Queue(asked))
        }
        QueueCommand::Drop(args) => {
            let asked = QueueRequest::Drop { id: args.id };
            text(&args.data, &Request::Queue(asked))
        }
    }
}

fn ask(data: &DataArgs, asked: QueueRequest) -> anyhow::Result<Response> {
    Client::connect(&data.data)?.ask(&Request::Queue(asked))
}

fn ls(args: LsArgs) -> anyhow::Result<ExitCode> {
    let asked = match args.queue {
        None => QueueRequest::Queues,
        Some(queue) => QueueRequest::Messages {
            queue,
            dead: args.dead,
        },
    };
    match ask(&args.data, asked)? {
        Response::Queues(lines) if args.json => print_json(&lines)?,
        Response::Queues(lines) => print(&queues(&lines))?,
        Response::Messages(lines) if args.json => print_json(&lines)?,
        Response::Messages(lines) => print(&messages(&lines))?,
        _ => bail!("the host speaks another version of this program"),
    }
    Ok(ExitCode::SUCCESS)
}

fn queues(lines: &[QueueLine]) -> String {
    if lines.is_empty() {
        return "no messages: every queue is empty".to_owned();
    }
    let mut text = vec![format!(
        "{:<24} {:>8} {:>8} {:>8} {:>8} {:>12} OLDEST",
        "QUEUE", "DUE", "LATER", "HELD", "DEAD", "BYTES"
    )];
    for line in lines {
        let oldest = line.oldest_ms.map_or("-".to_owned(), time);
        text.push(format!(
            "{:<24} {:>8} {:>8} {:>8} {:>8} {:>12} {oldest}",
            line.queue, line.due, line.later, line.held, line.dead, line.bytes
        ));
    }
    text.join("\n")
}

fn messages(lines: &[MessageLine]) -> String {
    if lines.is_empty() {
        return "no messages".to_owned();
    }
    let mut text = vec![format!(
        "{:<36} {:<8} {:<27} {:>10} LAST FAULT",
        "MESSAGE", "STATE", "SENT", "DELIVERIES"
    )];
    for line in lines {
        let fault = clean(line.last_fault.as_deref().unwrap_or("-"));
        text.push(format!(
            "{:<36} {:<8} {:<27} {:>10} {fault}",
            line.id,
            line.state,
            time(line.sent_ms),
            line.deliveries
        ));
    }
    text.join("\n")
}

fn show(args: MessageArgs) -> anyhow::Result<ExitCode> {
    let answer = ask(&args.data, QueueRequest::Show { id: args.id })?;
    let Response::Messages(mut lines) = answer else {
        bail!("the host speaks another version of this program");
    };
    let line = lines.pop().context("the host told of no message")?;
    let body = line.body.as_deref().unwrap_or_default();
    let body = BASE64.decode(body.as_bytes()).unwrap_or_default();
    let mut rows = vec![
        ("message", line.id),
        ("queue", line.queue),
        ("state", line.state),
        ("sent", time(line.sent_ms)),
        ("sent by", line.sent_by),
        ("caller", line.caller),
        ("why", line.why),
        ("deliveries", line.deliveries.to_string()),
    ];
    let optional = [
        ("at", line.at_ms.map(time)),
        ("key", line.key),
        ("last fault", line.last_fault),
        ("type", line.content_type),
    ];
    rows.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    for (name, value) in &rows {
        print(&format!("{name:<12} {}", clean(value)))?;
    }
    for (name, value) in &line.attributes {
        print(&format!(
            "{:<12} {} = {}",
            "attribute",
            clean(name),
            clean(value)
        ))?;
    }
    match std::str::from_utf8(&body) {
        Ok(text) => print(&format!(
            "\n{}",
            text.lines().map(clean).collect::<Vec<_>>().join("\n")
        ))?,
        Err(_) => print(&format!("\n{} bytes that are no text", body.len()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn time(ms: u64) -> String {
    instant(WallTime(ms.saturating_mul(1_000)))
}
