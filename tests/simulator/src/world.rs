//! The world: whose turn it is, what goes wrong, and that all is well in the end.

mod faults;
mod units;

pub use faults::Faults;

use crate::Report;
use crate::clients::{self, Waiting};
use crate::disk::SharedClock;
use crate::host::{self, Life};
use crate::look::{Seen, look};
use crate::power::Power;
use crate::stage::{Asked, Coming, Desk, Link, Owner, Shared, Task, Wants};
use faults::Armed;
use holdfast_store::db::DbError;
use sha2::{Digest as _, Sha256};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

/// When it begins, in milliseconds since 1970.
const BEGIN_MS: i64 = 1_800_000_000_000;
/// How much happens while things go wrong.
const STORM_ACTS: u64 = 220;
/// How many turns it may take until all is settled.
const CALM_TURNS_MAX: u64 = 20_000;
/// How often it is looked at all that is there, in turns.
const LOOK_EVERY: u64 = 16;
/// How often it is looked whether all is settled, in turns.
const SETTLED_EVERY: u64 = 25;

/// An actor.
struct Actor {
    owner: Owner,
    name: String,
    desk: Rc<Desk>,
    task: Task,
}

/// A unit of work that is still on its way.
struct Late {
    due: i64,
    asked: Asked,
}

/// The world of one seed.
pub(crate) struct World {
    shared: Rc<Shared>,
    power: Power,
    actors: Vec<Actor>,
    late: Vec<Late>,
    /// When hosts come back.
    returns: Vec<(i64, usize)>,
    waiting: Waiting,
    armed: Option<Armed>,
    faults: Faults,
    turns: u64,
    /// How many of them were not only waited for.
    acts: u64,
    units: u64,
    syncs: u64,
}

/// What may be done next.
#[derive(Clone, Copy)]
enum Turn {
    Of(usize),
    Late(usize),
}

impl World {
    pub(crate) async fn new(seed: u64) -> Result<Self, DbError> {
        let clock = Arc::new(SharedClock::default());
        clock.set(BEGIN_MS);
        let shared = Rc::new(Shared::new(seed, clock.clone()));
        let power = Power::on(&clock, shared.dice.split()).await?;
        Ok(Self {
            shared,
            power,
            actors: Vec::new(),
            late: Vec::new(),
            returns: vec![(0, 0), (0, 1)],
            waiting: Waiting::default(),
            armed: None,
            faults: Faults::default(),
            turns: 0,
            acts: 0,
            units: 0,
            syncs: 0,
        })
    }

    /// All that happens.
    pub(crate) async fn goes(mut self, seed: u64) -> Report {
        if let Err(error) = self.passes().await {
            let how = format!("{error:?}");
            self.shared.truth.broken("the database can be used", how);
        }
        let millis = (self.shared.now() - BEGIN_MS).unsigned_abs();
        let syncs = self.syncs + self.power.disk.syncs();
        self.actors.clear();
        self.power.off().await;
        let trace = self.shared.trace.take();
        Report {
            seed,
            hash: Sha256::digest(trace.join("\n")).into(),
            trace,
            broken: self.shared.truth.verdict(),
            faults: self.faults,
            turns: self.turns,
            units: self.units,
            syncs,
            millis,
        }
    }

    async fn passes(&mut self) -> Result<(), DbError> {
        self.shared
            .spawn(Owner::Outside, "the operator", clients::operates);
        while self.acts < STORM_ACTS && self.is_well() {
            self.meets_faults().await?;
            self.turn().await?;
            if self.acts.is_multiple_of(LOOK_EVERY) {
                self.looks().await?;
            }
        }
        self.calms_down().await?;
        self.settles().await?;
        // What living hosts have not heard of is over with their lives.
        for host in 0..2 {
            self.dies(host, 0);
        }
        let until = self.shared.now() + 30_000;
        while self.shared.now() < until && self.is_well() {
            self.turn().await?;
        }
        let seen = self.looks().await?;
        if let Some(seen) = seen.filter(|seen| !seen.reservations.is_empty()) {
            let how = format!("{:?}", seen.reservations);
            self.shared
                .truth
                .broken("ledger: in the end nothing is reserved", how);
        }
        Ok(())
    }

    /// Goes on until nothing is left to be done.
    async fn settles(&mut self) -> Result<(), DbError> {
        let end = self.turns + CALM_TURNS_MAX;
        while self.is_well() {
            self.turn().await?;
            let every = match self.waiting.get() == 0 && self.late.is_empty() {
                true => SETTLED_EVERY,
                false => 4 * SETTLED_EVERY,
            };
            if !self.turns.is_multiple_of(every) {
                continue;
            }
            let Some(seen) = self.looks().await? else {
                continue;
            };
            let done = seen.executions.iter().all(|row| row.state == 1);
            if done && seen.ready.is_empty() && self.waiting.get() == 0 && self.late.is_empty() {
                self.shared.say("all is settled");
                return Ok(());
            }
            if self.turns > end {
                let open = seen.executions.iter().filter(|row| row.state != 1);
                let open: Vec<_> = open.collect();
                let how = format!("{} wait, {open:?}, {:?}", self.waiting.get(), seen.ready);
                self.shared.truth.broken("in the end all is settled", how);
            }
        }
        Ok(())
    }

    fn is_well(&self) -> bool {
        self.shared.truth.verdict().is_none()
    }

