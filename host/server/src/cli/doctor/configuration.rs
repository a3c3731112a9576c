//! What was written: the policy, every manifest, the secrets that they name, and whether they agree.

use super::{Boundary, Finding, State};
use crate::file;
use crate::settings::secret::listed;
use crate::settings::{Manifest, Name, Policy, SettingsError, merge};
use holdfast_call::Unread;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

const HERE: Boundary = Boundary::Configuration;

/// A policy that stops the host.
pub(super) fn broken(error: &SettingsError) -> Finding {
    Finding::new(HERE, "policy", State::Fail, error.to_string())
        .next("correct the lines; holdfast.example.toml explains every key")
}

/// A policy that can be read.
pub(super) fn policy(policy: &Policy) -> Finding {
    match &policy.source {
        Some(file) => {
            let text = format!(
                "{}: {} upstreams, {} services allowed something",
                file.display(),
                policy.upstreams.len(),
                policy.services.len()
            );
            Finding::new(HERE, "policy", State::Ok, text)
        }
        None => Finding::new(
            HERE,
            "policy",
            State::Warn,
            "there is no policy file: loopback only, everybody is served, nothing else is allowed",
        )
        .next("write holdfast.toml, or name it with --config"),
    }
}

/// Reads every manifest of the directory.
pub(super) fn manifests(plugins: &Path, findings: &mut Vec<Finding>) -> Vec<Manifest> {
    let found = match names(plugins) {
        Ok(found) => found,
        Err(error) => {
            let state = if error.kind() == ErrorKind::NotFound {
                State::Warn
            } else {
                State::Fail
            };
            let text = format!("{}: {error}", plugins.display());
            let next = "make the directory, or name it with --plugins";
            findings.push(Finding::new(HERE, "plugins", state, text).next(next));
            return Vec::new();
        }
    };
    let mut manifests = Vec::new();
    for stem in &found.all {
        match manifest(plugins, stem) {
            Ok(manifest) => manifests.push(manifest),
            Err(why) => {
                let next = "correct it, or take it away; service.example.toml explains every key";
                findings.push(Finding::new(HERE, "manifest", State::Fail, why).next(next));
                continue;
            }
        }
        if !found.components.contains(stem) {
            let text = format!("{stem}.toml lies there without {stem}.wasm");
            let next = "copy the component beside it, or take it away";
            findings.push(Finding::new(HERE, "manifest", State::Warn, text).next(next));
        }
    }
    let text = format!("{}: {} services", plugins.display(), found.components.len());
    findings.push(Finding::new(HERE, "plugins", State::Ok, text));
    manifests
}

/// What lies in the directory, by the files' stems.
#[derive(Default)]
struct Found {
    components: BTreeSet<String>,
    all: BTreeSet<String>,
}

fn names(plugins: &Path) -> std::io::Result<Found> {
    let mut found = Found::default();
    for entry in std::fs::read_dir(plugins)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => {
                found.components.insert(stem.clone());
                found.all.insert(stem);
            }
            // The policy may lie in the same folder.
            Some("toml") if stem != "holdfast" => {
                found.all.insert(stem);
            }
            Some(_) | None => {}
        }
    }
    Ok(found)
}

fn manifest(plugins: &Path, stem: &str) -> Result<Manifest, String> {
    let name = Name::parse(stem)?;
    let file = plugins.join(format!("{stem}.toml"));
    let shown = file.display().to_string();
    match file::settings(&file) {
        Ok(text) => Manifest::parse(name, &shown, &text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Manifest::absent(name)),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}

/// Reads every secret of the policy. What is in it is never said.
pub(super) fn secrets(policy: &Policy, findings: &mut Vec<Finding>) {
    for upstream in policy.upstreams.values() {
        if let Some(credential) = &upstream.credential {
            let (what, table) = (
                format!("upstream {}", upstream.name),
                format!("upstreams.{}.credential", upstream.name),
            );
            findings.push(secret(
                &what,
                &table,
                credential,
                credential.read().map(|_| ()),
            ));
        }
    }
    match policy.store.password() {
        Ok(None) => {}
        read => {
            let shown = listed(policy.store.sources());
            let read = read.map(|_| ());
            findings.push(secret("database", "store.password", &shown, read));
        }
    }
    for lent in policy.secrets.values() {
        let name = &lent.name;
        let (what, table) = (format!("secret {name}"), format!("secrets.{name}"));
        findings.push(secret(&what, &table, lent, lent.read().map(|_| ())));
    }
}

fn secret(what: &str, table: &str, shown: &impl Display, read: Result<(), Unread>) -> Finding {
    match read {
        Ok(()) => Finding::new(HERE, "secret", State::Ok, format!("{what}: {shown}")),
        Err(why) => Finding::new(HERE, "secret", State::Fail, format!("{what}: {why}"))
            .next(format!("mend what [{table}] names")),
    }
}

/// Whether any manifest asks for more than the policy allows: such a service does not load.
pub(super) fn asked(policy: &Policy, manifests: &[Manifest], findings: &mut Vec<Finding>) {
    for manifest in manifests {
        for excess in merge(manifest, policy).excess {
            let text = format!("{}: {excess}", manifest.name);
            let next = format!("holdfast allow {}", manifest.name);
            findings.push(Finding::new(Boundary::Policy, "allowed", State::Fail, text).next(next));
        }
    }
}
