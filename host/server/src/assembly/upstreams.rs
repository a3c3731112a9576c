//! Upstreams of the policy, as targets of the pipeline.

use super::{Host, layers};
use crate::settings::{Policy, Upstream};
use anyhow::Context as _;
use holdfast_call::{Registered, Target};
use holdfast_capabilities::http::{Credential, Keyed, Origin, Roots, Secret, Upstream as Way};
use std::collections::HashSet;

/// Registers every upstream of the policy, and takes out those it no longer has. Nothing is changed unless all of them can be used.
pub(super) fn register(host: &Host, policy: &Policy) -> anyhow::Result<()> {
    let mut made = Vec::new();
    for upstream in policy.upstreams.values() {
        let way = way(host, upstream).with_context(|| format!("upstream {}", upstream.name))?;
        let target = target(upstream);
        let settings = layers::upstream(host, &target, upstream);
        made.push(Registered::new(
            &host.pipeline,
            target,
            None,
            settings,
            host.out.upstream(way),
        ));
    }
    let registry = host.pipeline.registry();
    let wanted: HashSet<_> = made
        .iter()
        .map(|registered| registered.target.clone())
        .collect();
    for registered in registry.all() {
        if matches!(registered.target, Target::Capability { .. })
            && !wanted.contains(&registered.target)
        {
            registry.remove(&registered.target);
            host.sharing.forget(&registered.target);
        }
    }
    made.into_iter()
        .for_each(|registered| registry.put(registered));
    Ok(())
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
    let secret = credential.source.read().map_err(anyhow::Error::msg)?;
    host.log.add_secret(&secret);
    let value = credential.value(&secret).map_err(anyhow::Error::msg)?;
    let value = Secret::new(value.to_str()?)?;
    Ok(Some(Credential::new(credential.header.clone(), value)?))
}
