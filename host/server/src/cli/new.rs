//! `holdfast new`: a small project to begin a service with.

use crate::cli::{complain, print};
use crate::project::language::Language;
use crate::project::template;
use crate::settings::Name;
use std::path::Path;
use std::process::ExitCode;

/// The arguments of `holdfast new`.
#[derive(Clone, Debug, clap::Args)]
pub struct NewArgs {
    /// The service, and the folder that its project goes into.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The language it is written in.
    #[arg(long, value_name = "LANGUAGE", value_enum)]
    pub lang: Language,
}

/// Makes the project, and says what to do next.
///
/// # Errors
/// No service may have the name, the folder is not empty, or it cannot be written.
pub fn run(args: &NewArgs) -> anyhow::Result<ExitCode> {
    let name = Name::parse(&args.name).map_err(anyhow::Error::msg)?;
    if args.lang == Language::Rust
        && name
            .as_str()
            .starts_with(|first: char| first.is_ascii_digit())
    {
        anyhow::bail!("`{name}` is no name for a project in Rust: cargo wants a letter first");
    }
    template::make(Path::new(name.as_str()), args.lang, &name)?;
    complain(&format!("{name}/ is a project in {}; next:", args.lang));
    print(&format!(
        "holdfast build {name}\nholdfast serve\ncurl http://127.0.0.1:8080/{name}/"
    ))?;
    Ok(ExitCode::SUCCESS)
}
