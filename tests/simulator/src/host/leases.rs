//! A call that does something under a lease, which may be gone by the time it does it.

use super::Life;
use crate::stage::Link;
use holdfast_store::executions::Held;
use holdfast_store::kv::{self, Bucket, Changed, Key, Quota, Writer};
use holdfast_store::leases::{self, Acquired, Lease, Wish};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const SERVICE: &str = "keeper";

/// Takes a lease, writes under it a few times, and lets go of it.
pub(crate) async fn works(link: Link, life: Rc<Life>, name: Key) {
    let dice = &link.shared.dice;
    let ttl = Duration::from_millis(dice.between(1_000, 12_000));
    let Some(lease) = acquires(&link, &life, &name, ttl).await else {
        return;
    };
    for _ in 0..dice.between(1, 4) {
        let slow = match dice.below(10) {
            0..=1 => dice.between(10_000, 30_000),
            _ => dice.between(10, 2_000),
        };
        link.rest(slow).await;
        if !writes(&link, &lease).await {
            return;
        }
        if dice.happens(400) {
            renews(&link, &lease, ttl).await;
        }
    }
    let (gone, shared) = (lease.clone(), link.shared.clone());
    let released = link.ask("release lease", move |db| async move {
        let came = leases::release(&db, gone.clone()).await;
        shared.truth.lease_released(&gone, &came);
        came
    });
    // It runs out by itself.
    let _: Result<Held, _> = released.await;
}

async fn acquires(link: &Link, life: &Life, name: &Key, ttl: Duration) -> Option<Lease> {
    let wish = Wish {
        service: SERVICE.to_owned(),
        name: name.clone(),
        holder: life.holder()?,
        call: link.shared.new_id().to_string(),
        why: "to write".to_owned(),
        ttl,
    };
    let shared = link.shared.clone();
    let acquired = link.ask("acquire lease", move |db| async move {
        let came = leases::acquire(&db, wish.clone()).await;
        let name = wish.name.as_str();
        shared
            .truth
            .lease_acquired(&wish.holder, (name, ttl), &came);
        came
    });
    match acquired.await {
        Ok(Acquired::Yours(lease)) => Some(lease),
        Ok(_) | Err(_) => None,
    }
}

/// Whether it still has the lease, as far as it knows.
async fn writes(link: &Link, lease: &Lease) -> bool {
    let value = link.shared.dice.sixteen().to_vec();
    let writer = Writer {
        bucket: Bucket {
            service: SERVICE.to_owned(),
            name: "under".to_owned(),
        },
        quota: Quota {
            bytes: 1 << 20,
            keys: 1_000,
        },
        call: link.shared.new_id().to_string(),
        leases: vec![lease.clone()],
    };
    let (lease, shared) = (lease.clone(), link.shared.clone());
    let written = link.ask("write under lease", move |db| async move {
        let values = BTreeMap::from([(lease.name.clone(), Some(value.clone()))]);
        let came = kv::change(&db, writer, values).await;
        shared.truth.lease_written(&lease, &value, &came);
        came
    });
    !matches!(written.await, Ok(Changed::Stale(_)))
}

async fn renews(link: &Link, lease: &Lease, ttl: Duration) {
    let (lease, shared) = (lease.clone(), link.shared.clone());
    let renewed = link.ask("renew lease", move |db| async move {
        let came = leases::renew(&db, lease.clone(), ttl).await;
        shared.truth.lease_renewed(&lease, ttl, &came);
        came
    });
    let _ = renewed.await;
}
