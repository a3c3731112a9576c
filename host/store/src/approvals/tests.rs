//! One approval is one execution, whoever asks how often, and what came to nothing uses none.

use super::*;
use crate::db::{Database, Place};
use crate::executions::{self, Claim, Claimed, Held, Hold, Holder};
use std::time::Duration;

struct World {
    _folder: tempfile::TempDir,
    database: Database,
    holder: Holder,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = Database::open(Place::File(file)).await.unwrap();
    let (holder, _) = executions::begin(&database, "a").await.unwrap();
    World {
        _folder: folder,
        database,
        holder,
    }
}

fn wanted(action: u8) -> Wanted {
    Wanted {
        action: [action; 32],
        service: "mails".to_owned(),
        operation: "POST /send".to_owned(),
        caller: "principal:ann".to_owned(),
        why: "a letter".to_owned(),
        asked: "/send?to=bob".to_owned(),
        content_type: Some("text/plain".to_owned()),
        payload: Some(b"hello".to_vec()),
        payload_bytes: 5,
    }
}

impl World {
    /// A call of this name claims its row for the action.
    async fn claims(&self, call: &str, action: u8) -> Claimed {
        let mut key = [0; 32];
        key[..call.len()].copy_from_slice(call.as_bytes());
        let claim = Claim {
            key,
            fingerprint: [action; 32],
            call: call.to_owned(),
            caller: "principal:ann".to_owned(),
            operation: "service:mails POST /send".to_owned(),
            holder: self.holder.clone(),
            lease: Duration::from_secs(30),
            undo: None,
            wanted: Some(wanted(action)),
            run: None,
        };
        executions::claim(&self.database, claim).await.unwrap()
    }

    async fn holds(&self, call: &str, action: u8) -> Hold {
        match self.claims(call, action).await {
            Claimed::Yours(hold) => hold,
            other => panic!("{other:?}"),
        }
    }

    async fn says(&self, id: &str, says: Says, by: &str, own: Own) -> Decided {
        let decision = Decision {
            id: id.to_owned(),
            says,
            by: by.to_owned(),
            why: "it is fine".to_owned(),
            own,
        };
        decide(&self.database, decision).await.unwrap()
    }

    async fn grants(&self, id: &str) -> Decided {
        self.says(id, Says::Grant, "operator:7", Own::Refused).await
    }

    async fn standing(&self, id: &str) -> Standing {
        find(&self.database, id).await.unwrap().unwrap().standing
    }

    async fn is_over(&self) {
        let over = self.database.run((), |(), tx| {
            tx.execute("UPDATE approvals SET expires_ms = 1", &[])
        });
        over.await.unwrap();
    }
}

fn waits(id: &str) -> Claimed {
    Claimed::Unapproved(id.to_owned())
}

