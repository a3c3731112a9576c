//! `[files.NAME]` of the policy: the folders of the host that services may be given.

use crate::settings::name::Name;
use crate::settings::reader::Reader;
use crate::settings::written::WrittenFolder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder that services may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Whether guests may change it.
    pub writable: bool,
}

pub(super) fn check_all(
    written: BTreeMap<String, WrittenFolder>,
    folder: &Path,
    reader: &mut Reader<'_>,
) -> BTreeMap<Name, Folder> {
    let mut folders = BTreeMap::new();
    for (name, written) in written {
        let (key, name) = reader.named("files", &name);
        let Some(path) = written.path else {
            reader.wrong(&key, "needs `path`: the folder on the host");
            continue;
        };
        if let Some(name) = name {
            let path = folder.join(path);
            folders.insert(
                name,
                Folder {
                    path,
                    writable: written.write,
                },
            );
        }
    }
    folders
}
