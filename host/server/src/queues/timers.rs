//! What services have on their schedules: each tick is put into the queue of its service, by one host.

use super::delivering::Desk;
use super::ticks;
use crate::drain::{Phase, Stop};
use holdfast_call::{Level, Target};
use holdfast_rules::schedule::{Due, Overlap, Schedule, When};
use holdfast_store::db::DbError;
use holdfast_store::schedules::{self, Tick, Ticked};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked at least: services come and go.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the database is asked for its time, and for what other hosts have done, in milliseconds.
const ASK_EVERY_MS: i64 = 60_000;

/// How many ticks of a schedule wait for the one before them at most.
const WAITING_MAX: i64 = 100;

/// What a service has on its schedule: among its settings.
#[derive(Clone, Debug)]
pub struct Schedules(pub Arc<[Schedule]>);

/// Fires ticks.
pub(super) struct Timers {
    desk: Arc<Desk>,
    known: HashMap<Name, Known>,
}

/// A service, and one of its schedules.
type Name = (Arc<str>, Arc<str>);

/// What is known of a schedule.
#[derive(Clone, Copy)]
struct Known {
    /// Up to which moment it is done with.
    last_ms: i64,
    /// How far the clock of the database is ahead of this host's, in milliseconds.
    ahead_ms: i64,
    /// When that was asked, by this host's clock.
    asked_ms: i64,
}

impl Timers {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            known: HashMap::new(),
        }
    }

    /// Fires until the host leaves.
    pub(super) async fn run(mut self, mut bell: watch::Receiver<u64>, stop: Stop) {
        let clock = self.desk.clock();
        let mut leaving = stop.listen();
        let mut failing = false;
        loop {
            bell.borrow_and_update();
            let pause = match self.turn().await {
                Ok(pause) => {
                    failing = false;
                    pause
                }
                Err(error) => {
                    if !failing {
                        let text =
                            format!("what is on schedules cannot be asked for: failed to {error}");
                        self.desk.log.host(Level::Error, text);
                    }
                    failing = true;
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = leaving.reached(Phase::Leaving) => return,
                _ = bell.changed() => {}
                () = clock.sleep_until(clock.now().after(pause)) => {}
            }
        }
    }

    /// Fires what is due; how long there is nothing to do.
    async fn turn(&mut self) -> Result<Duration, DbError> {
        let mut pause = LOOK_EVERY;
        for (service, schedules) in self.scheduled() {
            for schedule in &*schedules {
                let left = match schedule.when {
                    When::Always => self.keep_going(&service, schedule).await?,
                    When::Every(_) | When::Cron(_) => self.fire(&service, schedule).await?,
                };
                pause = pause.min(left);
            }
        }
        Ok(pause)
    }

    fn scheduled(&self) -> Vec<(Arc<str>, Arc<[Schedule]>)> {
        let all = self.desk.pipeline.registry().all().into_iter();
        let with = all.filter_map(|registered| {
            let Schedules(schedules) = registered.settings.get::<Schedules>()?.clone();
            match &registered.target {
                Target::Service(name) => Some((name.clone(), schedules)),
                Target::Capability { .. } => None,
            }
        });
        with.collect()
    }

    /// Fires each tick that is due, in their order; how long it is to the next one.
    async fn fire(&mut self, service: &Arc<str>, schedule: &Schedule) -> Result<Duration, DbError> {
        let name = (service.clone(), schedule.name.clone());
        loop {
            let known = self.known(&name).await?;
            let now = self.wall_ms() + known.ahead_ms;
            let Some(due) = schedule.when.due(known.last_ms, now, schedule.missed) else {
                let next = schedule.when.after(known.last_ms).unwrap_or(i64::MAX);
                let left = next.saturating_sub(now).max(0).unsigned_abs();
                return Ok(Duration::from_millis(left));
            };
            match self.tick(service, schedule, known, due).await? {
                Ticked::NotOurs => {
                    self.known.remove(&name);
                }
                Ticked::Yes | Ticked::Skipped => {
                    let last_ms = due.upto;
                    self.known.insert(name.clone(), Known { last_ms, ..known });
                }
            }
        }
    }

    async fn tick(
        &self,
        service: &Arc<str>,
        schedule: &Schedule,
        known: Known,
        due: Due,
    ) -> Result<Ticked, DbError> {
        let sources = self.desk.pipeline.sources();
        let message = due
            .tick
            .map(|ms| ticks::message(service, schedule, ms, sources));
        let tick = Tick {
            service: service.clone(),
            name: schedule.name.clone(),
            seen_ms: known.last_ms,
            upto_ms: due.upto,
            missed: due.missed,
            message,
            waiting_max: match schedule.overlap {
                Overlap::Skip => 1,
                Overlap::Queue => WAITING_MAX,
            },
        };
        let ticked = schedules::tick(&self.desk.database, tick).await?;
        if ticked == Ticked::NotOurs {
            return Ok(ticked);
        }
        if due.missed > 0 {
            let missed = format!("has missed {} ticks: no host was there", due.missed);
            self.say(service, schedule, &missed);
        }
        match ticked {
            Ticked::Skipped => {
                self.say(
                    service,
                    schedule,
                    "is skipped: what it asked for before has not ended",
                );
            }
            Ticked::Yes | Ticked::NotOurs => self.desk.bell.ring(),
        }
        Ok(ticked)
    }

    /// Asks once more for what runs again as soon as it has ended, if it has.
    async fn keep_going(
        &mut self,
        service: &Arc<str>,
        schedule: &Schedule,
    ) -> Result<Duration, DbError> {
        // The first to see it makes its row.
        self.known(&(service.clone(), schedule.name.clone()))
            .await?;
        let sources = self.desk.pipeline.sources();
        let message = ticks::message(service, schedule, self.wall_ms(), sources);
        let name = schedule.name.clone();
        let fired = schedules::keep_going(&self.desk.database, name, message).await?;
        if fired == Ticked::Yes {
            self.desk.bell.ring();
        }
        Ok(LOOK_EVERY)
    }

    async fn known(&mut self, name: &Name) -> Result<Known, DbError> {
        let wall = self.wall_ms();
        if let Some(known) = self.known.get(name)
            && (0..ASK_EVERY_MS).contains(&wall.saturating_sub(known.asked_ms))
        {
            return Ok(*known);
        }
        let (service, schedule) = name.clone();
        let (last_ms, now) = schedules::last(&self.desk.database, service, schedule).await?;
        let known = Known {
            last_ms,
            ahead_ms: now - wall,
            asked_ms: wall,
        };
        self.known.insert(name.clone(), known);
        Ok(known)
    }

    fn wall_ms(&self) -> i64 {
        let wall = self.desk.clock().wall().millis();
        i64::try_from(wall).unwrap_or(i64::MAX)
    }

    fn say(&self, service: &str, schedule: &Schedule, what: &str) {
        let text = format!("the schedule {} of {service} {what}", schedule.name);
        self.desk.log.host(Level::Warn, text);
    }
}