#[tokio::test]
async fn what_waits_is_done_once_when_it_is_granted_and_once_only() {
    let world = world().await;
    assert_eq!(world.claims("c1", 1).await, waits("c1"));
    // Whoever asks again waits for the same one, and there is no row of an execution.
    assert_eq!(world.claims("c2", 1).await, waits("c1"));
    assert_eq!(executions::open(&world.database).await, Ok(vec![]));
    assert_eq!(world.grants("c1").await, Decided::Yes);
    // Another action is another one.
    assert_eq!(world.claims("c3", 2).await, waits("c3"));
    let hold = world.holds("c4", 1).await;
    assert_eq!(hold.approval.as_deref(), Some("c1"));
    assert_eq!(world.standing("c1").await, Standing::Used);
    assert_eq!(world.claims("c5", 1).await, waits("c5"));
    let shown = find(&world.database, "c1").await.unwrap().unwrap();
    assert_eq!(shown.used_by.as_deref(), Some("c4"));
    assert_eq!(shown.verdict.unwrap().by, "operator:7");
    assert_eq!(shown.payload.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn of_many_that_come_at_once_one_uses_it() {
    let world = world().await;
    assert_eq!(world.claims("c0", 1).await, waits("c0"));
    assert_eq!(world.grants("c0").await, Decided::Yes);
    let world = std::sync::Arc::new(world);
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..64 {
        let world = world.clone();
        asked.spawn(async move { world.claims(&format!("n{number}"), 1).await });
    }
    let answers = asked.join_all().await;
    let used = answers
        .iter()
        .filter(|one| matches!(one, Claimed::Yours(_)));
    assert_eq!(used.count(), 1);
}

#[tokio::test]
async fn what_came_to_nothing_has_used_no_approval() {
    let world = world().await;
    assert_eq!(world.claims("c1", 1).await, waits("c1"));
    assert_eq!(world.grants("c1").await, Decided::Yes);
    let hold = world.holds("c2", 1).await;
    assert_eq!(
        executions::forget(&world.database, hold).await,
        Ok(Held::Yes)
    );
    assert_eq!(world.standing("c1").await, Standing::Granted);
    // A host that dies before it did anything has not used it either; one that had begun to has.
    world.holds("c3", 1).await;
    executions::begin(&world.database, "a").await.unwrap();
    assert_eq!(world.standing("c1").await, Standing::Granted);
    let (holder, _) = executions::begin(&world.database, "a").await.unwrap();
    let world = World { holder, ..world };
    let hold = world.holds("c4", 1).await;
    let marked = executions::effect(&world.database, hold).await;
    assert_eq!(marked, Ok(Held::Yes));
    executions::begin(&world.database, "a").await.unwrap();
    assert_eq!(world.standing("c1").await, Standing::Used);
    // The same call again is in doubt, whatever was approved since.
    let doubt = Claimed::InDoubt("c4".to_owned());
    assert_eq!(world.claims("c4", 1).await, doubt);
}

#[tokio::test]
async fn a_row_that_is_taken_over_gives_its_approval_to_the_next() {
    let world = world().await;
    assert_eq!(world.claims("c1", 1).await, waits("c1"));
    assert_eq!(world.grants("c1").await, Decided::Yes);
    world.holds("c2", 1).await;
    // The same key, from another host, once the lease is over.
    let over = world.database.run((), |(), tx| {
        tx.execute("UPDATE executions SET lease_until_ms = 0", &[])
    });
    over.await.unwrap();
    let (holder, _) = executions::begin(&world.database, "b").await.unwrap();
    let other = World { holder, ..world };
    let hold = other.holds("c2", 1).await;
    assert_eq!((hold.fence, hold.approval.as_deref()), (2, Some("c1")));
}

#[tokio::test]
async fn what_is_denied_or_over_is_not_done() {
    let world = world().await;
    assert_eq!(world.claims("c1", 1).await, waits("c1"));
    let says = |says| world.says("c1", says, "operator:7", Own::Refused);
    assert_eq!(says(Says::Grant).await, Decided::Yes);
    // What was granted and not used may be denied, and not granted again.
    assert_eq!(says(Says::Grant).await, Decided::Already(Standing::Granted));
    assert_eq!(says(Says::Deny).await, Decided::Yes);
    assert_eq!(says(Says::Grant).await, Decided::Already(Standing::Denied));
    let denied = Claimed::Denied("c1".to_owned());
    assert_eq!(world.claims("c2", 1).await, denied);
    world.is_over().await;
    assert_eq!(world.claims("c3", 1).await, waits("c3"));
    world.is_over().await;
    let late = world.grants("c3").await;
    assert_eq!(late, Decided::Already(Standing::Expired));
    assert_eq!(world.claims("c4", 1).await, waits("c4"));
    assert_eq!(world.grants("c4").await, Decided::Yes);
    world.is_over().await;
    assert_eq!(world.claims("c5", 1).await, waits("c5"));
    assert_eq!(world.grants("none").await, Decided::None);
    // What is long over is removed.
    assert_eq!(sweep(&world.database).await, Ok(3));
    assert_eq!(list(&world.database, Which::All).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_approves_his_own_action_unless_there_is_nobody_else() {
    let world = world().await;
    let mut own = wanted(1);
    own.caller = "operator:7 > service:front".to_owned();
    let asked = world.database.run(own, |own, tx| {
        Box::pin(async move {
            let now = tx.now().await?;
            take(own, "c1", now, tx).await.map(|_| ())
        })
    });
    asked.await.unwrap();
    assert_eq!(world.grants("c1").await, Decided::NotHis);
    let other = world.says("c1", Says::Grant, "operator:70", Own::Refused);
    assert_eq!(other.await, Decided::Yes);
    let denied = world.says("c1", Says::Deny, "operator:7", Own::Refused);
    assert_eq!(denied.await, Decided::Yes);
    assert_eq!(world.claims("c2", 2).await, waits("c2"));
    let own = world.says("c2", Says::Grant, "principal:ann", Own::Approved);
    assert_eq!(own.await, Decided::Own);
}

#[tokio::test]
async fn so_many_of_a_caller_wait_and_no_more() {
    let world = world().await;
    for number in 0..u8::try_from(CALLER_MAX).unwrap() {
        let call = format!("c{number}");
        assert_eq!(world.claims(&call, number).await, waits(&call));
    }
    assert_eq!(world.claims("more", 200).await, Claimed::Crowded);
    // Those that wait are still known.
    assert_eq!(world.claims("again", 3).await, waits("c3"));
    assert_eq!(world.grants("c3").await, Decided::Yes);
    assert_eq!(world.claims("more", 200).await, waits("more"));
}
