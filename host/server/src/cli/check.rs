//! `holdfast check FILE|DIR`: everything that would stop a component from loading, and what it could do if loaded. It is compiled, and
//! nothing of it is run.
//!
//! What is inside a component is found out by whoever knows the engine and handed in as an [`Inspection`].

mod found;
mod powers;
mod unusual;

use self::found::{Routes, look};
use crate::settings::{Effective, Policy};
use anyhow::Context as _;
pub use holdfast_wasm::anatomy::Anatomy;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code for an argument that names nothing to check.
pub const USAGE: u8 = 2;

/// The arguments of `holdfast check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// A component, or a directory of them.
    pub path: PathBuf,
    /// The policy that it would be loaded under.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What was found in a component.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The interfaces it imports, with their versions.
    pub imports: Vec<String>,
    /// The interfaces it exports, with their versions.
    pub exports: Vec<String>,
    /// A line for each thing that keeps this host from running it: a missing import, an export that nobody serves.
    pub missing: Vec<String>,
    /// What it is made of.
    pub anatomy: Anatomy,
}

/// Who knows the engine.
pub trait Inspect {
    /// Looks into a component.
    ///
    /// # Errors
    /// It is none, or none that is a service; the text says why.
    fn names(&self, bytes: &[u8]) -> Result<Inspection, String>;

    /// Does what a host under `policy` would do with it before it serves; what of it changes something and is not declared.
    ///
    /// # Errors
    /// What would stop it.
    fn compile(
        &self,
        bytes: &[u8],
        policy: &Policy,
        effective: &Effective,
    ) -> Result<Vec<String>, String>;
}

/// Whether it would load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would.
    Loads,
    /// It would not.
    Stopped,
}

/// What a check found, as text.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether everything would load.
    pub verdict: Verdict,
    /// The text.
    pub text: String,
}

/// Runs the command on the terminal. Exit codes: 0 would load, 1 would not, 2 nothing to check.
///
/// # Errors
/// The terminal cannot be written.
pub fn run(args: &CheckArgs, inspect: &dyn Inspect) -> anyhow::Result<ExitCode> {
    let components = match components(&args.path) {
        Ok(components) => components,
        Err(error) => {
            writeln!(std::io::stderr(), "holdfast check: {error:#}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let report = check(&components, args.config.as_deref(), inspect);
    std::io::stdout().write_all(report.text.as_bytes())?;
    Ok(match report.verdict {
        Verdict::Loads => ExitCode::SUCCESS,
        Verdict::Stopped => ExitCode::FAILURE,
    })
}

/// The components that a path names, in the order in which a host would load them.
///
/// # Errors
/// It is neither a component nor a directory with at least one in it.
pub fn components(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let about = std::fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    if !about.is_dir() {
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            return Ok(vec![path.to_owned()]);
        }
        anyhow::bail!(
            "{} is not a component: its name does not end in .wasm",
            path.display()
        );
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            found.push(file);
        }
    }
    if found.is_empty() {
        anyhow::bail!("there is no NAME.wasm in {}", path.display());
    }
    found.sort();
    Ok(found)
}

/// Checks components against the policy, and against each other's routes.
#[must_use]
pub fn check(components: &[PathBuf], config: Option<&Path>, inspect: &dyn Inspect) -> Report {
    let mut text = String::new();
    let policy = match Policy::load(config) {
        Ok(policy) => policy,
        Err(error) => {
            let text = format!("the policy would stop the host from starting:\n{error}\n");
            return Report {
                verdict: Verdict::Stopped,
                text,
            };
        }
    };
    let mut verdict = Verdict::Loads;
    let mut routes = Routes::default();
    for component in components {
        let found = look(component, &policy, inspect, &mut routes);
        if found.verdict() == Verdict::Stopped {
            verdict = Verdict::Stopped;
        }
        found.push(component, &mut text);
    }
    Report { verdict, text }
}
