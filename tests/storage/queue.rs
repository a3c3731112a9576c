//! Queues, on a file and on a server: each message by one host at a time, those of a lane in their order, none lost and none twice.

mod lanes;

use bytes::Bytes;
use holdfast_call::message::{Message, Receipt};
use holdfast_call::{CallId, Caller, Moment, Trace, WallTime, Why};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::{Held, Holder};
use holdfast_store::queue::{
    self, Counted, Delivery, Fits, Gauge, Moved, Room, Sent, Where, Which,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

both![
    what_is_sent_is_delivered_as_it_was_sent,
    of_all_who_take_one_gets_each_message,
    a_name_is_sent_once_while_it_is_known,
    who_comes_late_is_done_with_nothing,
    what_a_delivery_sends_goes_out_with_its_end_or_not_at_all,
    a_message_given_back_comes_when_it_is_due,
    what_a_dead_host_had_is_due_at_once_and_says_so,
    a_dead_letter_keeps_everything_and_is_delivered_again_on_demand,
    what_is_dropped_is_gone_unless_somebody_has_it,
    a_queue_is_counted_with_its_dead_letters,
    a_queue_takes_no_more_than_its_room,
    who_looks_on_from_where_he_was_finds_what_has_come,
];

static NUMBER: AtomicU64 = AtomicU64::new(1);

fn new_id() -> CallId {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    CallId::new(WallTime(number * 1_000), [3; 16])
}

fn message(body: &str) -> Message {
    let id = new_id();
    Message {
        id,
        queue: "mailer".into(),
        operation: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
        content_type: None,
        attributes: Vec::new(),
        lane: None,
        dedupe: None,
        delay: Duration::ZERO,
        sent_by: id,
        caller: Caller::parse("principal:ann > service:front").unwrap(),
        why: Why::claimed("a test").unwrap(),
        trace: Trace::start([1; 16], [2; 16]),
    }
}

pub(super) fn on(lane: &str, body: &str) -> Message {
    Message {
        lane: Some(lane.to_owned()),
        ..message(body)
    }
}

fn named(name: &str) -> Message {
    Message {
        dedupe: Some(name.to_owned()),
        ..message(name)
    }
}

fn holder(host: &str, epoch: i64) -> Holder {
    Holder {
        host: host.to_owned(),
        epoch,
    }
}

async fn settle(
    database: &Database,
    receipt: Option<Receipt>,
    messages: Vec<Message>,
) -> Result<Held, DbError> {
    let sent = Sent { receipt, messages };
    queue::settle(database, sent).await
}

async fn send(database: &Database, messages: Vec<Message>) {
    let sent = settle(database, None, messages).await;
    assert_eq!(sent, Ok(Held::Yes));
}

async fn take(database: &Database, most: usize, host: &str) -> Vec<Delivery> {
    let claimed = queue::claim(database, "mailer".to_owned(), (most, 0), holder(host, 1)).await;
    claimed.unwrap().deliveries
}

async fn done(database: &Database, receipt: &Receipt) -> Held {
    let done = settle(database, Some(receipt.clone()), Vec::new()).await;
    done.unwrap()
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    let bodies = deliveries.iter().map(|delivery| &delivery.body);
    bodies
        .map(|body| std::str::from_utf8(body).unwrap())
        .collect()
}

async fn what_is_sent_is_delivered_as_it_was_sent(one: &Database, other: &Database) {
    let full = Message {
        content_type: Some("text/plain".to_owned()),
        attributes: vec![("to".to_owned(), "ä\u{1f980}".to_owned())],
        ..on("l", "hello")
    };
    send(one, vec![full.clone(), message("")]).await;
    let got = take(other, 10, "b").await;
    assert_eq!(bodies(&got), ["hello", ""]);
    let first = &got[0];
    assert_eq!(first.receipt.id, full.id);
    assert_eq!(first.content_type, full.content_type);
    assert_eq!(first.attributes, full.attributes);
    assert_eq!(first.lane, full.lane);
    assert_eq!(first.caller.to_string(), "principal:ann > service:front");
    assert_eq!(first.why.as_str(), "a test");
    assert_eq!(first.trace, Some(full.trace));
    assert_eq!((first.deliveries, first.deaths), (1, 0));
    assert!(take(one, 10, "a").await.is_empty());
    for delivery in &got {
        assert_eq!(done(one, &delivery.receipt).await, Held::Yes);
    }
    assert_eq!(queue::list(one).await.unwrap(), []);
}

async fn of_all_who_take_one_gets_each_message(one: &Database, other: &Database) {
    const ALL: usize = 300;
    let all = (0..ALL).map(|number| message(&number.to_string()));
    send(one, all.collect()).await;
    let mut takers = JoinSet::new();
    for number in 0..8 {
        let database = [one, other][number % 2].clone();
        takers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let got = take(&database, 7, "a").await;
                if got.is_empty() {
                    return mine;
                }
                for delivery in &got {
                    assert_eq!(done(&database, &delivery.receipt).await, Held::Yes);
                }
                mine.extend(got.into_iter().map(|delivery| delivery.receipt.id));
            }
        });
    }
    let mut seen = HashSet::new();
    while let Some(mine) = takers.join_next().await {
        for id in mine.unwrap() {
            assert!(seen.insert(id), "{id} was delivered twice");
        }
    }
    assert_eq!(seen.len(), ALL);
}

