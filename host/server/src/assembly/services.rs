//! Services: from a component and its manifest to a target of the pipeline.

use super::{Host, layers};
use crate::settings::{Effective, Fuel, Manifest, Name, Policy, Route};
use anyhow::Context as _;
use holdfast_call::{Level, Log as _, Registered, Target};
use holdfast_store::pair_digest;
use holdfast_wasm::compile::FromCache;
use holdfast_wasm::engine::Metering;
use holdfast_wasm::guest::{Access, Directory, Surroundings};
use holdfast_wasm::service::{Service, Wanted};
use std::sync::{Arc, PoisonError};

/// A service that is loaded, with what it was made from.
pub struct Known {
    manifest: Manifest,
    digest: Arc<str>,
    metering: Metering,
    service: Arc<Service>,
}

/// A version that is ready to be swapped in.
pub struct LoadedVersion {
    /// The target, for the registry.
    pub registered: Arc<Registered>,
    /// Where it wants to be found; empty means under its name.
    pub routes: Vec<Route>,
    /// What it is for.
    pub purpose: Option<Arc<str>>,
    /// The digest of the pair.
    pub digest: Arc<str>,
    /// What becomes the known service once it is swapped in.
    pub known: Known,
}

impl Host {
    /// Makes a version of a service: settings, component, layers. Takes seconds for a large component; never on a serving thread.
    ///
    /// # Errors
    /// It cannot be served, or asks for more than the policy allows; the error says what to change.
    pub fn load(
        &self,
        name: &Name,
        component: &[u8],
        manifest: Option<&str>,
        progress: &dyn Fn(&str),
    ) -> anyhow::Result<LoadedVersion> {
        let written = match manifest {
            Some(text) => Manifest::parse(name.clone(), &format!("{name}.toml"), text).map_err(|error| anyhow::anyhow!("{error}"))?,
            None => Manifest::absent(name.clone()),
        };
        let effective = self.effective(&written, &self.policy())?;
        for note in &effective.notes {
            self.log.host(Level::Warn, format!("{name}: {note}"));
        }
        let made = self.workshop.make(component, wanted(&effective))?;
        progress(&match made.from_cache {
            FromCache::Yes => format!("{name}: in the cache"),
            FromCache::No => format!("{name}: compiled in {:.1} s", made.took.as_secs_f64()),
        });
        let digest: Arc<str> = pair_digest(component, manifest.map(str::as_bytes)).as_str().into();
        let known =
            Known { manifest: written, digest: digest.clone(), metering: metering(&effective), service: made.service };
        let registered = self.register(&effective, &known);
        Ok(LoadedVersion { registered, routes: effective.routes, purpose: effective.purpose, digest, known })
    }

    /// Notes a version that was swapped in, so that a change of the policy reaches it.
    pub fn swapped_in(&self, name: &Arc<str>, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), known);
    }

    /// Forgets a service that was removed.
    pub fn removed(&self, name: &Arc<str>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.pipeline.registry().remove(&Target::Service(name.clone()));
    }

    /// Every loaded service under another policy. One whose manifest asks for more than that allows goes on as it was, and says so.
    pub(super) fn assembled(&self, policy: &Policy) -> anyhow::Result<Vec<Arc<Registered>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut made = Vec::new();
        for service in known.values_mut() {
            let effective = self.effective(&service.manifest, policy)?;
            let name = &service.manifest.name;
            if metering(&effective) != service.metering {
                let digest = holdfast_store::Digest::parse(&service.digest).context("a digest that is none")?;
                let pair = self.versions.pair(name.as_str(), &digest)?;
                service.service = self.workshop.make(&pair.component, wanted(&effective))?.service;
                service.metering = metering(&effective);
            } else {
                service.service = Arc::new(service.service.with(layers::guest(&effective), surroundings(&effective)));
            }
            made.push(self.register(&effective, service));
        }
        Ok(made)
    }

    fn effective(&self, manifest: &Manifest, policy: &Policy) -> anyhow::Result<Effective> {
        Effective::of(manifest, policy).map_err(|refused| anyhow::anyhow!("{refused}"))
    }

    fn register(&self, effective: &Effective, known: &Known) -> Arc<Registered> {
        let target = Target::Service(effective.name.shared());
        let settings = layers::service(self, &target, effective);
        Registered::new(&self.pipeline, target, Some(known.digest.clone()), settings, known.service.clone())
    }
}

fn metering(effective: &Effective) -> Metering {
    match effective.fuel {
        Fuel::Off => Metering::Plain,
        Fuel::Metered { .. } => Metering::Metered,
    }
}

fn wanted(effective: &Effective) -> Wanted {
    Wanted { limits: layers::guest(effective), metering: metering(effective), surroundings: surroundings(effective) }
}

fn surroundings(effective: &Effective) -> Surroundings {
    let directories = effective.mounts.iter().map(|mount| Directory {
        host: mount.host.clone(),
        guest: mount.guest.clone(),
        access: if mount.writable { Access::ReadWrite } else { Access::Read },
    });
    Surroundings {
        env: effective.env.clone(),
        config: effective.config.iter().cloned().collect(),
        directories: directories.collect(),
    }
}
