//! Takes the messages of one service from its queue, as many as it has room for.

use super::Consumer;
use super::delivering::{Alone, Desk};
use crate::drain::{Phase, Stop};
use holdfast_call::{Level, Target};
use holdfast_store::queue::{self, Delivery};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, watch};
use tokio::task::JoinSet;

/// How many messages are taken at once at most.
const AT_ONCE: usize = 64;
/// How long is waited before it is looked again, if nothing rings: other hosts send too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a message may have been with a host that died, until it is delivered while nothing else is.
const DEATHS_BESIDE: u64 = 1;

/// Takes the messages of one service.
pub(super) struct Taker {
    name: Arc<str>,
    desk: Arc<Desk>,
    running: JoinSet<()>,
}

/// Whether there is more to take at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    /// There may be.
    Perhaps,
    /// Not before this time.
    In(Duration),
}

impl Taker {
    pub(super) fn new(name: Arc<str>, desk: Arc<Desk>) -> Self {
        Self {
            name,
            desk,
            running: JoinSet::new(),
        }
    }

    /// Takes messages until the service is gone or the host leaves, and then waits for what runs.
    pub(super) async fn run(mut self, mut bell: watch::Receiver<u64>, stop: Stop) {
        let mut leaving = stop.listen();
        let mut failing = false;
        loop {
            while self.running.try_join_next().is_some() {}
            let Some(consumer) = self.consumer() else {
                break;
            };
            let free = consumer.places.saturating_sub(self.running.len());
            if free == 0 {
                tokio::select! {
                    () = leaving.reached(Phase::Leaving) => break,
                    _ = self.running.join_next() => continue,
                }
            }
            bell.borrow_and_update();
            let more = match self.take(&consumer, free.min(AT_ONCE)).await {
                Ok(more) => {
                    failing = false;
                    more
                }
                Err(error) => {
                    if !failing {
                        let text = format!(
                            "the queue of {} cannot be read: failed to {error}",
                            self.name
                        );
                        self.desk.log.host(Level::Error, text);
                    }
                    failing = true;
                    More::In(LOOK_EVERY)
                }
            };
            let More::In(span) = more else { continue };
            let clock = self.desk.clock();
            let until = clock.now().after(span.min(LOOK_EVERY));
            tokio::select! {
                () = leaving.reached(Phase::Leaving) => break,
                _ = bell.changed() => {}
                Some(_) = self.running.join_next(), if !self.running.is_empty() => {}
                () = clock.sleep_until(until) => {}
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    /// What the service is, as long as it takes messages.
    fn consumer(&self) -> Option<Consumer> {
        let target = Target::Service(self.name.clone());
        let registered = self.desk.pipeline.registry().get(&target)?;
        registered.settings.get::<Consumer>().cloned()
    }

    /// Takes up to so many, and has them delivered.
    async fn take(
        &mut self,
        consumer: &Consumer,
        most: usize,
    ) -> Result<More, holdfast_store::db::DbError> {
        // Before they are taken: what waits here for somebody who is alone would be with this host if it died of him.
        let beside = Arc::new(self.desk.alone.clone().read_owned().await);
        let desk = &self.desk;
        let claimed = queue::claim(
            &desk.database,
            self.name.to_string(),
            most,
            desk.holder.clone(),
        );
        let claimed = claimed.await?;
        let more = match (claimed.deliveries.len() < most, claimed.next) {
            // What is due and could not be had is another host's, who is at it.
            (true, next) => More::In(next.filter(|span| !span.is_zero()).unwrap_or(LOOK_EVERY)),
            (false, _) => More::Perhaps,
        };
        let suspect = |delivery: &Delivery| delivery.deaths > DEATHS_BESIDE;
        let (suspects, others): (Vec<_>, Vec<_>) =
            claimed.deliveries.into_iter().partition(suspect);
        if suspects.is_empty() {
            for delivery in others {
                self.deliver(delivery, consumer, &beside);
            }
            return Ok(more);
        }
        for delivery in others {
            desk.not_now(delivery).await;
        }
        drop(beside);
        for delivery in suspects {
            let alone = self.desk.alone.clone().write_owned().await;
            self.desk.deliver(&self.name, consumer, delivery).await;
            drop(alone);
        }
        Ok(More::Perhaps)
    }

    fn deliver(
        &mut self,
        delivery: Delivery,
        consumer: &Consumer,
        beside: &Arc<OwnedRwLockReadGuard<Alone>>,
    ) {
        let (desk, name) = (self.desk.clone(), self.name.clone());
        let (consumer, beside) = (consumer.clone(), beside.clone());
        self.running.spawn(async move {
            desk.deliver(&name, &consumer, delivery).await;
            drop(beside);
        });
    }
}
