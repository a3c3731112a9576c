//! What may happen to a row, and who may do it.

use super::*;
use crate::db::Place;

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

const LEASE: Duration = Duration::from_secs(30);
const KEEP: Duration = Duration::from_secs(60);

fn holder(host: &str, epoch: i64) -> Holder {
    Holder {
        host: host.to_owned(),
        epoch,
    }
}

fn of(holder: Holder, lease: Duration) -> Claim {
    Claim {
        key: [1; 32],
        fingerprint: [2; 32],
        call: "call-1".to_owned(),
        caller: "principal:ann".to_owned(),
        operation: "POST /orders".to_owned(),
        holder,
        lease,
        undo: None,
        wanted: None,
        run: None,
    }
}

fn hold(fence: i64) -> Hold {
    Hold {
        key: [1; 32],
        fence,
        call: "call-1".into(),
        approval: None,
    }
}

fn yours(fence: i64) -> Claimed {
    Claimed::Yours(hold(fence))
}

impl World {
    async fn claims(&self, holder: &Holder) -> Claimed {
        claim(&self.database, of(holder.clone(), LEASE))
            .await
            .unwrap()
    }

    async fn begins(&self, host: &str) -> (Holder, Left) {
        begin(&self.database, host).await.unwrap()
    }

    async fn finishes(&self, fence: i64, outcome: &[u8]) -> Held {
        let done = finish(
            &self.database,
            hold(fence),
            (outcome.to_vec(), Sent::default()),
            KEEP,
        );
        done.await.unwrap()
    }
}

#[tokio::test]
async fn of_many_that_claim_at_once_one_gets_the_row() {
    let world = world().await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..64 {
        let database = world.database.clone();
        let mut wanted = of(holder("a", 1), LEASE);
        wanted.call = format!("call-{number}");
        asked.spawn(async move { claim(&database, wanted).await.unwrap() });
    }
    let answers = asked.join_all().await;
    let (mine, running): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| matches!(answer, Claimed::Yours(_)));
    assert_eq!(mine.len(), 1);
    assert!(
        running
            .iter()
            .all(|answer| matches!(answer, Claimed::Running(left) if *left <= LEASE))
    );
}

#[tokio::test]
async fn what_is_done_is_answered_as_it_was_until_it_is_over() {
    let world = world().await;
    let (holder, _) = world.begins("a").await;
    assert_eq!(world.claims(&holder).await, yours(1));
    assert_eq!(world.finishes(1, b"created").await, Held::Yes);
    assert_eq!(
        world.claims(&holder).await,
        Claimed::Done(b"created".to_vec())
    );
    let mut other = of(holder.clone(), LEASE);
    other.fingerprint = [3; 32];
    let told = claim(&world.database, other.clone()).await;
    assert_eq!(told, Ok(Claimed::OtherPayload));
    assert_eq!(world.finishes(1, b"again").await, Held::Lost);
    // What is over may be used for anything.
    let database = &world.database;
    let over = database.run((), |(), tx| {
        tx.execute("UPDATE executions SET expires_ms = 0", &[])
    });
    over.await.unwrap();
    assert_eq!(claim(database, other).await, Ok(yours(2)));
    assert_eq!(world.finishes(2, b"x").await, Held::Yes);
    let over = database.run((), |(), tx| {
        tx.execute("UPDATE executions SET expires_ms = 0", &[])
    });
    over.await.unwrap();
    assert_eq!(sweep(database).await, Ok(1));
    assert_eq!(world.claims(&holder).await, yours(1));
}

#[tokio::test]
async fn what_a_killed_host_was_at_is_forgotten_or_in_doubt_by_whether_it_had_an_effect() {
    let world = world().await;
    let (first, left) = world.begins("a").await;
    assert_eq!((first.epoch, left), (1, Left::default()));
    assert_eq!(world.claims(&first).await, yours(1));
    let (second, left) = world.begins("a").await;
    assert_eq!(
        left,
        Left {
            forgotten: 1,
            in_doubt: 0
        }
    );
    assert_eq!(world.claims(&second).await, yours(1));
    assert_eq!(effect(&world.database, hold(1)).await, Ok(Held::Yes));
    // What had an effect is not forgotten by its holder either.
    assert_eq!(forget(&world.database, hold(1)).await, Ok(Held::Lost));
    let (third, left) = world.begins("a").await;
    assert_eq!(
        left,
        Left {
            forgotten: 0,
            in_doubt: 1
        }
    );
    assert_eq!(
        world.claims(&third).await,
        Claimed::InDoubt("call-1".to_owned())
    );
    assert_eq!(world.finishes(1, b"late").await, Held::Lost);
    let open = open(&world.database).await.unwrap();
    assert_eq!((open.len(), open[0].standing), (1, Standing::InDoubt));
    assert_eq!(release(&world.database, "call-1").await, Ok(Held::Yes));
    assert_eq!(release(&world.database, "call-1").await, Ok(Held::Lost));
    assert_eq!(world.claims(&third).await, yours(1));
}

