//! Leases and sequences, on a file and on a server: held by one at a time and numbered without a gap, on whichever host somebody asks.

use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::Holder;
use holdfast_store::kv::{self, Bucket, Changed, Got, Key, Quota, Writer};
use holdfast_store::leases::{self, Acquired, Lease, TTL_MAX, TTL_MIN, Wish};
use holdfast_store::sequences::{self, Taken};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

both![
    of_all_who_want_it_one_gets_it,
    what_is_written_under_it_is_lost_by_nobody,
    who_takes_it_over_waits_for_no_write_that_comes_late,
    two_hosts_number_without_a_gap,
];

fn key(text: &str) -> Key {
    Key::parse(text.to_owned()).unwrap()
}

fn wish(host: &str, ttl: Duration) -> Wish {
    Wish {
        service: "notes".to_owned(),
        name: key("l"),
        holder: Holder {
            host: host.to_owned(),
            epoch: 1,
        },
        call: "call".to_owned(),
        why: "a test".to_owned(),
        ttl,
    }
}

/// Asks again as long as others are in the way.
macro_rules! again {
    ($asked:expr) => {
        loop {
            match $asked.await {
                Ok(answer) => break answer,
                Err(error) => assert!(contended(&error), "{error}"),
            }
        }
    };
}

fn contended(error: &DbError) -> bool {
    error.to_string().contains("again")
}

fn bucket() -> Bucket {
    Bucket {
        service: "notes".to_owned(),
        name: "default".to_owned(),
    }
}

async fn write(database: &Database, lease: &Lease, value: &str) -> Changed {
    again!({
        let writer = Writer {
            bucket: bucket(),
            quota: Quota {
                bytes: 1_000,
                keys: 10,
            },
            call: "call".to_owned(),
            leases: vec![lease.clone()],
        };
        let values = BTreeMap::from([(key("n"), Some(value.as_bytes().to_vec()))]);
        kv::change(database, writer, values)
    })
}

async fn number(database: &Database) -> u64 {
    match kv::get(database, bucket(), vec![key("n")]).await {
        Ok(Got::Values(values)) => {
            let text = values[0].clone().unwrap_or_else(|| b"0".to_vec());
            String::from_utf8(text).unwrap().parse().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

async fn of_all_who_want_it_one_gets_it(one: &Database, other: &Database) {
    let mut asked = JoinSet::new();
    for number in 0..32 {
        let database = [one, other][number % 2].clone();
        asked.spawn(async move { again!(leases::acquire(&database, wish("h", TTL_MAX))) });
    }
    let all = asked.join_all().await;
    let given = all.iter().filter(|one| matches!(one, Acquired::Yours(_)));
    assert_eq!(given.count(), 1, "{all:?}");
    assert_eq!(leases::list(other).await.unwrap().len(), 1);
}

async fn what_is_written_under_it_is_lost_by_nobody(one: &Database, other: &Database) {
    const TIMES: u64 = 8;
    let mut workers = JoinSet::new();
    for number in 0..4 {
        let database = [one, other][number % 2].clone();
        workers.spawn(async move {
            let mut done = 0;
            while done < TIMES {
                let wish = wish("h", TTL_MAX);
                let Acquired::Yours(lease) = again!(leases::acquire(&database, wish.clone()))
                else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let next = self::number(&database).await + 1;
                let written = write(&database, &lease, &next.to_string()).await;
                assert_eq!(written, Changed::Yes);
                again!(leases::release(&database, lease.clone()));
                done += 1;
            }
        });
    }
    workers.join_all().await;
    assert_eq!(number(one).await, 4 * TIMES);
}

async fn who_takes_it_over_waits_for_no_write_that_comes_late(one: &Database, other: &Database) {
    let Acquired::Yours(old) = again!(leases::acquire(one, wish("one", TTL_MIN))) else {
        panic!("nobody holds it");
    };
    let new = loop {
        match again!(leases::acquire(other, wish("other", TTL_MAX))) {
            Acquired::Yours(lease) => break lease,
            Acquired::Held(left) => assert!(left <= TTL_MIN),
            Acquired::TooMany => panic!("one is not too many"),
        }
    };
    assert!(new.fence > old.fence);
    assert_eq!(write(other, &new, "2").await, Changed::Yes);
    assert_eq!(write(one, &old, "1").await, Changed::Stale(old));
    assert_eq!(number(one).await, 2);
}

async fn two_hosts_number_without_a_gap(one: &Database, other: &Database) {
    let mut asked = JoinSet::new();
    for number in 0..64 {
        let database = [one, other][number % 2].clone();
        asked.spawn(async move {
            match again!(sequences::next(&database, "notes".to_owned(), key("s"))) {
                Taken::Number(number) => number,
                Taken::TooMany => panic!("one is not too many"),
            }
        });
    }
    let mut all = asked.join_all().await;
    all.sort_unstable();
    assert_eq!(all, (1..=64).collect::<Vec<_>>());
}
