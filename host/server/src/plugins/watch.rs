//! The plugin directory being served: the door to it for the rest of the host, and the two threads behind that door.
//!
//! Events of the file system only make the watcher look sooner; it looks every two seconds anyway, because events can be lost.

use crate::control::words::OperationLine;
use crate::plugins::load::{Keep, Loader, Promises};
use crate::plugins::policy::{Policy, SecretFiles};
use crate::plugins::status::{Quarantined, ServiceStatus};
use crate::plugins::typed;
use crate::plugins::watcher::Watcher;
use crate::plugins::words::{Ended, Job, Phase, Verdict, Word};
use holdfast_call::notice::Event;
use holdfast_call::{Moment, Notice, Pipeline, Registered, Target};
use holdfast_rules::quarantine;
use holdfast_rules::trial::{self, verdict::Worse};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use tokio::sync::{oneshot, watch};

/// Reads the policy anew and puts it to work; an error leaves everything as it was.
pub type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the plugin directory is served with.
pub struct Parts {
    /// The directory.
    pub directory: PathBuf,
    /// The policy file, if there is one to be watched.
    pub policy: Option<PathBuf>,
    /// The files of its secrets, watched with it.
    pub secrets: SecretFiles,
    /// What loads and swaps.
    pub loader: Loader,
    /// What takes a new policy.
    pub reload: Reload,
}

/// The plugin directory being served. Dropped, it is served no longer; what is loaded stays.
pub struct Plugins {
    words: mpsc::Sender<Word>,
    services: watch::Receiver<Arc<Vec<ServiceStatus>>>,
    ready: watch::Receiver<bool>,
    pipeline: Arc<Pipeline>,
}

impl Plugins {
    /// Begins to serve the directory, on two threads of its own.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(parts: Parts) -> std::io::Result<Arc<Self>> {
        let (words, heard) = mpsc::channel();
        let (jobs, work) = mpsc::channel();
        let (services, services_seen) = watch::channel(Arc::default());
        let (ready, ready_seen) = watch::channel(false);
        let watcher = Watcher {
            directory: parts.directory.clone(),
            policy: parts
                .policy
                .clone()
                .map(|path| Policy::at(path, parts.secrets.clone())),
            clock: parts.loader.pipeline.sources().clock.clone(),
            routes: parts.loader.routes.clone(),
            say: parts.loader.say.clone(),
            events: listen(&parts, &words),
            services: BTreeMap::new(),
            told: BTreeSet::new(),
            worse: BTreeMap::new(),
            due: Moment::START,
            jobs,
            publish: services,
            ready,
        };
        let tell = words.clone();
        let pipeline = parts.loader.pipeline.clone();
        std::thread::Builder::new()
            .name("holdfast-loader".to_owned())
            .spawn(move || load(&work, &tell, &parts))?;
        std::thread::Builder::new()
            .name("holdfast-watcher".to_owned())
            .spawn(move || watcher.run(&heard))?;
        Ok(Arc::new(Self {
            words,
            services: services_seen,
            ready: ready_seen,
            pipeline,
        }))
    }

    /// Whether everything that lay in the directory at the start was tried.
    #[must_use]
    pub fn ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) {
        // The watcher is gone only when the host is; nobody waits for it then.
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// Every service there is now, in the order of their names.
    #[must_use]
    pub fn services(&self) -> Arc<Vec<ServiceStatus>> {
        self.services.borrow().clone()
    }

    /// The same for people and programs, with what is known of their starts at this moment.
    #[must_use]
    pub fn rows(&self) -> Vec<Value> {
        let services = self.services();
        let rows = services.iter().map(|service| {
            let mut row = service.json();
            if let Some(standing) = self.quarantine(&service.name) {
                standing.mark(&mut row);
            }
            row
        });
        rows.collect()
    }

    /// The same, with what the typed ones offer.
    #[must_use]
    pub fn index(&self) -> Vec<Value> {
        let mut rows = self.rows();
        for (row, service) in rows.iter_mut().zip(self.services().iter()) {
            let registered = self.registered(&service.name);
            let shown = registered.and_then(|registered| typed::shown(&registered));
            if let (Value::Object(row), Some(shown)) = (row, shown) {
                row.insert("typed".to_owned(), shown);
            }
        }
        rows
    }

    /// Every operation of a typed service that serves; none of another one.
    #[must_use]
    pub fn operations(&self, name: &str) -> Vec<OperationLine> {
        let registered = self.registered(&name.into());
        registered.map_or_else(Vec::new, |registered| typed::lines(&registered))
    }

    fn registered(&self, name: &Arc<str>) -> Option<Arc<Registered>> {
        self.pipeline.registry().get(&Target::Service(name.clone()))
    }

    fn quarantine(&self, name: &Arc<str>) -> Option<Quarantined> {
        let registered = self.registered(name)?;
        let settings = registered.settings.get::<quarantine::Settings>()?;
        let now = self.pipeline.sources().clock.now();
        Some(Quarantined::at(settings.starts.standing()?, now))
    }

    /// Hears of every change of them.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Vec<ServiceStatus>>> {
        self.services.clone()
    }

    /// Puts the version before back, and says its digest.
    ///
    /// # Errors
    /// There is no such service or no such version, or it cannot be loaded.
    pub async fn roll_back(&self, name: &str) -> Result<Arc<str>, String> {
        let (reply, answer) = oneshot::channel();
        let name = name.into();
        self.tell(Word::RollBack { name, reply }, answer).await
    }

    /// Loads what lies in the directory under a name once more, and says the digest of what serves then.
    ///
    /// # Errors
    /// There is no such service, or it cannot be loaded.
    pub async fn load(&self, name: &str, promises: Promises) -> Result<Arc<str>, String> {
        let (reply, answer) = oneshot::channel();
        let name = name.into();
        let word = Word::Load {
            name,
            promises,
            reply,
        };
        self.tell(word, answer).await
    }

    /// Reads the policy anew.
    ///
    /// # Errors
    /// It cannot be used; the one before holds on.
    pub async fn reload(&self) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        self.tell(Word::Reload(reply), answer).await
    }

    async fn tell<T>(
        &self,
        word: Word,
        answer: oneshot::Receiver<Result<T, String>>,
    ) -> Result<T, String> {
        let gone = || "the host is shutting down".to_owned();
        self.words.send(word).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        // A watcher that is gone already needs no word.
        let _ = self.words.send(Word::Stop);
    }
}

