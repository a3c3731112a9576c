//! One load, on the loader's thread: read the pair, choose the version, load it, keep it, swap it in.
//!
//! The order is the promise: routes are checked and the version is kept before anything is swapped, so that a failure leaves everything as
//! it was, and what serves is always a version that a restart finds again.

use crate::file::{self, COMPONENT_BYTES_MAX};
use crate::plugins::canary::Candidates;
use crate::plugins::directory::Stamp;
use crate::plugins::documents::Documents;
use crate::plugins::service::Again;
use crate::plugins::words::{Ended, Phase, Say};
use crate::router::{Claim, Route, RouteTaken, Routes};
use holdfast_call::{Clock, Notices, Pipeline, Registered, Target, Why};
use holdfast_rules::trial::canary::Share;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The files of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The component.
    pub component: Vec<u8>,
    /// The manifest, if there is one.
    pub manifest: Option<String>,
    /// The documents that the manifest names.
    pub documents: Documents,
}

/// A version that was loaded, and serves nobody yet.
#[derive(Debug)]
pub struct LoadedService {
    /// The service, ready to be registered.
    pub registered: Arc<Registered>,
    /// The routes of its manifest; without any it is served at `/NAME/...`.
    pub routes: Vec<Route>,
    /// The purpose of its manifest.
    pub purpose: Option<Why>,
    /// The digest of the pair.
    pub digest: Arc<str>,
    /// The share of the callers that it gets first.
    pub share: Share,
}

/// What a version owes to those that are linked to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promises {
    /// What they import must stay.
    Kept,
    /// The operator lets them be broken.
    Broken,
}

/// Why a version was not loaded.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// The component ends in its middle: somebody is still writing it.
    #[error("the component is not whole: {0}")]
    Truncated(String),
    /// It asks for what the policy does not allow; another policy may.
    #[error("{0}")]
    NotAllowed(String),
    /// It does not go together with the other services: what it asks of them is not there, or what they ask of it. It may, once they change.
    #[error("{0}")]
    Unlinked(String),
    /// Its manifest is none.
    #[error("{0}")]
    Manifest(String),
    /// It cannot be served.
    #[error("{0}")]
    Refused(String),
}

/// Makes a component and its manifest ready to serve: verified, compiled, warmed. It may take seconds; it runs on a thread of its own.
pub trait LoadService: Send + Sync {
    /// Loads one version, which may break what others are linked to if `promises` says so. `progress` is told each step that a person
    /// would want to see.
    ///
    /// # Errors
    /// The version cannot be served.
    fn load(
        &self,
        name: &str,
        pair: &Pair,
        promises: Promises,
        progress: &dyn Fn(&str),
    ) -> Result<LoadedService, LoadError>;

    /// Told that a service was taken out, so that what is kept for it can go.
    fn removed(&self, name: &str);
}

/// Which version is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// What lies in the directory.
    Directory,
    /// Another one, although the directory is unchanged: the operator rolled back from what lies there.
    Kept(Pair),
}

/// Keeps versions over restarts, and knows from which one the operator rolled back.
pub trait KeepVersions: Send + Sync {
    /// Which version is to be loaded when `pair` lies in the directory.
    ///
    /// # Errors
    /// What was kept cannot be read.
    fn choose(&self, name: &str, pair: &Pair) -> Result<Choice, String>;

    /// Keeps `pair` as the one that serves from now on.
    ///
    /// # Errors
    /// It cannot be kept.
    fn serving(&self, name: &str, pair: &Pair) -> Result<(), String>;

    /// The version before the one that serves.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn previous(&self, name: &str) -> Result<Pair, String>;

    /// Notes that the version before serves from now on, by the operator's wish, and not what lies in the directory (nothing, if its file
    /// is gone).
    ///
    /// # Errors
    /// It cannot be noted.
    fn rolled_back(&self, name: &str, directory: Option<&Pair>) -> Result<(), String>;

    /// Notes that `pair`, which lies in the directory and has never served everybody, is not to serve until the directory holds another one.
    ///
    /// # Errors
    /// It cannot be noted.
    fn hold(&self, name: &str, pair: &Pair) -> Result<(), String>;

    /// Notes that the service was removed from the directory: what is put there next is new.
    ///
    /// # Errors
    /// It cannot be noted.
    fn removed(&self, name: &str) -> Result<(), String>;

    /// The version that served last, unless that is `pair`.
    ///
    /// # Errors
    /// It cannot be read.
    fn last(&self, name: &str, pair: &Pair) -> Result<Option<Pair>, String>;
}

/// What a load needs.
pub struct Loader {
    /// Where loaded services are registered.
    pub pipeline: Arc<Pipeline>,
    /// Where they are found.
    pub routes: Arc<Routes>,
    /// What loads.
    pub service: Arc<dyn LoadService>,
    /// What keeps.
    pub versions: Arc<dyn KeepVersions>,
    /// The new versions that have a share of the callers.
    pub candidates: Candidates,
    /// Where people read of it.
    pub say: Say,
    /// Where they are told of it.
    pub notices: Arc<dyn Notices>,
}

