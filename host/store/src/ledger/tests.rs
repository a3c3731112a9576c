//! What holds of the ledger whatever is asked of it in whatever order.

use super::*;
use crate::db::Place;
use crate::executions;
use proptest::prelude::*;
use std::collections::HashMap;

struct World {
    _folder: tempfile::TempDir,
    database: Database,
    holder: Holder,
}

const LIMIT: NanoUsd = NanoUsd(1_000);

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let database = Database::open(Place::File(file)).await.unwrap();
        let mut world = Self {
            _folder: folder,
            database,
            holder: Holder {
                host: "a".to_owned(),
                epoch: 0,
            },
        };
        world.begins("a").await;
        world
    }

    /// Another life of a host; what it found.
    async fn begins(&mut self, host: &str) -> Left {
        let (holder, _) = executions::begin(&self.database, host).await.unwrap();
        self.holder = holder.clone();
        begin(&self.database, holder).await.unwrap()
    }

    async fn takes(&self, steps: Vec<Step>) -> Vec<Stepped> {
        take(&self.database, self.holder.clone(), steps)
            .await
            .unwrap()
    }

    async fn one(&self, step: Step) -> Stepped {
        self.takes(vec![step]).await.remove(0)
    }

    async fn sums(&self) -> Sums {
        sums(&self.database).await.unwrap()
    }

    /// The kinds of the entries, in the order of their names.
    async fn kinds(&self) -> Vec<(String, i64)> {
        let read = self.database.read((), |(), tx| {
            Box::pin(async move {
                let sql = "SELECT kind, amount FROM costs ORDER BY id";
                let rows = tx.query(sql, &[]).await?;
                let line = |row: &Row| Ok((row.text(0)?.to_owned(), row.integer(1)?));
                rows.iter().map(line).collect()
            })
        });
        read.await.unwrap()
    }
}

fn id(number: u8) -> ReservationId {
    [number; 16]
}

fn budget(level: &'static str, name: &str, limit: NanoUsd) -> Budget {
    Budget {
        level,
        name: name.to_owned(),
        span: Span::Month,
        limit,
    }
}

fn wants(number: u8, amount: u64) -> Step {
    Step::Reserve(Reserve {
        id: id(number),
        amount: NanoUsd(amount),
        budgets: vec![
            budget("host", "", NanoUsd(LIMIT.0 * 10)),
            budget(
                "service",
                if number.is_multiple_of(2) {
                    "even"
                } else {
                    "odd"
                },
                LIMIT,
            ),
        ],
        paid: Paid {
            call: "call".to_owned(),
            service: "notes".to_owned(),
            caller: "anonymous".to_owned(),
            upstream: "api".to_owned(),
            operation: "GET /pay".to_owned(),
            price_version: "7".to_owned(),
        },
    })
}

fn settles(number: u8, actual: u64) -> Step {
    Step::Settle {
        id: id(number),
        actual: NanoUsd(actual),
        certainty: Certainty::Known,
        source: Source::Price,
    }
}

#[tokio::test]
async fn a_reservation_is_taken_under_every_budget_or_none() {
    let world = World::new().await;
    let all = world
        .takes(vec![
            wants(1, 600),
            wants(3, 400),
            wants(5, 1),
            wants(2, 1_000),
        ])
        .await;
    assert!(matches!(&all[0], Stepped::Reserved(standing) if standing[1].reserved == NanoUsd(600)));
    assert!(matches!(&all[1], Stepped::Reserved(standing) if standing[0].reserved == LIMIT));
    let Stepped::Refused(1, standing) = &all[2] else {
        panic!("{all:?}");
    };
    assert_eq!(
        (standing.level.as_str(), standing.name.as_str()),
        ("service", "odd")
    );
    assert_eq!(standing.reserved, LIMIT);
    assert!(standing.left <= Duration::from_secs(31 * 86_400));
    assert!(matches!(&all[3], Stepped::Reserved(_)));
    // What was refused under one is reserved under none.
    let sums = world.sums().await;
    assert_eq!((sums.reserved, sums.open), (NanoUsd(2_000), NanoUsd(2_000)));
}

