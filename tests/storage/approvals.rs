//! Approvals, on a file and on a server: one is one execution, however many come at once and to whichever host.

use holdfast_store::approvals::{
    self, CALLER_MAX, Decided, Decision, Own, SERVICE_MAX, Says, Standing, Wanted, Which,
};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{self, Claim, Claimed, Held, Hold, Holder};
use std::time::Duration;
use tokio::task::JoinSet;

both![
    of_all_who_come_at_once_one_uses_it,
    what_came_to_nothing_gives_it_back_at_both,
    so_many_wait_and_no_more,
];

fn claim(call: &str, caller: &str, action: u8, holder: &Holder) -> Claim {
    let mut key = [action; 32];
    for (place, byte) in key.iter_mut().zip(call.bytes()) {
        *place = byte;
    }
    Claim {
        key,
        fingerprint: [action; 32],
        call: call.to_owned(),
        caller: caller.to_owned(),
        operation: "service:mails POST /send".to_owned(),
        holder: holder.clone(),
        lease: Duration::from_secs(30),
        undo: None,
        wanted: Some(Wanted {
            action: [action; 32],
            service: "mails".to_owned(),
            operation: "POST /send".to_owned(),
            caller: caller.to_owned(),
            why: "a letter".to_owned(),
            asked: "/send".to_owned(),
            content_type: None,
            payload: Some(b"hello".to_vec()),
            payload_bytes: 5,
        }),
        run: None,
    }
}

/// Claims it as a host does, which asks again where another one was in its way.
async fn claims(database: &Database, claim: Claim) -> Claimed {
    loop {
        match executions::claim(database, claim.clone()).await {
            Err(DbError::Contended(_)) => tokio::task::yield_now().await,
            claimed => return claimed.unwrap(),
        }
    }
}

async fn grants(database: &Database, id: &str) -> Decided {
    let decision = Decision {
        id: id.to_owned(),
        says: Says::Grant,
        by: "operator:0".to_owned(),
        why: "it is fine".to_owned(),
        own: Own::Refused,
    };
    approvals::decide(database, decision).await.unwrap()
}

async fn begun(database: &Database, host: &str) -> Holder {
    executions::begin(database, host).await.unwrap().0
}

async fn holds(database: &Database, claim: Claim) -> Hold {
    match claims(database, claim).await {
        Claimed::Yours(hold) => hold,
        other => panic!("{other:?}"),
    }
}

async fn of_all_who_come_at_once_one_uses_it(one: &Database, other: &Database) {
    let hosts = [
        (one, begun(one, "a").await),
        (other, begun(other, "b").await),
    ];
    let first = claim("first", "principal:ann", 1, &hosts[0].1);
    let waits = Claimed::Unapproved("first".to_owned());
    assert_eq!(claims(one, first).await, waits);
    assert_eq!(grants(other, "first").await, Decided::Yes);
    let mut asking = JoinSet::new();
    for number in 0..32 {
        let (database, holder) = hosts[number % 2].clone();
        let database = database.clone();
        let claim = claim(&format!("call-{number}"), "principal:ann", 1, &holder);
        asking.spawn(async move { claims(&database, claim).await });
    }
    let answers = asking.join_all().await;
    let used = answers
        .iter()
        .filter(|one| matches!(one, Claimed::Yours(_)));
    assert_eq!(used.count(), 1, "{answers:?}");
    let shown = approvals::find(one, "first").await.unwrap().unwrap();
    assert_eq!(shown.standing, Standing::Used);
}

async fn what_came_to_nothing_gives_it_back_at_both(one: &Database, other: &Database) {
    let holder = begun(one, "a").await;
    claims(one, claim("first", "principal:ann", 1, &holder)).await;
    assert_eq!(grants(one, "first").await, Decided::Yes);
    let hold = holds(one, claim("second", "principal:ann", 1, &holder)).await;
    assert_eq!(executions::forget(one, hold).await, Ok(Held::Yes));
    // Another host uses it, and dies before it did anything; its next life finds it as it was.
    let dead = begun(other, "b").await;
    holds(other, claim("third", "principal:ann", 1, &dead)).await;
    let living = begun(other, "b").await;
    let hold = holds(one, claim("fourth", "principal:ann", 1, &living)).await;
    assert_eq!(hold.approval.as_deref(), Some("first"));
}

async fn so_many_wait_and_no_more(one: &Database, other: &Database) {
    let holder = begun(one, "a").await;
    let callers = SERVICE_MAX / CALLER_MAX;
    let ask = |nth: i64, caller: i64| {
        let call = format!("{caller}/{nth}");
        let mut claim = claim(&call, &format!("principal:{caller}"), 0, &holder);
        let wanted = claim.wanted.as_mut().unwrap();
        wanted.action[..8].copy_from_slice(&(caller * 1_000 + nth).to_be_bytes());
        claim
    };
    for caller in 0..callers {
        for nth in 0..CALLER_MAX {
            let claimed = claims(one, ask(nth, caller)).await;
            assert!(matches!(claimed, Claimed::Unapproved(_)), "{claimed:?}");
        }
        assert_eq!(
            claims(other, ask(CALLER_MAX, caller)).await,
            Claimed::Crowded
        );
    }
    // One of whom nothing waits has no place either.
    assert_eq!(claims(other, ask(0, callers)).await, Claimed::Crowded);
    let waiting = approvals::list(other, Which::Open).await.unwrap();
    assert_eq!(i64::try_from(waiting.len()), Ok(SERVICE_MAX));
    assert_eq!(grants(one, &waiting[0].id).await, Decided::Yes);
    let claimed = claims(other, ask(0, callers)).await;
    assert!(matches!(claimed, Claimed::Unapproved(_)), "{claimed:?}");
}