impl Loader {
    /// Loads what lies in the directory under `name`, or the version that is to serve in its place.
    #[must_use]
    pub fn load(
        &self,
        directory: &Path,
        name: &Arc<str>,
        stamp: &Stamp,
        phase: Phase,
        promises: Promises,
    ) -> Ended {
        let pair = match read(directory, name) {
            Ok(pair) => pair,
            Err(error) => {
                return match Stamp::of(directory, name) {
                    Some(now) if now == *stamp => failed(error.text, error.again),
                    Some(_) | None => Ended::Changed,
                };
            }
        };
        // Read, then looked at again: only if nothing moved in between do the files belong together.
        if Stamp::of(directory, name) != Some(*stamp) {
            return Ended::Changed;
        }
        self.end_unless(name, Some(&pair));
        match self.versions.choose(name, &pair) {
            Ok(Choice::Directory) => {
                match self.bring_with(name, &pair, Keep::Serving(phase), promises) {
                    Ended::Failed { error, again } if phase == Phase::Start => {
                        self.fall_back(name, &pair, error, again)
                    }
                    ended => ended,
                }
            }
            Ok(Choice::Kept(kept)) => {
                let text = format!(
                    "{name}: serving the version it was rolled back to, until the directory holds another one"
                );
                (self.say)(&text);
                let why = "rolled back from what the directory holds, until it holds another one";
                held(self.bring(name, &kept, Keep::Already), why)
            }
            Err(error) => failed(error, Again::Later),
        }
    }

    /// Loads the version before the one that serves.
    #[must_use]
    pub fn roll_back(&self, directory: &Path, name: &Arc<str>) -> Ended {
        let why = "the version before has all callers by the operator's word, until the directory holds another version";
        if let Some(ended) = self.hold_back(name, None, why.to_owned()) {
            return ended;
        }
        match self.versions.previous(name) {
            Ok(pair) => {
                let now = read(directory, name).ok();
                let ended = self.bring(name, &pair, Keep::RolledBack(now.as_ref()));
                held(
                    ended,
                    "rolled back by the operator, until the directory holds another version",
                )
            }
            Err(error) => failed(error, Again::NewFiles),
        }
    }

    /// Loads the version before the one that serves, if that is still the one that was found to be worse.
    #[must_use]
    pub fn put_back(&self, name: &Arc<str>, worse: &str, why: &str) -> Ended {
        let short: String = worse.chars().take(12).collect();
        let put =
            format!("put back from {short}, until the directory holds another version: {why}");
        if let Some(ended) = self.hold_back(name, Some(worse), put.clone()) {
            return ended;
        }
        let serving = self.pipeline.registry().get(&Target::Service(name.clone()));
        if serving.is_none_or(|serving| serving.digest.as_deref() != Some(worse)) {
            let text = "another version serves already";
            return failed(format!("not put back: {text}"), Again::NewFiles);
        }
        match self.versions.previous(name) {
            // Not what the directory holds is held back, but what was found to be worse: the directory may hold something newer already.
            Ok(pair) => held(self.bring(name, &pair, Keep::RolledBack(None)), &put),
            Err(error) => failed(format!("not put back: {error}"), Again::NewFiles),
        }
    }

    /// At the start, what lies in the directory may be broken and the version that served before the end still be whole.
    fn fall_back(&self, name: &Arc<str>, pair: &Pair, error: String, again: Again) -> Ended {
        let target = Target::Service(name.clone());
        if self.pipeline.registry().get(&target).is_some() {
            return failed(error, again);
        }
        let last = match self.versions.last(name, pair) {
            Ok(Some(last)) => last,
            Ok(None) => return failed(error, again),
            Err(unread) => {
                (self.say)(&format!(
                    "{name}: the version that served last is lost: {unread}"
                ));
                return failed(error, again);
            }
        };
        match self.bring(name, &last, Keep::Already) {
            Ended::Serving { digest } => Ended::FellBack {
                digest,
                error,
                again,
            },
            _ => failed(error, again),
        }
    }

    /// Takes a service out. Calls in flight hold what serves them and end on it.
    pub fn remove(&self, name: &Arc<str>) {
        self.end_unless(name, None);
        // Noted first: a host that dies here finds no files at its next start, and must not find the rollback either.
        if let Err(error) = self.versions.removed(name) {
            (self.say)(&format!(
                "{name}: what was rolled back stays so although it was removed: {error}"
            ));
        }
        self.routes.remove(name);
        self.pipeline
            .registry()
            .remove(&Target::Service(name.clone()));
        self.service.removed(name);
    }

    /// Loads a version that keeps what others are linked to.
    pub(super) fn bring(&self, name: &Arc<str>, pair: &Pair, keep: Keep<'_>) -> Ended {
        self.bring_with(name, pair, keep, Promises::Kept)
    }

