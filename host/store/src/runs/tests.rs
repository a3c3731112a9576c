//! What may happen to a run, twice, and by one who comes late.

mod ends;
mod journal;

use super::*;
use crate::db::Place;
use crate::executions::{self, Claim, Claimed, ExecutionKey, Holder};
use crate::queue::Sent;

const LEASE: Duration = Duration::from_secs(30);
const KEEP: Duration = Duration::from_secs(60);

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

fn holder(host: &str, epoch: i64) -> Holder {
    Holder {
        host: host.to_owned(),
        epoch,
    }
}

fn key(call: &str) -> ExecutionKey {
    let mut key = [0; 32];
    key[..call.len()].copy_from_slice(call.as_bytes());
    key
}

fn new(call: &str) -> Claim {
    Claim {
        key: key(call),
        fingerprint: [2; 32],
        call: call.to_owned(),
        caller: "principal:ann".to_owned(),
        operation: "service:orders POST /orders".to_owned(),
        holder: holder("a", 1),
        lease: LEASE,
        undo: None,
        wanted: None,
        run: Some(NewRun {
            service: "orders".to_owned(),
            digest: "sha256:1".to_owned(),
            seed: [7; 32],
            asked: b"asked".to_vec(),
        }),
    }
}

fn intent(ordinal: u32) -> Intent {
    Intent {
        ordinal,
        what: "http POST /pay".to_owned(),
        asked: [9; 32],
        began_ns: 1_000 + u64::from(ordinal),
    }
}

fn result(place: u32) -> Came {
    Came {
        place,
        ended_ns: 2_000 + u64::from(place),
        bytes: b"paid".to_vec(),
    }
}

impl World {
    async fn claims(&self, call: &str) -> Claimed {
        executions::claim(&self.database, new(call)).await.unwrap()
    }

    /// A run that this host has taken.
    async fn has(&self, call: &str, holder: &Holder) -> Taken {
        assert!(matches!(self.claims(call).await, Claimed::Yours(_)));
        self.takes(holder, LEASE).await.unwrap()
    }

    /// One more, if there is one.
    async fn takes(&self, holder: &Holder, lease: Duration) -> Option<Taken> {
        let service = "orders".to_owned();
        let taken = take(&self.database, service, holder.clone(), lease, 1).await;
        taken.unwrap().pop()
    }

    async fn row(&self, call: &str) -> RunRow {
        show(&self.database, call).await.unwrap().unwrap().0
    }

    /// The state and the reason.
    async fn is(&self, call: &str) -> (RunState, String) {
        let row = self.row(call).await;
        (row.state, row.reason)
    }

    async fn sets(&self, sql: &'static str) {
        let set = self.database.run(sql, |sql, tx| tx.execute(sql, &[]));
        set.await.unwrap();
    }

    /// How many rows there are of all runs: executions, runs, entries.
    async fn rows(&self) -> [i64; 3] {
        let read = self.database.read((), |(), tx| {
            Box::pin(async move {
                let sql = "SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM runs), (SELECT count(*) FROM steps)";
                let rows = tx.query(sql, &[]).await?;
                let row = rows.first().unwrap();
                Ok([row.integer(0)?, row.integer(1)?, row.integer(2)?])
            })
        });
        read.await.unwrap()
    }

    /// All that a holder may do comes to nothing for this one.
    async fn is_nothing_to(&self, hold: &Hold) {
        let (database, hold) = (&self.database, || hold.clone());
        let lost = Ok(Held::Lost);
        assert_eq!(entries(database, hold()).await, Ok(None));
        assert_eq!(intend(database, hold(), intent(9)).await, lost);
        assert_eq!(came(database, hold(), intent(9), result(9)).await, lost);
        let off = put_off(database, hold(), LEASE, "late".to_owned());
        assert_eq!(off.await, lost);
        assert_eq!(pause(database, hold(), "late".to_owned()).await, lost);
        assert_eq!(moved(database, hold(), "sha256:9".to_owned()).await, lost);
        assert_eq!(finish(database, hold(), b"late".to_vec(), KEEP).await, lost);
    }
}

#[tokio::test]
async fn a_claim_begins_a_run_that_nobody_holds_and_one_takes() {
    let world = world().await;
    let Claimed::Yours(claimed) = world.claims("call-1").await else {
        panic!("there was no row");
    };
    assert_eq!(claimed.fence, 1);
    assert_eq!(world.is("call-1").await, (RunState::Ready, String::new()));
    // Who has claimed it has not taken it.
    let renewed =
        executions::renew(&world.database, holder("a", 1), LEASE, vec![claimed.key]).await;
    assert_eq!(renewed, Ok(vec![]));
    let other = holder("b", 3);
    let taken = world.takes(&other, LEASE).await.unwrap();
    let row = world.row("call-1").await;
    assert_eq!((row.state, row.starts), (RunState::Running, 1));
    assert_eq!(row.began_ms, taken.began_ns / 1_000_000);
    let is = Taken {
        hold: Hold {
            fence: 2,
            ..claimed.clone()
        },
        service: "orders".to_owned(),
        digest: "sha256:1".to_owned(),
        seed: [7; 32],
        asked: b"asked".to_vec(),
        began_ns: taken.began_ns,
        starts: 1,
        caller: "principal:ann".to_owned(),
        operation: "service:orders POST /orders".to_owned(),
    };
    assert_eq!(taken, is);
    assert_eq!(world.takes(&holder("a", 1), LEASE).await, None);
    assert_eq!(world.takes(&other, LEASE).await, None, "nor again");
    let renewed = executions::renew(&world.database, other, LEASE, vec![taken.hold.key]).await;
    assert_eq!(renewed, Ok(vec![key("call-1")]));
    world.is_nothing_to(&claimed).await;
}

