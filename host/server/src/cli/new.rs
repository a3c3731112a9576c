//! `holdfast new`: a small project to begin a service with.

use crate::cli::{complain, print};
use crate::project::language::Language;
use crate::project::template::{self, Kind};
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
    /// What others call it by: HTTP, or functions of its own.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::Http)]
    pub kind: Kind,
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
    if args.kind == Kind::Typed {
        typed(args.lang, &name)?;
    }
    template::make(Path::new(name.as_str()), args.lang, args.kind, &name)?;
    complain(&format!("{name}/ is a project in {}; next:", args.lang));
    let ask = match args.kind {
        Kind::Http => format!("curl http://127.0.0.1:8080/{name}/"),
        Kind::Typed => format!("holdfast call {name} greetings/greet '{{\"name\": \"you\"}}'"),
    };
    print(&format!("holdfast build {name}\nholdfast serve\n{ask}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a typed project can be made of it: its name becomes that of a package of WIT.
fn typed(lang: Language, name: &Name) -> anyhow::Result<()> {
    if lang != Language::Rust {
        anyhow::bail!("a typed project is in Rust: `holdfast new {name} --lang rust --kind typed`");
    }
    let word = |word: &str| word.starts_with(|first: char| first.is_ascii_lowercase());
    if !name.as_str().split('-').all(word) {
        anyhow::bail!(
            "`{name}` is no name for a package of WIT: each of its words must begin with a letter"
        );
    }
    Ok(())
}
