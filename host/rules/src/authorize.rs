//! `authorize`: caller × target × operation; what happens is what manifest and policy both allow.
//!
//! Nothing is granted by default. A denial is a fault like any other, never a trap, and always says which line or command would change
//! it: to the operator, not to the one who was denied.

mod access;
mod operations;
mod public;
mod uses;

pub use access::{Access, Anonymous, Callers};
pub use operations::Operations;
pub use public::Public;
pub use uses::Uses;

use crate::Parts;
use holdfast_call::{
    BoxFuture, Call, Fault, HostCode, Layer, Next, Payload, Refusal, Registered, Reply, Target,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What one of the two owners names for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Upstreams, by their names in the policy.
    pub upstreams: BTreeSet<String>,
    /// Services it may call.
    pub services: BTreeSet<String>,
    /// Secrets it may use, by their names in the policy.
    pub secrets: BTreeSet<String>,
    /// Buckets of its own that it may keep keys in.
    pub kv: BTreeSet<String>,
    /// Services to whose queues it may send, itself among them.
    pub queues: BTreeSet<String>,
}

/// What a service may ask for: the settings of the one that asks.
#[derive(Clone, Debug)]
pub struct Grants {
    service: Arc<str>,
    /// Every origin the policy knows: whose it is, and whether this service may use it.
    origins: HashMap<String, (String, Standing)>,
    services: HashMap<String, Standing>,
    secrets: HashMap<String, Standing>,
    kv: HashMap<String, Standing>,
    queues: HashMap<String, Standing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Granted,
    NotInManifest,
    NotInPolicy,
    InNeither,
}

impl Grants {
    /// What `asked` (the manifest) and `allowed` (the policy) both name. `upstreams` are all there are in the policy: name → origin,
    /// `scheme://host:port` in lower case with the port always written.
    #[must_use]
    pub fn new(
        service: &Arc<str>,
        asked: &Names,
        allowed: &Names,
        upstreams: &BTreeMap<String, String>,
    ) -> Self {
        let origins = upstreams.iter().map(|(name, origin)| {
            let standing = standing(&asked.upstreams, &allowed.upstreams, name);
            (origin.clone(), (name.clone(), standing))
        });
        Self {
            service: service.clone(),
            origins: origins.collect(),
            services: standings(&asked.services, &allowed.services),
            secrets: standings(&asked.secrets, &allowed.secrets),
            kv: standings(&asked.kv, &allowed.kv),
            queues: standings(&asked.queues, &allowed.queues),
        }
    }

    fn upstream(&self, origin: &str) -> Result<(), Fault> {
        let Some((name, standing)) = self.origins.get(origin) else {
            return Err(self.unknown(origin));
        };
        self.check("upstreams", "upstream", name, *standing, origin)
    }

    fn service(&self, name: &str) -> Result<(), Fault> {
        self.named("services", "service", name, &self.services)
    }

    fn secret(&self, name: &str) -> Result<(), Fault> {
        self.named("secrets", "secret", name, &self.secrets)
    }

    fn bucket(&self, name: &str) -> Result<(), Fault> {
        self.named("kv", "bucket", name, &self.kv)
    }

    fn queue(&self, name: &str) -> Result<(), Fault> {
        self.named("queues", "queue of the service", name, &self.queues)
    }

    /// Leases and sequences come with the first bucket: they are a service's own as its keys are.
    fn keeps(&self) -> Result<(), Fault> {
        let mut granted = self.kv.values();
        match granted.any(|standing| *standing == Standing::Granted) {
            true => Ok(()),
            false => self.bucket("default"),
        }
    }

    fn named(
        &self,
        key: &str,
        kind: &str,
        name: &str,
        known: &HashMap<String, Standing>,
    ) -> Result<(), Fault> {
        let standing = known.get(name).copied().unwrap_or(Standing::InNeither);
        self.check(key, kind, name, standing, name)
    }

    fn check(
        &self,
        key: &str,
        kind: &str,
        name: &str,
        standing: Standing,
        seen: &str,
    ) -> Result<(), Fault> {
        let service = &self.service;
        // Closures, because nearly every call is granted and needs no words.
        let manifest = || format!("{key} = [\"{name}\"] in {service}.toml");
        let policy = || {
            format!(
                "run `holdfast allow {service}`, or write {key} = [\"{name}\"] under [services.{service}] in holdfast.toml"
            )
        };
        let (limit, change) = match standing {
            Standing::Granted => return Ok(()),
            Standing::NotInManifest => (
                format!("the policy allows it, but {service}.toml does not name the {kind} {name}"),
                manifest(),
            ),
            Standing::NotInPolicy => (
                format!("{service}.toml names it, but the policy does not allow the {kind} {name}"),
                policy(),
            ),
            Standing::InNeither => (
                format!("neither {service}.toml nor the policy names the {kind} {name} for it"),
                format!("{}, then {}", manifest(), policy()),
            ),
        };
        Err(denied(seen.to_owned(), limit, change))
    }