#[tokio::test]
async fn of_many_who_take_at_once_each_run_is_one_holders() {
    let world = world().await;
    for number in 0..10 {
        world.claims(&format!("call-{number}")).await;
    }
    let mut taking = tokio::task::JoinSet::new();
    for number in 0..20 {
        let database = world.database.clone();
        taking.spawn(async move {
            let holder = holder(&format!("host-{number}"), 1);
            let taken = take(&database, "orders".to_owned(), holder, LEASE, 3).await;
            taken.unwrap()
        });
    }
    let all = taking.join_all().await;
    assert!(all.iter().all(|taken| taken.len() <= 3));
    let mut calls: Vec<_> = all.iter().flatten().map(|run| &run.hold.call).collect();
    calls.sort();
    calls.dedup();
    assert_eq!((all.iter().flatten().count(), calls.len()), (10, 10));
    let other = take(
        &world.database,
        "mails".to_owned(),
        holder("a", 1),
        LEASE,
        9,
    );
    assert_eq!(other.await, Ok(vec![]));
}

#[tokio::test]
async fn whose_lease_is_over_changes_nothing_once_another_has_taken_it() {
    let world = world().await;
    let (a, b) = (holder("a", 1), holder("b", 1));
    world.claims("call-1").await;
    let late = world.takes(&a, Duration::ZERO).await.unwrap();
    // As long as nobody has, he may go on.
    let intended = intend(&world.database, late.hold.clone(), intent(1)).await;
    assert_eq!(intended, Ok(Held::Yes));
    let taken = world.takes(&b, LEASE).await.unwrap();
    assert_eq!((taken.hold.fence, taken.starts), (3, 2));
    world.is_nothing_to(&late.hold).await;
    let renewed = executions::renew(&world.database, a, LEASE, vec![taken.hold.key]).await;
    assert_eq!(renewed, Ok(vec![]));
    let journal = entries(&world.database, taken.hold.clone()).await;
    let known = journal.unwrap().unwrap();
    assert_eq!((known.len(), &known[0].came), (1, &None));
    assert_eq!(world.row("call-1").await.digest, "sha256:1");
}

#[tokio::test]
async fn the_next_life_of_a_host_takes_at_once_what_the_last_one_had() {
    let world = world().await;
    let (first, _) = executions::begin(&world.database, "a").await.unwrap();
    let had = world.has("call-1", &first).await;
    assert_eq!(world.takes(&holder("b", 9), LEASE).await, None);
    // An effect, as an ordinary call would say it, changes nothing of that.
    executions::effect(&world.database, had.hold.clone())
        .await
        .unwrap();
    let (second, left) = executions::begin(&world.database, "a").await.unwrap();
    assert_eq!(left, executions::Left::default());
    let taken = world.takes(&second, LEASE).await.unwrap();
    assert_eq!((taken.hold.fence, taken.starts), (3, 2));
    assert_eq!(world.takes(&first, LEASE).await, None);
    world.is_nothing_to(&had.hold).await;
}

#[tokio::test]
async fn what_ends_ordinary_calls_does_not_end_runs() {
    let world = world().await;
    let had = world.has("call-1", &holder("a", 1)).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    assert_eq!(executions::forget(database, hold()).await, Ok(Held::Lost));
    assert_eq!(executions::doubt(database, hold()).await, Ok(Held::Lost));
    let came = (b"done".to_vec(), Sent::default());
    let done = executions::finish(database, hold(), came, KEEP);
    assert_eq!(done.await, Ok(Held::Lost));
    assert_eq!(executions::open(database).await, Ok(vec![]));
    assert_eq!(
        executions::release(database, "call-1").await,
        Ok(Held::Lost)
    );
    assert_eq!(world.is("call-1").await.0, RunState::Running);
}

#[tokio::test]
async fn a_run_goes_on_with_another_version() {
    let world = world().await;
    let had = world.has("call-1", &holder("a", 1)).await;
    for _ in 0..2 {
        let on = moved(&world.database, had.hold.clone(), "sha256:2".to_owned());
        assert_eq!(on.await, Ok(Held::Yes));
        assert_eq!(world.row("call-1").await.digest, "sha256:2");
    }
}

#[tokio::test]
async fn whoever_waits_for_the_next_run_knows_for_how_long() {
    let world = world().await;
    let next = || next_due(&world.database, "orders".to_owned());
    assert_eq!(next().await, Ok(None));
    world.claims("call-1").await;
    assert_eq!(next().await, Ok(Some(Duration::ZERO)));
    let had = world.takes(&holder("a", 1), LEASE).await.unwrap();
    let left = next().await.unwrap().unwrap();
    assert!(left > LEASE / 2 && left <= LEASE, "{left:?}");
    let off = put_off(&world.database, had.hold, LEASE * 10, String::new());
    assert_eq!(off.await, Ok(Held::Yes));
    let left = next().await.unwrap().unwrap();
    assert!(left > LEASE * 9 && left <= LEASE * 10, "{left:?}");
}
