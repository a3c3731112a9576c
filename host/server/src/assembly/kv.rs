//! The buckets of the policy, and the leases and sequences of services, as targets of the pipeline.

use super::{Host, layers};
use crate::settings::Policy;
use holdfast_call::{Implementation, Registered, Settings, Target};
use holdfast_capabilities::ids::Sequences;
use holdfast_capabilities::kv::KeyValue;
use holdfast_capabilities::leases::Lending;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every bucket that the policy allows to some service. Two services that have one of the same name share nothing but its settings.
pub(super) fn make(host: &Host, policy: &Policy) -> Vec<Arc<Registered>> {
    let services = policy.services.values();
    let names: BTreeSet<_> = services.flat_map(|service| &service.kv).collect();
    let names = names.into_iter();
    let buckets = names.map(|name| one(host, name.shared()));
    let leases = Arc::new(Lending(host.leases.clone()));
    let sequences = Arc::new(Sequences(host.database.clone()));
    let own = [
        own(host, "leases", layers::leases(host), leases),
        own(host, "ids", layers::ids(host), sequences),
    ];
    buckets.chain(own).collect()
}

/// What each service has one of, its own. Without a bucket it may not use it.
fn own(
    host: &Host,
    name: &'static str,
    settings: Settings,
    what: Arc<dyn Implementation>,
) -> Arc<Registered> {
    let target = Target::Capability {
        name,
        resource: Target::OWN.into(),
    };
    Registered::new(&host.pipeline, target, None, settings, what)
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
        leases: host.leases.clone(),
    };
    Registered::new(&host.pipeline, target, None, settings, Arc::new(kept))
}
