//! The policy file and the files of its secrets as the watcher sees them: whether one changed, and all have come to rest. What is in them
//! is read by whoever reloads.

use crate::plugins::directory::FileStamp;
use crate::plugins::service::QUIET;
use holdfast_call::Moment;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files that the policy in force takes secrets from.
pub type SecretFiles = Arc<dyn Fn() -> Vec<PathBuf> + Send + Sync>;

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

/// The stamp of each file; none of one that is not there.
type Stamps = Vec<(PathBuf, Option<FileStamp>)>;

/// The policy file and those of its secrets: their stamps at the last reading, and as last seen.
pub(super) struct Policy {
    path: PathBuf,
    secrets: SecretFiles,
    tried: Stamps,
    seen: Stamps,
    since: Moment,
}

impl Policy {
    pub(super) fn at(path: PathBuf, secrets: SecretFiles) -> Self {
        let stamps = stamps(&path, &secrets());
        Self {
            path,
            secrets,
            tried: stamps.clone(),
            seen: stamps,
            since: Moment::START,
        }
    }

    /// Whether it is to be read anew.
    pub(super) fn look(&mut self, now: Moment) -> Due {
        let stamps = stamps(&self.path, &(self.secrets)());
        if stamps != self.seen {
            self.seen.clone_from(&stamps);
            self.since = now;
        }
        if unchanged(&stamps, &self.tried) {
            // A policy that came into force meanwhile may have brought or taken files; each was read with it.
            self.tried = stamps;
            Due::No
        } else if now.since(self.since) < QUIET {
            Due::Soon
        } else {
            self.tried = stamps;
            Due::Now
        }
    }
}

/// Whether every file that is known from before is as it was.
fn unchanged(stamps: &Stamps, before: &Stamps) -> bool {
    let as_before = |(path, stamp): &(PathBuf, Option<FileStamp>)| {
        let known = before.iter().find(|(known, _)| known == path);
        known.is_none_or(|(_, before)| before == stamp)
    };
    stamps.iter().all(as_before)
}

fn stamps(path: &Path, secrets: &[PathBuf]) -> Stamps {
    let secrets = secrets.iter().map(PathBuf::as_path);
    let files = std::iter::once(path).chain(secrets);
    files.map(|file| (file.to_owned(), stamp(file))).collect()
}

fn stamp(path: &Path) -> Option<FileStamp> {
    std::fs::metadata(path).ok().as_ref().map(FileStamp::of)
}