#[tokio::test]
async fn a_holder_that_was_paused_finds_that_another_has_gone_on() {
    let world = world().await;
    let (paused, other) = (holder("a", 1), holder("b", 1));
    let short = of(paused.clone(), Duration::ZERO);
    assert_eq!(claim(&world.database, short).await, Ok(yours(1)));
    // Another host waits for the lease to end, and then has a fence of its own.
    assert_eq!(world.claims(&other).await, yours(2));
    assert_eq!(effect(&world.database, hold(1)).await, Ok(Held::Lost));
    assert_eq!(forget(&world.database, hold(1)).await, Ok(Held::Lost));
    assert_eq!(world.finishes(1, b"late").await, Held::Lost);
    assert_eq!(
        renew(&world.database, paused, LEASE, vec![[1; 32]]).await,
        Ok(vec![])
    );
    let renewed = renew(&world.database, other.clone(), LEASE, vec![[1; 32]]).await;
    assert_eq!(renewed, Ok(vec![[1; 32]]));
    assert!(matches!(
        world.claims(&holder("a", 2)).await,
        Claimed::Running(_)
    ));
    assert_eq!(world.finishes(2, b"done").await, Held::Yes);
    assert_eq!(world.claims(&other).await, Claimed::Done(b"done".to_vec()));
}

/// Found by the simulator: a host that was never told that it has a row held it for as long as it held any.
#[tokio::test]
async fn a_row_of_which_its_host_does_not_know_is_free_when_its_lease_is_over() {
    let world = world().await;
    let (deaf, other) = (holder("a", 1), holder("b", 1));
    let short = of(deaf.clone(), Duration::ZERO);
    assert_eq!(claim(&world.database, short).await, Ok(yours(1)));
    let renewed = renew(&world.database, deaf, LEASE, vec![[2; 32]]).await;
    assert_eq!(renewed, Ok(vec![]));
    assert_eq!(world.claims(&other).await, yours(2));
}

#[tokio::test]
async fn a_paused_holder_that_may_have_had_an_effect_leaves_a_doubt() {
    let world = world().await;
    let short = of(holder("a", 1), Duration::ZERO);
    assert_eq!(claim(&world.database, short).await, Ok(yours(1)));
    assert_eq!(effect(&world.database, hold(1)).await, Ok(Held::Yes));
    let doubt = Claimed::InDoubt("call-1".to_owned());
    assert_eq!(world.claims(&holder("b", 1)).await, doubt);
    assert_eq!(world.finishes(1, b"late").await, Held::Lost);
    assert_eq!(world.claims(&holder("b", 1)).await, doubt);
}

#[tokio::test]
async fn a_paused_holder_has_no_say_in_a_row_that_was_forgotten_and_claimed_again() {
    let world = world().await;
    let short = of(holder("a", 1), Duration::ZERO);
    assert_eq!(claim(&world.database, short).await, Ok(yours(1)));
    // Another host took it over and it came to nothing; then there is a new row, whose first holder has the same number.
    let mut taken = of(holder("b", 1), LEASE);
    taken.call = "call-2".to_owned();
    let Claimed::Yours(second) = claim(&world.database, taken).await.unwrap() else {
        panic!("the lease was over");
    };
    assert_eq!(forget(&world.database, second).await, Ok(Held::Yes));
    let mut third = of(holder("c", 1), LEASE);
    third.call = "call-3".to_owned();
    let Claimed::Yours(third) = claim(&world.database, third).await.unwrap() else {
        panic!("there was no row");
    };
    assert_eq!(third.fence, 1);
    assert_eq!(effect(&world.database, hold(1)).await, Ok(Held::Lost));
    assert_eq!(doubt(&world.database, hold(1)).await, Ok(Held::Lost));
    assert_eq!(forget(&world.database, hold(1)).await, Ok(Held::Lost));
    assert_eq!(world.finishes(1, b"late").await, Held::Lost);
    let done = finish(
        &world.database,
        third,
        (b"done".to_vec(), Sent::default()),
        KEEP,
    );
    assert_eq!(done.await, Ok(Held::Yes));
}

#[tokio::test]
async fn what_can_be_undone_says_how_once_it_is_done() {
    let world = world().await;
    let (holder, _) = world.begins("a").await;
    let undo = Undo {
        service: "orders".to_owned(),
        operation: "DELETE /orders/{id}".to_owned(),
    };
    let mut wanted = of(holder, LEASE);
    wanted.undo = Some(undo.clone());
    assert_eq!(claim(&world.database, wanted).await, Ok(yours(1)));
    assert_eq!(undoable(&world.database, "call-1").await, Ok(None));
    assert_eq!(world.finishes(1, b"created").await, Held::Yes);
    let outcome = b"created".to_vec();
    assert_eq!(
        undoable(&world.database, "call-1").await,
        Ok(Some(Undoable {
            call: "call-1".to_owned(),
            undo,
            outcome
        }))
    );
    assert_eq!(undoable(&world.database, "call-2").await, Ok(None));
}

#[tokio::test]
async fn what_came_to_nothing_is_as_if_it_had_never_been() {
    let world = world().await;
    let (holder, _) = world.begins("a").await;
    assert_eq!(world.claims(&holder).await, yours(1));
    assert_eq!(forget(&world.database, hold(1)).await, Ok(Held::Yes));
    assert_eq!(open(&world.database).await, Ok(vec![]));
    assert_eq!(world.claims(&holder).await, yours(1));
}