    fn bring_with(
        &self,
        name: &Arc<str>,
        pair: &Pair,
        keep: Keep<'_>,
        promises: Promises,
    ) -> Ended {
        let clock: &dyn Clock = &*self.pipeline.sources().clock;
        let begun = clock.now();
        let size = kibibytes(pair.component.len());
        (self.say)(&format!("{name}: loading {name}.wasm ({size})"));
        let mut loaded = match self.loaded(name, pair, promises) {
            Ok(loaded) => loaded,
            Err((error, again)) => return failed(error, again),
        };
        if let Keep::Serving(phase) = keep {
            loaded = match self.whole_or_beside(name, pair, loaded, phase) {
                Ok(whole) => whole,
                Err(ended) => return ended,
            };
        }
        let digest = loaded.digest.clone();
        match self.put(name, pair, Claim::of(name, &loaded), keep) {
            Ok(()) => {
                let routes: Vec<_> = self.routes.of(name).iter().map(Route::to_string).collect();
                let took = clock.now().since(begun).as_secs_f64();
                let at = routes.join(", ");
                (self.say)(&format!(
                    "{name}: serving {at} ({digest}) after {took:.1} s"
                ));
                Ended::Serving { digest }
            }
            Err((error, again)) => failed(error, again),
        }
    }

    /// Makes a version ready to serve.
    fn loaded(
        &self,
        name: &Arc<str>,
        pair: &Pair,
        promises: Promises,
    ) -> Result<LoadedService, (String, Again)> {
        let progress = |text: &str| (self.say)(&format!("{name}: {text}"));
        let load = || self.service.load(name, pair, promises, &progress);
        // A panic of the engine's on one component must not end the loading of all others.
        match catch_unwind(AssertUnwindSafe(load)) {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(error)) => {
                let again = match error {
                    LoadError::NotAllowed(_) => Again::NewPolicy,
                    LoadError::Unlinked(_) => Again::OtherServices,
                    LoadError::Manifest(_) => Again::NewManifest,
                    LoadError::Truncated(_) | LoadError::Refused(_) => Again::NewFiles,
                };
                Err((error.to_string(), again))
            }
            Err(_) => Err(("the loader panicked".to_owned(), Again::NewFiles)),
        }
    }

    /// Keeps a version and swaps it in.
    pub(super) fn put(
        &self,
        name: &Arc<str>,
        pair: &Pair,
        claim: Claim,
        keep: Keep<'_>,
    ) -> Result<(), (String, Again)> {
        let taken = |taken: RouteTaken| (taken.to_string(), Again::OtherServices);
        self.routes.check(&claim).map_err(taken)?;
        let kept = match keep {
            Keep::Serving(_) => self.versions.serving(name, pair),
            Keep::RolledBack(directory) => self.versions.rolled_back(name, directory),
            Keep::Already => Ok(()),
        };
        kept.map_err(|error| (error, Again::Later))?;
        // Only this thread puts claims in, so what was free a moment ago is free now.
        let registered = claim.registered.clone();
        self.routes.put(claim).map_err(taken)?;
        self.pipeline.registry().put(registered);
        Ok(())
    }
}

/// What is noted about the version that is swapped in.
#[derive(Clone, Copy)]
pub(super) enum Keep<'a> {
    /// What lies in the directory.
    Serving(Phase),
    /// And not what lies in the directory.
    RolledBack(Option<&'a Pair>),
    Already,
}

fn held(ended: Ended, why: &str) -> Ended {
    match ended {
        Ended::Serving { digest } => Ended::Held {
            digest,
            why: why.to_owned(),
        },
        ended => ended,
    }
}

fn failed(error: String, again: Again) -> Ended {
    Ended::Failed { error, again }
}

/// Why the files of a service cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text}")]
pub struct Unread {
    text: String,
    /// Whether another try may end otherwise.
    pub again: Again,
}

impl Unread {
    pub(super) fn new(path: &Path, error: &std::io::Error) -> Self {
        Self {
            text: format!("cannot read {}: {error}", path.display()),
            // What is too large, or no file, stays so until there is another one.
            again: match error.kind() {
                std::io::ErrorKind::InvalidData => Again::NewFiles,
                _ => Again::Later,
            },
        }
    }
}

/// Reads the files of a service.
///
/// # Errors
/// One is there and cannot be read, or is too large; or one that the manifest names is not there.
pub fn read(directory: &Path, name: &str) -> Result<Pair, Unread> {
    let path = directory.join(format!("{name}.wasm"));
    let component =
        file::read(&path, COMPONENT_BYTES_MAX).map_err(|error| Unread::new(&path, &error))?;
    let path = directory.join(format!("{name}.toml"));
    let manifest = match file::settings(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Unread::new(&path, &error)),
    };
    let documents = Documents::read(directory, manifest.as_deref())?;
    Ok(Pair {
        component,
        manifest,
        documents,
    })
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
