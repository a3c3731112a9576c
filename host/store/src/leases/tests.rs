//! Who holds a lease, until when, and what becomes of what is written under one that is gone.

use super::*;
use crate::db::Place;
use crate::kv::{self, Bucket, Changed, Quota, Writer};
use std::collections::BTreeMap;

struct World {
    _folder: tempfile::TempDir,
    database: Database,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = Database::open(Place::File(file)).await.unwrap();
    World {
        _folder: folder,
        database,
    }
}

fn wish(service: &str, name: &str, epoch: i64) -> Wish {
    Wish {
        service: service.to_owned(),
        name: Key::parse(name.to_owned()).unwrap(),
        holder: Holder {
            host: "host".to_owned(),
            epoch,
        },
        call: "call".to_owned(),
        why: "a test".to_owned(),
        ttl: TTL_MAX,
    }
}

impl World {
    async fn acquire(&self, wish: Wish) -> Acquired {
        acquire(&self.database, wish).await.unwrap()
    }

    async fn held(&self, name: &str) -> Lease {
        match self.acquire(wish("notes", name, 1)).await {
            Acquired::Yours(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    /// Makes its time run out.
    async fn runs_out(&self) {
        let out = self.database.run((), |(), tx| {
            Box::pin(async move { tx.execute("UPDATE leases SET expires_ms = 1", &[]).await })
        });
        out.await.unwrap();
    }

    async fn writes(&self, leases: &[Lease]) -> Changed {
        let writer = Writer {
            bucket: Bucket {
                service: "notes".to_owned(),
                name: "default".to_owned(),
            },
            quota: Quota {
                bytes: 1_000,
                keys: 10,
            },
            call: "call".to_owned(),
            leases: leases.to_vec(),
        };
        let key = Key::parse("k".to_owned()).unwrap();
        let values = BTreeMap::from([(key, Some(vec![1]))]);
        kv::change(&self.database, writer, values).await.unwrap()
    }
}

#[tokio::test]
async fn a_lease_is_held_by_one_until_he_lets_go_or_it_runs_out() {
    let world = world().await;
    let first = world.held("l").await;
    let Acquired::Held(left) = world.acquire(wish("notes", "l", 1)).await else {
        panic!("a lease was given twice");
    };
    assert!(left <= TTL_MAX && left > TTL_MAX / 2, "{left:?}");
    // Another service's is another one.
    let other = world.acquire(wish("other", "l", 1)).await;
    assert!(matches!(other, Acquired::Yours(_)));
    assert_eq!(
        release(&world.database, first.clone()).await.unwrap(),
        Held::Yes
    );
    let second = world.held("l").await;
    assert!(second.fence > first.fence);
    world.runs_out().await;
    assert!(world.held("l").await.fence > second.fence);
}

#[tokio::test]
async fn who_has_lost_it_neither_renews_nor_releases_what_another_one_holds() {
    let world = world().await;
    let first = world.held("l").await;
    let renewed = renew(&world.database, first.clone(), TTL_MIN).await;
    assert_eq!(renewed.unwrap(), Held::Yes);
    world.runs_out().await;
    let renewed = renew(&world.database, first.clone(), TTL_MIN).await;
    assert_eq!(renewed.unwrap(), Held::Lost);
    let second = world.held("l").await;
    let late = release(&world.database, first.clone()).await;
    assert_eq!(late.unwrap(), Held::Lost);
    let theirs = Lease {
        service: "other".to_owned(),
        ..second.clone()
    };
    assert_eq!(release(&world.database, theirs).await.unwrap(), Held::Lost);
    let listed = list(&world.database).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].lease, second);
    assert_eq!((&*listed[0].call, &*listed[0].why), ("call", "a test"));
}

#[tokio::test]
async fn what_is_written_under_a_lease_that_is_gone_is_not_written() {
    let world = world().await;
    let (one, other) = (world.held("one").await, world.held("other").await);
    let both = [one.clone(), other.clone()];
    assert_eq!(world.writes(&both).await, Changed::Yes);
    release(&world.database, other.clone()).await.unwrap();
    assert_eq!(world.writes(&both).await, Changed::Stale(other));
    assert_eq!(world.writes(std::slice::from_ref(&one)).await, Changed::Yes);
    world.runs_out().await;
    // Nobody else has it yet, and still it is not his any more.
    assert_eq!(
        world.writes(std::slice::from_ref(&one)).await,
        Changed::Stale(one)
    );
}

#[tokio::test]
async fn a_new_life_of_a_host_lets_go_of_what_the_old_one_held() {
    let world = world().await;
    world.held("l").await;
    let Acquired::Yours(_) = world.acquire(wish("notes", "new", 2)).await else {
        panic!("nobody holds it");
    };
    let holder = wish("notes", "l", 2).holder;
    begin(&world.database, holder).await.unwrap();
    let listed = list(&world.database).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].holder.epoch, 2);
    let elsewhere = Holder {
        host: "elsewhere".to_owned(),
        epoch: 9,
    };
    begin(&world.database, elsewhere).await.unwrap();
    assert_eq!(list(&world.database).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_holds_no_more_leases_than_it_may() {
    let world = world().await;
    let fill = world.database.run((), |(), tx| {
        Box::pin(async move {
            const SQL: &str = "INSERT INTO leases \
                (service, name, fence, holder, epoch, call, why, since_ms, expires_ms) \
                VALUES ('notes', $1, 0, 'host', 1, 'call', '', 0, 9000000000000)";
            for number in 0..LEASES_MAX {
                let name = format!("l{number}").into_bytes();
                tx.execute(SQL, &[name.into()]).await?;
            }
            Ok(())
        })
    });
    fill.await.unwrap();
    let one_more = world.acquire(wish("notes", "one-more", 1)).await;
    assert_eq!(one_more, Acquired::TooMany);
    let other = world.acquire(wish("other", "l", 1)).await;
    assert!(matches!(other, Acquired::Yours(_)));
    // What has run out does not count.
    world.runs_out().await;
    world.held("one-more").await;
}
