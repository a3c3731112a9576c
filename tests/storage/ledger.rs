//! The ledger, on a file and on a server: what holds however many ask at once, and whichever host they ask.

use super::open;
use crate::harness::postgres::Postgres;
use crate::harness::{full, scaled};
use holdfast_call::{Closing, GuestLine, Level, Log, NanoUsd};
use holdfast_rules::budget::Ledger;
use holdfast_store::db::Database;
use holdfast_store::executions::{self, Holder};
use holdfast_store::ledger::{
    self, Budget, Certainty, CostKey, Grouped, Paid, Reserve, Source, Span, Step, Stepped,
};
use std::collections::HashSet;
use std::sync::Arc;

both![
    of_two_hundred_and_fifty_six_at_once_ten_are_paid_for,
    two_hosts_spend_one_budget,
    what_a_dead_host_had_reserved_is_unconfirmed,
    what_was_spent_is_told_by_anything,
    it_is_told_right_however_many_entries_there_are,
];

/// A log that nobody reads.
struct Silence;

impl Log for Silence {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, _level: Level, _text: String) {}
}

const PRICE: NanoUsd = NanoUsd(400_000);

async fn life(database: &Database, host: &str) -> Holder {
    let (holder, _) = executions::begin(database, host).await.unwrap();
    ledger::begin(database, holder.clone()).await.unwrap();
    holder
}

fn id(host: u8, number: u16) -> [u8; 16] {
    let mut id = [host; 16];
    id[..2].copy_from_slice(&number.to_le_bytes());
    id
}

fn wants(id: [u8; 16], service: &str, upstream: &str) -> Step {
    let budget = |level, name: &str| Budget {
        level,
        name: name.to_owned(),
        span: Span::Month,
        limit: NanoUsd(10 * PRICE.0),
    };
    Step::Reserve(Reserve {
        id,
        amount: PRICE,
        budgets: vec![budget("host", ""), budget("upstream", upstream)],
        paid: Paid {
            call: "call".to_owned(),
            service: service.to_owned(),
            caller: "ann".to_owned(),
            upstream: upstream.to_owned(),
            operation: "GET /pay".to_owned(),
            price_version: String::new(),
        },
    })
}

fn settles(id: [u8; 16]) -> Step {
    Step::Settle {
        id,
        actual: PRICE,
        certainty: Certainty::Known,
        source: Source::Price,
    }
}

