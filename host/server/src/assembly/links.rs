//! Who serves an interface that a component imports of another service, and what a new version of that service must go on serving.

use super::Host;
use super::services::Origin;
use crate::settings::Effective;
use holdfast_call::Target;
use holdfast_call::contract::{Change, Contract, Interface, changes};
use holdfast_wasm::imports::typed::Link;
use holdfast_wasm::service::Service;
use std::fmt::Write as _;
use std::sync::Arc;

impl Host {
    /// The one loaded service that exports `interface`, as `effective` may call it.
    ///
    /// # Errors
    /// Nobody exports it, two do, its shape differs, or the call is not allowed; the words say which.
    pub(super) fn link(
        &self,
        effective: &Effective,
        interface: &Interface,
    ) -> Result<Link, String> {
        let id = &interface.id;
        let own = effective.name.as_str();
        let mut found: Vec<(Arc<str>, Interface)> = Vec::new();
        let mut near = Vec::new();
        for (name, service) in self.loaded() {
            let contract = service.contract();
            if &*name == own {
                continue;
            }
            let exact = contract.exports.iter().find(|export| export.id == *id);
            if let Some(export) = exact.or_else(|| contract.meeting(id).next()) {
                found.push((name, export.clone()));
            } else {
                near.extend(
                    contract
                        .exports
                        .iter()
                        .map(|export| format!("`{}` of {name}", export.id)),
                );
            }
        }
        let mut found = found.into_iter();
        let (service, export) = match (found.next(), found.next()) {
            (Some(one), None) => one,
            (Some((one, _)), Some((other, _))) => {
                return Err(format!(
                    "it imports `{id}`, and both `{one}` and `{other}` export that: leave one of them in the directory, or give them versions that differ"
                ));
            }
            (None, _) => return Err(nobody(id, &near)),
        };
        if let Some(differs) = differs(interface, &export) {
            return Err(format!(
                "it imports `{id}`, and what `{service}` exports under that name has another shape{differs}"
            ));
        }
        allowed(effective, &service)?;
        Ok(Link {
            interface: interface.clone(),
            service,
            exported: export.id,
        })
    }

    /// Whether whoever is linked to the service `name` finds with `contract` what it was linked to.
    ///
    /// # Errors
    /// Somebody does not; the words show what changed.
    pub(super) fn keeps_promises(&self, name: &str, contract: &Contract) -> Result<(), String> {
        for (caller, service) in self.loaded() {
            for link in service.links().iter().filter(|link| &*link.service == name) {
                let export = contract
                    .exports
                    .iter()
                    .find(|export| export.id == link.exported);
                let export = export.or_else(|| contract.meeting(&link.exported).next());
                let Some(export) = export else {
                    return Err(format!(
                        "`{caller}` imports `{}`, which this version exports no more: what served before serves on until `{caller}` asks for something else, or is gone; `holdfast load {name} --breaking` takes it all the same",
                        link.interface.id
                    ));
                };
                if let Some(differs) = differs(&link.interface, export) {
                    return Err(format!(
                        "`{caller}` imports `{}`, which has another shape in this version: what served before serves on until `{caller}` asks for something else, or is gone; `holdfast load {name} --breaking` takes it all the same{differs}",
                        link.interface.id
                    ));
                }
            }
        }
        Ok(())
    }

    /// How `contract` differs from that of the version of `name` that serves now.
    pub(super) fn changes(&self, name: &str, contract: &Contract) -> Vec<Change> {
        let mut loaded = self.loaded().into_iter();
        let serving = loaded.find(|(known, _)| **known == *name);
        serving.map_or_else(Vec::new, |(_, serving)| {
            changes(serving.contract(), contract)
        })
    }

    /// The loaded services.
    fn loaded(&self) -> Vec<(Arc<str>, Arc<Service>)> {
        let mut services = Vec::new();
        for registered in self.pipeline.registry().all() {
            if let (Target::Service(name), Some(origin)) =
                (&registered.target, registered.settings.get::<Origin>())
            {
                services.push((name.clone(), origin.service.clone()));
            }
        }
        services.sort_by(|(one, _), (other, _)| one.cmp(other));
        services
    }
}

fn nobody(id: &str, near: &[String]) -> String {
    let base = |id: &str| id.split('@').next().unwrap_or_default().to_owned();
    let named = |text: &&String| text.starts_with(&format!("`{}@", base(id)));
    let others: Vec<_> = near.iter().filter(named).map(String::as_str).collect();
    let hint = match others.as_slice() {
        [] => "put one that does into the directory".to_owned(),
        others => format!("there is {}, which is not compatible", others.join(", ")),
    };
    format!("it imports `{id}`, and no loaded service exports that: {hint}")
}

/// Where a shape differs: what is imported and what is exported, function by function.
fn differs(wanted: &Interface, export: &Interface) -> Option<String> {
    let mut text = String::new();
    for function in &wanted.functions {
        let other = export.function(&function.name);
        if other == Some(function) {
            continue;
        }
        let other = other.map_or_else(|| "nothing of that name".to_owned(), ToString::to_string);
        // Writing to a string cannot fail.
        let _ = write!(text, "; imported is `{function}`, exported is `{other}`");
    }
    (!text.is_empty()).then_some(text)
}

/// Both owners must let the one call the other.
fn allowed(effective: &Effective, service: &str) -> Result<(), String> {
    let grants = &effective.grants;
    let name = &effective.name;
    if !grants.services_asked.contains(service) {
        return Err(format!(
            "it imports what `{service}` exports: its manifest must say so, services = [\"{service}\"] in {name}.toml"
        ));
    }
    if !grants.services_allowed.contains(service) {
        return Err(format!(
            "it may not call `{service}`: `holdfast allow {name}` shows what it asks for, and allows it"
        ));
    }
    Ok(())
}
