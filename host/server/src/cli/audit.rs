//! `holdfast audit`: what was asked of a host and what its operators have changed, and whether the log of it is what was written. A host that
//! runs is not needed.

use crate::cli::{DataArgs, complain, print};
use clap::{Args, Subcommand};
use holdfast_call::problem::push_escaped;
use holdfast_store::audit::{PublicKey, Since, directory, export, read, verify};
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `audit` is told.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with the log.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the records, a JSON object a line, the oldest first.
    Show(ShowArgs),
    /// Check that every record is what was written, and name the first that is not.
    ///
    /// Records vouch for each other, and checkpoints signed every second for them. Whoever can write the data directory can also take its end
    /// away together with the checkpoints; a copy of those on another disk (`[audit] copy`) shows that.
    #[command(
        after_help = "Exit codes: 0 all is as it was written · 1 it is not · 2 wrong command line"
    )]
    Verify(VerifyArgs),
    /// Copy the log, with all that is needed to check it, into a new directory.
    ///
    /// Whoever has the public key checks the copy with `holdfast audit verify --log DIR --key KEY`.
    Export(ExportArgs),
    /// Print the public key of the log, by which anybody can check it.
    Key(DataArgs),
}

/// Which records are printed.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The number of the first one.
    #[arg(long, value_name = "NUMBER")]
    pub from: Option<u64>,
    /// Only those of this call.
    #[arg(long, value_name = "ID")]
    pub call: Option<String>,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Where the log is copied to.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The directory, which is made.
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What a log is checked with.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The public key of the log, as `holdfast audit key` has printed it. Without it the key in the data directory is believed.
    #[arg(long, value_name = "KEY")]
    pub key: Option<PublicKey>,
    /// A log that was exported, in the place of the host's own; its key must be given.
    #[arg(long, value_name = "DIR", requires = "key")]
    pub log: Option<PathBuf>,
    /// The copy of the checkpoints.
    #[arg(long, value_name = "FILE")]
    pub copy: Option<PathBuf>,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// The log cannot be read.
pub fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        AuditCommand::Show(args) => show(args),
        AuditCommand::Verify(args) => check(args),
        AuditCommand::Export(args) => copy_out(args),
        AuditCommand::Key(args) => {
            print(&PublicKey::of_data(&args.data)?.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let since = args.from.map_or(Since::Beginning, Since::Record);
    let mut printed = Ok(());
    // The host wrote the record, and its call is one of the first things in it.
    let call = args.call.as_ref().map(|id| format!("\"call\":\"{id}\""));
    read(&directory(&args.data.data), since, |line| {
        if !call.as_ref().is_none_or(|call| line.text.contains(call)) {
            return ControlFlow::Continue(());
        }
        printed = print(&plain(line.text.trim_end()));
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    printed.map(|()| ExitCode::SUCCESS)
}

/// The record without anything that could steer a terminal. Inside of a text of JSON an escape stands for the same character.
fn plain(record: &str) -> Cow<'_, str> {
    if !record.chars().any(char::is_control) {
        return Cow::Borrowed(record);
    }
    let mut out = String::with_capacity(record.len());
    for c in record.chars() {
        if c.is_control() {
            push_escaped(&mut out, c.encode_utf8(&mut [0; 4]));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn copy_out(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let bytes = export(&directory(&args.data.data), &args.to)?;
    let key = PublicKey::of_data(&args.data.data)?;
    print(&format!(
        "{bytes} bytes are in {to}: check them with `holdfast audit verify --log {to} --key {key}`",
        to = args.to.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn check(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let data = &args.data.data;
    let key = match &args.key {
        Some(key) => key.clone(),
        None => PublicKey::of_data(data)?,
    };
    let log = args.log.clone().unwrap_or_else(|| directory(data));
    let report = verify(&log, &key, args.copy.as_deref())?;
    if let Some(found) = &report.found {
        complain(&format!("{} at byte {}: {found}", found.file, found.offset));
        return Ok(ExitCode::FAILURE);
    }
    let signed = match report.signed {
        Some(last) => format!("checkpoints vouch for all up to {last}"),
        None => "no checkpoint vouches for them yet".to_owned(),
    };
    print(&format!(
        "{} records from {} on are as they were written; {signed}",
        report.records, report.first
    ))?;
    Ok(ExitCode::SUCCESS)
}
