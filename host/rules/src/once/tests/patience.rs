//! Who would rather wait for an earlier call with the same key: what he gets, how long he waits, and how many may.

use super::*;
use crate::admit;
use crate::testing::{Feed, poll, streaming};
use holdfast_call::Priority;
use std::task::Poll;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

type Waits = BoxFuture<'static, Reply>;

/// A service with eight places whose answers are fed by hand, and a first call with the key `k` that it has.
async fn busy() -> (World, UnboundedReceiver<Feed>, JoinHandle<Reply>, Feed) {
    let world = world().await;
    let clock = world.bench.parts.sources.clock.clone();
    let limits = admit::Limits {
        places: 8,
        streams: 1,
    };
    let settings = admit::Settings {
        places: admit::Places::new(limits, clock),
        each: None,
        priority: Priority::Default,
        room: None,
        slots: 1,
        calls_max: 1,
    };
    let (feeds, mut taken) = streaming();
    let ran = world.ran.clone();
    let does = move |admitted| {
        ran.fetch_add(1, SeqCst);
        feeds(admitted)
    };
    let settings = All::default().with(settings);
    register(&world.pipeline, &service("orders"), settings, does);
    let call = world.call(Some("k"), "POST", "");
    let pipeline = world.pipeline.clone();
    let first = tokio::spawn(async move { pipeline.run(call).await });
    let feed = taken.recv().await.unwrap();
    (world, taken, first, feed)
}

impl World {
    /// Asks under the key, and would wait so many seconds.
    fn waits(&self, secs: u64, body: &'static str) -> Waits {
        let mut call = self.call(Some("k"), "POST", body);
        call.wait = Some(Duration::from_secs(secs));
        call.deadline = self.bench.now().after(Duration::from_secs(30));
        let pipeline = self.pipeline.clone();
        Box::pin(async move { pipeline.run(call).await })
    }

    /// Lets the clock go on in steps until one of them has its reply, and says after how long; at most an hour.
    async fn goes_on(&self, waiting: &mut [Waits], step: Duration) -> (Reply, Duration) {
        let began = self.bench.now();
        loop {
            for one in waiting.iter_mut() {
                if let Poll::Ready(reply) = poll(one) {
                    return (reply, self.bench.now().since(began));
                }
            }
            self.bench.clock.advance(step);
            assert!(self.bench.now().since(began) < Duration::from_secs(3_600));
            // For the database, which has a clock of its own.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets them come so far that each waits.
    async fn seated(&self, waiting: &mut [Waits]) {
        let wanted = self.bench.clock.timers() + waiting.len() as u64;
        while self.bench.clock.timers() < wanted {
            for one in waiting.iter_mut() {
                assert!(poll(one).is_pending());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn who_would_rather_wait_gets_the_answer_once_it_is_there() {
    let (world, _taken, first, feed) = busy().await;
    let mut waiting = [world.waits(20, "")];
    world.seated(&mut waiting).await;
    // Who asks for something else under the key need not wait to be told.
    let other = fault(world.waits(20, "other").await);
    assert_eq!(other.host_code(), Some(HostCode::KeyReused));
    feed.send(Ok("done")).unwrap();
    drop(feed);
    assert!(first.await.unwrap().is_ok());
    let (reply, took) = world.goes_on(&mut waiting, Duration::from_millis(5)).await;
    assert_eq!(&seen(reply).2[..], b"done");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(world.ran(), 1);
}

#[tokio::test]
async fn who_has_waited_long_enough_is_told_that_it_still_runs() {
    let (world, _taken, _first, _feed) = busy().await;
    for (wish, least, most) in [(3, 3, 4), (3_000, 27, 30)] {
        let mut waiting = [world.waits(wish, "")];
        world.seated(&mut waiting).await;
        let (reply, took) = world.goes_on(&mut waiting, Duration::from_millis(50)).await;
        assert_eq!(fault(reply).host_code(), Some(HostCode::InProgress));
        let range = Duration::from_secs(least)..Duration::from_secs(most);
        assert!(range.contains(&took), "{wish}: {took:?}");
    }
    // Without a wish he is told at once.
    let told = fault(world.ask("k", "").await);
    assert_eq!(told.host_code(), Some(HostCode::InProgress));
}

#[tokio::test]
async fn no_more_than_a_quarter_of_the_places_is_for_waiting_and_each_is_given_back() {
    let (world, _taken, _first, _feed) = busy().await;
    for _ in 0..2 {
        let mut waiting = vec![world.waits(20, ""), world.waits(20, "")];
        world.seated(&mut waiting).await;
        let told = fault(world.waits(20, "").await);
        assert_eq!(told.host_code(), Some(HostCode::InProgress));
        // One goes away, the other waits to the end; both seats are free again.
        waiting.pop();
        let (reply, _) = world.goes_on(&mut waiting, Duration::from_secs(1)).await;
        assert_eq!(fault(reply).host_code(), Some(HostCode::InProgress));
    }
}

#[tokio::test]
async fn who_waited_for_one_that_came_to_nothing_runs_himself() {
    let (world, mut taken, first, feed) = busy().await;
    let mut waiting = [world.waits(20, "")];
    world.seated(&mut waiting).await;
    // Its client goes away, and it had changed nothing.
    first.abort();
    drop(feed);
    assert!(first.await.unwrap_err().is_cancelled());
    let serves = tokio::spawn(async move {
        let feed = taken.recv().await.unwrap();
        feed.send(Ok("done")).unwrap();
    });
    let (reply, _) = world.goes_on(&mut waiting, Duration::from_millis(5)).await;
    assert_eq!(&seen(reply).2[..], b"done");
    serves.await.unwrap();
    assert_eq!(world.ran(), 2);
}
