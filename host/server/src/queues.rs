//! Queues of this host: every service that takes messages is given those of its queue, as long as the host serves.
//!
//! There is one taker for each such service. It takes no more messages than the service has room for, so that what nobody works at is free
//! for other hosts; what is taken is a call each, through the one pipeline. A message that was with a host when that died may have been the
//! reason: the second time it is delivered while nothing else is, and after the third it is a dead letter.
//!
//! What a service has on its schedule goes the same way: a tick is a message in its queue, which one host puts there.

mod delivering;
mod held;
mod taker;
mod ticks;
mod timers;

pub use timers::Schedules;

use crate::drain::{Phase, Stop};
use delivering::Desk;
use holdfast_call::{Clock, Level, Log, Notices, Pipeline, Registered, Target};
use holdfast_store::db::Database;
use holdfast_store::executions::Holder;
use holdfast_store::queue::{self, Bell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use taker::Taker;
use timers::Timers;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

/// How often it is looked which services take messages.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often this host says that it still has what it has: three times in a lease.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// What a service that takes messages has among its settings.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// The operation that takes one; none, where only what is on its schedule is asked of it.
    pub operation: Option<Arc<str>>,
    /// How many it takes at once on this host.
    pub places: usize,
    /// How often a message is delivered at most.
    pub deliveries: u64,
}

/// The queues of this host.
pub struct Queues {
    desk: Arc<Desk>,
    bell: Arc<Bell>,
    log: Arc<dyn Log>,
}

/// What queues are made of.
pub struct Parts {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Where they are kept.
    pub database: Database,
    /// This life of this host.
    pub holder: Holder,
    /// Rings when something was sent.
    pub bell: Arc<Bell>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Where it is told that a message is dead.
    pub notices: Arc<dyn Notices>,
}

impl Queues {
    /// Nothing is delivered yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            pipeline,
            database,
            holder,
            bell,
            log,
            notices,
        } = parts;
        let desk = Desk {
            pipeline,
            database,
            holder,
            notices,
            log: log.clone(),
            bell: bell.clone(),
            ended: Bell::default(),
            held: Arc::default(),
            alone: Arc::new(RwLock::new(())),
        };
        Arc::new(Self {
            desk: Arc::new(desk),
            bell,
            log,
        })
    }

    /// Delivers, until the host takes nothing more on.
    pub async fn follow(self: Arc<Self>, stop: Stop) {
        let clock = self.clock();
        if let Err(error) = queue::begin(&self.desk.database, self.desk.holder.clone()).await {
            let text = format!(
                "what earlier lives of this host had of queues is free when its leases are over: failed to {error}"
            );
            self.log.host(Level::Warn, text);
        }
        let mut takers: HashMap<Arc<str>, JoinHandle<()>> = HashMap::new();
        let mut leaving = stop.listen();
        let renewing = tokio::spawn(self.clone().renew());
        let timers = Timers::new(self.desk.clone());
        let timing = tokio::spawn(timers.run(self.desk.ended.listen(), stop.clone()));
        loop {
            for (name, _) in self.consumers() {
                let working = takers.get(&name).is_some_and(|taker| !taker.is_finished());
                if !working {
                    let taker = Taker::new(name.clone(), self.desk.clone());
                    let taker = taker.run(self.bell.listen(), stop.clone());
                    takers.insert(name, tokio::spawn(taker));
                }
            }
            tokio::select! {
                () = leaving.reached(Phase::Leaving) => break,
                () = clock.sleep_until(clock.now().after(LOOK_EVERY)) => {}
            }
        }
        for (_, taker) in takers {
            // One that panicked has nothing any more; its messages come again.
            let _ = taker.await;
        }
        // It has heard the same.
        let _ = timing.await;
        renewing.abort();
    }

    /// Says that this host still has what it has, for ever.
    async fn renew(self: Arc<Self>) {
        let clock = self.clock();
        loop {
            clock.sleep_until(clock.now().after(RENEW_EVERY)).await;
            let (database, holder) = (&self.desk.database, self.desk.holder.clone());
            let renewed = queue::renew(database, holder, self.desk.held.all()).await;
            let swept = queue::sweep(database).await;
            if let Err(error) = renewed.and(swept) {
                let text =
                    format!("messages that are being delivered cannot be held: failed to {error}");
                self.log.host(Level::Error, text);
            }
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.desk.pipeline.sources().clock.clone()
    }

    /// The services that take messages.
    fn consumers(&self) -> Vec<(Arc<str>, Arc<Registered>)> {
        let all = self.desk.pipeline.registry().all().into_iter();
        all.filter_map(|registered| match &registered.target {
            Target::Service(name) if registered.settings.get::<Consumer>().is_some() => {
                Some((name.clone(), registered.clone()))
            }
            Target::Service(_) | Target::Capability { .. } => None,
        })
        .collect()
    }
}
