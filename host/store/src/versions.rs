//! The versions of services: each a component with its manifest and what this names, kept by digest, so that the one before can be put back as it was.
//!
//! A service has a directory of its own: the pairs, and `index.json`, which says which one serves. A pair is written before the index that
//! names it, and removed after the one that no longer does, so a crash leaves at most a pair that nobody names. The rules are the pure
//! functions of [`State`]; the rest is disk.

use crate::digest::{Digest, pair_digest};
use crate::error::StoreError;
use crate::private::{Directory, Read};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many earlier versions are kept beside the one that serves.
pub const PREVIOUS_MAX: usize = 5;
pub(crate) const INDEX: &str = "index.json";

/// Which version of a service to load, when the plugin directory holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one in the plugin directory.
    Directory,
    /// This one: an operator rolled back from what the plugin directory still holds.
    Kept(Digest),
}

/// What is known of a service's versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The one that serves.
    pub serving: Option<Digest>,
    /// Those that served before, the latest first.
    pub previous: Vec<Digest>,
    /// The one in the plugin directory that an operator rolled back from.
    pub held: Option<Digest>,
}

impl State {
    /// Which version to load when the plugin directory holds `directory`.
    #[must_use]
    pub fn choose(&self, directory: &Digest) -> Choice {
        match (&self.serving, &self.held) {
            (Some(serving), Some(held)) if held == directory => Choice::Kept(serving.clone()),
            _ => Choice::Directory,
        }
    }

    /// `digest`, taken from the plugin directory, serves now. Going back is over: the directory has the word again.
    #[must_use]
    pub fn loaded(mut self, digest: &Digest) -> Self {
        self.held = None;
        if self.serving.as_ref() == Some(digest) {
            return self;
        }
        self.previous.retain(|known| known != digest);
        if let Some(before) = self.serving.replace(digest.clone()) {
            self.previous.insert(0, before);
        }
        self.previous.truncate(PREVIOUS_MAX);
        self
    }

    /// The latest of the previous serves again, and what the plugin directory holds does not, until it holds something else. Without a
    /// `directory` (its file is gone) the one that served until now is the one held back.
    ///
    /// `None` if there is nothing to go back to.
    #[must_use]
    pub fn rolled_back(mut self, directory: Option<&Digest>) -> Option<(Self, Digest)> {
        if self.previous.is_empty() {
            return None;
        }
        let back = self.previous.remove(0);
        let before = self.serving.replace(back.clone());
        self.held = directory.cloned().or(self.held).or(before);
        Some((self, back))
    }

    /// `digest`, which the plugin directory holds, does not serve, until the directory holds something else.
    #[must_use]
    pub fn holding(mut self, digest: &Digest) -> Self {
        self.held = Some(digest.clone());
        self
    }

    /// The service was removed from the plugin directory. What is put there next is new, whatever was rolled back before.
    #[must_use]
    pub fn removed(mut self) -> Self {
        self.held = None;
        self
    }

    fn names(&self, digest: &Digest) -> bool {
        let mut named = self.serving.iter().chain(&self.previous).chain(&self.held);
        named.any(|known| known == digest)
    }
}

/// A version: a component, its manifest if it has one, and the documents that the manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its name.
    pub digest: Digest,
    /// The component.
    pub component: Vec<u8>,
    /// The manifest.
    pub manifest: Option<Vec<u8>>,
    /// The documents that the manifest names, in one.
    pub documents: Option<Vec<u8>>,
}

/// The versions of every service.
#[derive(Debug)]
pub struct Versions {
    path: PathBuf,
    /// One change at a time: reading an index, changing it and writing it back belong together.
    changing: Mutex<()>,
}

