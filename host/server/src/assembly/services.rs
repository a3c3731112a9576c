//! Services: from a component and its manifest to a target of the pipeline.

use super::layers::metering;
use super::{Host, captured, described, layers, upstreams, versions, webhooks};
use crate::plugins::{LoadError, LoadService, LoadedService, Pair, Promises};
use crate::queues::Schedules;
use crate::settings::{Effective, Manifest, Name, Policy, merge};
use anyhow::Context as _;
use holdfast_call::contract::Contract;
use holdfast_call::{Level, Log as _, Registered, Target, Why};
use holdfast_rules::contract::safe::Safe;
use holdfast_rules::contract::{Front, plain};
use holdfast_rules::effects::Effects;
use holdfast_rules::trial::{self, Version};
use holdfast_store::Digest;
use holdfast_wasm::compile::FromCache;
use holdfast_wasm::durable::Operations;
use holdfast_wasm::engine::Metering;
use holdfast_wasm::guest::{Access, Directory, Surroundings};
use holdfast_wasm::load_error::LoadError as ComponentError;
use holdfast_wasm::service::{Service, Wanted};
use std::sync::Arc;

/// What a registered service was made from. It stands among its settings, so that a change of the policy can make it again.
pub(super) struct Origin {
    manifest: Manifest,
    metering: Metering,
    pub(super) service: Arc<Service>,
    /// What of its contract only looks.
    safe: Safe,
    /// What it says of itself.
    described: Option<plain::Settings>,
    /// What is known of it since it began to serve: another policy does not make it another version.
    version: Arc<Version>,
}

impl LoadService for Host {
    fn load(
        &self,
        name: &str,
        pair: &Pair,
        promises: Promises,
        progress: &dyn Fn(&str),
    ) -> Result<LoadedService, LoadError> {
        let digest: Arc<str> = versions::digest(pair).as_str().into();
        let manifest = read_manifest(name, pair.manifest.as_deref());
        let manifest = manifest.map_err(LoadError::Manifest)?;
        let description = manifest.description.as_ref();
        let described = description.map(|description| described(description, &pair.documents));
        let described = described.transpose()?;
        let effective = Effective::of(&manifest, &self.policy())
            .map_err(|refused| LoadError::NotAllowed(refused.to_string()))?;
        folders(&effective).map_err(LoadError::NotAllowed)?;
        self.reachable(&effective).map_err(LoadError::NotAllowed)?;
        for note in &effective.notes {
            progress(&format!("note: {note}"));
            self.log.host(Level::Warn, format!("{name}: {note}"));
        }
        let made = self
            .workshop
            .make(&pair.component, wanted(&effective), &|interface| {
                self.link(&effective, interface)
            })
            .map_err(|error| refusal(name, &error))?;
        let safe = safe(&effective, made.service.contract()).map_err(LoadError::Manifest)?;
        declared(&effective, &safe, made.service.contract()).map_err(LoadError::Manifest)?;
        schedules(&effective, &made.service).map_err(LoadError::Manifest)?;
        if described.is_some() && !made.service.serves_http() {
            return Err(LoadError::Manifest(speaks_no_http(name)));
        }
        let kept = self.keeps_promises(name, made.service.contract());
        match (kept, promises) {
            (Ok(()), _) => {}
            (Err(broken), Promises::Broken) => {
                progress(&format!("breaks a promise, as it was told to: {broken}"));
                self.log.host(Level::Warn, format!("{name}: {broken}"));
            }
            (Err(broken), Promises::Kept) => return Err(LoadError::Unlinked(broken)),
        }
        for change in self.changes(name, made.service.contract()) {
            progress(&format!("contract: {change}"));
        }
        progress(&match made.from_cache {
            FromCache::Yes => "compiled before".to_owned(),
            FromCache::No => format!("compiled in {:.1} s", made.took.as_secs_f64()),
        });
        let origin = Origin {
            manifest,
            metering: metering(&effective),
            service: made.service,
            safe,
            described,
            version: Version::new(
                self.metrics
                    .series(&Target::Service(effective.name.shared())),
            ),
        };
        let registered = self.register(&effective, origin, digest.clone());
        let registered = registered.map_err(|error| LoadError::NotAllowed(format!("{error:#}")))?;
        Ok(LoadedService {
            registered,
            purpose: purpose(&effective),
            share: effective.canary,
            routes: effective.routes,
            digest,
        })
    }

