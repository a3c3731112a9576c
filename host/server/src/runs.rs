//! Durable executions of this host: whichever host has a place for one takes it, and goes on with it until it ends, sleeps, or stops.
//!
//! Each is a call through the one pipeline, made from what it was begun with. What an instance does not finish is taken again, here or
//! elsewhere: at once where its host was stopped, or when the lease of one that died is over. One that hosts died of again and again waits for a person.

use crate::drain::{Listener, Phase, Stop};
use holdfast_call::{
    Call, CallId, Caller, Clock, Entry, Level, Log, Meter, Moment, Notices, Pipeline, Registered,
    Target, Trace, Tree, Why,
};
use holdfast_rules::journal::{self, Begun, Durable, Run};
use holdfast_rules::once::{Executions, LEASE};
use holdfast_store::db::{Database, DbError};
use holdfast_store::executions::Holder;
use holdfast_store::runs::{self, Taken};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often it is looked for some, if nothing rings: other hosts begin them too, and some wait for a time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long is waited at least before it is looked again.
const LOOK_REST: Duration = Duration::from_millis(20);
/// How many of one service go on at once on this host.
const PLACES: usize = 16;
/// How often one is begun in a row that comes no further, until it waits for a person.
const STARTS_MAX: u64 = 5;

/// What goes on with durable executions.
pub struct Runs {
    pipeline: Arc<Pipeline>,
    database: Database,
    executions: Arc<Executions>,
    holder: Holder,
    log: Arc<dyn Log>,
    notices: Arc<dyn Notices>,
}

/// What it is made of.
pub struct Parts {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Where they are kept.
    pub database: Database,
    /// What this host holds.
    pub executions: Arc<Executions>,
    /// This life of this host.
    pub holder: Holder,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Where it is told that one waits for a person.
    pub notices: Arc<dyn Notices>,
}

/// What goes on now.
#[derive(Default)]
struct Going {
    tasks: JoinSet<()>,
    /// Of each service what each of its executions has one of.
    places: HashMap<Arc<str>, Arc<()>>,
    runs: Vec<Weak<Run>>,
}

