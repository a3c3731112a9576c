//! `holdfast check FILE|DIR`: everything that would stop a component from loading, and what it could do if loaded. It is compiled, and
//! nothing of it is run.
//!
//! What is inside a component is found out by whoever knows the engine and handed in as an [`Inspection`].

use crate::file::{self, COMPONENT_BYTES_MAX};
use crate::settings::show::service_text;
use crate::settings::{Effective, Manifest, Merged, Name, Policy, Route, merge};
use anyhow::Context as _;
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
}

/// Who knows the engine.
pub trait Inspect {
    /// Looks into a component.
    ///
    /// # Errors
    /// It is none, or none that is a service; the text says why.
    fn names(&self, bytes: &[u8]) -> Result<Inspection, String>;

    /// Does what a host under `policy` would do with it before it serves.
    ///
    /// # Errors
    /// What would stop it.
    fn compile(&self, bytes: &[u8], policy: &Policy, effective: &Effective) -> Result<(), String>;
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
        let found = one(component, &policy, inspect, &mut routes);
        if !found.problems.is_empty() {
            verdict = Verdict::Stopped;
        }
        found.push(component, &mut text);
    }
    Report { verdict, text }
}

/// The routes claimed so far, and by whom.
#[derive(Default)]
struct Routes(std::collections::BTreeMap<String, Name>);

impl Routes {
    fn claim(&mut self, effective: &Effective, problems: &mut Vec<String>) {
        let default = [Route::of_name(effective.name.as_str())];
        let routes = if effective.routes.is_empty() {
            &default[..]
        } else {
            &effective.routes
        };
        for route in routes {
            let taken = self.0.insert(route.to_string(), effective.name.clone());
            if let Some(other) = taken.filter(|other| *other != effective.name) {
                problems.push(format!(
                    "route {route} is claimed by `{other}` too: the one loaded later would not load"
                ));
            }
        }
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<String>,
    notes: Vec<String>,
    inspection: Option<Inspection>,
    merged: Option<Merged>,
}

impl Found {
    /// Looks into the component, and hands it back if there is nothing yet that would stop it.
    fn names(&mut self, inspect: &dyn Inspect, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match inspect.names(&bytes) {
            Ok(inspection) => {
                self.problems.extend(inspection.missing.iter().cloned());
                self.inspection = Some(inspection);
            }
            Err(why) => self.problems.push(why),
        }
        self.problems.is_empty().then_some(bytes)
    }
}

fn one(component: &Path, policy: &Policy, inspect: &dyn Inspect, routes: &mut Routes) -> Found {
    let mut found = Found::default();
    let bytes = match file::read(component, COMPONENT_BYTES_MAX) {
        Ok(bytes) => found.names(inspect, bytes),
        Err(error) => {
            found.problems.push(format!("cannot be read: {error}"));
            None
        }
    };
    let manifest = match manifest_beside(component) {
        Ok(manifest) => manifest,
        Err(why) => {
            found.problems.push(why);
            return found;
        }
    };
    let merged = merge(&manifest, policy);
    found
        .problems
        .extend(merged.excess.iter().map(ToString::to_string));
    if !merged.excess.is_empty() {
        found.notes.push(format!(
            "to allow what it asks for: holdfast allow {}",
            manifest.name
        ));
    }
    if let Some(bytes) = bytes
        && let Err(why) = inspect.compile(&bytes, policy, &merged.effective)
    {
        found.problems.push(why);
    }
    routes.claim(&merged.effective, &mut found.problems);
    check_secrets(policy, &manifest, &mut found.problems);
    found.merged = Some(merged);
    found
}

/// The secrets of the upstreams that it would use must be there.
fn check_secrets(policy: &Policy, manifest: &Manifest, problems: &mut Vec<String>) {
    let used = policy
        .upstreams
        .values()
        .filter(|upstream| manifest.upstreams.contains(&upstream.name));
    for upstream in used {
        let read = upstream
            .credential
            .as_ref()
            .map(|credential| credential.source.read());
        if let Some(Err(why)) = read {
            problems.push(format!("upstream `{}`: {why}", upstream.name));
        }
    }
}

fn manifest_beside(component: &Path) -> Result<Manifest, String> {
    let stem = component.file_stem().unwrap_or_default().to_string_lossy();
    let name = Name::parse(&stem)?;
    let beside = component.with_extension("toml");
    match file::settings(&beside) {
        Ok(text) => Manifest::parse(name, &beside.display().to_string(), &text)
            .map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Manifest::absent(name)),
        Err(error) => Err(format!("{} cannot be read: {error}", beside.display())),
    }
}

impl Found {
    fn push(&self, component: &Path, text: &mut String) {
        let mut line = |words: &str| {
            text.push_str(words);
            text.push('\n');
        };
        line(&format!("{}", component.display()));
        match self.problems.as_slice() {
            [] => line("  would load"),
            problems => {
                line("  would not load:");
                for problem in problems.iter().flat_map(|problem| problem.lines()) {
                    line(&format!("    {problem}"));
                }
            }
        }
        for note in &self.notes {
            line(&format!("  {note}"));
        }
        if let Some(inspection) = &self.inspection {
            line(&format!("  exports: {}", listed(&inspection.exports)));
            line(&format!("  imports: {}", listed(&inspection.imports)));
        }
        if let Some(merged) = &self.merged {
            line("  what holds for it:");
            for row in service_text(&merged.effective).lines().skip(2) {
                line(&format!("  {row}"));
            }
        }
        line("");
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() {
        "nothing".to_owned()
    } else {
        items.join(", ")
    }
}
