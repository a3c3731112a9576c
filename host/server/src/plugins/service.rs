//! What one service of the plugin directory is doing: a pure machine from what was seen to what is to be done.
//!
//! It touches no file and no clock. A version is tried once: only a change of its files, or a word from outside (a new policy, a route
//! that came free), makes it be tried again, so that a broken file is said once and not every two seconds.

use crate::plugins::directory::Stamp;
use holdfast_call::{Boundary, Moment, WallTime};
use holdfast_rules::trial::canary::Share;
use std::sync::Arc;
use std::time::Duration;

/// How long files must stay as they are before they are taken to be whole.
pub const QUIET: Duration = Duration::from_millis(100);

/// What happened to a service.
#[derive(Clone, Debug)]
pub enum Event {
    /// Its files were seen in the directory.
    Seen(Stamp),
    /// Its component was not there.
    Missing,
    /// A load has ended.
    Loaded {
        /// The digest of what serves now.
        digest: Arc<str>,
    },
    /// What was loaded has a share of the callers; what serves, serves on.
    Beside {
        /// Its digest.
        digest: Arc<str>,
        /// The share.
        share: Share,
    },
    /// That share is larger now.
    Wider(Share),
    /// A load failed; what served before serves on.
    Failed {
        /// Why.
        error: String,
        /// Whether another try may end otherwise although the files stay the same.
        again: Again,
    },
    /// What serves is not what lies in the directory; said after it was loaded.
    Held {
        /// Why.
        why: String,
    },
    /// The files changed while they were read.
    Changed,
    /// The operator wants the files to be loaded once more.
    LoadAsked,
    /// The version before is to serve again: the operator asked for it, or what serves has turned out to be worse.
    RollbackAsked,
    /// Something outside of the files has changed: what failed is tried again.
    Retry(Again),
}

/// What would have to change before a failed load is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The files.
    NewFiles,
    /// The files as well, and it is the manifest that was wrong.
    NewManifest,
    /// The policy, or the files.
    NewPolicy,
    /// Other services, by their routes or by what they export; or the policy, or the files.
    OtherServices,
    /// Some time: a disk that was full, or a file that could not be read. Or the policy, or the files.
    Later,
}

impl Again {
    /// The boundary at which a load was stopped that this would help.
    #[must_use]
    pub const fn stopped_at(self) -> Boundary {
        match self {
            Self::NewFiles => Boundary::Lifecycle,
            Self::NewManifest | Self::NewPolicy => Boundary::Configuration,
            Self::OtherServices => Boundary::Routing,
            Self::Later => Boundary::Storage,
        }
    }
}

/// How long what only needs some time is left alone.
pub const LATER: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Look again once the quiet time is over.
    LookAgain,
    /// Load the files that bear this stamp.
    Load(Stamp),
    /// Load the version before.
    RollBack,
    /// Take the service out, and forget it.
    Remove,
}

/// What a service is doing, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Its files are there, but not yet still or not yet whole.
    Waiting,
    /// It is being loaded for the first time.
    Loading,
    /// It serves.
    Serving,
    /// It serves, and another version is being loaded beside it.
    Swapping,
    /// It could not be loaded, and nothing older serves.
    Failed,
}

impl Doing {
    /// The word of `holdfast ls`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Loading => "loading",
            Self::Serving => "serving",
            Self::Swapping => "swapping",
            Self::Failed => "failed",
        }
    }
}

/// The state of one service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The files as last seen, and since when they look so.
    seen: Option<(Stamp, Moment)>,
    /// Since when they are gone.
    missing: Option<Moment>,
    /// The files that were tried last.
    tried: Option<Stamp>,
    /// Whether the loader is at it.
    loading: Loading,
    /// What serves.
    serving: Option<Arc<str>>,
    /// Since when.
    since: Option<WallTime>,
    /// Why the last load failed, and what would make another try worth while.
    failed: Option<(String, Again)>,
    /// Since when it has.
    failed_at: Option<Moment>,
    /// Why something else serves than what lies in the directory.
    held: Option<String>,
    /// The new version that has a share of the callers.
    canary: Option<(Arc<str>, Share)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Loading {
    #[default]
    No,
    Yes,
}

