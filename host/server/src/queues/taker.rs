//! Takes the messages of one service from its queue, as many as it has room for.
//!
//! Where they are done with in no time, as many again are taken before there is room for them: to take some costs a sync of the disk, during
//! which all places would stand empty. Where they are not, whatever waits is left to other hosts.

use super::Consumer;
use super::delivering::{Alone, Desk, Went};
use super::held::Taken;
use crate::drain::{Listener, Phase, Stop};
use holdfast_call::{Level, Moment, Target};
use holdfast_store::db::DbError;
use holdfast_store::queue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, watch};
use tokio::task::{JoinError, JoinSet};

/// How many messages are taken at once at most.
const AT_ONCE: usize = 64;
/// How long is waited before it is looked again, if nothing rings: other hosts send too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a delivery takes at most after which more are taken than there are places.
const QUICK: Duration = Duration::from_millis(20);
/// How often all of the queue is searched: a clock may have gone back.
const SEARCH_ALL_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether somebody is still delivered alone.
const ALONE: Duration = Duration::from_millis(50);
/// How often a message may have been with a host that died, until it is delivered while nothing else is.
const DEATHS_BESIDE: u64 = 1;

/// Takes the messages of one service.
pub(super) struct Taker {
    name: Arc<str>,
    desk: Arc<Desk>,
    running: JoinSet<(Went, Moment)>,
    /// What was taken and has no place yet.
    ready: VecDeque<Ready>,
    /// How long the last delivery took.
    took: Duration,
    /// Nothing is due since before this.
    since_ms: i64,
    /// When all of the queue is searched again.
    searches_all: Moment,
    /// The service could not be asked, and is left alone until then: what waits would only be taken and given back.
    rests_until: Moment,
    /// Whether the queue could not be read, so that it is told once.
    failing: bool,
}

