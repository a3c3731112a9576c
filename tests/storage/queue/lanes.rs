//! Lanes: messages of one key, one after the other in the order in which they were sent.

use super::{bodies, done, message, on, over, send, take};
use holdfast_store::db::Database;
use holdfast_store::executions::Held;
use holdfast_store::queue::{self, Counted};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinSet;

both![
    a_lane_is_delivered_one_after_the_other_in_its_order,
    lanes_that_many_send_on_lose_no_place,
    a_lane_that_nobody_uses_is_forgotten_and_no_other,
];

async fn a_lane_is_delivered_one_after_the_other_in_its_order(one: &Database, other: &Database) {
    let messages = ["1", "2", "3"].map(|body| on("l", body));
    send(one, messages.to_vec()).await;
    send(one, vec![on("m", "m"), message("free")]).await;
    let first = take(one, 10, "a").await;
    assert_eq!(bodies(&first), ["1", "m", "free"]);
    assert!(
        take(other, 10, "b").await.is_empty(),
        "one of a lane at a time"
    );
    // One that is to come again keeps its place.
    let back = queue::give_back(
        one,
        first[0].receipt.clone(),
        Duration::ZERO,
        Counted::Yes,
        "not yet".to_owned(),
    );
    assert_eq!(back.await, Ok(Held::Yes));
    for expected in ["1", "2", "3"] {
        let got = take(other, 10, "b").await;
        assert_eq!(bodies(&got), [expected]);
        assert_eq!(done(other, &got[0].receipt).await, Held::Yes);
    }
}

async fn lanes_that_many_send_on_lose_no_place(one: &Database, other: &Database) {
    const EACH: usize = 20;
    let mut senders = JoinSet::new();
    for sender in 0..6 {
        let database = [one, other][sender % 2].clone();
        senders.spawn(async move {
            for number in 0..EACH {
                send(&database, vec![on("l", &format!("{sender}:{number}"))]).await;
            }
        });
    }
    let mut last: HashMap<String, i64> = HashMap::new();
    let mut count = 0;
    let mut over = false;
    while count < 6 * EACH {
        if !over && senders.try_join_next().is_none() && senders.is_empty() {
            over = true;
        }
        let got = take(one, 5, "a").await;
        assert!(got.len() <= 1, "{:?}", bodies(&got));
        for delivery in &got {
            let body = bodies(std::slice::from_ref(delivery))[0].to_owned();
            let (sender, number) = body.split_once(':').unwrap();
            let number: i64 = number.parse().unwrap();
            let before = last.insert(sender.to_owned(), number).unwrap_or(-1);
            assert_eq!(number, before + 1, "of sender {sender}");
            assert_eq!(done(one, &delivery.receipt).await, Held::Yes);
            count += 1;
        }
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
}

async fn a_lane_that_nobody_uses_is_forgotten_and_no_other(one: &Database, _: &Database) {
    send(
        one,
        vec![on("idle", "1"), on("busy", "2"), on("fresh", "3")],
    )
    .await;
    for delivery in take(one, 9, "a").await {
        if delivery.lane.as_deref() != Some("busy") {
            assert_eq!(done(one, &delivery.receipt).await, Held::Yes);
        }
    }
    over(
        one,
        "UPDATE queue_lanes SET used_ms = 0 WHERE lane <> 'fresh'",
    )
    .await;
    assert_eq!(queue::sweep(one).await, Ok(1));
    send(one, vec![on("busy", "behind"), on("idle", "first again")]).await;
    assert_eq!(bodies(&take(one, 9, "a").await), ["first again"]);
}