    /// Looks at all that is there; none, where the disk fails meanwhile.
    async fn looks(&mut self) -> Result<Option<Seen>, DbError> {
        match look(&self.power.database).await {
            Ok(seen) => {
                self.shared.truth.look(&seen);
                Ok(Some(seen))
            }
            Err(_) if self.power.disk.is_dead() => {
                self.loses_power().await?;
                Ok(None)
            }
            Err(_) if self.shared.storm.get() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One thing happens.
    async fn turn(&mut self) -> Result<(), DbError> {
        self.turns += 1;
        self.begins();
        let turns = self.possible();
        if turns.is_empty() {
            self.waits();
            return Ok(());
        }
        self.acts += 1;
        let drawn = self.shared.dice.below(turns.len() as u64);
        let drawn = usize::try_from(drawn).unwrap_or(0);
        let pause = self.shared.dice.below(25);
        self.passes_time(i64::try_from(pause).unwrap_or(0));
        match turns.get(drawn) {
            Some(Turn::Of(actor)) => self.acts(*actor).await,
            Some(Turn::Late(late)) => self.arrives_late(*late).await,
            None => {}
        }
        for host in self.shared.dying.take() {
            self.shared
                .say(&format!("host {host} dies of what it does"));
            let back = self.shared.dice.between(500, 20_000);
            self.dies(host, back);
        }
        if self.power.disk.is_dead() {
            self.loses_power().await?;
        }
        Ok(())
    }

    /// Whoever comes, comes; and hosts come back.
    fn begins(&mut self) {
        let now = self.shared.now();
        let back: Vec<_> = self.returns.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, host) in back {
            self.lives(host);
        }
        for coming in self.shared.coming() {
            self.comes(coming);
        }
    }

    fn lives(&mut self, host: usize) {
        let dice = &self.shared.dice;
        let pace = i64::try_from(dice.between(960, 1_040)).unwrap_or(1_000);
        let skew = i64::try_from(dice.below(40_000)).unwrap_or(0) - 20_000;
        let life = Life::new(host, self.shared.now(), (pace, skew));
        if let Some(seat) = self.shared.hosts.borrow_mut().get_mut(host) {
            *seat = Some(life.clone());
        }
        self.shared.say(&format!("host {host} is up"));
        let own = life.clone();
        self.shared
            .spawn(Owner::Host(host), &life.name, |link| host::live(link, own));
    }

    fn comes(&mut self, coming: Coming) {
        let Coming { owner, name, begin } = coming;
        let pace = match owner {
            Owner::Outside => 1_000,
            Owner::Host(host) => match self.shared.life(host) {
                Some(life) => life.pace,
                // It died before that began.
                None => return,
            },
        };
        let desk = Rc::<Desk>::default();
        let link = Link {
            shared: self.shared.clone(),
            desk: desk.clone(),
            pace,
        };
        let task = begin(link);
        let actor = Actor {
            owner,
            name,
            desk,
            task,
        };
        self.actors.push(actor);
        self.polls(self.actors.len() - 1);
    }

    /// Lets an actor go on until it waits again.
    fn polls(&mut self, number: usize) {
        let mut cx = Context::from_waker(Waker::noop());
        let ended = match self.actors.get_mut(number) {
            Some(actor) => actor.task.as_mut().poll(&mut cx).is_ready(),
            None => return,
        };
        if ended {
            self.actors.swap_remove(number);
        }
    }

    /// What may be done now.
    fn possible(&self) -> Vec<Turn> {
        let now = self.shared.now();
        let actors = self.actors.iter().enumerate().filter(|(_, actor)| {
            let stalled = match actor.owner {
                Owner::Host(host) => {
                    let life = self.shared.life(host);
                    life.is_some_and(|life| life.stalled_until.get() > now)
                }
                Owner::Outside => false,
            };
            !stalled && is_ready(actor, now)
        });
        let late = self
            .late
            .iter()
            .enumerate()
            .filter(|(_, late)| late.due <= now);
        let actors = actors.map(|(number, _)| Turn::Of(number));
        actors
            .chain(late.map(|(number, _)| Turn::Late(number)))
            .collect()
    }

    /// Nothing can be done before some time has passed.
    fn waits(&mut self) {
        let now = self.shared.now();
        let rests = self.actors.iter().filter_map(|actor| {
            let stalled = match actor.owner {
                Owner::Host(host) => self
                    .shared
                    .life(host)
                    .map_or(0, |life| life.stalled_until.get()),
                Owner::Outside => 0,
            };
            let due = match actor.desk.wants.borrow().as_ref()? {
                Wants::Rest { until, bell } => match bell
                    .as_ref()
                    .is_some_and(|(bell, seen)| bell.rung() != *seen)
                {
                    true => now,
                    false => (*until)?,
                },
                Wants::Unit(_) => now,
            };
            Some(due.max(stalled))
        });
        let late = self.late.iter().map(|late| late.due);
        let back = self.returns.iter().map(|(at, _)| *at);
        let next = rests.chain(late).chain(back).min();
        self.passes_time((next.unwrap_or(now + 1_000) - now).max(1));
    }

    fn passes_time(&self, millis: i64) {
        self.shared.clock.set(self.shared.now() + millis);
    }

    /// A host dies: nothing of what it does goes on. It comes back after so long.
    fn dies(&mut self, host: usize, back_ms: u64) {
        if let Some(seat) = self.shared.hosts.borrow_mut().get_mut(host) {
            *seat = None;
        }
        self.actors.retain(|actor| actor.owner != Owner::Host(host));
        self.returns.retain(|(_, returning)| *returning != host);
        let back = self.shared.now() + i64::try_from(back_ms).unwrap_or(0);
        self.returns.push((back, host));
    }
}

fn is_ready(actor: &Actor, now: i64) -> bool {
    match actor.desk.wants.borrow().as_ref() {
        Some(Wants::Unit(_)) => true,
        Some(Wants::Rest { until, bell }) => {
            let over = until.is_some_and(|until| until <= now);
            over || bell
                .as_ref()
                .is_some_and(|(bell, seen)| bell.rung() != *seen)
        }
        None => false,
    }
}
