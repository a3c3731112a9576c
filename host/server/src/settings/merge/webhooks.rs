//! The policy alone says where signed requests come in: a service that is not sent them needs no word of its own.

use super::Merge;
use crate::settings::name::Name;
use crate::settings::source::join;
use crate::settings::units::size_text;
use crate::settings::webhooks::SignedPath;

impl Merge<'_> {
    pub(super) fn webhooks(&mut self) -> Vec<SignedPath> {
        let (policy, allowed) = (self.policy, self.allowed);
        let mut paths = Vec::with_capacity(allowed.webhooks.len());
        for (path, webhook) in &allowed.webhooks {
            let names: Vec<_> = webhook.secrets.iter().map(Name::as_str).collect();
            for (name, value) in [
                ("from", webhook.from.as_str().to_owned()),
                ("secrets", names.join(", ")),
                ("body_bytes", size_text(webhook.body_bytes)),
                ("accept", webhook.accept.as_str().to_owned()),
            ] {
                let key = join(&join("webhooks", path), name);
                let origin = policy.origin(&self.own(&key));
                self.row(key, value, origin);
            }
            // The policy was refused if it names one that is not there.
            let secrets = webhook.secrets.iter();
            let secrets = secrets.filter_map(|name| policy.secrets.get(name));
            paths.push(SignedPath {
                path: path.clone(),
                from: webhook.from,
                secrets: secrets.cloned().collect(),
                body_bytes: webhook.body_bytes,
                accept: webhook.accept,
            });
        }
        paths
    }
}
