//! The engine's cache of compiled components, in the data directory.

use holdfast_call::{Level, Log};
use holdfast_store::{ARTIFACT_BYTES_MAX, Artifacts};
use holdfast_wasm::cache::{ArtifactCache, NoCache};
use std::path::Path;
use std::sync::Arc;

/// Where in the data directory they are.
const ARTIFACTS: &str = "artifacts";

/// The engine's cache in the data directory's private files.
pub(super) struct Cache {
    files: Artifacts,
    log: Arc<dyn Log>,
    ours: Ours,
}

/// Whose directory it is.
enum Ours {
    /// This process holds it.
    Held,
    /// A host may run on it.
    Beside,
}

impl Cache {
    pub(super) fn open(data: &Path, log: Arc<dyn Log>) -> anyhow::Result<Self> {
        Ok(Self {
            files: Artifacts::open(&data.join(ARTIFACTS), ARTIFACT_BYTES_MAX)?,
            log,
            ours: Ours::Held,
        })
    }

    /// What a host that may run has compiled, to be read; nothing, if there is nothing to read.
    pub(super) fn beside(data: &Path, log: Arc<dyn Log>) -> Arc<dyn ArtifactCache> {
        match Artifacts::beside(&data.join(ARTIFACTS)) {
            Ok(files) => Arc::new(Self {
                files,
                log,
                ours: Ours::Beside,
            }),
            Err(_) => Arc::new(NoCache),
        }
    }
}

impl ArtifactCache for Cache {
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        match self.files.read(key) {
            Ok(holdfast_store::Read::Found(bytes)) => Some(bytes),
            Ok(holdfast_store::Read::Absent) => None,
            Ok(holdfast_store::Read::Untrusted(why)) => {
                self.log.host(
                    Level::Warn,
                    format!(
                        "the compiled artefact {key} is not trusted and will be made again: {why}"
                    ),
                );
                None
            }
            Err(error) => {
                self.log.host(
                    Level::Warn,
                    format!(
                        "the compiled artefact {key} cannot be read and will be made again: {error}"
                    ),
                );
                None
            }
        }
    }

    fn write(&self, key: &str, bytes: &[u8]) {
        if let Ours::Beside = self.ours {
            return;
        }
        // The component works without it; only the next start is slower.
        if let Err(error) = self.files.write(key, bytes) {
            self.log.host(
                Level::Warn,
                format!("the compiled artefact {key} cannot be kept: {error}"),
            );
        }
    }
}
