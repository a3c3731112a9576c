//! Runs, on a file and on a server: of all hosts one has each, and who comes late changes nothing.

use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{self, Claim, Claimed, Held, Hold, Holder};
use holdfast_store::runs::{self, Came, Intent, NewRun, Round, RunState, Taken, Word};
use std::time::Duration;
use tokio::task::JoinSet;

both![
    of_all_hosts_that_take_at_once_each_run_is_one_hosts,
    of_all_who_claim_at_once_one_begins_the_run,
    a_journal_is_read_by_the_host_that_goes_on,
    who_comes_late_writes_nothing_behind_the_back_of_the_next,
    many_runs_are_written_while_their_leases_are_renewed,
    who_is_paused_put_off_or_killed_is_so_for_all_hosts,
    what_a_person_says_of_a_step_is_what_came_of_it,
    who_waits_for_an_approval_is_due_when_it_is_decided,
    one_that_goes_on_as_new_has_nothing_of_before,
    nothing_is_left_of_what_is_over,
];

const LEASE: Duration = Duration::from_secs(30);
const KEEP: Duration = Duration::from_secs(60);

fn holder(host: &str) -> Holder {
    Holder {
        host: host.to_owned(),
        epoch: 1,
    }
}

fn new(call: &str, number: u8) -> Claim {
    Claim {
        key: [number; 32],
        fingerprint: [2; 32],
        call: call.to_owned(),
        caller: "principal:ann".to_owned(),
        operation: "service:orders POST /orders".to_owned(),
        holder: holder("a"),
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
        began_ns: 1_000,
    }
}

