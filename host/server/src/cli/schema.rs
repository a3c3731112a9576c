//! `holdfast schema policy|manifest`: the JSON Schema of a settings file, for editors.

use crate::cli::print;
use crate::settings::schema::schema;
use crate::settings::unknown::Kind;
use std::process::ExitCode;

/// The arguments of `holdfast schema`.
#[derive(Clone, Debug, clap::Args)]
pub struct SchemaArgs {
    /// Which file: `policy` is holdfast.toml, `manifest` is NAME.toml.
    #[arg(value_name = "policy|manifest")]
    pub file: File,
}

/// A settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum File {
    /// The operator's.
    Policy,
    /// An author's.
    Manifest,
}

/// Prints the schema.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let kind = match args.file {
        File::Policy => Kind::Policy,
        File::Manifest => Kind::Manifest,
    };
    print(&serde_json::to_string_pretty(&schema(kind))?)?;
    Ok(ExitCode::SUCCESS)
}