impl Runs {
    /// Nothing goes on yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            pipeline,
            database,
            executions,
            holder,
            log,
            notices,
        } = parts;
        Arc::new(Self {
            pipeline,
            database,
            executions,
            holder,
            log,
            notices,
        })
    }

    /// Goes on with them once all services are `ready` that may be asked, until the host takes nothing more on; what is under way then comes to
    /// its end.
    pub async fn follow(self: Arc<Self>, stop: Stop, ready: impl Future<Output = ()>) {
        let Some(bell) = self.executions.runs() else {
            return;
        };
        let (mut rung, mut leaving) = (bell.listen(), stop.listen());
        let mut going = Going::default();
        let mut silent = false;
        tokio::select! {
            () = leaving.reached(Phase::Leaving) => {}
            () = ready => {}
        }
        while stop.phase() < Phase::Leaving {
            rung.borrow_and_update();
            let mut next = LOOK_EVERY;
            for (name, registered, durable) in self.services() {
                match self.take(&name, &registered, durable, &mut going).await {
                    Ok(due) => (silent, next) = (false, next.min(due)),
                    Err(error) if !silent => {
                        let text = format!("durable executions cannot be taken: failed to {error}");
                        self.log.host(Level::Error, text);
                        silent = true;
                    }
                    Err(_) => {}
                }
            }
            self.wait(next, &mut going, &mut rung, &mut leaving).await;
        }
        self.executions.leave();
        for run in going.runs.iter().filter_map(Weak::upgrade) {
            run.leave();
        }
        while going.tasks.join_next().await.is_some() {}
    }

    /// Waits until there may be more, or a place.
    async fn wait(
        &self,
        next: Duration,
        going: &mut Going,
        rung: &mut watch::Receiver<u64>,
        leaving: &mut Listener,
    ) {
        let clock = self.clock();
        let looked = clock.sleep_until(clock.now().after(next.max(LOOK_REST)));
        tokio::select! {
            () = leaving.reached(Phase::Leaving) => {}
            // One that panicked is taken up again when its lease is over.
            Some(_) = going.tasks.join_next(), if !going.tasks.is_empty() => {}
            _ = rung.changed() => {}
            () = looked => {}
        }
        while going.tasks.try_join_next().is_some() {}
    }

    /// Takes those of one service that are due, as far as there is a place; in how long the next one may be.
    async fn take(
        self: &Arc<Self>,
        name: &Arc<str>,
        registered: &Arc<Registered>,
        durable: Durable,
        going: &mut Going,
    ) -> Result<Duration, DbError> {
        let place = going.places.entry(name.clone()).or_default().clone();
        // Two that are none: the list's and this one.
        let has = Arc::strong_count(&place) - 2;
        let free = u32::try_from(PLACES.saturating_sub(has)).unwrap_or(0);
        if free == 0 {
            return Ok(LOOK_EVERY);
        }
        let (service, holder) = (name.to_string(), self.holder.clone());
        let taken = runs::take(&self.database, service, holder, LEASE, free).await?;
        for taken in taken {
            if taken.starts > STARTS_MAX {
                let paused = self.pause(taken).await;
                self.seen(paused);
                continue;
            }
            let begun = Begun {
                taken: taken.clone(),
                digest: registered.digest.clone().unwrap_or_default(),
                steps: durable.steps,
                clock: self.clock(),
                notices: self.notices.clone(),
            };
            let run = match self.executions.go_on(begun).await {
                Ok(Some(run)) => run,
                Ok(None) => continue,
                Err(error) => {
                    self.seen(Err(error));
                    continue;
                }
            };
            going.runs.retain(|run| run.strong_count() > 0);
            going.runs.push(Arc::downgrade(&run));
            let (this, registered, place) = (self.clone(), registered.clone(), place.clone());
            going.tasks.spawn(async move {
                this.goes_on(taken, run, registered).await;
                drop(place);
            });
        }
        let next = runs::next_due(&self.database, name.to_string()).await?;
        Ok(next.unwrap_or(LOOK_EVERY))
    }

    /// Goes on with one.
    async fn goes_on(self: Arc<Self>, taken: Taken, run: Arc<Run>, registered: Arc<Registered>) {
        match self.call(&taken, run, registered) {
            Some(call) => {
                if let Ok(answer) = self.pipeline.run(call).await {
                    answer.close();
                }
            }
            None => {
                let why = "what it was begun with cannot be read".to_owned();
                let paused = runs::pause(&self.database, taken.hold, why).await;
                self.seen(paused.map(drop));
            }
        }
        // Somebody may wait for it.
        if let Some(bell) = self.executions.runs() {
            bell.ring();
        }
    }

    async fn pause(&self, taken: Taken) -> Result<(), DbError> {
        let why = format!(
            "it was begun {} times in a row and came no further, and its hosts died",
            taken.starts - 1
        );
        let text = format!(
            "the execution {} of {} waits for a person: {why}: holdfast run ls",
            taken.hold.call, taken.service
        );
        runs::pause(&self.database, taken.hold, why).await?;
        self.log.host(Level::Warn, text);
        Ok(())
    }

    /// What cannot be written now is taken up again when the lease is over.
    fn seen(&self, done: Result<(), DbError>) {
        if let Err(error) = done {
            let text = format!("a durable execution is taken up again later: failed to {error}");
            self.log.host(Level::Warn, text);
        }
    }

    fn call(&self, taken: &Taken, run: Arc<Run>, registered: Arc<Registered>) -> Option<Call> {
        let begun = journal::begun_with(&taken.asked)?;
        let sources = self.pipeline.sources();
        let random = || sources.random.sixteen();
        let target = registered.target.clone();
        let operation = taken.operation.strip_prefix(&format!("{target} "));
        Some(Call {
            id: CallId::new(sources.clock.wall(), random()),
            parent: None,
            entry: Entry::Execution,
            caller: Caller::parse(&taken.caller)?,
            asker: None,
            operation: operation.unwrap_or(&taken.operation).into(),
            target,
            registered: Some(registered),
            why: Why::claimed(&format!(
                "execution {}: {}",
                taken.hold.call,
                begun.why.as_str()
            ))
            .unwrap_or(begun.why),
            deadline: Moment::FAR,
            stream: Duration::ZERO,
            trace: match begun.trace {
                Some(trace) => trace.child(random()),
                None => Trace::start(random(), random()),
            },
            ordinal: 0,
            key: None,
            wait: None,
            execution: None,
            journal: Some(run),
            step: None,
            outbox: None,
            payload: begun.payload,
            meter: Arc::<Meter>::default(),
            above: None,
            tree: Arc::<Tree>::default(),
        })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.pipeline.sources().clock.clone()
    }

    /// The services that have durable operations.
    fn services(&self) -> Vec<(Arc<str>, Arc<Registered>, Durable)> {
        let all = self.pipeline.registry().all().into_iter();
        all.filter_map(|registered| {
            let durable = *registered.settings.get::<Durable>()?;
            match &registered.target {
                Target::Service(name) => Some((name.clone(), registered.clone(), durable)),
                Target::Capability { .. } => None,
            }
        })
        .collect()
    }
}
