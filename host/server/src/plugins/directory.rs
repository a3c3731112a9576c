//! One look at the plugin directory: which services lie there, with a stamp by which a change is seen, and which files are none.
//!
//! It reads names and stamps; of what is in a file, only which documents a manifest names.

use crate::plugins::documents::{self, DocumentsStamp};
use holdfast_call::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A file that was last changed longer ago than this is taken to be whole at the first sight of it.
const OLD: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub changed: i128,
    /// Which file it is: a replaced file is another one, whatever its times say.
    pub inode: u64,
}

impl FileStamp {
    /// The stamp of the file that `metadata` is of.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            changed: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Whether it was changed so long ago that nobody is writing it now.
    #[must_use]
    pub fn old(&self, now: WallTime) -> bool {
        let now = i128::from(now.0) * 1_000;
        self.changed + i128::try_from(OLD.as_nanos()).unwrap_or(0) < now
    }
}

/// The state of a service's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The component.
    pub component: FileStamp,
    /// The manifest, if there is one.
    pub manifest: Option<FileStamp>,
    /// The documents that the manifest names, if it names any.
    pub documents: Option<DocumentsStamp>,
}

impl Stamp {
    /// The stamp of the service `name` in `directory`; `None` if it has no component there.
    #[must_use]
    pub fn of(directory: &Path, name: &str) -> Option<Self> {
        let stamp = |file: String| {
            let metadata = std::fs::metadata(directory.join(file)).ok()?;
            metadata.is_file().then(|| FileStamp::of(&metadata))
        };
        let (component, manifest) = (
            stamp(format!("{name}.wasm"))?,
            stamp(format!("{name}.toml")),
        );
        let named = manifest.map(|_| documents::named(directory, name));
        Some(Self {
            component,
            manifest,
            documents: named.and_then(|named| DocumentsStamp::of(directory, &named)),
        })
    }

    /// Whether all were changed so long ago that nobody is writing them now.
    #[must_use]
    pub fn old(&self, now: WallTime) -> bool {
        self.component.old(now)
            && self.manifest.is_none_or(|manifest| manifest.old(now))
            && self.documents.is_none_or(|documents| documents.old(now))
    }
}

/// What lies in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The services, by name.
    pub services: BTreeMap<Arc<str>, Stamp>,
    /// What is no service, and why.
    pub ignored: BTreeMap<String, &'static str>,
}

/// Looks at the directory. Files whose names begin with a dot are passed over without a word: tools leave them while they copy.
///
/// # Errors
/// It cannot be read.
pub fn list(directory: &Path) -> std::io::Result<Listing> {
    let mut listing = Listing::default();
    let mut manifests = Vec::new();
    let mut others = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if file.starts_with('.') {
            continue;
        }
        match file.rsplit_once('.') {
            Some((name, "wasm" | "toml")) if !service_name(name) => {
                listing.ignored.insert(
                    file,
                    "a service's name is 1 to 63 lower-case letters, digits and inner hyphens, and not `internal`",
                );
            }
            Some((name, "wasm")) => match Stamp::of(directory, name) {
                Some(stamp) => {
                    listing.services.insert(name.into(), stamp);
                }
                None => {
                    listing
                        .ignored
                        .insert(file, "it is no file that can be read");
                }
            },
            Some((name, "toml")) => manifests.push(name.to_owned()),
            _ => others.push(file),
        }
    }
    let mut named = BTreeSet::new();
    for name in manifests {
        if listing.services.contains_key(name.as_str()) {
            named.extend(documents::named(directory, &name));
        } else {
            let why = "it is a manifest without a component beside it";
            listing.ignored.insert(format!("{name}.toml"), why);
        }
    }
    // A folder is there for what a manifest names in it.
    let first = |named: &String| named.split('/').next().map(str::to_owned);
    let named: BTreeSet<_> = named.iter().filter_map(first).collect();
    for file in others.into_iter().filter(|file| !named.contains(file)) {
        let why = "only NAME.wasm and NAME.toml are read, and what these name in [contract]";
        listing.ignored.insert(file, why);
    }
    Ok(listing)
}

/// Whether a service can be called so.
#[must_use]
pub fn service_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name != "internal"
}