    /// No upstream of the policy has this origin. If one has the same host, the scheme or the port is what differs.
    fn unknown(&self, origin: &str) -> Fault {
        let same = |known: &&String| host(known) == host(origin);
        let near = self.origins.keys().filter(same).min();
        let limit = match near.and_then(|known| self.origins.get_key_value(known)) {
            Some((known, (name, _))) => {
                format!(
                    "the policy knows this host only as {known}, the upstream {name}: scheme and port count"
                )
            }
            None => "no upstream of the policy has this origin".to_owned(),
        };
        let change = format!("url = \"{origin}\" under [upstreams.NAME] in holdfast.toml");
        denied(origin.to_owned(), limit, change)
    }
}

fn standings(asked: &BTreeSet<String>, allowed: &BTreeSet<String>) -> HashMap<String, Standing> {
    let names = asked.union(allowed);
    names
        .map(|name| (name.clone(), standing(asked, allowed, name)))
        .collect()
}

fn standing(asked: &BTreeSet<String>, allowed: &BTreeSet<String>, name: &str) -> Standing {
    match (asked.contains(name), allowed.contains(name)) {
        (true, true) => Standing::Granted,
        (false, true) => Standing::NotInManifest,
        (true, false) => Standing::NotInPolicy,
        (false, false) => Standing::InNeither,
    }
}

/// The host of an origin, without scheme and port.
fn host(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host)
}

fn denied(seen: String, limit: String, change: String) -> Fault {
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: "authorize",
        detail: "This is not allowed.".to_owned(),
        rule: "a service reaches only what its manifest and the policy both name".to_owned(),
        seen,
        limit,
        change,
        retry_after: None,
    };
    refusal.into()
}

pub(crate) fn layer(_parts: &Parts) -> Box<dyn Layer> {
    Box::new(Authorize)
}

struct Authorize;

impl Layer for Authorize {
    fn name(&self) -> &'static str {
        "authorize"
    }

    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        match decide(&call) {
            Ok(()) => next.run(call),
            Err(fault) => Box::pin(async move { Err(fault) }),
        }
    }
}

fn decide(call: &Call) -> Result<(), Fault> {
    match (&call.asker, call.nested()) {
        (Some(asker), _) => nested(asker, &call.target).and_then(|()| operation(call)),
        // What the policy names for the host itself, the host may ask; what may be sent there holds for it as for everybody.
        (None, false) if access::by_host(call) => operation(call),
        // Whoever sent the message was allowed to when he did, and the queue is in nobody's hands but the host's.
        (None, false) if access::delivered(call) => Ok(()),
        (None, false) => access::outside(call),
        // A nested call always has an asker; without one nothing can have been granted.
        (None, true) => Err(denied(
            call.target.to_string(),
            "nobody is known to ask".to_owned(),
            "report it: a nested call without an asker is a mistake in the host".to_owned(),
        )),
    }
}

fn nested(asker: &Arc<Registered>, target: &Target) -> Result<(), Fault> {
    let Some(grants) = asker.settings.get::<Grants>() else {
        let change = "give it a manifest that names what it needs, then `holdfast allow NAME`";
        let limit = format!("{} is granted nothing", asker.target);
        return Err(denied(target.to_string(), limit, change.to_owned()));
    };
    match target {
        Target::Service(name) => grants.service(name),
        Target::Capability {
            name: "http",
            resource,
        } => grants.upstream(resource),
        Target::Capability {
            name: "secrets",
            resource,
        } => grants.secret(resource),
        Target::Capability {
            name: "kv",
            resource,
        } => grants.bucket(resource),
        Target::Capability {
            name: "queue",
            resource,
        } => grants.queue(resource),
        Target::Capability {
            name: "leases" | "ids",
            ..
        } => grants.keeps(),
        Target::Capability { name, .. } => Err(denied(
            target.to_string(),
            format!("the capability {name} cannot be granted"),
            "nothing: this host does not offer it".to_owned(),
        )),
    }
}

/// Whether the upstream may be sent this at all, whoever asks.
fn operation(call: &Call) -> Result<(), Fault> {
    let registered = call.registered.as_ref();
    let operations = registered.and_then(|known| known.settings.get::<Operations>());
    let uses = registered.and_then(|known| known.settings.get::<Uses>());
    match (&call.payload, operations, uses) {
        (Payload::Http(request), Some(operations), _) => operations.check(request),
        (Payload::Values(operation, _), _, Some(uses)) => uses.check(operation),
        (Payload::Http(_) | Payload::Values(..), _, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