impl Service {
    /// Takes an event in, and says what is to be done now.
    pub fn step(&mut self, event: Event, now: Moment, wall: WallTime) -> Effect {
        match event {
            Event::Seen(stamp) => self.seen(stamp, now, wall),
            Event::Missing => self.gone(now),
            Event::Loaded { digest } => {
                self.loading = Loading::No;
                if self.serving.replace(digest.clone()) != Some(digest) {
                    self.since = Some(wall);
                }
                self.failed = None;
                self.held = None;
                self.canary = None;
                // What changed meanwhile is looked at again.
                Effect::LookAgain
            }
            Event::Beside { digest, share } => {
                self.loading = Loading::No;
                self.failed = None;
                self.canary = Some((digest, share));
                Effect::LookAgain
            }
            Event::Wider(share) => {
                if let Some((_, had)) = &mut self.canary {
                    *had = share;
                }
                Effect::Nothing
            }
            Event::Failed { error, again } => {
                self.loading = Loading::No;
                self.canary = None;
                self.failed = Some((error, again));
                self.failed_at = Some(now);
                Effect::LookAgain
            }
            Event::Held { why } => {
                self.held = Some(why);
                Effect::Nothing
            }
            Event::Changed => {
                self.loading = Loading::No;
                self.tried = None;
                self.seen = None;
                Effect::LookAgain
            }
            Event::LoadAsked => match (self.seen, self.loading) {
                (Some((stamp, _)), Loading::No) => {
                    self.tried = Some(stamp);
                    self.loading = Loading::Yes;
                    Effect::Load(stamp)
                }
                (None, _) | (_, Loading::Yes) => Effect::Nothing,
            },
            Event::RollbackAsked => {
                if self.loading == Loading::Yes {
                    return Effect::Nothing;
                }
                self.loading = Loading::Yes;
                Effect::RollBack
            }
            Event::Retry(changed) => self.retry(changed),
        }
    }

    fn seen(&mut self, stamp: Stamp, now: Moment, wall: WallTime) -> Effect {
        self.missing = None;
        let since = match self.seen {
            Some((seen, since)) if seen == stamp => since,
            Some(_) | None => {
                self.seen = Some((stamp, now));
                now
            }
        };
        let waited = matches!(self.failed, Some((_, Again::Later)))
            && self.failed_at.is_some_and(|at| now.since(at) >= LATER);
        if self.loading == Loading::Yes || (self.tried == Some(stamp) && !waited) {
            return Effect::Nothing;
        }
        if now.since(since) < QUIET && !stamp.old(wall) {
            return Effect::LookAgain;
        }
        self.tried = Some(stamp);
        self.loading = Loading::Yes;
        Effect::Load(stamp)
    }

    fn gone(&mut self, now: Moment) -> Effect {
        let since = *self.missing.get_or_insert(now);
        self.seen = None;
        // A file that is replaced may be away for a moment; a load that runs is waited for, so that it cannot put back what was removed.
        if now.since(since) < QUIET {
            Effect::LookAgain
        } else if self.loading == Loading::Yes {
            Effect::Nothing
        } else {
            Effect::Remove
        }
    }

    fn retry(&mut self, changed: Again) -> Effect {
        let worth = match &self.failed {
            Some((_, again)) => match changed {
                Again::NewFiles | Again::NewManifest | Again::Later => false,
                Again::NewPolicy => !matches!(again, Again::NewFiles | Again::NewManifest),
                Again::OtherServices => *again == Again::OtherServices,
            },
            None => false,
        };
        if worth && self.loading == Loading::No {
            self.tried = None;
            Effect::LookAgain
        } else {
            Effect::Nothing
        }
    }

    /// What it is doing.
    #[must_use]
    pub fn doing(&self) -> Doing {
        match (self.loading, &self.serving, &self.failed) {
            (Loading::Yes, Some(_), _) => Doing::Swapping,
            (Loading::Yes, None, _) => Doing::Loading,
            (Loading::No, Some(_), _) => Doing::Serving,
            (Loading::No, None, Some(_)) => Doing::Failed,
            (Loading::No, None, None) => Doing::Waiting,
        }
    }

    /// The digest of what serves.
    #[must_use]
    pub fn digest(&self) -> Option<&Arc<str>> {
        self.serving.as_ref()
    }

    /// Since when it serves.
    #[must_use]
    pub fn since(&self) -> Option<WallTime> {
        self.since
    }

    /// Why the last load failed.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.failed.as_ref().map(|(error, _)| error.as_str())
    }

    /// Why something else serves than what lies in the directory.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// The new version that has a share of the callers, by its digest.
    #[must_use]
    pub fn canary(&self) -> Option<&(Arc<str>, Share)> {
        self.canary.as_ref()
    }

    /// Whether the files that lie there now were tried.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.loading == Loading::No && (self.tried.is_some() || self.seen.is_none())
    }
}