impl Versions {
    /// Opens the directory, made if it is not there. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// It cannot be made, or is somebody else's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Directory::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            changing: Mutex::default(),
        })
    }

    /// What is known of a service's versions; nothing, if it never had one.
    ///
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn state(&self, name: &str) -> Result<State, StoreError> {
        let _changing = self.changing();
        index(&self.service(name)?)
    }

    /// Which version to load when the plugin directory holds `directory`.
    ///
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn choose(&self, name: &str, directory: &Digest) -> Result<Choice, StoreError> {
        Ok(self.state(name)?.choose(directory))
    }

    /// Keeps a pair, and says that it serves from now on. To be called once it is known to load, before it is swapped in.
    ///
    /// # Errors
    /// The disk fails or is full; the index then still says what it said.
    pub fn loaded(
        &self,
        name: &str,
        component: &[u8],
        manifest: Option<&[u8]>,
        documents: Option<&[u8]>,
    ) -> Result<Digest, StoreError> {
        let _changing = self.changing();
        let service = self.service(name)?;
        let before = index(&service)?;
        let digest = pair_digest(component, manifest, documents);
        if !matches!(pair(&service, name, &digest), Ok(kept) if kept.component == component) {
            if let Some(documents) = documents {
                service.write(&file(&digest, "documents"), documents)?;
            }
            if let Some(manifest) = manifest {
                service.write(&file(&digest, "toml"), manifest)?;
            }
            service.write(&file(&digest, "wasm"), component)?;
        }
        let after = before.clone().loaded(&digest);
        if after != before {
            write_index(&service, &after)?;
        }
        tidy(&service, &after)?;
        Ok(digest)
    }

    /// The pair `digest` of a service, checked to be what it was.
    ///
    /// # Errors
    /// It is not there, or not what it was.
    pub fn pair(&self, name: &str, digest: &Digest) -> Result<Pair, StoreError> {
        let _changing = self.changing();
        pair(&self.service(name)?, name, digest)
    }

    /// The pair that a rollback would put back.
    ///
    /// # Errors
    /// There is none, or it is not what it was.
    pub fn previous(&self, name: &str) -> Result<Pair, StoreError> {
        let _changing = self.changing();
        let service = self.service(name)?;
        let previous = index(&service)?.previous.into_iter().next();
        let digest = previous.ok_or_else(|| StoreError::NoPrevious(name.to_owned()))?;
        pair(&service, name, &digest)
    }

    /// Says that the version before serves from now on, although the plugin directory holds `directory`; a restart keeps it so. To be
    /// called once [`Versions::previous`] is known to load.
    ///
    /// # Errors
    /// There is none, or the disk fails; the index then still says what it said.
    pub fn rolled_back(
        &self,
        name: &str,
        directory: Option<&Digest>,
    ) -> Result<Digest, StoreError> {
        let _changing = self.changing();
        let service = self.service(name)?;
        let (after, back) = index(&service)?
            .rolled_back(directory)
            .ok_or_else(|| StoreError::NoPrevious(name.to_owned()))?;
        pair(&service, name, &back)?;
        write_index(&service, &after)?;
        tidy(&service, &after)?;
        Ok(back)
    }

    /// Says that `digest`, which the plugin directory holds and which never served everybody, is not to serve; a restart keeps it so.
    ///
    /// # Errors
    /// The disk fails; the index then still says what it said.
    pub fn hold(&self, name: &str, digest: &Digest) -> Result<(), StoreError> {
        let _changing = self.changing();
        let service = self.service(name)?;
        let before = index(&service)?;
        let after = before.clone().holding(digest);
        if after != before {
            write_index(&service, &after)?;
        }
        Ok(())
    }

    /// Says that the service was removed from the plugin directory. Its versions are kept.
    ///
    /// # Errors
    /// The disk fails; the index then still says what it said.
    pub fn removed(&self, name: &str) -> Result<(), StoreError> {
        let _changing = self.changing();
        let service = self.service(name)?;
        let before = index(&service)?;
        let after = before.clone().removed();
        if after != before {
            write_index(&service, &after)?;
        }
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // It guards files, and those are whole whenever a change breaks off.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn service(&self, name: &str) -> Result<Directory, StoreError> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=63).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(StoreError::Name(name.to_owned()));
        }
        Directory::open(&self.path.join(name))
    }
}

/// The index as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    serving: Option<String>,
    previous: Vec<String>,
    held: Option<String>,
}

const FORMAT: u32 = 1;

fn file(digest: &Digest, kind: &str) -> String {
    format!("{digest}.{kind}")
}

fn index(service: &Directory) -> Result<State, StoreError> {
    let damaged = |why: String| StoreError::Index {
        path: service.path().join(INDEX),
        why,
    };
    let bytes = match service.read(INDEX)? {
        Read::Found(bytes) => bytes,
        Read::Absent => return Ok(State::default()),
        Read::Untrusted(why) => return Err(damaged(why)),
    };
    let written: Written =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if written.format != FORMAT {
        return Err(damaged(format!(
            "its format is {}, not {FORMAT}",
            written.format
        )));
    }
    let digest = |text: String| {
        Digest::parse(&text).ok_or_else(|| damaged(format!("\"{text}\" is not a digest")))
    };
    Ok(State {
        serving: written.serving.map(digest).transpose()?,
        previous: written
            .previous
            .into_iter()
            .map(digest)
            .collect::<Result<_, _>>()?,
        held: written.held.map(digest).transpose()?,
    })
}

fn write_index(service: &Directory, state: &State) -> Result<(), StoreError> {
    let text = |digest: &Digest| digest.as_str().to_owned();
    let written = Written {
        format: FORMAT,
        serving: state.serving.as_ref().map(text),
        previous: state.previous.iter().map(text).collect(),
        held: state.held.as_ref().map(text),
    };
    let bytes = serde_json::to_vec_pretty(&written)
        .map_err(|error| StoreError::write(&service.path().join(INDEX), error))?;
    service.write(INDEX, &bytes)
}

/// The pair is what it was if its digest is: a torn, missing or exchanged half shows.
fn pair(service: &Directory, name: &str, digest: &Digest) -> Result<Pair, StoreError> {
    let bad = |why| StoreError::Version {
        name: name.to_owned(),
        digest: digest.clone(),
        why,
    };
    let Read::Found(component) = service.read(&file(digest, "wasm"))? else {
        return Err(bad("is not kept any more"));
    };
    let manifest = match service.read(&file(digest, "toml"))? {
        Read::Found(manifest) => Some(manifest),
        Read::Absent => None,
        Read::Untrusted(_) => return Err(bad("has a manifest that somebody else has touched")),
    };
    let documents = match service.read(&file(digest, "documents"))? {
        Read::Found(documents) => Some(documents),
        Read::Absent => None,
        Read::Untrusted(_) => return Err(bad("has documents that somebody else has touched")),
    };
    if pair_digest(&component, manifest.as_deref(), documents.as_deref()) != *digest {
        return Err(bad("is damaged"));
    }
    Ok(Pair {
        digest: digest.clone(),
        component,
        manifest,
        documents,
    })
}

/// Removes the pairs that nobody names any more, and what was never finished.
fn tidy(service: &Directory, state: &State) -> Result<(), StoreError> {
    service.sweep()?;
    for name in service.names()? {
        let digest = name
            .split_once('.')
            .filter(|(_, kind)| matches!(*kind, "wasm" | "toml" | "documents"))
            .and_then(|(digest, _)| Digest::parse(digest));
        if digest.is_some_and(|digest| !state.names(&digest)) {
            service.remove(&name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
