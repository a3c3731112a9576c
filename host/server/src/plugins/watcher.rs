//! The watcher's decisions: it looks at the directory, steps the machine of each service, and gives the loader its work.
//!
//! It never reads a component and never waits for a load.

use crate::plugins::directory::{self, Listing};
use crate::plugins::load::Promises;
use crate::plugins::policy::{Due, Policy};
use crate::plugins::service::{Again, Effect, Event, QUIET, Service};
use crate::plugins::status::ServiceStatus;
use crate::plugins::words::{Ended, Job, Phase, Reply, Say, Verdict, Word};
use crate::router::{NotLoaded, Route, Routes};
use holdfast_call::{Clock, Moment};
use holdfast_rules::trial::canary::Share;
use notify::RecommendedWatcher;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::watch;

/// How often the directory is looked at although nothing was heard of it.
const RESCAN: Duration = Duration::from_secs(2);

/// What the watcher knows.
pub(super) struct Watcher {
    pub(super) directory: PathBuf,
    pub(super) policy: Option<Policy>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) routes: Arc<Routes>,
    pub(super) say: Say,
    /// Held so that the file system goes on telling.
    #[expect(
        dead_code,
        reason = "what matters is that it lives as long as the watcher does"
    )]
    pub(super) events: Option<RecommendedWatcher>,
    pub(super) services: BTreeMap<Arc<str>, Service>,
    /// What was said already, so that it is said once.
    pub(super) told: BTreeSet<String>,
    /// What is to be put back once the load that is on its way has ended.
    pub(super) worse: BTreeMap<Arc<str>, Verdict>,
    /// When to look next.
    pub(super) due: Moment,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) publish: watch::Sender<Arc<Vec<ServiceStatus>>>,
    pub(super) ready: watch::Sender<bool>,
}

impl Watcher {
    /// Looks and hears until the host is gone.
    pub(super) fn run(mut self, words: &mpsc::Receiver<Word>) {
        self.look();
        loop {
            let now = self.clock.now();
            let word = if self.due <= now {
                Err(RecvTimeoutError::Timeout)
            } else {
                words.recv_timeout(self.due.since(now))
            };
            match word {
                Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(word) => self.hear(word),
                Err(RecvTimeoutError::Timeout) => self.look(),
            }
            self.show();
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            // Never later than a look that is due already: a file that never comes to rest must not keep the others waiting.
            Word::Look => self.soon(),
            Word::Ended { name, ended } => self.ended(&name, ended),
            Word::RollBack { name, reply } => self.roll_back(name, reply),
            Word::Load {
                name,
                promises,
                reply,
            } => self.load(name, promises, reply),
            Word::Worse(verdict) => self.put_back(verdict),
            Word::Wider {
                name,
                digest,
                share,
            } => self.wider(&name, &digest, share),
            Word::Passed { name, digest } => self.give(Job::Promote { name, digest }),
            Word::Reload(reply) => self.give(Job::Reload(Some(reply))),
            Word::Reloaded => self.retry(None, Again::NewPolicy),
            Word::Stop => {}
        }
    }

    fn soon(&mut self) {
        self.due = self.due.min(self.clock.now().after(QUIET));
    }

    fn look(&mut self) {
        self.due = self.clock.now().after(RESCAN);
        match directory::list(&self.directory) {
            Ok(listing) => self.seen(listing),
            Err(error) => {
                let path = self.directory.display();
                self.tell(format!(
                    "cannot read {path}: {error}; what serves serves on"
                ));
                return;
            }
        }
        let now = self.clock.now();
        match self.policy.as_mut().map(|policy| policy.look(now)) {
            Some(Due::Soon) => self.soon(),
            Some(Due::Now) => self.give(Job::Reload(None)),
            Some(Due::No) | None => {}
        }
    }

    fn seen(&mut self, listing: Listing) {
        self.told.retain(|text| {
            listing
                .ignored
                .iter()
                .any(|(file, _)| text.starts_with(&format!("{file} ")))
        });
        for (file, why) in &listing.ignored {
            self.tell(format!("{file} is ignored: {why}"));
        }
        let missing: Vec<_> = self
            .services
            .keys()
            .filter(|name| !listing.services.contains_key(*name))
            .cloned()
            .collect();
        for (name, stamp) in listing.services {
            self.step(&name, Event::Seen(stamp));
        }
        for name in missing {
            self.step(&name, Event::Missing);
        }
        if self.services.values().all(Service::settled) {
            self.settled();
        }
    }

    fn settled(&self) {
        // The list first: whoever waits for readiness reads it next.
        self.show();
        self.ready
            .send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    fn step(&mut self, name: &Arc<str>, event: Event) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let service = self.services.entry(name.clone()).or_default();
        match service.step(event, now, wall) {
            Effect::Nothing => {}
            Effect::LookAgain => self.soon(),
            Effect::Load(stamp) => self.give(Job::Load {
                name: name.clone(),
                stamp,
                phase: if *self.ready.borrow() {
                    Phase::Running
                } else {
                    Phase::Start
                },
                promises: Promises::Kept,
                reply: None,
            }),
            // A rollback carries its reply and is given where it is asked for.
            Effect::RollBack => {}
            Effect::Remove => {
                (self.say)(&format!("{name}: removed; calls in flight end on it"));
                self.services.remove(name);
                self.give(Job::Remove(name.clone()));
                self.retry(Some(name), Again::OtherServices);
            }
        }
    }

