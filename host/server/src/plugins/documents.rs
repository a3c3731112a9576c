//! The documents that a manifest names: read with it, kept with it, and watched like it.
//!
//! A document lies in the plugin directory, wherever links lead. A manifest that is wrong names none: it is not loaded, and says why.

use crate::file;
use crate::plugins::directory::FileStamp;
use crate::plugins::load::Unread;
use crate::settings::documents_of;
use holdfast_call::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: u64 = 1 << 20;
/// The most documents of a service.
pub const DOCUMENTS_MAX: usize = 100;
/// The most bytes of all documents of a service: they are kept with each of its versions.
pub const DOCUMENTS_BYTES_MAX: usize = 4 << 20;

/// Documents, by the names that the manifest has for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents(BTreeMap<String, String>);

impl Documents {
    /// Reads what a manifest names.
    ///
    /// # Errors
    /// One is not there, lies elsewhere, is too large, or is no text.
    pub fn read(directory: &Path, manifest: Option<&str>) -> Result<Self, Unread> {
        let mut documents = BTreeMap::new();
        let mut bytes = 0;
        let names = manifest.map(documents_of).unwrap_or_default();
        if names.len() > DOCUMENTS_MAX {
            let why = format!("it names more than {DOCUMENTS_MAX} documents");
            let error = Error::new(ErrorKind::InvalidData, why);
            return Err(Unread::new(&directory.join("[contract]"), &error));
        }
        for name in names {
            let path = directory.join(&name);
            let unread = |error: Error| Unread::new(&path, &error);
            let inside = inside(directory, &path).map_err(unread)?;
            let text = file::text(&inside, DOCUMENT_BYTES_MAX).map_err(unread)?;
            bytes += text.len();
            if bytes > DOCUMENTS_BYTES_MAX {
                let why = format!(
                    "the documents of a service have at most {DOCUMENTS_BYTES_MAX} bytes together"
                );
                return Err(unread(Error::new(ErrorKind::InvalidData, why)));
            }
            documents.insert(name, text);
        }
        Ok(Self(documents))
    }

    /// The text of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// All of them in one, to be kept; nothing, if there are none.
    #[must_use]
    pub fn packed(&self) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        // Texts by text: it cannot fail.
        serde_json::to_vec(&self.0).ok()
    }

    /// What was packed.
    ///
    /// # Errors
    /// It is something else.
    pub fn unpacked(packed: Option<&[u8]>) -> Result<Self, String> {
        match packed {
            None => Ok(Self::default()),
            Some(packed) => serde_json::from_slice(packed)
                .map(Self)
                .map_err(|error| format!("the kept documents are damaged: {error}")),
        }
    }
}

/// Where a document really is, if that is in the directory.
fn inside(directory: &Path, path: &Path) -> std::io::Result<PathBuf> {
    let (whole, directory) = (path.canonicalize()?, directory.canonicalize()?);
    if whole.starts_with(directory) {
        return Ok(whole);
    }
    let why = "it leads out of the plugin directory: put the document itself there";
    Err(Error::new(ErrorKind::InvalidData, why))
}

/// The names of the documents that the manifest of a service names.
pub(super) fn named(directory: &Path, name: &str) -> BTreeSet<String> {
    // What cannot be read is said when it is to be loaded.
    let text = file::settings(&directory.join(format!("{name}.toml")));
    documents_of(&text.unwrap_or_default())
}

/// What tells one state of some documents from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentsStamp {
    /// Of their names and their files.
    pub files: u64,
    /// When the latest of them was changed, in nanoseconds since 1970.
    pub changed: i128,
}

impl DocumentsStamp {
    /// The stamp of the documents of these names; `None` where there are none.
    #[must_use]
    pub fn of(directory: &Path, names: &BTreeSet<String>) -> Option<Self> {
        let mut files = DefaultHasher::new();
        let mut changed = None;
        for name in names {
            let metadata = std::fs::metadata(directory.join(name)).ok();
            let stamp = metadata.map(|metadata| FileStamp::of(&metadata));
            (
                name,
                stamp.map(|stamp| (stamp.bytes, stamp.changed, stamp.inode)),
            )
                .hash(&mut files);
            changed = changed.max(Some(stamp.map_or(0, |stamp| stamp.changed)));
        }
        changed.map(|changed| Self {
            files: files.finish(),
            changed,
        })
    }

    /// Whether all were changed so long ago that nobody is writing them now.
    #[must_use]
    pub fn old(&self, now: WallTime) -> bool {
        let latest = FileStamp {
            bytes: 0,
            changed: self.changed,
            inode: 0,
        };
        latest.old(now)
    }
}
