//! How runs are let go of, by their holders and by people, and what is left of them.

use super::*;
use crate::approvals::{self, Decision, Own, Says, Wanted};

#[tokio::test]
async fn a_run_that_is_put_off_is_taken_when_it_is_due() {
    let world = world().await;
    let a = holder("a", 1);
    let had = world.has("call-1", &a).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    let off = || put_off(database, hold(), LEASE, "it is night".to_owned());
    assert_eq!(off().await, Ok(Held::Yes));
    assert_eq!(off().await, Ok(Held::Lost), "he has let go");
    let (state, reason) = world.is("call-1").await;
    assert!(matches!(state, RunState::Waiting(_)), "{state:?}");
    assert_eq!(reason, "it is night");
    assert_eq!(world.takes(&holder("a", 2), LEASE).await, None);
    let renewed = executions::renew(database, a.clone(), LEASE, vec![had.hold.key]).await;
    assert_eq!(renewed, Ok(vec![]), "what is let go of stays so");
    // A person does not wait.
    assert_eq!(resume(database, "call-1").await, Ok(Held::Yes));
    assert_eq!(resume(database, "call-1").await, Ok(Held::Lost));
    assert_eq!(world.is("call-1").await, (RunState::Ready, String::new()));
    let taken = world.takes(&a, LEASE).await.unwrap();
    assert_eq!((taken.hold.fence, taken.starts), (3, 1));
    assert_eq!(resume(database, "call-1").await, Ok(Held::Lost));
    let soon = put_off(database, taken.hold, Duration::ZERO, String::new());
    assert_eq!(soon.await, Ok(Held::Yes));
    assert_eq!(world.takes(&a, LEASE).await.unwrap().starts, 1);
}

#[tokio::test]
async fn a_run_that_is_paused_waits_for_a_person() {
    let world = world().await;
    let a = holder("a", 1);
    let had = world.has("call-1", &a).await;
    let (database, hold) = (&world.database, || had.hold.clone());
    let stop = || pause(database, hold(), "nobody knows".to_owned());
    assert_eq!(stop().await, Ok(Held::Yes));
    let paused = (RunState::Paused, "nobody knows".to_owned());
    assert_eq!(world.is("call-1").await, paused);
    assert_eq!(stop().await, Ok(Held::Lost));
    let off = put_off(database, hold(), Duration::ZERO, String::new());
    assert_eq!(off.await, Ok(Held::Lost));
    assert_eq!(world.is("call-1").await, paused);
    assert_eq!(world.takes(&holder("a", 2), LEASE).await, None);
    assert_eq!(resume(database, "call-1").await, Ok(Held::Yes));
    assert_eq!(stop().await, Ok(Held::Lost), "nor does he who comes late");
    assert_eq!(world.is("call-1").await, (RunState::Ready, String::new()));
    assert_eq!(world.takes(&a, LEASE).await.unwrap().starts, 1);
    assert_eq!(resume(database, "call-2").await, Ok(Held::Lost));
}

#[tokio::test]
async fn whoever_claims_again_is_told_what_a_run_is_at() {
    let world = world().await;
    let is_running = async || {
        let Claimed::Running(left) = world.claims("call-1").await else {
            panic!("it is nobody else's");
        };
        assert!(left >= Duration::from_secs(1), "{left:?}");
    };
    world.claims("call-1").await;
    is_running().await;
    let short = world.takes(&holder("b", 1), Duration::ZERO).await;
    assert!(short.is_some());
    is_running().await;
    let had = world.takes(&holder("c", 1), LEASE).await.unwrap();
    is_running().await;
    let paused = pause(&world.database, had.hold, "nobody knows".to_owned()).await;
    assert_eq!(paused, Ok(Held::Yes));
    is_running().await;
    let other = Claim {
        fingerprint: [3; 32],
        ..new("call-1")
    };
    let told = executions::claim(&world.database, other).await;
    assert_eq!(told, Ok(Claimed::OtherPayload));
    resume(&world.database, "call-1").await.unwrap();
    let taken = world.takes(&holder("c", 1), LEASE).await.unwrap();
    let done = || finish(&world.database, taken.hold.clone(), b"done".to_vec(), KEEP);
    assert_eq!(done().await, Ok(Held::Yes));
    assert_eq!(done().await, Ok(Held::Lost));
    let told = world.claims("call-1").await;
    assert_eq!(told, Claimed::Done(b"done".to_vec()));
    world.is_nothing_to(&taken.hold).await;
    assert_eq!(resume(&world.database, "call-1").await, Ok(Held::Lost));
    let (row, _, outcome) = show(&world.database, "call-1").await.unwrap().unwrap();
    assert_eq!((row.state, outcome), (RunState::Done, Some(b"done".into())));
}