fn result(place: u32) -> Came {
    Came {
        place,
        ended_ns: 2_000,
        bytes: b"paid".to_vec(),
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

async fn begins(database: &Database, call: &str, number: u8) {
    let claimed = claims(database, new(call, number)).await;
    assert!(matches!(claimed, Claimed::Yours(_)), "{claimed:?}");
}

async fn takes(database: &Database, host: &str, lease: Duration, most: u32) -> Vec<Taken> {
    let taken = runs::take(database, "orders".to_owned(), holder(host), lease, most).await;
    taken.unwrap()
}

async fn takes_one(database: &Database, host: &str, lease: Duration) -> Hold {
    let mut taken = takes(database, host, lease, 1).await;
    taken.pop().unwrap().hold
}

async fn is(database: &Database, call: &str) -> RunState {
    let shown = runs::show(database, call).await.unwrap();
    shown.unwrap().0.state
}

async fn of_all_hosts_that_take_at_once_each_run_is_one_hosts(one: &Database, other: &Database) {
    const RUNS: usize = 30;
    for number in 0..RUNS {
        begins(one, &format!("call-{number}"), number as u8).await;
    }
    let mut taking = JoinSet::new();
    for number in 0..16 {
        let database = [one, other][number % 2].clone();
        taking.spawn(async move {
            let (mut all, host) = (Vec::new(), format!("host-{number}"));
            // One that others are just taking is left out, so whoever finds none looks again.
            for _ in 0..20 {
                all.extend(takes(&database, &host, LEASE, 3).await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            all
        });
    }
    let all: Vec<_> = taking.join_all().await.into_iter().flatten().collect();
    let mut calls: Vec<_> = all.iter().map(|run| run.hold.call.clone()).collect();
    calls.sort();
    calls.dedup();
    assert_eq!((all.len(), calls.len()), (RUNS, RUNS));
    assert!(all.iter().all(|run| run.hold.fence == 2 && run.starts == 1));
}

async fn of_all_who_claim_at_once_one_begins_the_run(one: &Database, other: &Database) {
    let mut asked = JoinSet::new();
    for number in 0..16 {
        let database = [one, other][number % 2].clone();
        let claim = new(&format!("call-{number}"), 1);
        asked.spawn(async move { claims(&database, claim).await });
    }
    let all = asked.join_all().await;
    let (mine, running): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|claimed| matches!(claimed, Claimed::Yours(_)));
    assert_eq!(mine.len(), 1);
    let second = Duration::from_secs(1);
    assert!(
        running
            .iter()
            .all(|claimed| matches!(claimed, Claimed::Running(left) if *left >= second)),
        "{running:?}"
    );
    assert_eq!(runs::list(other).await.unwrap().len(), 1);
}

async fn a_journal_is_read_by_the_host_that_goes_on(one: &Database, other: &Database) {
    begins(one, "call-1", 1).await;
    let first = takes_one(one, "a", Duration::ZERO).await;
    for ordinal in [2, 1] {
        let intended = runs::intend(one, first.clone(), intent(ordinal)).await;
        assert_eq!(intended, Ok(Held::Yes));
    }
    for _ in 0..2 {
        let came = runs::came(one, first.clone(), intent(1), result(1)).await;
        assert_eq!(came, Ok(Held::Yes));
    }
    let another = Came {
        bytes: b"unpaid".to_vec(),
        ..result(1)
    };
    let came = runs::came(one, first.clone(), intent(1), another).await;
    assert_eq!(came, Ok(Held::Lost));
    let slept = runs::came(one, first, intent(3), result(2)).await;
    assert_eq!(slept, Ok(Held::Yes));
    let next = takes_one(other, "b", LEASE).await;
    let journal = runs::entries(other, next).await.unwrap().unwrap();
    let known: Vec<_> = journal
        .iter()
        .map(|entry| (entry.ordinal, entry.came.clone()))
        .collect();
    assert_eq!(
        known,
        [(1, Some(result(1))), (2, None), (3, Some(result(2)))]
    );
    let row = runs::list(one).await.unwrap().pop().unwrap();
    assert_eq!((row.entries, row.starts), (3, 1));
}

/// Between two writes: a file, which one host alone has as a rule, lets one at a time write, and whoever waits for it in no order.
const REST: Duration = Duration::from_millis(2);

/// One host goes on writing while another takes its run: what that one reads then is all that there will be.
async fn who_comes_late_writes_nothing_behind_the_back_of_the_next(
    one: &Database,
    other: &Database,
) {
    for round in 0..10 {
        begins(one, &format!("call-{round}"), round).await;
        let late = takes_one(one, "a", Duration::ZERO).await;
        let database = one.clone();
        let writing = tokio::spawn(async move {
            let mut written = 0;
            for ordinal in 1.. {
                let kept = runs::came(&database, late.clone(), intent(ordinal), result(ordinal));
                match kept.await.unwrap() {
                    Held::Yes => written = ordinal,
                    Held::Lost => break,
                }
                tokio::time::sleep(REST).await;
            }
            written
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        // As long as the other one is just writing, the run is left out.
        let next = loop {
            if let Some(taken) = takes(other, "b", LEASE, 1).await.pop() {
                break taken.hold;
            }
        };
        let journal = runs::entries(other, next.clone()).await.unwrap().unwrap();
        let written = writing.await.unwrap();
        assert_eq!(journal.len(), written as usize);
        let still = runs::entries(other, next.clone()).await;
        assert_eq!(still, Ok(Some(journal)));
        let done = runs::finish(other, next, Vec::new(), KEEP).await;
        assert_eq!(done, Ok(Held::Yes));
    }
}

async fn many_runs_are_written_while_their_leases_are_renewed(one: &Database, other: &Database) {
    const RUNS: u8 = 8;
    for number in 0..RUNS {
        begins(one, &format!("call-{number}"), number).await;
    }
    let mut writing = JoinSet::new();
    let all = takes(one, "a", LEASE, 100).await;
    let keys: Vec<_> = all.iter().map(|taken| taken.hold.key).collect();
    for (number, taken) in all.into_iter().enumerate() {
        let database = [one, other][number % 2].clone();
        writing.spawn(async move {
            for ordinal in 1..=40 {
                let hold = || taken.hold.clone();
                let intended = runs::intend(&database, hold(), intent(ordinal)).await;
                assert_eq!(intended, Ok(Held::Yes));
                let came = runs::came(&database, hold(), intent(ordinal), result(ordinal));
                assert_eq!(came.await, Ok(Held::Yes));
                tokio::time::sleep(REST).await;
            }
            let done = runs::finish(&database, taken.hold, b"done".to_vec(), KEEP);
            done.await.unwrap()
        });
    }
    assert_eq!(writing.len(), usize::from(RUNS));
    let mut finished = 0;
    while finished < RUNS {
        // One that is just done is not renewed; no renewal fails.
        let renewed = executions::renew(one, holder("a"), LEASE, keys.clone()).await;
        let renewed = renewed.unwrap();
        assert!(renewed.len() <= usize::from(RUNS));
        tokio::time::sleep(REST).await;
        while let Some(done) = writing.try_join_next() {
            assert_eq!(done.unwrap(), Held::Yes);
            finished += 1;
        }
    }
    let rows = runs::list(other).await.unwrap();
    assert!(
        rows.iter()
            .all(|row| row.state == RunState::Done && row.entries == 40)
    );
}

async fn who_is_paused_put_off_or_killed_is_so_for_all_hosts(one: &Database, other: &Database) {
    begins(one, "call-1", 1).await;
    let had = takes_one(one, "a", LEASE).await;
    assert_eq!(is(other, "call-1").await, RunState::Running);
    assert!(takes(other, "b", LEASE, 1).await.is_empty());
    let off = runs::put_off(one, had.clone(), LEASE, "it is night".to_owned());
    assert_eq!(off.await, Ok(Held::Yes));
    let waits = is(other, "call-1").await;
    assert!(matches!(waits, RunState::Waiting(_)), "{waits:?}");
    assert!(takes(other, "b", LEASE, 1).await.is_empty());
    let left = runs::next_due(other, "orders".to_owned()).await.unwrap();
    assert!(left.unwrap() <= LEASE);
    assert_eq!(runs::resume(other, "call-1").await, Ok(Held::Yes));
    let had = takes_one(other, "b", LEASE).await;
    let moved = runs::moved(other, had.clone(), "sha256:2".to_owned()).await;
    assert_eq!(moved, Ok(Held::Yes));
    let paused = runs::pause(other, had, "nobody knows".to_owned()).await;
    assert_eq!(paused, Ok(Held::Yes));
    let row = runs::list(one).await.unwrap().pop().unwrap();
    assert_eq!(
        (row.state, row.reason.as_str()),
        (RunState::Paused, "nobody knows")
    );
    assert_eq!(row.digest, "sha256:2");
    assert!(takes(one, "a", LEASE, 1).await.is_empty());
    assert_eq!(runs::resume(one, "call-1").await, Ok(Held::Yes));
    let had = takes_one(one, "a", LEASE).await;
    let killed = runs::kill(other, "call-1", b"killed".to_vec(), KEEP).await;
    assert_eq!(killed, Ok(Held::Yes));
    let late = runs::finish(one, had.clone(), b"late".to_vec(), KEEP).await;
    assert_eq!(late, Ok(Held::Lost));
    assert_eq!(runs::entries(one, had).await, Ok(None));
    let told = claims(one, new("call-2", 1)).await;
    assert_eq!(told, Claimed::Done(b"killed".to_vec()));
}

async fn what_a_person_says_of_a_step_is_what_came_of_it(one: &Database, other: &Database) {
    begins(one, "call-1", 1).await;
    let hold = takes_one(one, "a", LEASE).await;
    let came = runs::came(one, hold.clone(), intent(1), result(1)).await;
    assert_eq!(came, Ok(Held::Yes));
    for step in [2, 3] {
        let intended = runs::intend(one, hold.clone(), intent(step)).await;
        assert_eq!(intended, Ok(Held::Yes));
    }
    let told = || Word::Came(b"told".to_vec());
    // As long as somebody has it, he knows better.
    assert_eq!(runs::say(other, "call-1", 2, told()).await, Ok(Held::Lost));
    let paused = runs::pause(one, hold, "nobody knows".to_owned()).await;
    assert_eq!(paused, Ok(Held::Yes));
    assert_eq!(runs::say(other, "call-1", 1, told()).await, Ok(Held::Lost));
    assert_eq!(
        runs::say(other, "call-1", 1, Word::NotDone).await,
        Ok(Held::Lost)
    );
    assert_eq!(runs::say(other, "call-1", 2, told()).await, Ok(Held::Yes));
    assert_eq!(
        runs::say(other, "call-1", 2, Word::NotDone).await,
        Ok(Held::Lost)
    );
    assert_eq!(
        runs::say(other, "call-1", 3, Word::NotDone).await,
        Ok(Held::Yes)
    );
    let (_, entries, _) = runs::show(one, "call-1").await.unwrap().unwrap();
    let came: Vec<_> = entries
        .iter()
        .map(|entry| {
            entry
                .came
                .as_ref()
                .map(|came| (came.place, came.bytes.clone()))
        })
        .collect();
    assert_eq!(came.len(), 2);
    assert_eq!(came[1], Some((2, b"told".to_vec())));
}

async fn who_waits_for_an_approval_is_due_when_it_is_decided(one: &Database, other: &Database) {
    begins(one, "call-1", 1).await;
    let hold = takes_one(one, "a", LEASE).await;
    let reason = "it waits for the approval one".to_owned();
    let off = runs::put_off(one, hold, LEASE, reason.clone()).await;
    assert_eq!(off, Ok(Held::Yes));
    let another = runs::wake(other, "it waits for the approval two".to_owned()).await;
    assert_eq!(another, Ok(0));
    assert!(takes(other, "b", LEASE, 1).await.is_empty());
    assert_eq!(runs::wake(other, reason.clone()).await, Ok(1));
    takes_one(other, "b", LEASE).await;
    assert_eq!(runs::wake(other, reason).await, Ok(0));
}

async fn one_that_goes_on_as_new_has_nothing_of_before(one: &Database, other: &Database) {
    begins(one, "call-1", 1).await;
    let hold = takes_one(one, "a", LEASE).await;
    let came = runs::came(one, hold.clone(), intent(1), result(1)).await;
    assert_eq!(came, Ok(Held::Yes));
    let round = Round {
        asked: b"the rest".to_vec(),
        seed: [9; 32],
    };
    let on = runs::go_on(one, hold.clone(), round.clone()).await;
    assert_eq!(on, Ok(Held::Yes));
    // Said twice, or by one who comes late, it is said once.
    assert_eq!(
        runs::go_on(one, hold.clone(), round.clone()).await,
        Ok(Held::Lost)
    );
    let late = runs::finish(one, hold, b"late".to_vec(), KEEP).await;
    assert_eq!(late, Ok(Held::Lost));
    let taken = takes(other, "b", LEASE, 1).await.remove(0);
    assert_eq!((taken.asked, taken.seed), (round.asked, round.seed));
    let entries = runs::entries(other, taken.hold.clone()).await.unwrap();
    assert_eq!(entries, Some(Vec::new()));
    let row = runs::list(one).await.unwrap().remove(0);
    assert_eq!((row.entries, row.rounds), (0, 2));
    let done = runs::finish(other, taken.hold, b"done".to_vec(), KEEP).await;
    assert_eq!(done, Ok(Held::Yes));
    let told = claims(one, new("call-2", 1)).await;
    assert_eq!(told, Claimed::Done(b"done".to_vec()));
}

async fn nothing_is_left_of_what_is_over(one: &Database, other: &Database) {
    for number in 0..3 {
        begins(one, &format!("call-{number}"), number).await;
    }
    for taken in takes(one, "a", LEASE, 2).await {
        let came = runs::came(one, taken.hold.clone(), intent(1), result(1)).await;
        assert_eq!(came, Ok(Held::Yes));
        let done = runs::finish(one, taken.hold, Vec::new(), Duration::ZERO).await;
        assert_eq!(done, Ok(Held::Yes));
    }
    assert_eq!(executions::sweep(other).await, Ok(2));
    let left = runs::list(one).await.unwrap();
    assert_eq!((left.len(), left[0].state), (1, RunState::Ready));
    let entries = one.read((), |(), tx| {
        Box::pin(async move { tx.query("SELECT call FROM steps", &[]).await })
    });
    assert!(entries.await.unwrap().is_empty());
    // A restore pauses what is left, and no start takes it away.
    assert_eq!(executions::restored(one, "a", 7).await, Ok(0));
    let (_, begun) = executions::begin(one, "a").await.unwrap();
    assert_eq!(begun, executions::Left::default());
    assert_eq!(is(other, &left[0].call).await, RunState::Paused);
}