    fn removed(&self, name: &str) {
        self.sharing.forget(&Target::Service(name.into()));
    }
}

fn read_manifest(name: &str, text: Option<&str>) -> Result<Manifest, String> {
    let name = Name::parse(name)?;
    match text {
        Some(text) => {
            let file = format!("{name}.toml");
            Manifest::parse(name, &file, text).map_err(|error| error.to_string())
        }
        None => Ok(Manifest::absent(name)),
    }
}

/// The functions that its author says only look.
///
/// # Errors
/// One of them is none.
pub(super) fn safe(effective: &Effective, contract: &Contract) -> Result<Safe, String> {
    Safe::of(contract, effective.safe.iter().map(String::as_str)).map_err(|error| {
        format!(
            "{error}: correct `safe` under [contract] in {}.toml",
            effective.name
        )
    })
}

/// What its author says that its operations do.
///
/// # Errors
/// One that is named is none.
pub(super) fn effects(effective: &Effective, contract: &Contract) -> Result<Effects, String> {
    Effects::new(
        &effective.effects,
        &effective.durable,
        contract,
        effective.undeclared,
    )
    .map_err(|error| format!("{error}: correct [effects] in {}.toml", effective.name))
}

/// Looks at what its author says that its operations do.
///
/// # Errors
/// One that is named is none, or is said to be durable and to change nothing.
fn declared(effective: &Effective, safe: &Safe, contract: &Contract) -> Result<(), String> {
    match effects(effective, contract)?.durable_and_safe(contract, safe) {
        None => Ok(()),
        Some(both) => Err(format!(
            "`{both}` only looks ([contract] safe) and is durable ([effects] durable): take it out of one of them in {}.toml",
            effective.name
        )),
    }
}

/// What its author has on its schedule.
///
/// # Errors
/// An operation that is named is none.
pub(super) fn schedules(effective: &Effective, service: &Service) -> Result<Schedules, String> {
    let contract = service.contract();
    let front = match service.serves_http() {
        true => Front::Own,
        false => Front::None,
    };
    let all = effective.schedules.iter();
    let all: Result<Arc<[_]>, _> = all.map(|one| one.found(contract, front)).collect();
    let all = all.map_err(|why| format!("{why}: correct {}.toml", effective.name))?;
    Ok(Schedules(all))
}

fn speaks_no_http(name: &str) -> String {
    format!(
        "{name}.toml describes plain HTTP in [contract], and {name}.wasm serves none: what it exports is described by its own WIT, so take `openapi` and `routes` out"
    )
}

/// Every folder that is granted must be there: without one, each call would fail.
///
/// # Errors
/// One is not.
pub(super) fn folders(effective: &Effective) -> Result<(), String> {
    match effective.mounts.iter().find(|mount| !mount.host.is_dir()) {
        None => Ok(()),
        Some(mount) => Err(format!(
            "the folder {} that it was granted as {} is not there: make it, or change [files] in holdfast.toml",
            mount.host.display(),
            mount.guest
        )),
    }
}

pub(super) fn refusal(name: &str, error: &ComponentError) -> LoadError {
    match error {
        ComponentError::Truncated { .. } | ComponentError::Empty | ComponentError::Cut(_) => {
            LoadError::Truncated(error.to_string())
        }
        ComponentError::Needs { key, .. } => LoadError::NotAllowed(format!(
            "{error}: {key} under [limits] in {name}.toml, as far as [services.{name}.limits] in holdfast.toml allows"
        )),
        ComponentError::Unlinked(_) => LoadError::Unlinked(error.to_string()),
        _ => LoadError::Refused(error.to_string()),
    }
}

impl Host {
    /// Everything that was granted must be there to be used: without its secret, each call would fail.
    fn reachable(&self, effective: &Effective) -> Result<(), String> {
        let unusable = self.unusable.load();
        let grants = &effective.grants;
        let upstreams = grants
            .upstreams_asked
            .intersection(&grants.upstreams_allowed)
            .map(|name| upstreams::upstream(name));
        let secrets = grants.secrets_asked.intersection(&grants.secrets_allowed);
        let secrets = secrets.map(|name| upstreams::secret(name));
        let signed = effective.webhooks.iter().flat_map(|path| &path.secrets);
        let signed = signed.map(|secret| upstreams::secret(secret.name()));
        for what in upstreams.chain(secrets).chain(signed) {
            if let Some(why) = unusable.get(&what) {
                return Err(format!("the {what} that it needs cannot be used: {why}"));
            }
        }
        Ok(())
    }