#[tokio::test]
async fn a_run_that_is_killed_is_over_whoever_has_it() {
    let world = world().await;
    let had = world.has("call-1", &holder("a", 1)).await;
    let kill = |call: &'static str| kill(&world.database, call, b"killed".to_vec(), KEEP);
    assert_eq!(kill("call-1").await, Ok(Held::Yes));
    assert_eq!(kill("call-1").await, Ok(Held::Lost));
    assert_eq!(kill("call-9").await, Ok(Held::Lost));
    world.is_nothing_to(&had.hold).await;
    assert_eq!(world.is("call-1").await.0, RunState::Done);
    assert_eq!(world.takes(&holder("a", 2), LEASE).await, None);
    let told = world.claims("call-1").await;
    assert_eq!(told, Claimed::Done(b"killed".to_vec()));
    // One that nobody has is killed like that too.
    world.claims("call-2").await;
    assert_eq!(kill("call-2").await, Ok(Held::Yes));
    assert_eq!(world.takes(&holder("a", 2), LEASE).await, None);
}

#[tokio::test]
async fn a_list_shows_those_first_that_are_not_done() {
    let world = world().await;
    for call in ["call-1", "call-2", "call-3", "call-4"] {
        world.claims(call).await;
    }
    world
        .sets("UPDATE runs SET began_ns = CAST(substr(call, 6) AS INTEGER)")
        .await;
    for call in ["call-3", "call-1"] {
        kill(&world.database, call, Vec::new(), KEEP).await.unwrap();
    }
    let rows = list(&world.database).await.unwrap();
    let calls: Vec<_> = rows.iter().map(|row| row.call.as_str()).collect();
    assert_eq!(calls, ["call-2", "call-4", "call-1", "call-3"]);
    assert_eq!(rows[0], world.row("call-2").await);
    assert_eq!(rows[0].caller, "principal:ann");
    assert_eq!(rows[0].operation, "service:orders POST /orders");
    assert_eq!(show(&world.database, "call-9").await, Ok(None));
}

#[tokio::test]
async fn nothing_is_left_of_a_run_whose_outcome_was_kept_for_long_enough() {
    let world = world().await;
    let database = &world.database;
    for call in ["call-1", "call-2", "call-3"] {
        let had = world.has(call, &holder("a", 1)).await;
        let kept = came(database, had.hold.clone(), intent(1), result(1)).await;
        assert_eq!(kept, Ok(Held::Yes));
        if call != "call-3" {
            let done = finish(database, had.hold, Vec::new(), KEEP).await;
            assert_eq!(done, Ok(Held::Yes));
        }
    }
    assert_eq!(executions::sweep(database).await, Ok(0));
    assert_eq!(world.rows().await, [3, 3, 3]);
    world
        .sets("UPDATE executions SET expires_ms = 0 WHERE state = 1")
        .await;
    // The key of one is used again, by another call, before it is swept.
    let again = Claim {
        call: "call-4".to_owned(),
        fingerprint: [4; 32],
        run: None,
        ..new("call-2")
    };
    let claimed = executions::claim(database, again).await.unwrap();
    let Claimed::Yours(hold) = claimed else {
        panic!("{claimed:?}");
    };
    assert_eq!(world.rows().await, [3, 2, 2]);
    assert_eq!(executions::forget(database, hold).await, Ok(Held::Yes));
    assert_eq!(executions::sweep(database).await, Ok(1));
    assert_eq!(executions::sweep(database).await, Ok(0));
    assert_eq!(world.rows().await, [1, 1, 1], "one is not done");
    assert!(matches!(world.claims("call-1").await, Claimed::Yours(_)));
}

