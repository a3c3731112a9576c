//! The policy file as the watcher sees it: whether it changed, and has come to rest. What is in it is read by whoever reloads.

use crate::plugins::directory::FileStamp;
use crate::plugins::service::QUIET;
use holdfast_call::Moment;
use std::path::{Path, PathBuf};

/// Whether the file is to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is as it was read.
    No,
    /// It changed a moment ago.
    Soon,
    /// It changed, and has come to rest.
    Now,
}

/// The policy file: its stamp at the last reading, and as last seen.
pub(super) struct Policy {
    path: PathBuf,
    tried: Option<FileStamp>,
    seen: Option<FileStamp>,
    since: Moment,
}

impl Policy {
    pub(super) fn at(path: PathBuf) -> Self {
        let stamp = stamp(&path);
        Self {
            path,
            tried: stamp,
            seen: stamp,
            since: Moment::START,
        }
    }

    /// Whether it is to be read anew.
    pub(super) fn look(&mut self, now: Moment) -> Due {
        let stamp = stamp(&self.path);
        if stamp != self.seen {
            self.seen = stamp;
            self.since = now;
        }
        if stamp == self.tried {
            Due::No
        } else if now.since(self.since) < QUIET {
            Due::Soon
        } else {
            self.tried = stamp;
            Due::Now
        }
    }
}

fn stamp(path: &Path) -> Option<FileStamp> {
    std::fs::metadata(path).ok().as_ref().map(FileStamp::of)
}
