//! Buckets that a manifest asks for and the policy does not allow.

use super::Merge;
use crate::settings::excess::Change;

impl Merge<'_> {
    /// A bucket need not be made before it is allowed: it is there as soon as something is kept in it.
    pub(super) fn kv(&mut self) {
        let (manifest, allowed) = (self.manifest, self.allowed);
        for name in manifest.kv.difference(&allowed.kv) {
            let allows = format!("[services.{}] does not allow it", manifest.name);
            let (asks, change) = (format!("bucket `{name}`"), Change::Bucket(name.clone()));
            let excess = self.beyond("kv", &self.own("kv"), asks, allows, change);
            self.excess.push(excess);
        }
    }
}