#[tokio::test]
async fn one_sweep_removes_so_many_entries_and_no_more() {
    let world = world().await;
    for call in ["call-1", "call-2", "call-3"] {
        world.claims(call).await;
        let killed = kill(&world.database, call, Vec::new(), Duration::ZERO).await;
        assert_eq!(killed, Ok(Held::Yes));
    }
    world.sets("UPDATE runs SET entries = 6000").await;
    world
        .sets("UPDATE runs SET entries = 50000 WHERE call = 'call-3'")
        .await;
    let mut swept = 0;
    for _ in 0..3 {
        let one = executions::sweep(&world.database).await.unwrap();
        assert_eq!(one, 1);
        swept += one;
    }
    assert_eq!((swept, world.rows().await), (3, [0, 0, 0]));
}

#[tokio::test]
async fn of_a_run_that_was_put_back_nobody_knows_what_it_did_since() {
    let world = world().await;
    let database = &world.database;
    let a = holder("a", 1);
    let off = world.has("off", &a).await;
    let later = put_off(database, off.hold, LEASE, "it is night".to_owned());
    later.await.unwrap();
    let done = world.has("done", &a).await;
    finish(database, done.hold, Vec::new(), KEEP).await.unwrap();
    let had = world.has("had", &a).await;
    let elsewhere = world.has("elsewhere", &holder("b", 1)).await;
    world.claims("ready").await;
    assert_eq!(executions::restored(database, "a", 77).await, Ok(0));
    for call in ["off", "had", "ready"] {
        let paused = (RunState::Paused, PUT_BACK.to_owned());
        assert_eq!(world.is(call).await, paused, "{call}");
        assert!(matches!(world.claims(call).await, Claimed::Running(_)));
    }
    assert_eq!(world.is("done").await.0, RunState::Done);
    // Another host that shares the database has lost nothing.
    assert_eq!(world.is("elsewhere").await.0, RunState::Running);
    let kept = came(database, elsewhere.hold, intent(1), result(1)).await;
    assert_eq!(kept, Ok(Held::Yes));
    let (next, left) = executions::begin(database, "a").await.unwrap();
    assert_eq!((next.epoch, left), (78, executions::Left::default()));
    assert_eq!(world.takes(&next, LEASE).await, None);
    assert_eq!(resume(database, "had").await, Ok(Held::Yes));
    let again = world.takes(&next, LEASE).await.unwrap();
    assert_eq!(again.hold.call, had.hold.call);
    world.is_nothing_to(&had.hold).await;
}

#[tokio::test]
async fn a_run_keeps_the_approval_that_it_was_begun_under() {
    let world = world().await;
    let (first, _) = executions::begin(&world.database, "a").await.unwrap();
    let claims = |call: &'static str| {
        let claim = Claim {
            key: key("order"),
            holder: first.clone(),
            wanted: Some(Wanted {
                action: [1; 32],
                service: "orders".to_owned(),
                operation: "POST /orders".to_owned(),
                caller: "principal:ann".to_owned(),
                why: "an order".to_owned(),
                asked: "/orders".to_owned(),
                content_type: None,
                payload: None,
                payload_bytes: 0,
            }),
            ..new(call)
        };
        executions::claim(&world.database, claim)
    };
    let asked = claims("call-1").await;
    assert_eq!(asked, Ok(Claimed::Unapproved("call-1".to_owned())));
    assert_eq!(
        world.rows().await,
        [0, 0, 0],
        "nothing began that nobody approved"
    );
    let decision = Decision {
        id: "call-1".to_owned(),
        says: Says::Grant,
        by: "operator:0".to_owned(),
        why: "fine".to_owned(),
        own: Own::Refused,
    };
    approvals::decide(&world.database, decision).await.unwrap();
    let Ok(Claimed::Yours(hold)) = claims("call-2").await else {
        panic!("it was approved");
    };
    assert_eq!(hold.approval.as_deref(), Some("call-1"));
    assert_eq!(world.is("call-2").await.0, RunState::Ready);
    let used = async || {
        let approval = approvals::find(&world.database, "call-1").await;
        approval.unwrap().unwrap().standing
    };
    let before = used().await;
    executions::begin(&world.database, "a").await.unwrap();
    assert_eq!(used().await, before);
}
