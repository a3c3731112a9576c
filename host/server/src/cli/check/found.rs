//! One component: what would stop it from loading, and what is said of it.

use super::{Inspect, Inspection, Verdict, powers, unusual};
use crate::assembly::described;
use crate::file::{self, COMPONENT_BYTES_MAX};
use crate::plugins::Documents;
use crate::settings::show::service_text;
use crate::settings::{Credential, Effective, Manifest, Merged, Name, Policy, Route, merge};
use holdfast_call::problem::push_escaped;
use holdfast_rules::effects::Undeclared;
use std::collections::BTreeSet;
use std::path::Path;

/// The routes claimed so far, and by whom.
#[derive(Default)]
pub(super) struct Routes(std::collections::BTreeMap<String, Name>);

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

/// What was found of one component.
#[derive(Default)]
pub(super) struct Found {
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

/// Looks at one component with its manifest, under the policy.
pub(super) fn look(
    component: &Path,
    policy: &Policy,
    inspect: &dyn Inspect,
    routes: &mut Routes,
) -> Found {
    let mut found = Found::default();
    let bytes = match file::read(component, COMPONENT_BYTES_MAX) {
        Ok(bytes) => found.names(inspect, bytes),
        Err(error) => {
            found.problems.push(format!("cannot be read: {error}"));
            None
        }
    };
    let manifest = match manifest_beside(component) {
        Ok((manifest, text)) => {
            let directory = component.parent().unwrap_or(Path::new("."));
            let described = described_in(directory, &manifest, text.as_deref());
            found.problems.extend(described.err());
            manifest
        }
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
    if let Some(bytes) = bytes {
        match inspect.compile(&bytes, policy, &merged.effective) {
            Ok(silent) => found.notes.extend(undeclared(&silent, &merged.effective)),
            Err(why) => found.problems.push(why),
        }
    }
    routes.claim(&merged.effective, &mut found.problems);
    check_secrets(policy, &manifest, &mut found.problems);
    found.merged = Some(merged);
    found
}

/// What it does without saying what that is.
fn undeclared(silent: &[String], effective: &Effective) -> Option<String> {
    /// As many as help.
    const SHOWN: usize = 8;
    if silent.is_empty() {
        return None;
    }
    let then = match effective.undeclared {
        Undeclared::Allow => "they are done, and `undeclared` in the log and on record",
        Undeclared::Hold => "they are done once a person has approved them",
        Undeclared::Refuse => "they are refused",
    };
    let shown: Vec<_> = silent.iter().take(SHOWN).map(String::as_str).collect();
    let more = match silent.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "what {}{more} may change is not declared under [effects] (idempotent, undo, irreversible): {then}",
        shown.join(", ")
    ))
}

/// The secrets that it would use, and those of the upstreams, must be there.
fn check_secrets(policy: &Policy, manifest: &Manifest, problems: &mut Vec<String>) {
    let used = policy
        .upstreams
        .values()
        .filter(|upstream| manifest.upstreams.contains(&upstream.name));
    for upstream in used {
        let read = upstream.credential.as_ref().map(Credential::read);
        if let Some(Err(why)) = read {
            problems.push(format!("upstream `{}`: {why}", upstream.name));
        }
    }
    let service = policy.services.get(&manifest.name);
    let webhooks = service.map(|service| service.webhooks.values());
    let signed: BTreeSet<_> = webhooks
        .into_iter()
        .flatten()
        .flat_map(|webhook| &webhook.secrets)
        .collect();
    let used = |name: &Name| manifest.secrets.contains(name) || signed.contains(name);
    for secret in policy.secrets.values().filter(|secret| used(&secret.name)) {
        if let Err(why) = secret.read() {
            problems.push(format!("secret `{}`: {why}", secret.name));
        }
    }
}

/// The documents that describe it must be there, and be some.
fn described_in(directory: &Path, manifest: &Manifest, text: Option<&str>) -> Result<(), String> {
    let Some(description) = &manifest.description else {
        return Ok(());
    };
    let documents = Documents::read(directory, text).map_err(|unread| unread.to_string())?;
    described(description, &documents)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The manifest, and its text if there is one.
fn manifest_beside(component: &Path) -> Result<(Manifest, Option<String>), String> {
    let stem = component.file_stem().unwrap_or_default().to_string_lossy();
    let name = Name::parse(&stem)?;
    let beside = component.with_extension("toml");
    match file::settings(&beside) {
        Ok(text) => Manifest::parse(name, &beside.display().to_string(), &text)
            .map(|manifest| (manifest, Some(text)))
            .map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok((Manifest::absent(name), None))
        }
        Err(error) => Err(format!("{} cannot be read: {error}", beside.display())),
    }
}

impl Found {
    /// Whether it would load.
    pub(super) fn verdict(&self) -> Verdict {
        if self.problems.is_empty() {
            Verdict::Loads
        } else {
            Verdict::Stopped
        }
    }

    /// Appends what was found, as text.
    pub(super) fn push(&self, component: &Path, text: &mut String) {
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
        if let (Some(inspection), Some(merged)) = (&self.inspection, &self.merged) {
            line("  what its imports mean:");
            for power in powers::lines(&inspection.imports, merged) {
                line(&format!("    {power}"));
            }
            let unusual = unusual::lines(inspection, &merged.effective);
            if !unusual.is_empty() {
                line("  unusual:");
            }
            for thing in unusual {
                line(&format!("    {thing}"));
            }
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
        // A component may name things as it likes; the terminal that shows them must not be steered by it.
        let mut clean = String::new();
        push_escaped(&mut clean, &items.join(", "));
        clean
    }
}
