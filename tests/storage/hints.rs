//! Hosts on one server tell each other that there is something to be taken; one that was not told looks again all the same.

use crate::harness::postgres::Postgres;
use holdfast_store::db::{Bells, Database, Place};
use std::time::Duration;
use tokio::sync::watch::Receiver;

async fn host(url: &str, own: &'static str) -> (Database, Bells) {
    let database = super::open(url).await.unwrap();
    let bells = Bells::default();
    let (hinting, rings) = (database.clone(), bells.clone());
    drop(tokio::spawn(async move {
        hinting.hint(own, &rings).await;
    }));
    (database, bells)
}

/// Rings until the other one hears it: the first rings may come before he listens.
async fn is_heard(ring: impl Fn(), mut heard: Receiver<u64>) {
    heard.mark_unchanged();
    for _ in 0..200 {
        ring();
        let hears = heard.changed();
        if tokio::time::timeout(Duration::from_millis(100), hears)
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("it is not heard");
}

#[tokio::test]
async fn what_one_host_sends_the_others_hear_of() {
    let url = Postgres::database();
    let (_one, one) = host(&url, "one/1").await;
    let (other_database, other) = host(&url, "other/1").await;
    let (queue, mut runs) = (other.queue.listen(), other.runs.listen());
    is_heard(|| one.queue.ring(), queue).await;
    runs.mark_unchanged();
    is_heard(|| one.runs.ring(), other.runs.listen()).await;
    is_heard(|| other.queue.ring(), one.queue.listen()).await;

    // What was heard is not told again: otherwise two hosts would go on telling each other for ever.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut own, mut all) = (one.queue.own(), one.queue.listen());
    own.mark_unchanged();
    all.mark_unchanged();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!own.has_changed().unwrap() && !all.has_changed().unwrap());

    // A connection that was broken is made again.
    let ended = other_database.run((), |(), tx| {
        Box::pin(async move {
            let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE query LIKE '%holdfast%' \
                       AND pid <> pg_backend_pid() AND datname = current_database()";
            tx.query(end, &[]).await.map(|_| ())
        })
    });
    // It may have ended this one's own neighbours in the pool, too.
    let _ = ended.await;
    is_heard(|| one.queue.ring(), other.queue.listen()).await;
}

#[tokio::test]
async fn a_host_that_is_alone_tells_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("alone.db"));
    let database = Database::open(place).await.unwrap();
    database.hint("alone/1", &Bells::default()).await;
}
