//! Schedules, on a file and on a server: each tick is one message, whichever hosts fire it, and never more wait than may.

use super::queue::on;
use holdfast_call::message::Message;
use holdfast_store::db::Database;
use holdfast_store::executions::Holder;
use holdfast_store::queue;
use holdfast_store::schedules::{self, Tick, Ticked};
use tokio::task::JoinSet;

both![
    of_all_hosts_that_fire_a_tick_one_does,
    where_the_last_one_has_not_ended_no_more_wait_than_may,
    what_was_missed_is_counted_and_nothing_fires,
    what_runs_always_is_there_once,
];

fn tick(seen_ms: i64, upto_ms: i64, waiting_max: i64) -> Tick {
    Tick {
        service: "mailer".into(),
        name: "often".into(),
        seen_ms,
        upto_ms,
        missed: 0,
        message: Some(message()),
        waiting_max,
    }
}

fn message() -> Message {
    Message {
        operation: Some("POST /tick".into()),
        ..on("often", "")
    }
}

async fn last(database: &Database) -> i64 {
    let last = schedules::last(database, "mailer".into(), "often".into()).await;
    last.unwrap().0
}

/// How many messages there are.
async fn sent(database: &Database) -> u64 {
    let depth = queue::depth(database, "mailer".to_owned()).await;
    depth.unwrap().messages
}

/// `(fired, skipped, missed)`.
async fn counts(database: &Database) -> (u64, u64, u64) {
    let rows = schedules::list(database).await.unwrap();
    assert_eq!(rows.len(), 1);
    (rows[0].fired, rows[0].skipped, rows[0].missed)
}

/// Ends what is due.
async fn end(database: &Database) {
    let holder = Holder {
        host: "a".to_owned(),
        epoch: 1,
    };
    let claimed = queue::claim(database, "mailer".to_owned(), (10, 0), holder).await;
    for delivery in claimed.unwrap().deliveries {
        assert_eq!(delivery.operation.as_deref(), Some("POST /tick"));
        let sent = queue::Sent {
            receipt: Some(delivery.receipt),
            messages: Vec::new(),
        };
        queue::settle(database, sent).await.unwrap();
    }
}

async fn of_all_hosts_that_fire_a_tick_one_does(one: &Database, other: &Database) {
    let seen = last(one).await;
    assert_eq!(last(other).await, seen, "it began once");
    let mut firing = JoinSet::new();
    for number in 0..8 {
        let database = [one, other][number % 2].clone();
        let tick = tick(seen, seen + 1, 100);
        firing.spawn(async move { schedules::tick(&database, tick).await.unwrap() });
    }
    let all = firing.join_all().await;
    assert_eq!(all.iter().filter(|one| **one == Ticked::Yes).count(), 1);
    assert_eq!(all.iter().filter(|one| **one == Ticked::NotOurs).count(), 7);
    assert_eq!(sent(one).await, 1);
    assert_eq!(last(other).await, seen + 1);
    assert_eq!(counts(one).await, (1, 0, 0));
}

async fn where_the_last_one_has_not_ended_no_more_wait_than_may(one: &Database, _: &Database) {
    let mut seen = last(one).await;
    for (most, ticked) in [
        (1, Ticked::Yes),
        (1, Ticked::Skipped),
        (3, Ticked::Yes),
        (3, Ticked::Yes),
        (3, Ticked::Skipped),
    ] {
        let came = schedules::tick(one, tick(seen, seen + 1, most)).await;
        assert_eq!(came, Ok(ticked), "{most}");
        seen += 1;
    }
    assert_eq!(sent(one).await, 3);
    assert_eq!(counts(one).await, (3, 2, 0));
    end(one).await;
    let came = schedules::tick(one, tick(seen, seen + 1, 3)).await;
    assert_eq!(came, Ok(Ticked::Yes));
}

async fn what_was_missed_is_counted_and_nothing_fires(one: &Database, _: &Database) {
    let seen = last(one).await;
    let missed = Tick {
        missed: 7,
        message: None,
        ..tick(seen, seen + 7, 1)
    };
    assert_eq!(schedules::tick(one, missed).await, Ok(Ticked::Yes));
    assert_eq!(sent(one).await, 0);
    assert_eq!(counts(one).await, (0, 0, 7));
}

async fn what_runs_always_is_there_once(one: &Database, other: &Database) {
    last(one).await;
    let mut firing = JoinSet::new();
    for number in 0..8 {
        let database = [one, other][number % 2].clone();
        firing.spawn(async move {
            schedules::keep_going(&database, "often".into(), message())
                .await
                .unwrap()
        });
    }
    let all = firing.join_all().await;
    assert_eq!(
        all.iter().filter(|one| **one == Ticked::Yes).count(),
        1,
        "{all:?}"
    );
    assert_eq!(sent(one).await, 1);
    end(other).await;
    let again = schedules::keep_going(other, "often".into(), message()).await;
    assert_eq!(again, Ok(Ticked::Yes));
    assert_eq!(counts(one).await, (2, 0, 0));
}
