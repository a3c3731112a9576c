//! Upstreams, secrets and buckets of the policy, as targets of the pipeline.

use super::secrets::{self, Wanted};
use super::{Host, kv, layers, queues};
use crate::settings::{Policy, Upstream};
use anyhow::{Context as _, bail};
use holdfast_call::{Level, Log as _, Registered, Target, Unread};
use holdfast_capabilities::http::{Credential, Keyed, Origin, Roots, Upstream as Way};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What cannot be used because its secret is missing, in words (`upstream api`), and what is said of it.
pub(super) type Unusable = BTreeMap<String, String>;

/// The upstreams, secrets and buckets of a policy, made and not yet registered.
pub(super) struct Made {
    usable: Vec<Arc<Registered>>,
    unusable: Unusable,
}

impl Made {
    /// A policy that comes into force must not take anything away by a mistake: what is without its secret is taken only if it was without
    /// it `before`.
    ///
    /// # Errors
    /// Names what is not.
    pub(super) fn check(&self, before: &Unusable) -> anyhow::Result<()> {
        let new = self
            .unusable
            .iter()
            .find(|(what, _)| !before.contains_key(*what));
        match new {
            Some((what, why)) => bail!("{what}: {why}"),
            None => Ok(()),
        }
    }

    /// Notes what came of making `what`.
    ///
    /// # Errors
    /// It was not made, and not because its secret is missing.
    fn note(&mut self, what: String, made: anyhow::Result<Arc<Registered>>) -> anyhow::Result<()> {
        let error = match made {
            Ok(registered) => {
                self.usable.push(registered);
                return Ok(());
            }
            Err(error) => error,
        };
        match error.downcast_ref() {
            Some(missing @ Unread::Missing(_)) => {
                self.unusable.insert(what, missing.to_string());
                Ok(())
            }
            Some(Unread::Wrong(_)) | None => Err(error.context(what)),
        }
    }
}

/// How an upstream is called in messages.
pub(super) fn upstream(name: &str) -> String {
    format!("upstream {name}")
}

/// How a secret is called in messages.
pub(super) fn secret(name: &str) -> String {
    format!("secret {name}")
}

/// Makes every upstream, every secret, every bucket and every queue of the policy.
///
/// # Errors
/// One cannot be made, and not because its secret is missing.
pub(super) fn make(host: &Host, policy: &Policy) -> anyhow::Result<Made> {
    let kept = kv::make(host, policy).into_iter();
    let mut made = Made {
        usable: kept.chain(queues::make(host, policy)).collect(),
        unusable: Unusable::new(),
    };
    for upstream in policy.upstreams.values() {
        made.note(
            self::upstream(upstream.name.as_str()),
            one(host, policy, upstream),
        )?;
    }
    for lent in policy.secrets.values() {
        let registered = secrets::lent(host, lent).map_err(anyhow::Error::from);
        made.note(secret(lent.name.as_str()), registered)?;
    }
    Ok(made)
}

fn one(host: &Host, policy: &Policy, upstream: &Upstream) -> anyhow::Result<Arc<Registered>> {
    let way = way(host, upstream)?;
    let target = target(upstream);
    let settings = layers::upstream(host, policy, &target, upstream);
    let way = host.out.upstream(way);
    Ok(Registered::new(&host.pipeline, target, None, settings, way))
}

/// Registers everything that can be used, and takes out those that are no more.
pub(super) fn register(host: &Host, made: Made) {
    for (what, why) in &made.unusable {
        let text = format!("the {what} cannot be used: {why}");
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
    let wanted = Wanted {
        sources: credential.sources.clone(),
        key: None,
    };
    let held = host
        .secrets
        .held(&target(upstream), wanted, &host.log, now)?;
    Ok(Some(Credential::new(credential.place.clone(), held)?))
}
