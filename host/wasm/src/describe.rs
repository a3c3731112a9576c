//! The doc comments of WIT into a component, on its author's side: no compiler puts them there, and without them nobody who asks a service
//! what it offers is told what its author said of it.

use crate::contract::sections::{PREAMBLE_BYTES, PREFIX, sections};
use std::collections::BTreeSet;
use std::path::PathBuf;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::DecodedWasm;
use wit_parser::{PackageMetadata, Resolve};

/// What every WIT may use without bringing it.
const FAULTS: &str = include_str!("../../../wit/faults.wit");

/// A component with what its author says.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its bytes.
    pub component: Vec<u8>,
    /// The packages that something is said of.
    pub packages: Vec<String>,
}

/// Puts the doc comments of the WIT at these places, files or folders, into `component`, in place of those that it has of the same packages.
/// Packages that the component does not know are passed over.
///
/// # Errors
/// It is no component, or the WIT cannot be read.
pub fn describe(component: &[u8], wit: &[PathBuf]) -> Result<Described, String> {
    let known = packages(component)?;
    let resolve = resolve(wit)?;
    let mut said = Vec::new();
    for (id, package) in resolve.packages.iter() {
        let name = package.name.to_string();
        if known.contains(&name) {
            let docs = PackageMetadata::extract(&resolve, id).encode();
            said.push((name, docs.map_err(|error| format!("{error:#}"))?));
        }
    }
    let mut bytes = component.get(..PREAMBLE_BYTES).unwrap_or_default().to_vec();
    for section in sections(component) {
        let again = section
            .said
            .is_some_and(|(package, _)| said.iter().any(|(name, _)| name == package));
        if !again {
            bytes.extend_from_slice(section.whole);
        }
    }
    for (package, docs) in &said {
        let section = CustomSection {
            name: format!("{PREFIX}{package}").into(),
            data: docs.into(),
        };
        section.append_to_component(&mut bytes);
    }
    Ok(Described {
        component: bytes,
        packages: said.into_iter().map(|(name, _)| name).collect(),
    })
}

/// The packages that a component has something of.
fn packages(component: &[u8]) -> Result<BTreeSet<String>, String> {
    match wit_component::decode(component) {
        Ok(DecodedWasm::Component(resolve, _)) => {
            let packages = resolve.packages.iter();
            Ok(packages
                .map(|(_, package)| package.name.to_string())
                .collect())
        }
        Ok(DecodedWasm::WitPackage(..)) => Err("it is WIT, and no component".to_owned()),
        Err(error) => Err(format!("it is no component: {error:#}")),
    }
}

/// All that stands at these places, in whatever order they need each other.
fn resolve(wit: &[PathBuf]) -> Result<Resolve, String> {
    let mut resolve = Resolve::default();
    let mut open: Vec<_> = wit.iter().collect();
    let mut faults = Some(FAULTS);
    loop {
        let before = open.len();
        let mut failed = None;
        open.retain(|path| {
            let mut more = resolve.clone();
            match more.push_path(path) {
                Ok(_) => {
                    resolve = more;
                    false
                }
                Err(error) => {
                    failed.get_or_insert(format!("{}: {error:#}", path.display()));
                    true
                }
            }
        });
        let Some(error) = failed else {
            return Ok(resolve);
        };
        if open.len() == before {
            match faults.take() {
                Some(text) => {
                    let pushed = resolve.push_str("faults.wit", text);
                    pushed.map_err(|error| format!("{error:#}"))?;
                }
                None => return Err(error),
            }
        }
    }
}