    /// Every loaded service under another policy, not yet in force. One whose manifest asks for more than that allows goes on with what is
    /// allowed, and says so: neither owner can widen the other.
    ///
    /// # Errors
    /// A service cannot be made for the other engine.
    pub(super) fn assembled(&self, policy: &Policy) -> anyhow::Result<Vec<Arc<Registered>>> {
        let mut made = Vec::new();
        for registered in self.pipeline.registry().all() {
            let Some(origin) = registered.settings.get::<Origin>() else {
                continue;
            };
            let merged = merge(&origin.manifest, policy);
            for excess in &merged.excess {
                self.log
                    .host(Level::Warn, format!("{}: {excess}", origin.manifest.name));
            }
            let effective = merged.effective;
            let digest = registered
                .digest
                .clone()
                .context("a service without a digest")?;
            let again = Origin {
                manifest: origin.manifest.clone(),
                metering: metering(&effective),
                service: self.again(origin, &effective, &digest)?,
                safe: origin.safe.clone(),
                described: origin.described.clone(),
                version: origin.version.clone(),
            };
            made.push(self.register(&effective, again, digest)?);
        }
        Ok(made)
    }

    fn again(
        &self,
        origin: &Origin,
        effective: &Effective,
        digest: &str,
    ) -> anyhow::Result<Arc<Service>> {
        if metering(effective) == origin.metering {
            return Ok(Arc::new(
                origin
                    .service
                    .with(layers::guest(effective), surroundings(effective))?,
            ));
        }
        // The other engine needs the component compiled for it.
        let digest = Digest::parse(digest).context("a digest that is none")?;
        let pair = self.versions.pair(effective.name.as_str(), &digest)?;
        Ok(self
            .workshop
            .make(&pair.component, wanted(effective), &|interface| {
                self.link(effective, interface)
            })?
            .service)
    }

    fn register(
        &self,
        effective: &Effective,
        origin: Origin,
        digest: Arc<str>,
    ) -> anyhow::Result<Arc<Registered>> {
        let target = Target::Service(effective.name.shared());
        let service = origin.service.clone();
        let trial = trial::Settings {
            version: origin.version.clone(),
        };
        let settings = layers::service(self, &target, effective, &service, origin.safe.clone());
        let settings = match &origin.described {
            Some(described) => settings.with(described.clone()),
            None => settings,
        };
        let settings = match webhooks::of(self, effective, service.contract())? {
            Some(webhooks) => settings.with(webhooks),
            None => settings,
        };
        let effects = effects(effective, service.contract()).map_err(anyhow::Error::msg)?;
        let schedules = schedules(effective, &service).map_err(anyhow::Error::msg)?;
        let settings = captured::with(settings, effective, &service)
            .with(trial)
            .with(effects)
            .with(schedules)
            .with(origin);
        let pipeline = &self.pipeline;
        Ok(Registered::new(
            pipeline,
            target,
            Some(digest),
            settings,
            service,
        ))
    }
}

fn purpose(effective: &Effective) -> Option<Why> {
    effective.purpose.as_deref().and_then(Why::claimed)
}

fn wanted(effective: &Effective) -> Wanted {
    Wanted {
        limits: layers::guest(effective),
        metering: metering(effective),
        operations: match effective.durable.is_empty() {
            true => Operations::Ordinary,
            false => Operations::Durable,
        },
        surroundings: surroundings(effective),
    }
}

fn surroundings(effective: &Effective) -> Surroundings {
    let directories = effective.mounts.iter().map(|mount| Directory {
        host: mount.host.clone(),
        guest: mount.guest.clone(),
        access: if mount.writable {
            Access::ReadWrite
        } else {
            Access::Read
        },
    });
    Surroundings {
        env: effective.env.clone(),
        config: effective.config.iter().cloned().collect(),
        directories: directories.collect(),
    }
}