async fn a_name_is_sent_once_while_it_is_known(one: &Database, other: &Database) {
    let mut senders = JoinSet::new();
    for number in 0..10 {
        let database = [one, other][number % 2].clone();
        senders.spawn(async move { send(&database, vec![named("d-1")]).await });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    let got = take(one, 10, "a").await;
    assert_eq!(bodies(&got), ["d-1"]);
    assert_eq!(done(one, &got[0].receipt).await, Held::Yes);
    // What was delivered is still known.
    send(one, vec![named("d-1"), named("d-2")]).await;
    assert_eq!(bodies(&take(one, 10, "a").await), ["d-2"]);
    // The same name is another one in another queue.
    let elsewhere = Message {
        queue: "billing".into(),
        ..named("d-1")
    };
    send(one, vec![elsewhere]).await;
    let claimed = queue::claim(one, "billing".to_owned(), (10, 0), holder("a", 1)).await;
    assert_eq!(claimed.unwrap().deliveries.len(), 1);
    over(one, "UPDATE queue_known SET until_ms = 0").await;
    assert_eq!(queue::sweep(one).await, Ok(3));
}

/// Changes rows as time would.
async fn over(database: &Database, sql: &'static str) {
    let changed = database.run(sql, |sql, tx| tx.execute(sql, &[])).await;
    assert_ne!(changed.unwrap(), 0, "{sql}");
}

async fn who_comes_late_is_done_with_nothing(one: &Database, other: &Database) {
    send(one, vec![message("slow")]).await;
    let slow = take(one, 1, "a").await.remove(0);
    over(one, "UPDATE queue_ready SET due_ms = 0").await;
    let quick = take(other, 1, "b").await.remove(0);
    assert_eq!((quick.deliveries, quick.deaths), (2, 1));
    let late = slow.receipt;
    let left = settle(one, Some(late.clone()), vec![message("never")]).await;
    assert_eq!(left, Ok(Held::Lost));
    let back = queue::give_back(
        one,
        late.clone(),
        Duration::ZERO,
        Counted::Yes,
        "x".to_owned(),
    );
    assert_eq!(back.await, Ok(Held::Lost));
    assert_eq!(queue::bury(one, late, "x".to_owned()).await, Ok(Held::Lost));
    assert_eq!(done(other, &quick.receipt).await, Held::Yes);
    assert_eq!(
        queue::list(one).await.unwrap(),
        [],
        "nothing was sent by it"
    );
    assert_eq!(done(other, &quick.receipt).await, Held::Lost);
}

async fn what_a_delivery_sends_goes_out_with_its_end_or_not_at_all(one: &Database, _: &Database) {
    send(one, vec![message("first")]).await;
    let first = take(one, 1, "a").await.remove(0);
    // A text that neither database takes: the unit fails as a whole.
    let spoilt = Message {
        lane: Some("a\0b".to_owned()),
        ..message("x")
    };
    let failed = settle(
        one,
        Some(first.receipt.clone()),
        vec![message("next"), spoilt],
    );
    assert!(matches!(failed.await, Err(DbError::Failing(_))));
    let row = queue::show(one, first.receipt.id.to_string())
        .await
        .unwrap();
    assert_eq!(row.unwrap().place, Where::Held);
    let settled = settle(one, Some(first.receipt), vec![message("next")]).await;
    assert_eq!(settled, Ok(Held::Yes));
    assert_eq!(bodies(&take(one, 10, "a").await), ["next"]);
}

async fn a_message_given_back_comes_when_it_is_due(one: &Database, other: &Database) {
    let later = Message {
        delay: Duration::from_secs(3_600),
        ..message("later")
    };
    send(one, vec![later, message("now")]).await;
    let claimed = queue::claim(one, "mailer".to_owned(), (10, 0), holder("a", 1)).await;
    let claimed = claimed.unwrap();
    assert_eq!(bodies(&claimed.deliveries), ["now"]);
    let next = claimed.next.unwrap();
    assert!(next <= queue::LEASE, "{next:?}: the lease is over before");
    let receipt = claimed.deliveries[0].receipt.clone();
    let minute = Duration::from_secs(60);
    let back = queue::give_back(one, receipt.clone(), minute, Counted::No, "busy".to_owned());
    assert_eq!(back.await, Ok(Held::Yes));
    let claimed = queue::claim(other, "mailer".to_owned(), (10, 0), holder("b", 1)).await;
    let claimed = claimed.unwrap();
    assert!(claimed.deliveries.is_empty());
    let next = claimed.next.unwrap();
    assert!(next > minute / 2 && next <= minute, "{next:?}");
    let row = queue::show(one, receipt.id.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.deliveries, 0, "the service was not asked");
    assert_eq!(row.last_fault.as_deref(), Some("busy"));
    assert!(matches!(row.place, Where::Waits { .. }));
}

async fn what_a_dead_host_had_is_due_at_once_and_says_so(one: &Database, other: &Database) {
    send(one, vec![message("x")]).await;
    let taken = take(one, 1, "a").await.remove(0).receipt.id;
    assert_eq!(
        queue::begin(one, holder("b", 9)).await,
        Ok(0),
        "not its own"
    );
    assert!(take(other, 1, "b").await.is_empty());
    assert_eq!(
        queue::renew(one, holder("a", 1), vec![taken, new_id()]).await,
        Ok(1)
    );
    assert_eq!(queue::renew(one, holder("a", 2), vec![taken]).await, Ok(0));
    // Its own lease ran out while it could not renew it: nobody has died.
    over(one, "UPDATE queue_ready SET due_ms = 0").await;
    assert_eq!(take(other, 1, "a").await.remove(0).deaths, 0);
    for deaths in 1..=3 {
        let epoch = deaths + 1;
        assert_eq!(queue::begin(one, holder("a", epoch)).await, Ok(1));
        let claimed = queue::claim(other, "mailer".to_owned(), (1, 0), holder("a", epoch)).await;
        let got = claimed.unwrap().deliveries.remove(0);
        assert_eq!(got.deaths, deaths.unsigned_abs());
    }
}

async fn a_dead_letter_keeps_everything_and_is_delivered_again_on_demand(
    one: &Database,
    other: &Database,
) {
    let full = Message {
        dedupe: Some("d".to_owned()),
        attributes: vec![("a".to_owned(), "b".to_owned())],
        ..on("l", "poison")
    };
    send(one, vec![full.clone(), on("l", "behind")]).await;
    let got = take(one, 1, "a").await.remove(0);
    let buried = queue::bury(one, got.receipt.clone(), "trapped".to_owned()).await;
    assert_eq!(buried, Ok(Held::Yes));
    let row = queue::show(other, full.id.to_string())
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(row.place, Where::Dead { .. }));
    assert_eq!(row.last_fault.as_deref(), Some("trapped"));
    assert_eq!(
        (row.deliveries, row.body.as_deref()),
        (1, Some(&b"poison"[..]))
    );
    assert_eq!(
        bodies(&take(one, 9, "a").await),
        ["behind"],
        "the lane goes on"
    );
    let id = full.id.to_string();
    assert_eq!(queue::redrive(one, id.clone()).await, Ok(Moved::Yes));
    assert_eq!(queue::redrive(other, id.clone()).await, Ok(Moved::NotThere));
    assert!(take(one, 9, "a").await.is_empty(), "the lane is not free");
    over(
        one,
        "UPDATE queue_ready SET due_ms = 0 WHERE holder IS NOT NULL",
    )
    .await;
    let behind = take(one, 9, "a").await.remove(0);
    assert_eq!(done(one, &behind.receipt).await, Held::Yes);
    let again = take(other, 9, "b").await.remove(0);
    assert_eq!(again.receipt.id, full.id);
    assert_eq!((again.deliveries, again.deaths), (1, 0));
    assert_eq!(again.attributes, full.attributes);
    let buried = queue::bury(one, again.receipt, "trapped".to_owned()).await;
    assert_eq!(buried, Ok(Held::Yes));
    assert_eq!(queue::redrive_all(one, "billing".to_owned()).await, Ok(0));
    assert_eq!(queue::redrive_all(one, "mailer".to_owned()).await, Ok(1));
    assert_eq!(bodies(&take(one, 9, "a").await), ["poison"]);
}

