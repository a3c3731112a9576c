//! Upstreams of the policy, as targets of the pipeline.

use super::{Host, layers};
use crate::settings::{Policy, Upstream};
use anyhow::{Context as _, bail};
use holdfast_call::{Level, Log as _, Registered, Target, Unread};
use holdfast_capabilities::http::{Credential, Keyed, Origin, Roots, Upstream as Way};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The upstreams that cannot be asked because their secret is missing, by name, and what is said of it.
pub(super) type Unusable = BTreeMap<Arc<str>, String>;

/// The upstreams of a policy, made and not yet registered.
pub(super) struct Made {
    usable: Vec<Arc<Registered>>,
    unusable: Unusable,
}

impl Made {
    /// A policy that comes into force must not take an upstream away by a mistake: one without its secret is taken only if it was without
    /// it `before`.
    ///
    /// # Errors
    /// Names an upstream that is not.
    pub(super) fn check(&self, before: &Unusable) -> anyhow::Result<()> {
        let new = self
            .unusable
            .iter()
            .find(|(name, _)| !before.contains_key(*name));
        match new {
            Some((name, why)) => bail!("upstream {name}: {why}"),
            None => Ok(()),
        }
    }
}

/// Makes every upstream of the policy.
///
/// # Errors
/// One cannot be made, and not because its secret is missing.
pub(super) fn make(host: &Host, policy: &Policy) -> anyhow::Result<Made> {
    let mut made = Made {
        usable: Vec::new(),
        unusable: Unusable::new(),
    };
    for upstream in policy.upstreams.values() {
        match way(host, upstream) {
            Ok(way) => {
                let target = target(upstream);
                let settings = layers::upstream(host, &target, upstream);
                let way = host.out.upstream(way);
                let registered = Registered::new(&host.pipeline, target, None, settings, way);
                made.usable.push(registered);
            }
            Err(error) => match error.downcast_ref() {
                Some(missing @ Unread::Missing(_)) => {
                    let why = missing.to_string();
                    made.unusable.insert(upstream.name.shared(), why);
                }
                Some(Unread::Wrong(_)) | None => {
                    return Err(error.context(format!("upstream {}", upstream.name)));
                }
            },
        }
    }
    Ok(made)
}

/// Registers every upstream that can be used, and takes out those that are no more.
pub(super) fn register(host: &Host, made: Made) {
    for (name, why) in &made.unusable {
        let text = format!("the upstream {name} cannot be used: {why}");
        host.log.host(Level::Error, text);
    }
    let registry = host.pipeline.registry();
    let wanted: HashSet<_> = made
        .usable
        .iter()
        .map(|registered| registered.target.clone())
        .collect();
    for registered in registry.all() {
        if matches!(registered.target, Target::Capability { .. })
            && !wanted.contains(&registered.target)
        {
            registry.remove(&registered.target);
            host.sharing.forget(&registered.target);
            host.secrets.forget(&registered.target);
        }
    }
    for registered in made.usable {
        registry.put(registered);
    }
    host.unusable.store(Arc::new(made.unusable));
}

pub(super) fn target(upstream: &Upstream) -> Target {
    Target::Capability {
        name: "http",
        resource: upstream.origin.clone(),
    }
}

fn way(host: &Host, upstream: &Upstream) -> anyhow::Result<Way> {
    Ok(Way {
        name: upstream.name.as_str().to_owned(),
        origin: Origin::parse(&upstream.origin)?,
        connect: upstream.connect,
        first_byte: upstream.first_byte,
        between_bytes: upstream.between_bytes,
        response_bytes_max: upstream.response_bytes,
        allow_private: upstream.allow_private.clone(),
        ca: upstream.ca.as_ref().map(roots).transpose()?,
        credential: credential(host, upstream)?,
        keyed: upstream.again.header.clone().map(|header| Keyed {
            header,
            keys: host.keys.clone(),
        }),
        connections_max: usize::try_from(upstream.places).unwrap_or(usize::MAX),
    })
}

pub(super) fn roots(path: &std::path::PathBuf) -> anyhow::Result<Roots> {
    let pem = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Roots::from_pem(&pem).with_context(|| format!("use {}", path.display()))
}

fn credential(host: &Host, upstream: &Upstream) -> anyhow::Result<Option<Credential>> {
    let Some(credential) = &upstream.credential else {
        return Ok(None);
    };
    let now = host.pipeline.sources().clock.now();
    let held = host
        .secrets
        .held(&target(upstream), credential, &host.log, now)?;
    Ok(Some(Credential::new(credential.place.clone(), held)?))
}