    fn ended(&mut self, name: &Arc<str>, ended: Ended) {
        match ended {
            Ended::Serving { digest } => {
                self.step(name, Event::Loaded { digest });
                self.retry(Some(name), Again::OtherServices);
            }
            Ended::Beside {
                digest,
                canary,
                share,
            } => {
                (self.say)(&format!(
                    "{name}: {canary} has {share} of the callers, {digest} the others"
                ));
                self.step(name, Event::Loaded { digest });
                let digest = canary;
                self.step(name, Event::Beside { digest, share });
            }
            Ended::Held { digest, why } => {
                (self.say)(&format!("{name}: {digest} serves: {why}"));
                self.step(name, Event::Loaded { digest });
                self.step(name, Event::Held { why });
                self.retry(Some(name), Again::OtherServices);
            }
            Ended::FellBack {
                digest,
                error,
                again,
            } => {
                (self.say)(&format!(
                    "{name}: not loaded, the version that served last serves again: {error}"
                ));
                self.step(name, Event::Loaded { digest });
                self.step(name, Event::Failed { error, again });
                self.retry(Some(name), Again::OtherServices);
            }
            Ended::Changed => self.step(name, Event::Changed),
            Ended::Failed { error, again } => {
                let serving = self.services.get(name).and_then(Service::digest);
                let rest = if serving.is_some() {
                    "the version before serves on"
                } else {
                    self.routes.note(NotLoaded {
                        service: name.clone(),
                        boundary: again.stopped_at(),
                        why: error.clone(),
                    });
                    "nothing serves under this name"
                };
                (self.say)(&format!("{name}: not loaded, {rest}: {error}"));
                self.step(name, Event::Failed { error, again });
            }
        }
        if let Some(verdict) = self.worse.remove(name) {
            self.put_back(verdict);
        }
        if self.services.values().all(Service::settled) {
            self.settled();
        }
    }

    /// Gives the loader the version before to load; once it is free, if it is at work on this very service.
    fn put_back(&mut self, verdict: Verdict) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let Some(service) = self.services.get_mut(&verdict.name) else {
            return;
        };
        let canary = service.canary().map(|(digest, _)| digest);
        if service.digest() != Some(&verdict.digest) && canary != Some(&verdict.digest) {
            return;
        }
        match service.step(Event::RollbackAsked, now, wall) {
            Effect::RollBack => {
                let Verdict { name, why, .. } = &verdict;
                (self.say)(&format!(
                    "{name}: worse than the version before, which is put back: {why}"
                ));
                self.give(Job::PutBack(verdict));
            }
            Effect::Nothing | Effect::LookAgain | Effect::Load(_) | Effect::Remove => {
                self.worse.insert(verdict.name.clone(), verdict);
            }
        }
    }

    /// Says that a canary has a larger share, if it still is one.
    fn wider(&mut self, name: &Arc<str>, digest: &Arc<str>, share: Share) {
        let service = self.services.get(name);
        let canary = service.and_then(Service::canary);
        if canary.is_some_and(|(known, _)| known == digest) {
            (self.say)(&format!(
                "{name}: {digest} did well, and has {share} of the callers"
            ));
            self.step(name, Event::Wider(share));
        }
    }

    /// Loads what lies in the directory, by the operator's word.
    fn load(&mut self, name: Arc<str>, promises: Promises, reply: Reply<Arc<str>>) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let service = self.services.get_mut(&name);
        let effect = service.map(|service| service.step(Event::LoadAsked, now, wall));
        // Nobody may be left to hear the answer: the operator went away.
        match effect {
            Some(Effect::Load(stamp)) => self.give(Job::Load {
                name,
                stamp,
                phase: Phase::Running,
                promises,
                reply: Some(reply),
            }),
            Some(_) => drop(reply.send(Err(format!("`{name}` is being loaded; ask again")))),
            None => drop(reply.send(Err(format!(
                "there is no service `{name}`; see `holdfast ls`"
            )))),
        }
    }

    fn roll_back(&mut self, name: Arc<str>, reply: Reply<Arc<str>>) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        // Nobody may be left to hear the answer: the operator went away.
        let Some(service) = self.services.get_mut(&name) else {
            let _ = reply.send(Err(format!(
                "there is no service `{name}`; see `holdfast ls`"
            )));
            return;
        };
        match service.step(Event::RollbackAsked, now, wall) {
            Effect::RollBack => self.give(Job::RollBack { name, reply }),
            Effect::Nothing | Effect::LookAgain | Effect::Load(_) | Effect::Remove => {
                let _ = reply.send(Err(format!("`{name}` is being loaded; ask again")));
            }
        }
    }

    fn retry(&mut self, but: Option<&Arc<str>>, changed: Again) {
        let others: Vec<_> = self
            .services
            .keys()
            .filter(|name| Some(*name) != but)
            .cloned()
            .collect();
        for name in others {
            self.step(&name, Event::Retry(changed));
        }
    }

    fn give(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            (self.say)("the loader has ended; nothing can be loaded any more");
        }
    }

    fn tell(&mut self, text: String) {
        if !self.told.contains(&text) {
            (self.say)(&text);
            self.told.insert(text);
        }
    }

    fn show(&self) {
        let now: Vec<_> = self
            .services
            .iter()
            .map(|(name, service)| ServiceStatus {
                name: name.clone(),
                doing: service.doing(),
                digest: service.digest().cloned(),
                routes: self.routes.of(name).iter().map(Route::to_string).collect(),
                since: service.since(),
                error: service.error().map(str::to_owned),
                held: service.held().map(str::to_owned),
                canary: service.canary().cloned(),
            })
            .collect();
        self.publish.send_if_modified(|shown| {
            let changed = **shown != now;
            if changed {
                *shown = Arc::new(now);
            }
            changed
        });
    }
}