async fn what_is_dropped_is_gone_unless_somebody_has_it(one: &Database, _: &Database) {
    let [waits, held, dead] = ["waits", "held", "dead"].map(message);
    let ids = [&waits, &held, &dead].map(|message| message.id.to_string());
    send(one, vec![dead]).await;
    let got = take(one, 1, "a").await.remove(0);
    assert_eq!(
        queue::bury(one, got.receipt, "x".to_owned()).await,
        Ok(Held::Yes)
    );
    send(one, vec![held]).await;
    take(one, 1, "a").await;
    send(one, vec![waits]).await;
    for (id, moved) in ids.into_iter().zip([Moved::Yes, Moved::Held, Moved::Yes]) {
        let dropped = queue::drop_message(one, id.clone()).await;
        assert_eq!(dropped, Ok(moved), "{id}");
    }
    let nobody = queue::drop_message(one, new_id().to_string()).await;
    assert_eq!(nobody, Ok(Moved::NotThere));
    let rows = queue::list(one).await.unwrap();
    assert_eq!((rows[0].due, rows[0].held, rows[0].dead), (0, 1, 0));
}

async fn a_queue_is_counted_with_its_dead_letters(one: &Database, _: &Database) {
    let later = Message {
        delay: Duration::from_secs(60),
        ..message("123")
    };
    send(
        one,
        vec![message("1"), message("12"), later, message("1234")],
    )
    .await;
    let got = take(one, 2, "a").await;
    let buried = queue::bury(one, got[0].receipt.clone(), "x".to_owned()).await;
    assert_eq!(buried, Ok(Held::Yes));
    let depth = queue::depth(one, "mailer".to_owned()).await.unwrap();
    assert_eq!((depth.messages, depth.bytes), (4, 10));
    let rows = queue::list(one).await.unwrap();
    let row = &rows[0];
    assert_eq!((row.due, row.later, row.held, row.dead), (1, 1, 1, 1));
    assert!(row.oldest_ms.is_some());
    let alive = queue::messages(one, "mailer".to_owned(), Which::Alive).await;
    let dead = queue::messages(one, "mailer".to_owned(), Which::Dead).await;
    assert_eq!((alive.unwrap().len(), dead.unwrap().len()), (3, 1));
}