#[tokio::test]
async fn each_is_resolved_once_and_what_is_left_over_may_be_spent_again() {
    let world = World::new().await;
    world.takes(vec![wants(1, 600), wants(3, 400)]).await;
    let resolved = world.takes(vec![settles(1, 100), Step::Void(id(3))]).await;
    assert!(
        matches!(&resolved[0], Stepped::Resolved(standing) if standing[1].settled == NanoUsd(100))
    );
    for again in [
        settles(1, 100),
        Step::Void(id(1)),
        settles(3, 400),
        settles(9, 1),
    ] {
        assert_eq!(world.one(again).await, Stepped::Gone);
    }
    assert!(matches!(
        world.one(wants(5, 901)).await,
        Stepped::Refused(1, _)
    ));
    assert!(matches!(
        world.one(wants(5, 900)).await,
        Stepped::Reserved(_)
    ));
    let sums = world.sums().await;
    assert_eq!(
        (sums.entries, sums.hours, sums.settled),
        (NanoUsd(100), NanoUsd(100), NanoUsd(100))
    );
}

#[tokio::test]
async fn what_came_to_more_than_was_reserved_is_entered_and_flagged() {
    let world = World::new().await;
    world.one(wants(1, 600)).await;
    world.one(settles(1, 5_000)).await;
    assert_eq!(world.kinds().await, [("overrun".to_owned(), 5_000)]);
    assert!(matches!(
        world.one(wants(3, 1)).await,
        Stepped::Refused(1, _)
    ));
    assert_eq!(world.sums().await.settled, NanoUsd(5_000));
}

#[tokio::test]
async fn what_a_killed_host_had_reserved_is_entered_as_unconfirmed_once() {
    let mut world = World::new().await;
    world.takes(vec![wants(1, 600), wants(2, 300)]).await;
    world.one(settles(1, 500)).await;
    let left = world.begins("a").await;
    assert_eq!((left.unconfirmed, left.amount), (1, NanoUsd(300)));
    assert_eq!(world.begins("a").await, Left::default());
    assert_eq!(world.one(settles(2, 1)).await, Stepped::Gone);
    let kinds = world.kinds().await;
    assert_eq!(
        kinds,
        [("settled".to_owned(), 500), ("unconfirmed".to_owned(), 300)]
    );
    let sums = world.sums().await;
    assert_eq!((sums.reserved, sums.open), (NanoUsd(0), NanoUsd(0)));
    assert_eq!(
        (sums.entries, sums.hours, sums.settled),
        (NanoUsd(800), NanoUsd(800), NanoUsd(800))
    );
    let asked = Grouped {
        since_ms: 0,
        until_ms: i64::MAX,
        by: vec![CostKey::Upstream, CostKey::Day],
    };
    let lines = costs(&world.database, asked).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].entries, lines[0].unconfirmed), (2, NanoUsd(300)));
    assert_eq!(lines[0].names, [(CostKey::Upstream, "api".to_owned())]);
    assert_eq!(lines[0].day_ms.unwrap() % 86_400_000, 0);
}

#[tokio::test]
async fn another_host_waits_until_one_is_silent_for_too_long() {
    let mut world = World::new().await;
    world.one(wants(1, 600)).await;
    world.begins("b").await;
    assert_eq!(
        follow(&world.database, world.holder.clone()).await,
        Ok(Left::default())
    );
    let silent = world.database.run((), |(), tx| {
        tx.execute(
            "UPDATE hosts SET seen_ms = seen_ms - 30001 WHERE id = 'a'",
            &[],
        )
    });
    silent.await.unwrap();
    let left = follow(&world.database, world.holder.clone()).await.unwrap();
    assert_eq!((left.unconfirmed, left.amount), (1, NanoUsd(600)));
    assert_eq!(world.sums().await.open, NanoUsd(0));
}