/// Has the file system tell of changes. Where it cannot, the watcher looks every two seconds, and that is said.
fn listen(parts: &Parts, words: &mpsc::Sender<Word>) -> Option<RecommendedWatcher> {
    let words = words.clone();
    let (directory, policy) = (parts.directory.clone(), parts.policy.clone());
    // What a link leads to changes under another name.
    let linked = policy.as_deref().is_some_and(Path::is_symlink);
    let tell = move |event: notify::Result<notify::Event>| {
        let elsewhere = !linked
            && event
                .as_ref()
                .is_ok_and(|event| !concerns(&event.paths, &directory, policy.as_deref()));
        // Reading a file is an event too; the loader's own reading must not make the watcher look.
        let reading = event.as_ref().is_ok_and(|event| {
            event.kind.is_access()
                && event.kind != EventKind::Access(AccessKind::Close(AccessMode::Write))
        });
        if !reading && !elsewhere {
            // The watcher's thread ends before this callback is dropped; a word to nobody is no loss.
            let _ = words.send(Word::Look);
        }
    };
    let made = notify::recommended_watcher(tell).and_then(|mut watcher| {
        watcher.watch(&parts.directory, RecursiveMode::NonRecursive)?;
        if let Some(policy) = &parts.policy {
            // The file's directory, because editors replace files instead of writing into them.
            let beside = match policy.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                Some(_) | None => Path::new("."),
            };
            watcher.watch(beside, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    match made {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            let text =
                format!("changes are seen every 2 s only, since the system tells of none: {error}");
            (parts.loader.say)(&text);
            None
        }
    }
}

/// Whether a change of these paths is one of the plugin directory or of the policy. Beside the policy may lie a file that is written all
/// the time: the log, for one. A change without a path may be any.
#[must_use]
pub fn concerns(paths: &[PathBuf], directory: &Path, policy: Option<&Path>) -> bool {
    // The system names what changed by its whole path. Where the directory's cannot be had, every change may be one of it.
    let Ok(directory) = std::path::absolute(directory) else {
        return true;
    };
    let policy = policy.and_then(Path::file_name);
    let one = |path: &PathBuf| {
        path.starts_with(&directory) || (policy.is_some() && path.file_name() == policy)
    };
    paths.is_empty() || paths.iter().any(one)
}

fn serving(loader: &Loader, name: &Arc<str>) -> Option<Arc<Registered>> {
    let target = Target::Service(name.clone());
    loader.pipeline.registry().get(&target)
}

/// Has what a load has brought be watched: the first calls of a version that serves, both versions where the new one has a share. What
/// could not be loaded has none, nor has what it was to take the place of.
fn begin(
    loader: &Loader,
    name: &Arc<str>,
    before: Option<Arc<Registered>>,
    ended: &Ended,
    tell: &mpsc::Sender<Word>,
) {
    match (before, ended) {
        (Some(before), Ended::Serving { .. }) => watch_first_calls(loader, name, before, tell),
        (_, Ended::Beside { .. }) => loader.begin(name, tell),
        (_, Ended::Failed { .. } | Ended::FellBack { .. }) => loader.end_unless(name, None),
        (_, Ended::Serving { .. } | Ended::Held { .. } | Ended::Changed) => {}
    }
}

/// Puts what serves under `name` now on trial against the version `before`, if it is another one.
fn watch_first_calls(
    loader: &Loader,
    name: &Arc<str>,
    before: Arc<Registered>,
    tell: &mpsc::Sender<Word>,
) {
    let Some(now) = serving(loader, name) else {
        return;
    };
    let (Some(settings), Some(digest)) = (now.settings.get::<trial::Settings>(), &now.digest)
    else {
        return;
    };
    if before.digest.as_ref() == Some(digest) {
        return;
    }
    let (name, digest, tell) = (name.clone(), digest.clone(), tell.clone());
    let worse = move |worse: Worse| {
        let why = worse.to_string();
        // A watcher that is gone has no host any more whose version could be put back.
        let _ = tell.send(Word::Worse(Verdict { name, digest, why }));
    };
    settings.version.begin(before, Box::new(worse));
}

/// What the operator is told of a version that was put back.
fn put_back(name: &str, digest: &str, why: &str) -> Notice {
    Notice {
        event: Event::PutBack,
        about: format!("service:{name}"),
        text: format!("{name}: {digest} serves again: {why}"),
    }
}

/// The loader's thread: one job after the other, until the watcher is gone.
fn load(work: &mpsc::Receiver<Job>, tell: &mpsc::Sender<Word>, parts: &Parts) {
    let loader = &parts.loader;
    while let Ok(job) = work.recv() {
        // A word or a reply that nobody hears any more is no loss: the host is going down, or the operator went away.
        match job {
            Job::Load {
                name,
                stamp,
                phase,
                promises,
                reply,
            } => {
                let before = serving(loader, &name);
                let ended = loader.load(&parts.directory, &name, &stamp, phase, promises);
                begin(loader, &name, before, &ended, tell);
                let answer = now(&ended);
                let _ = tell.send(Word::Ended { name, ended });
                if let Some(reply) = reply {
                    let _ = reply.send(answer);
                }
            }
            Job::Promote { name, digest } => {
                if let Some(ended) = loader.promote(&name, &digest) {
                    let _ = tell.send(Word::Ended { name, ended });
                }
            }
            Job::RollBack { name, reply } => {
                let ended = loader.roll_back(&parts.directory, &name);
                let answer = now(&ended);
                let _ = tell.send(Word::Ended { name, ended });
                let _ = reply.send(answer);
            }
            Job::PutBack(Verdict { name, digest, why }) => {
                let ended = loader.put_back(&name, &digest, &why);
                if let Ended::Held { digest, why } = &ended {
                    loader.notices.tell(put_back(&name, digest, why));
                }
                let _ = tell.send(Word::Ended { name, ended });
            }
            Job::Remove(name) => loader.remove(&name),
            Job::Reload(reply) => {
                let done = reload(parts, tell);
                if let Some(reply) = reply {
                    let _ = reply.send(done);
                }
            }
        }
    }
}

/// The digest of what serves once a load has ended, for whoever asked for it.
fn now(ended: &Ended) -> Result<Arc<str>, String> {
    match ended {
        Ended::Serving { digest } | Ended::Held { digest, .. } | Ended::Beside { digest, .. } => {
            Ok(digest.clone())
        }
        Ended::FellBack { error, .. } | Ended::Failed { error, .. } => Err(error.clone()),
        Ended::Changed => Err("the files changed meanwhile; ask again".to_owned()),
    }
}

/// Puts the policy to work. What stands beside another version has the settings it was loaded with, so it begins anew with these.
fn reload(parts: &Parts, tell: &mpsc::Sender<Word>) -> Result<(), String> {
    let loader = &parts.loader;
    let candidates = loader.end_all();
    let done = (parts.reload)();
    for (name, pair) in candidates {
        let before = serving(loader, &name);
        let ended = loader.bring(&name, &pair, Keep::Serving(Phase::Running));
        begin(loader, &name, before, &ended, tell);
        // A word that nobody hears any more is no loss: the host is going down.
        let _ = tell.send(Word::Ended { name, ended });
    }
    match &done {
        Ok(()) => {
            (loader.say)("policy: the new settings hold");
            let _ = tell.send(Word::Reloaded);
        }
        Err(error) => (loader.say)(&format!("policy: the old settings hold on: {error}")),
    }
    done
}