async fn a_queue_takes_no_more_than_its_room(one: &Database, _: &Database) {
    let gauge = Gauge::new(one.clone());
    let mailer: Arc<str> = "mailer".into();
    let room = Room {
        messages: 3,
        bytes: 10,
    };
    let fits = async |messages: &[Message], ms: u64| {
        let now = Moment::from_nanos(ms * 1_000_000);
        let fits = gauge.fits(&mailer, messages, room, now).await.unwrap();
        matches!(fits, Fits::Yes)
    };
    let two = [message("1"), message("2")];
    assert!(fits(&two, 0).await);
    assert!(!fits(&two, 10).await, "too many");
    assert!(!fits(&[message("123456789")], 10).await, "too large");
    assert!(fits(&[message("12345678")], 10).await);
    // Nothing of it was kept: the next count finds the queue empty.
    assert!(!fits(&two, 900).await);
    send(one, vec![message("12")]).await;
    assert!(fits(&two, 1_100).await);
    assert!(!fits(&[message("")], 1_200).await);
}

async fn who_looks_on_from_where_he_was_finds_what_has_come(one: &Database, other: &Database) {
    let look = async |database: &Database, since: i64| {
        let asked = (1, since);
        queue::claim(database, "mailer".to_owned(), asked, holder("a", 1))
            .await
            .unwrap()
    };
    let empty = look(one, 0).await;
    assert!(empty.deliveries.is_empty() && empty.since_ms > 0);
    send(other, vec![on("l", "first"), on("l", "behind")]).await;
    let first = look(one, empty.since_ms).await;
    assert_eq!(bodies(&first.deliveries), ["first"]);
    // What stood behind for long is due when it steps forward, and not when it was sent.
    over(
        one,
        "UPDATE queue_ready SET wanted_ms = 0 WHERE holder IS NULL",
    )
    .await;
    assert_eq!(done(one, &first.deliveries[0].receipt).await, Held::Yes);
    let behind = look(one, first.since_ms).await;
    assert_eq!(bodies(&behind.deliveries), ["behind"]);
    send(one, vec![message("old"), message("new")]).await;
    over(one, "UPDATE queue_ready SET due_ms = 1 WHERE holder IS NULL AND id IN (SELECT min(id) FROM queue_ready WHERE holder IS NULL)").await;
    let found = look(one, 0).await;
    assert_eq!(bodies(&found.deliveries), ["old"]);
    over(
        one,
        "UPDATE queue_ready SET due_ms = 2 WHERE holder IS NULL",
    )
    .await;
    // As long as one waits, nobody looks on past it.
    let held = look(other, behind.since_ms).await;
    assert!(held.deliveries.is_empty());
    let found = look(other, found.since_ms.min(2)).await;
    assert_eq!(bodies(&found.deliveries), ["new"]);
}