#[tokio::test]
async fn entries_are_kept_for_a_year_and_more_and_their_sums_for_ever() {
    let world = World::new().await;
    world.one(wants(1, 600)).await;
    world.one(settles(1, 600)).await;
    let old = world.database.run((), |(), tx| {
        Box::pin(async move {
            let past = millis(KEEP) + 60_000;
            let older = "UPDATE costs SET posted_ms = posted_ms - $1";
            tx.execute(older, &[past.into()]).await
        })
    });
    old.await.unwrap();
    follow(&world.database, world.holder.clone()).await.unwrap();
    let sums = world.sums().await;
    assert_eq!((sums.entries, sums.hours), (NanoUsd(0), NanoUsd(600)));
}

/// What is done to the ledger.
#[derive(Clone, Debug)]
enum Act {
    Wants(u8, u64),
    Settles(u8, u64),
    Voids(u8),
    Dies,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..40u8, 1..400u64).prop_map(|(number, amount)| Act::Wants(number, amount)),
        4 => (0..40u8, 0..500u64).prop_map(|(number, amount)| Act::Settles(number, amount)),
        1 => (0..40u8).prop_map(Act::Voids),
        1 => Just(Act::Dies),
    ]
}

/// What the ledger must say.
#[derive(Default)]
struct Model {
    open: HashMap<u8, u64>,
    used: Vec<u8>,
    settled: u64,
    groups: [u64; 2],
}

impl Model {
    fn reserved(&self) -> u64 {
        self.open.values().sum()
    }

    /// What one of the two services has reserved and settled.
    fn of(&self, number: u8) -> u64 {
        let same = |other: &&u8| **other % 2 == number % 2;
        let open = self.open.keys().filter(same).map(|other| self.open[other]);
        open.sum::<u64>() + self.groups[usize::from(number % 2)]
    }

    fn pays(&mut self, number: u8, actual: u64) {
        self.settled += actual;
        self.groups[usize::from(number % 2)] += actual;
    }
}

/// Does all of it, some steps at a time, and compares.
async fn acts_out(all: Vec<Act>, at_once: usize) {
    let mut world = World::new().await;
    let mut model = Model::default();
    for some in all.chunks(at_once) {
        let mut steps = Vec::new();
        let mut expected = Vec::new();
        for act in some {
            match act {
                Act::Wants(number, _) | Act::Settles(number, _) | Act::Voids(number)
                    if steps.iter().any(|step| named(step) == id(*number)) => {}
                Act::Wants(number, _) if model.used.contains(number) => {}
                Act::Wants(number, amount) => {
                    let sum = model.settled + model.reserved() + amount;
                    let fits = sum <= LIMIT.0 * 10 && model.of(*number) + amount <= LIMIT.0;
                    if fits {
                        model.open.insert(*number, *amount);
                        model.used.push(*number);
                    }
                    steps.push(wants(*number, *amount));
                    expected.push(fits);
                }
                Act::Settles(number, actual) => {
                    let open = model.open.remove(number);
                    if open.is_some() {
                        model.pays(*number, *actual);
                    }
                    steps.push(settles(*number, *actual));
                    expected.push(open.is_some());
                }
                Act::Voids(number) => {
                    expected.push(model.open.remove(number).is_some());
                    steps.push(Step::Void(id(*number)));
                }
                Act::Dies => {}
            }
        }
        let answers = world.takes(steps).await;
        let done = |answer: &Stepped| matches!(answer, Stepped::Reserved(_) | Stepped::Resolved(_));
        assert_eq!(answers.iter().map(done).collect::<Vec<_>>(), expected);
        if some.iter().any(|act| matches!(act, Act::Dies)) {
            world.begins("a").await;
            for (number, amount) in std::mem::take(&mut model.open) {
                model.pays(number, amount);
            }
        }
        let sums = world.sums().await;
        assert_eq!(sums.entries.0, model.settled);
        assert_eq!((sums.hours, sums.settled), (sums.entries, sums.entries));
        assert_eq!(sums.open.0, model.reserved());
        assert_eq!(sums.reserved, sums.open);
    }
}

fn named(step: &Step) -> ReservationId {
    match step {
        Step::Reserve(wanted) => wanted.id,
        Step::Settle { id, .. } | Step::Void(id) => *id,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_entered_and_what_is_open_is_what_the_budgets_say(
        all in prop::collection::vec(act(), 1..60),
        at_once in 1..20usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(acts_out(all, at_once));
    }
}
