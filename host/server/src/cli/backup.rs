//! `holdfast backup`: everything of the running host that must last, as it is now.

use crate::cli::{DataArgs, text};
use crate::control::words::Request;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `backup` is told.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// The directory of the backup, which is made, or is empty.
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// The host.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Does it.
///
/// # Errors
/// No host runs, or there is no backup; then there is nothing in the directory.
pub fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    // The host has a working directory of its own.
    let to = std::path::absolute(&args.to).context("the directory is no path")?;
    text(&args.data, &Request::Backup { to })
}
