//! New versions that get a share of the callers first: kept here until they have passed, or are put back.
//!
//! Until then the version before is what is registered, routed to and kept as serving, so a host that dies in the middle begins again
//! with that one, and with the new version's first share.

use crate::plugins::load::{Keep, LoadedService, Loader, Pair};
use crate::plugins::service::Again;
use crate::plugins::words::{Ended, Phase, Verdict, Word};
use crate::router::{Claim, Route};
use holdfast_call::Target;
use holdfast_rules::trial::beside::{Beside, Came};
use holdfast_rules::trial::canary::Share;
use holdfast_rules::trial::{self, Version};
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

/// The new versions that have a share at the moment.
#[derive(Default)]
pub struct Candidates(Mutex<BTreeMap<Arc<str>, Candidate>>);

struct Candidate {
    pair: Pair,
    claim: Claim,
    share: Share,
    digest: Arc<str>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Loaded,
    Begun,
}

impl Candidates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Candidate>> {
        // A candidate is put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loader {
    /// Whether a version that was loaded is to be swapped in whole. Else it stands beside the one that serves from now on, or it may not,
    /// and that is how its load ended: a call for the one could not be led to the other if their routes differ.
    pub(super) fn whole_or_beside(
        &self,
        name: &Arc<str>,
        pair: &Pair,
        loaded: LoadedService,
        phase: Phase,
    ) -> Result<LoadedService, Ended> {
        let share = loaded.share;
        if share == Share::ALL {
            return Ok(loaded);
        }
        let brought = self.bring_last(name, pair, phase);
        let target = Target::Service(name.clone());
        let serving = self.pipeline.registry().get(&target);
        let serving = serving.and_then(|serving| serving.digest.clone());
        let Some(digest) = serving.filter(|digest| *digest != loaded.digest) else {
            return Ok(loaded);
        };
        let claim = Claim::of(name, &loaded);
        let there = self.routes.of(name);
        if there != claim.routes_of() {
            let (error, again) = (differ(name, &claim.routes_of(), &there), Again::NewPolicy);
            return Err(match brought {
                Brought::Now => Ended::FellBack {
                    digest,
                    error,
                    again,
                },
                Brought::Nothing => Ended::Failed { error, again },
            });
        }
        let canary = loaded.digest;
        let mut candidates = self.candidates.lock();
        let known = candidates.get(name).map(|known| known.digest.clone());
        if known.as_ref() != Some(&canary) {
            let candidate = Candidate {
                pair: pair.clone(),
                claim,
                share,
                digest: canary.clone(),
                stage: Stage::Loaded,
            };
            candidates.insert(name.clone(), candidate);
        }
        Err(Ended::Beside {
            digest,
            canary,
            share,
        })
    }

    /// At the start of the host nothing serves yet: what served last is loaded, so that there is one to have the other callers.
    fn bring_last(&self, name: &Arc<str>, pair: &Pair, phase: Phase) -> Brought {
        let target = Target::Service(name.clone());
        if phase == Phase::Running || self.pipeline.registry().get(&target).is_some() {
            return Brought::Nothing;
        }
        let last = match self.versions.last(name, pair) {
            Ok(Some(last)) => self.bring(name, &last, Keep::Already),
            Ok(None) => return Brought::Nothing,
            Err(error) => failed(error),
        };
        if let Ended::Failed { error, .. } = last {
            (self.say)(&format!(
                "{name}: the version that served last does not load, so the new one has all callers: {error}"
            ));
            return Brought::Nothing;
        }
        Brought::Now
    }

    /// Gives the candidate of a service its share. What it comes to is told to the watcher.
    pub(super) fn begin(&self, name: &Arc<str>, tell: &mpsc::Sender<Word>) {
        let mut candidates = self.candidates.lock();
        let Some(candidate) = candidates.get_mut(name) else {
            return;
        };
        let (Some(version), Stage::Loaded) = (self.version(name), candidate.stage) else {
            return;
        };
        candidate.stage = Stage::Begun;
        let (name, digest, tell) = (name.clone(), candidate.digest.clone(), tell.clone());
        let came = move |came: Came| {
            let (name, digest) = (name.clone(), digest.clone());
            // A watcher that is gone has no host any more whose versions could change.
            let _ = tell.send(match came {
                Came::Wider(share) => Word::Wider {
                    name,
                    digest,
                    share,
                },
                Came::Passed => Word::Passed { name, digest },
                Came::Back(gate) => Word::Worse(Verdict {
                    name,
                    digest,
                    why: gate.to_string(),
                }),
            });
        };
        let registered = candidate.claim.registered.clone();
        let beside = Beside::new(registered, candidate.share, Box::new(came));
        version.divide(Some(beside));
    }

