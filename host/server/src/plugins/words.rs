//! What the threads of the plugin directory tell each other, and people.

use crate::plugins::directory::Stamp;
use crate::plugins::load::Promises;
use crate::plugins::service::Again;
use holdfast_rules::trial::canary::Share;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where people read what is done, a line a step.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// When a load happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The directory is read for the first time: what lies there served before, perhaps in another version.
    Start,
    /// Later: what nothing serves was not there, or was taken away.
    Running,
}

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It serves.
    Serving {
        /// The digest of what serves.
        digest: Arc<str>,
    },
    /// It serves in the place of what lies in the directory, until the directory holds something else.
    Held {
        /// The digest of what serves.
        digest: Arc<str>,
        /// Why.
        why: String,
    },
    /// It has a share of the callers, and the version before the others.
    Beside {
        /// The digest of what serves.
        digest: Arc<str>,
        /// The digest of what has the share.
        canary: Arc<str>,
        /// The share.
        share: Share,
    },
    /// The files changed while they were read.
    Changed,
    /// It failed, and as nothing served under its name, the version that served last does.
    FellBack {
        /// The digest of what serves.
        digest: Arc<str>,
        /// Why the other one does not.
        error: String,
        /// What would make another try worth while.
        again: Again,
    },
    /// It failed, and nothing was changed.
    Failed {
        /// Why.
        error: String,
        /// What would make another try worth while.
        again: Again,
    },
}

/// What the trial of a version has found out.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// The service.
    pub(super) name: Arc<str>,
    /// The version that is worse.
    pub(super) digest: Arc<str>,
    /// In which way.
    pub(super) why: String,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, String>>;

/// What the watcher is told.
pub(super) enum Word {
    Look,
    Ended {
        name: Arc<str>,
        ended: Ended,
    },
    RollBack {
        name: Arc<str>,
        reply: Reply<Arc<str>>,
    },
    /// What lies in the directory is to be loaded once more.
    Load {
        name: Arc<str>,
        promises: Promises,
        reply: Reply<Arc<str>>,
    },
    /// A version has turned out to be worse than the one before.
    Worse(Verdict),
    /// A canary has a larger share.
    Wider {
        name: Arc<str>,
        digest: Arc<str>,
        share: Share,
    },
    /// A canary may serve everybody.
    Passed {
        name: Arc<str>,
        digest: Arc<str>,
    },
    Reload(Reply<()>),
    Reloaded,
    Stop,
}

/// What the loader is told.
pub(super) enum Job {
    Load {
        name: Arc<str>,
        stamp: Stamp,
        phase: Phase,
        promises: Promises,
        /// Whoever asked for it.
        reply: Option<Reply<Arc<str>>>,
    },
    Promote {
        name: Arc<str>,
        digest: Arc<str>,
    },
    RollBack {
        name: Arc<str>,
        reply: Reply<Arc<str>>,
    },
    PutBack(Verdict),
    Remove(Arc<str>),
    Reload(Option<Reply<()>>),
}
