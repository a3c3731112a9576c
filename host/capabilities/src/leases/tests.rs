//! The tests of `leases`: what a call holds, what it may write meanwhile, and that nothing is left when it is gone.

use super::*;
use holdfast_call::{FailureKind, WallTime};
use holdfast_store::db::Place;

const MINUTE: u64 = 60_000;

struct World {
    _folder: tempfile::TempDir,
    leases: Arc<Leases>,
    tree: Arc<Tree>,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("test.db"));
    let database = Database::open(place).await.unwrap();
    let holder = Holder {
        host: "host".to_owned(),
        epoch: 1,
    };
    World {
        _folder: folder,
        leases: Leases::begin(database, holder).await.unwrap(),
        tree: Arc::default(),
    }
}

fn call(number: u8) -> CallId {
    CallId::new(WallTime(0), [number; 16])
}

fn at(ms: u64) -> Moment {
    Moment::from_nanos(ms * 1_000_000)
}

impl World {
    async fn asks(&self, number: u8, ms: u64, operation: &str, values: Vec<Value>) -> String {
        let asker = Asker {
            service: "notes".to_owned(),
            call: call(number),
            why: "a test".to_owned(),
            tree: self.tree.clone(),
            now: at(ms),
        };
        match self.leases.run(asker, operation, values).await {
            Ok(Value::Result(Ok(Some(fence)))) => format!("fence {fence:?}"),
            Ok(Value::Result(Ok(None))) => "yes".to_owned(),
            Ok(Value::Result(Err(Some(_)))) => "held".to_owned(),
            Ok(Value::Result(Err(None))) => "lost".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(failure) => match failure.kind {
                FailureKind::Passed(fault) => fault.code().to_string(),
                other => format!("{other:?}"),
            },
        }
    }

    async fn acquires(&self, number: u8, name: &str, ttl: u64) -> String {
        let values = vec![Value::Text(name.to_owned()), Value::U64(ttl)];
        self.asks(number, 0, ACQUIRE, values).await
    }

    /// How many leases the call writes under, or the name of the one that is over.
    fn writes(&self, number: u8, ms: u64) -> Result<usize, String> {
        let of = self.leases.of(Some(call(number)), at(ms));
        of.map(|all| all.len())
            .map_err(|late| late.name.to_string())
    }
}

#[tokio::test]
async fn who_takes_many_at_once_holds_no_more_than_one_after_the_other() {
    let world = world().await;
    let names: Vec<_> = (0..HELD_MAX + 8).map(|nth| format!("l{nth}")).collect();
    let asking = names.iter().map(|name| world.acquires(1, name, MINUTE));
    let came = futures_util::future::join_all(asking).await;
    let taken = came.iter().filter(|came| came.starts_with("fence"));
    assert_eq!(taken.count(), HELD_MAX);
    assert_eq!(world.writes(1, 0), Ok(HELD_MAX));
    // What was too many is nobody's.
    let refused = came
        .iter()
        .zip(&names)
        .find(|(came, _)| *came == "capability-denied");
    assert!(
        world
            .acquires(2, refused.unwrap().1, MINUTE)
            .await
            .starts_with("fence")
    );
}

fn one(name: &str, fence: u64) -> Vec<Value> {
    vec![Value::Text(name.to_owned()), Value::U64(fence)]
}

#[tokio::test]
async fn a_call_writes_under_what_it_holds_and_stops_at_four_fifths_of_its_time() {
    let world = world().await;
    assert_eq!(world.acquires(1, "l", MINUTE).await, "fence U64(1)");
    assert_eq!(world.acquires(2, "l", MINUTE).await, "held");
    assert_eq!(
        (world.writes(1, 47_999), world.writes(2, 0)),
        (Ok(1), Ok(0))
    );
    assert_eq!(world.writes(1, 48_000), Err("l".to_owned()));
    assert_eq!(world.asks(1, 47_000, RENEW, one("l", 1)).await, "yes");
    assert_eq!(world.writes(1, 94_999), Ok(1));
    assert_eq!(world.writes(1, 95_000), Err("l".to_owned()));
    assert_eq!(world.asks(1, 95_000, RELEASE, one("l", 1)).await, "yes");
    assert_eq!(world.writes(1, 95_000), Ok(0));
    assert_eq!(world.acquires(2, "l", MINUTE).await, "fence U64(2)");
}

#[tokio::test]
async fn what_another_call_holds_is_neither_renewed_nor_released() {
    let world = world().await;
    assert_eq!(world.acquires(1, "l", MINUTE).await, "fence U64(1)");
    for (number, fence) in [(2, 1), (1, 2)] {
        for operation in [RENEW, RELEASE] {
            let said = world.asks(number, 0, operation, one("l", fence)).await;
            assert_eq!(said, "lost", "{operation} by {number}");
        }
    }
    assert_eq!(world.acquires(2, "l", MINUTE).await, "held");
}

#[tokio::test]
async fn what_a_call_holds_is_let_go_with_its_tree() {
    let mut world = world().await;
    assert_eq!(world.acquires(1, "l", MINUTE).await, "fence U64(1)");
    world.tree = Arc::default();
    assert_eq!(world.writes(1, 0), Ok(0));
    while world.acquires(2, "l", MINUTE).await == "held" {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.writes(2, 0), Ok(1));
}

#[tokio::test]
async fn what_is_taken_while_the_call_goes_away_is_let_go_at_once() {
    let world = world().await;
    let lease = Lease {
        service: "notes".to_owned(),
        name: Key::parse("l".to_owned()).unwrap(),
        fence: 1,
    };
    let grip = Grip {
        lease,
        ttl: TTL_MAX,
        stop: at(0),
    };
    world.leases.hold(call(1), grip).await.unwrap();
    assert_eq!(world.writes(1, 0), Ok(0));
}

#[tokio::test]
async fn every_limit_of_a_lease_bites() {
    let world = world().await;
    for (name, ttl) in [
        ("l", 999),
        ("l", MINUTE + 1),
        ("", MINUTE),
        (&*"l".repeat(257), MINUTE),
        ("a\nb", MINUTE),
    ] {
        let said = world.acquires(1, name, ttl).await;
        assert_eq!(said, "invalid-input", "{name} {ttl}");
    }
    for number in 0..HELD_MAX {
        let said = world.acquires(1, &format!("l{number}"), MINUTE).await;
        assert!(said.starts_with("fence"), "{said}");
    }
    let one_more = world.acquires(1, "one-more", MINUTE).await;
    assert_eq!(one_more, "capability-denied");
    assert!(world.acquires(2, "l", 1_000).await.starts_with("fence"));
    let other = world.asks(1, 0, "steal", one("l0", 1)).await;
    assert_eq!(other, "NoSuchOperation");
}
