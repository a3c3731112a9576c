//! The webhooks of a service: where signed requests come in, and the keys that they are checked with, as they are held now.

use super::Host;
use super::secrets;
use crate::settings::{Effective, LentSecret, SignedPath};
use anyhow::Context as _;
use holdfast_call::contract::{CONSUMER, Contract};
use holdfast_call::{Moment, Secret};
use holdfast_capabilities::http::Held;
use holdfast_capabilities::secrets::Encoding;
use holdfast_rules::identify::signed::{Accept, Declared, Keys, Webhooks};
use holdfast_rules::identify::webhook::Key;
use std::sync::Arc;

/// The layer's settings for a service; `None` where it has no webhook.
///
/// # Errors
/// A key is not there: nobody could be verified with it, so nothing is taken. Or what is to go into its queue it does not take from there.
pub(super) fn of(
    host: &Host,
    effective: &Effective,
    contract: &Contract,
) -> anyhow::Result<Option<Webhooks>> {
    if effective.webhooks.is_empty() {
        return Ok(None);
    }
    let service = effective.name.as_str();
    let mut queued = effective.webhooks.iter();
    if let Some(path) = queued.find(|path| path.accept == Accept::Queue)
        && contract.consumer().is_none()
    {
        anyhow::bail!(
            "what comes to {} of {service} goes into its queue, and it takes no messages: export {CONSUMER} from it, or take \
             `accept = \"queue\"` out of [services.{service}.webhooks.\"{}\"] in holdfast.toml",
            path.path,
            path.path
        );
    }
    let declared = effective.webhooks.iter().map(|path| {
        declared(host, path).with_context(|| format!("the webhook {} of {service}", path.path))
    });
    let declared = declared.collect::<anyhow::Result<_>>()?;
    Ok(Some(Webhooks::new(service, declared)?))
}

fn declared(host: &Host, path: &SignedPath) -> anyhow::Result<Declared> {
    let held = path.secrets.iter().map(|secret| {
        let name = &secret.name;
        let held = host.secrets.known(&secrets::target(secret));
        let held = held.with_context(|| format!("the secret {name} cannot be read"))?;
        Ok((held, secret.encoding))
    });
    let names: Vec<_> = path.secrets.iter().map(LentSecret::name).collect();
    Ok(Declared {
        path: path.path.clone(),
        provider: path.from,
        body_bytes_max: usize::try_from(path.body_bytes).unwrap_or(usize::MAX),
        secrets: names.join(" or "),
        accept: path.accept,
        keys: keys(held.collect::<anyhow::Result<_>>()?),
    })
}

/// Every value that may still be met: what a secret was before it was exchanged is known for a while.
fn keys(all: Vec<(Arc<Held>, Encoding)>) -> Keys {
    let live = |(held, encoding): &(Arc<Held>, Encoding), now: Moment| {
        let values = held.live(now).into_iter();
        let encoding = *encoding;
        values.filter_map(move |value| key(&value, encoding))
    };
    Arc::new(move |now| all.iter().flat_map(|one| live(one, now)).collect())
}

/// What stands for no key was refused when it was read.
fn key(secret: &Secret, encoding: Encoding) -> Option<Key> {
    let key = encoding.key(secret).ok()?;
    Some(match encoding {
        Encoding::Ed25519 => Key::Public(key.to_vec()),
        Encoding::Text | Encoding::Base64 | Encoding::Hex => Key::Shared(key),
    })
}