/// A message that was taken, and what keeps one that is delivered alone away meanwhile.
type Ready = (Taken, Arc<OwnedRwLockReadGuard<Alone>>);

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
            ready: VecDeque::new(),
            took: Duration::MAX,
            since_ms: 0,
            searches_all: Moment::START,
            rests_until: Moment::START,
            failing: false,
        }
    }

    /// Takes messages until the service is gone or the host leaves, and then waits for what runs.
    pub(super) async fn run(mut self, mut bell: watch::Receiver<u64>, stop: Stop) {
        let mut leaving = stop.listen();
        while stop.phase() < Phase::Leaving {
            while let Some(went) = self.running.try_join_next() {
                self.note(&went);
            }
            let Some(consumer) = self.consumer() else {
                break;
            };
            if self.desk.clock().now() < self.rests_until {
                self.give_back().await;
                self.rest(&mut leaving).await;
                continue;
            }
            self.begin(&consumer);
            let free = self.free(&consumer);
            if free == 0 {
                self.rest(&mut leaving).await;
                continue;
            }
            bell.borrow_and_update();
            if let More::In(span) = self.turn(&consumer, free.min(AT_ONCE)).await {
                self.begin(&consumer);
                self.wait(span, &mut bell, &mut leaving).await;
            }
        }
        self.give_back().await;
        while self.running.join_next().await.is_some() {}
    }

    /// How many more may be taken. They are taken many at a time, so that few units of work do it.
    fn free(&self, consumer: &Consumer) -> usize {
        let ahead = match self.took < QUICK {
            true => consumer.places,
            false => 0,
        };
        let most = consumer.places + ahead;
        let free = most.saturating_sub(self.running.len() + self.ready.len());
        match self.ready.len() * 2 > ahead {
            true => 0,
            false => free,
        }
    }

    /// Has what was taken delivered, as far as there are places.
    fn begin(&mut self, consumer: &Consumer) {
        while self.running.len() < consumer.places
            && let Some(ready) = self.ready.pop_front()
        {
            self.deliver(ready, consumer);
        }
    }

    /// Gives back what has no place yet.
    async fn give_back(&mut self) {
        while let Some((taken, _beside)) = self.ready.pop_front() {
            self.desk.not_now(taken).await;
        }
    }

    /// Waits for a place, or until the service has been left alone for long enough.
    async fn rest(&mut self, leaving: &mut Listener) {
        let clock = self.desk.clock();
        let resting = clock.now() < self.rests_until;
        let rested = clock.sleep_until(self.rests_until);
        tokio::select! {
            () = leaving.reached(Phase::Leaving) => {}
            Some(went) = self.running.join_next(), if !self.running.is_empty() => self.note(&went),
            () = rested, if resting => {}
        }
    }

    /// Waits until there may be more.
    async fn wait(
        &mut self,
        span: Duration,
        bell: &mut watch::Receiver<u64>,
        leaving: &mut Listener,
    ) {
        let clock = self.desk.clock();
        let looked = clock.sleep_until(clock.now().after(span.min(LOOK_EVERY)));
        tokio::select! {
            () = leaving.reached(Phase::Leaving) => {}
            _ = bell.changed() => {}
            Some(went) = self.running.join_next(), if !self.running.is_empty() => self.note(&went),
            () = looked => {}
        }
    }

    fn note(&mut self, went: &Result<(Went, Moment), JoinError>) {
        // One that panicked has nothing any more; its message comes again.
        let Ok((went, began)) = went else { return };
        let now = self.desk.clock().now();
        self.took = now.since(*began);
        if let Went::NotAsked(pause) = went {
            self.rests_until = self.rests_until.max(now.after(*pause));
        }
    }

    /// What the service is, as long as it takes messages.
    fn consumer(&self) -> Option<Consumer> {
        let target = Target::Service(self.name.clone());
        let registered = self.desk.pipeline.registry().get(&target)?;
        registered.settings.get::<Consumer>().cloned()
    }

    async fn turn(&mut self, consumer: &Consumer, most: usize) -> More {
        match self.take(consumer, most).await {
            Ok(more) => {
                self.failing = false;
                more
            }
            Err(error) => {
                if !self.failing {
                    let text = format!(
                        "the queue of {} cannot be read: failed to {error}",
                        self.name
                    );
                    self.desk.log.host(Level::Error, text);
                }
                self.failing = true;
                More::In(LOOK_EVERY)
            }
        }
    }

    /// Takes up to so many, and has them delivered.
    async fn take(&mut self, consumer: &Consumer, most: usize) -> Result<More, DbError> {
        // Before they are taken: what waits here for somebody who is alone would be with this host if it died of him.
        // Nobody waits for that one here, for he waits for what was taken before, which is begun from here.
        let Ok(beside) = self.desk.alone.clone().try_read_owned() else {
            return Ok(More::In(ALONE));
        };
        let beside = Arc::new(beside);
        let desk = self.desk.clone();
        let now = desk.clock().now();
        if self.searches_all <= now {
            self.since_ms = 0;
            self.searches_all = now.after(SEARCH_ALL_EVERY);
        }
        let (name, asked) = (self.name.to_string(), (most, self.since_ms));
        let claimed = queue::claim(&desk.database, name, asked, desk.holder.clone()).await?;
        self.since_ms = claimed.since_ms;
        let more = match (claimed.deliveries.len() < most, claimed.next) {
            // What is due and could not be had is another host's, who is at it.
            (true, next) => More::In(next.filter(|span| !span.is_zero()).unwrap_or(LOOK_EVERY)),
            (false, _) => More::Perhaps,
        };
        let taken = claimed.deliveries.into_iter();
        let taken = taken.map(|delivery| desk.held.hold(delivery));
        let suspect = |taken: &Taken| taken.delivery.deaths > DEATHS_BESIDE;
        let (suspects, others): (Vec<_>, Vec<_>) = taken.partition(suspect);
        if suspects.is_empty() {
            let others = others.into_iter();
            self.ready
                .extend(others.map(|taken| (taken, beside.clone())));
            return Ok(more);
        }
        // Nothing else is with this host when the one is delivered, or it would be taken for the reason too.
        drop(beside);
        let mut suspects = suspects.into_iter();
        let suspect = suspects.next();
        for taken in suspects.chain(others) {
            self.desk.not_now(taken).await;
        }
        self.give_back().await;
        if let Some(taken) = suspect {
            let began = self.desk.clock().now();
            let alone = self.desk.alone.clone().write_owned().await;
            let went = self.desk.deliver(&self.name, consumer, taken).await;
            drop(alone);
            self.note(&Ok((went, began)));
        }
        Ok(More::Perhaps)
    }

    fn deliver(&mut self, (taken, beside): Ready, consumer: &Consumer) {
        let (desk, name, consumer) = (self.desk.clone(), self.name.clone(), consumer.clone());
        self.running.spawn(async move {
            let began = desk.clock().now();
            let went = desk.deliver(&name, &consumer, taken).await;
            drop(beside);
            (went, began)
        });
    }
}
