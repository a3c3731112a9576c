//! The versions that are kept, as the loader of plugins asks for them.

use crate::plugins::{Choice, Documents, KeepVersions, Pair};
use holdfast_store::{Choice as Stored, Digest, Versions, pair_digest};

/// Where the loader keeps versions.
pub(super) struct Kept(pub(super) std::sync::Arc<Versions>);

impl KeepVersions for Kept {
    fn choose(&self, name: &str, pair: &Pair) -> Result<Choice, String> {
        let said = |error: holdfast_store::StoreError| error.to_string();
        match self.0.choose(name, &digest(pair)).map_err(said)? {
            Stored::Directory => Ok(Choice::Directory),
            Stored::Kept(digest) => self
                .0
                .pair(name, &digest)
                .map_err(said)
                .and_then(pair_of)
                .map(Choice::Kept),
        }
    }

    fn serving(&self, name: &str, pair: &Pair) -> Result<(), String> {
        let manifest = pair.manifest.as_deref().map(str::as_bytes);
        let documents = pair.documents.packed();
        self.0
            .loaded(name, &pair.component, manifest, documents.as_deref())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn previous(&self, name: &str) -> Result<Pair, String> {
        self.0
            .previous(name)
            .map_err(|error| error.to_string())
            .and_then(pair_of)
    }

    fn rolled_back(&self, name: &str, directory: Option<&Pair>) -> Result<(), String> {
        self.0
            .rolled_back(name, directory.map(digest).as_ref())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn hold(&self, name: &str, pair: &Pair) -> Result<(), String> {
        self.0
            .hold(name, &digest(pair))
            .map_err(|error| error.to_string())
    }

    fn removed(&self, name: &str) -> Result<(), String> {
        self.0.removed(name).map_err(|error| error.to_string())
    }

    fn last(&self, name: &str, pair: &Pair) -> Result<Option<Pair>, String> {
        let said = |error: holdfast_store::StoreError| error.to_string();
        match self.0.state(name).map_err(said)?.serving {
            Some(serving) if serving != digest(pair) => self
                .0
                .pair(name, &serving)
                .map_err(said)
                .and_then(pair_of)
                .map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

/// The name of a version.
pub(super) fn digest(pair: &Pair) -> Digest {
    let manifest = pair.manifest.as_deref().map(str::as_bytes);
    let documents = pair.documents.packed();
    pair_digest(&pair.component, manifest, documents.as_deref())
}

fn pair_of(pair: holdfast_store::Pair) -> Result<Pair, String> {
    let manifest = pair.manifest.map(String::from_utf8).transpose();
    let manifest = manifest.map_err(|_| "the kept manifest is not text".to_owned())?;
    let documents = Documents::unpacked(pair.documents.as_deref())?;
    Ok(Pair {
        component: pair.component,
        manifest,
        documents,
    })
}