    /// The candidate has passed: it serves everybody. Nothing, if it is none any more, or has begun anew since that was said.
    pub(super) fn promote(&self, name: &Arc<str>, digest: &Arc<str>) -> Option<Ended> {
        let before = self.version(name);
        let beside = before.as_ref().and_then(|version| version.beside());
        beside.filter(|beside| beside.share() == Some(Share::ALL))?;
        let candidate = match self.candidates.lock().entry(name.clone()) {
            Entry::Occupied(known) if known.get().digest == *digest => known.remove(),
            Entry::Occupied(_) | Entry::Vacant(_) => return None,
        };
        // Until it is swapped in, and for calls that were routed before that, it stands beside the other one and has everybody: nobody who
        // has it already goes back for a moment.
        Some(
            match self.put(
                name,
                &candidate.pair,
                candidate.claim,
                Keep::Serving(Phase::Running),
            ) {
                Ok(()) => Ended::Serving {
                    digest: digest.clone(),
                },
                Err((error, again)) => {
                    if let Some(version) = before {
                        version.divide(None);
                    }
                    Ended::Failed { error, again }
                }
            },
        )
    }

    /// Ends the candidate of a service, if it has that digest; what serves has all callers again, over restarts too, until the directory
    /// holds another version.
    pub(super) fn hold_back(
        &self,
        name: &Arc<str>,
        digest: Option<&str>,
        why: String,
    ) -> Option<Ended> {
        let wanted = |known: &Candidate| digest.is_none_or(|digest| *digest == *known.digest);
        let candidate = self.take(name, wanted)?;
        let target = Target::Service(name.clone());
        let serving = self.pipeline.registry().get(&target);
        let serving = serving.and_then(|serving| serving.digest.clone());
        Some(match (self.versions.hold(name, &candidate.pair), serving) {
            (Ok(()), Some(digest)) => Ended::Held { digest, why },
            (Err(error), _) => Ended::Failed {
                error: format!("{why}; a restart will try it once more: {error}"),
                again: Again::NewFiles,
            },
            (Ok(()), None) => failed(why),
        })
    }

    /// Ends the candidate of a service, unless it is this pair.
    pub(super) fn end_unless(&self, name: &Arc<str>, pair: Option<&Pair>) {
        self.take(name, |known| pair != Some(&known.pair));
    }

    /// Ends every candidate, and says which there were: with other settings each begins anew.
    pub(super) fn end_all(&self) -> Vec<(Arc<str>, Pair)> {
        let names: Vec<_> = self.candidates.lock().keys().cloned().collect();
        let taken = names.into_iter().filter_map(|name| {
            let candidate = self.take(&name, |_| true)?;
            Some((name, candidate.pair))
        });
        taken.collect()
    }

    fn take(&self, name: &Arc<str>, wanted: impl Fn(&Candidate) -> bool) -> Option<Candidate> {
        let mut candidates = self.candidates.lock();
        if !candidates.get(name).is_some_and(wanted) {
            return None;
        }
        let candidate = candidates.remove(name);
        if let Some(version) = self.version(name) {
            version.divide(None);
        }
        candidate
    }

    fn version(&self, name: &Arc<str>) -> Option<Arc<Version>> {
        let target = Target::Service(name.clone());
        let serving = self.pipeline.registry().get(&target)?;
        let settings = serving.settings.get::<trial::Settings>()?;
        Some(settings.version.clone())
    }
}

/// Whether a version was loaded that nothing is known of yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brought {
    Now,
    Nothing,
}

fn differ(name: &str, asked: &[Route], there: &[Route]) -> String {
    let text = |routes: &[Route]| {
        let routes: Vec<_> = routes.iter().map(Route::to_string).collect();
        routes.join(", ")
    };
    format!(
        "its routes are {}, those of the version that serves are {}: a share of the calls cannot be led to it. \
         Take `canary` out of [services.{name}] in holdfast.toml, or leave the routes as they are",
        text(asked),
        text(there)
    )
}

fn failed(error: String) -> Ended {
    Ended::Failed {
        error,
        again: Again::NewFiles,
    }
}
