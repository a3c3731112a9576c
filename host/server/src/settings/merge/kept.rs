//! Buckets and queues that a manifest asks for and the policy does not allow.

use super::Merge;
use crate::settings::excess::Change;

impl Merge<'_> {
    /// A bucket need not be made before it is allowed: it is there as soon as something is kept in it.
    pub(super) fn kv(&mut self) {
        let (manifest, allowed) = (self.manifest, self.allowed);
        for name in manifest.kv.difference(&allowed.kv) {
            let asks = format!("bucket `{name}`");
            self.kept("kv", asks, Change::Bucket(name.clone()));
        }
    }

    /// A queue need not be consumed before it is allowed: what is sent waits until it is.
    pub(super) fn queues(&mut self) {
        let (manifest, allowed) = (self.manifest, self.allowed);
        for name in manifest.queues.difference(&allowed.queues) {
            let asks = format!("the queue of `{name}`");
            self.kept("queues", asks, Change::Queue(name.clone()));
        }
    }

    fn kept(&mut self, key: &str, asks: String, change: Change) {
        let allows = format!("[services.{}] does not allow it", self.manifest.name);
        let excess = self.beyond(key, &self.own(key), asks, allows, change);
        self.excess.push(excess);
    }
}
