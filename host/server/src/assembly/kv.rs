//! The buckets of the policy, as targets of the pipeline.

use super::{Host, layers};
use crate::settings::Policy;
use holdfast_call::{Registered, Target};
use holdfast_capabilities::kv::KeyValue;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every bucket that the policy allows to some service. Two services that have one of the same name share nothing but its settings.
pub(super) fn make(host: &Host, policy: &Policy) -> Vec<Arc<Registered>> {
    let services = policy.services.values();
    let names: BTreeSet<_> = services.flat_map(|service| &service.kv).collect();
    let names = names.into_iter();
    names.map(|name| one(host, name.shared())).collect()
}

fn one(host: &Host, bucket: Arc<str>) -> Arc<Registered> {
    let settings = layers::bucket(host, &bucket);
    let target = Target::Capability {
        name: "kv",
        resource: bucket.clone(),
    };
    let kept = KeyValue {
        database: host.database.clone(),
        bucket,
    };
    Registered::new(&host.pipeline, target, None, settings, Arc::new(kept))
}
