//! `holdfast notify`: whether whoever is to be told can be.

use crate::cli::{DataArgs, text};
use crate::control::words::Request;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// What `notify` is told.
#[derive(Clone, Debug, Args)]
pub struct NotifyArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// What can be done with notices.
#[derive(Clone, Debug, Subcommand)]
pub enum NotifyCommand {
    /// Tell, by every way of [notify], that nothing has happened.
    ///
    /// It is tried once, and the answer is what came of it: what reached nobody now would reach nobody when it matters.
    Test(DataArgs),
}

/// Does it.
///
/// # Errors
/// No host runs, nobody is to be told, or it did not come through.
pub fn run(args: &NotifyArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        NotifyCommand::Test(data) => text(data, &Request::NotifyTest),
    }
}