/// Reserves that often at once, one by one; those that were.
async fn reserves(database: &Database, holder: &Holder, host: u8, times: u16) -> Vec<[u8; 16]> {
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..times {
        let (database, holder) = (database.clone(), holder.clone());
        asked.spawn(async move {
            let id = id(host, number);
            let steps = vec![wants(id, "notes", "api")];
            // Whoever is in too many others' way is told so, and asks again.
            let answer = loop {
                match ledger::take(&database, holder.clone(), steps.clone()).await {
                    Ok(mut answers) => break answers.remove(0),
                    Err(error) => assert!(error.to_string().contains("again"), "{error}"),
                }
            };
            matches!(answer, Stepped::Reserved(_)).then_some(id)
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

async fn of_two_hundred_and_fifty_six_at_once_ten_are_paid_for(database: &Database, _: &Database) {
    let holder = life(database, "a").await;
    let reserved = reserves(database, &holder, 1, 256).await;
    assert_eq!(reserved.len(), 10);
    let steps = reserved.into_iter().map(settles).collect();
    ledger::take(database, holder, steps).await.unwrap();
    let sums = ledger::sums(database).await.unwrap();
    assert_eq!(
        (sums.entries, sums.settled),
        (NanoUsd(10 * PRICE.0), NanoUsd(10 * PRICE.0))
    );
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
}

async fn two_hosts_spend_one_budget(one: &Database, other: &Database) {
    let (a, b) = (life(one, "a").await, life(other, "b").await);
    let (first, second) = tokio::join!(reserves(one, &a, 1, 64), reserves(other, &b, 2, 64));
    let all: HashSet<_> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), 10);
    // What one gives back the other may spend.
    if let Some(given_back) = first.first().or(second.first()) {
        let voided = ledger::take(one, a, vec![Step::Void(*given_back)]).await;
        assert!(matches!(voided.unwrap()[0], Stepped::Resolved(_)));
    }
    assert_eq!(reserves(other, &b, 3, 8).await.len(), 1);
}

async fn what_a_dead_host_had_reserved_is_unconfirmed(one: &Database, other: &Database) {
    let (a, b) = (life(one, "a").await, life(other, "b").await);
    let mine = reserves(one, &a, 1, 3).await;
    assert_eq!(
        ledger::follow(other, b.clone()).await.unwrap().unconfirmed,
        0
    );
    let silent = one.run((), |(), tx| {
        tx.execute(
            "UPDATE hosts SET seen_ms = seen_ms - 31000 WHERE id = 'a'",
            &[],
        )
    });
    silent.await.unwrap();
    let left = ledger::follow(other, b).await.unwrap();
    assert_eq!((left.unconfirmed, left.amount), (3, NanoUsd(3 * PRICE.0)));
    // It was only slow, and comes late: it is in the ledger once.
    let late = ledger::take(one, a, vec![settles(mine[0])]).await.unwrap();
    assert_eq!(late, [Stepped::Gone]);
    let sums = ledger::sums(other).await.unwrap();
    assert_eq!(
        (sums.entries, sums.settled),
        (NanoUsd(3 * PRICE.0), NanoUsd(3 * PRICE.0))
    );
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
}

async fn what_was_spent_is_told_by_anything(database: &Database, _: &Database) {
    let holder = life(database, "a").await;
    let many = [
        ("notes", "api"),
        ("notes", "api"),
        ("notes", "mail"),
        ("shop", "api"),
    ];
    let wanted = many.iter().zip(0..);
    let wanted =
        wanted.map(|((service, upstream), number)| wants(id(1, number), service, upstream));
    ledger::take(database, holder.clone(), wanted.collect())
        .await
        .unwrap();
    let settled = (0..4).map(|number| settles(id(1, number))).collect();
    ledger::take(database, holder, settled).await.unwrap();
    let told = |by: &[CostKey]| {
        let asked = Grouped {
            since_ms: 0,
            until_ms: i64::MAX,
            by: by.to_vec(),
        };
        ledger::costs(database, asked)
    };
    let all = told(&[]).await.unwrap();
    assert_eq!(
        (all.len(), all[0].entries, all[0].amount),
        (1, 4, NanoUsd(4 * PRICE.0))
    );
    let by = told(&[CostKey::Upstream, CostKey::Service]).await.unwrap();
    let names = |line: usize| {
        let names = by[line].names.iter().map(|(_, name)| name.as_str());
        names.collect::<Vec<_>>()
    };
    assert_eq!((by.len(), names(0)), (3, vec!["notes", "api"]));
    assert_eq!(by[0].amount, NanoUsd(2 * PRICE.0));
    let none = Grouped {
        since_ms: 0,
        until_ms: 1,
        by: vec![CostKey::Day],
    };
    assert_eq!(ledger::costs(database, none).await.unwrap(), []);
}

/// Entries by the thousand, over four weeks, in twenty services, five callers, four upstreams and six operations.
const MANY: &str = "INSERT INTO cost_hours (hour_ms, service, caller, upstream, operation, amount, entries, unconfirmed)
    WITH RECURSIVE hours(hour) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT hour + 1 FROM hours WHERE hour < 671),
    keys(key) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT key + 1 FROM keys WHERE key < $1)
    SELECT hour * 3600000, 'service-' || (key % 20), 'caller-' || (key % 5), 'upstream-' || (key % 4),
    'GET /operation/' || (key % 7), 1000, 25, 0 FROM hours, keys";

async fn it_is_told_right_however_many_entries_there_are(database: &Database, _: &Database) {
    // Sixty-four keys an hour, of twenty-five entries each, are more than a million in four weeks.
    let keys = i64::try_from(scaled(8, 64)).unwrap();
    let filled = database.run(keys, |keys, tx| {
        Box::pin(async move { tx.execute(MANY, &[(*keys).into()]).await })
    });
    let rows = filled.await.unwrap();
    assert_eq!(rows, 672 * u64::try_from(keys).unwrap());
    assert!(!full() || rows * 25 > 1_000_000);
    let asked = Grouped {
        since_ms: 0,
        until_ms: i64::MAX,
        by: CostKey::ALL.to_vec(),
    };
    let lines = ledger::costs(database, asked.clone()).await.unwrap();
    assert!(lines.len() >= 28, "{}", lines.len());
    let by = vec![CostKey::Service, CostKey::Upstream];
    let lines = ledger::costs(database, Grouped { by, ..asked })
        .await
        .unwrap();
    let sum: u64 = lines.iter().map(|line| line.entries).sum();
    assert_eq!(sum, rows * 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_at_the_same_time_is_put_down_together() {
    let url = Postgres::database();
    let database = open(&url).await.unwrap();
    let holder = life(&database, "a").await;
    let held = Ledger::default();
    let clock = Arc::new(holdfast_rules::clock::HostClock::start());
    let log = Arc::new(Silence);
    held.keep_in(database.clone(), holder, clock, log);
    held.settled().await;
    let before = database.figures();
    let all: Vec<_> = (0..64).map(|_| held.settled()).collect();
    for one in all {
        one.await;
    }
    // Whoever only waits costs no unit.
    assert_eq!(database.figures(), before);
}
