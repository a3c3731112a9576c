//! A built service into the plugin directory, as a careful person would: each file whole, on the disk, and by a rename.
//!
//! The documents that a manifest names go first, then the manifest: a running host waits until all files are at rest, and takes them
//! together.

use crate::plugins::Documents;
use crate::settings::Name;
use anyhow::Context as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Puts the files of a service into `plugins`, which is made if it is not there.
///
/// # Errors
/// A file cannot be written; then nothing in the directory was replaced, unless a rename failed.
pub fn publish(
    plugins: &Path,
    name: &Name,
    component: &[u8],
    manifest: &str,
    documents: &Documents,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(plugins)
        .with_context(|| format!("cannot make {}", plugins.display()))?;
    let mut named = Vec::new();
    for (document, text) in documents.iter() {
        named.push(Whole::write(plugins, document, text.as_bytes())?);
    }
    let manifest = Whole::write(plugins, &format!("{name}.toml"), manifest.as_bytes())?;
    let component = Whole::write(plugins, &format!("{name}.wasm"), component)?;
    for document in named {
        document.place()?;
    }
    manifest.place()?;
    component.place()?;
    File::open(plugins)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot write {}", plugins.display()))
}

/// Puts a file in the place of another one.
///
/// # Errors
/// It cannot be written; then the other one is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path.file_name().context("it has no name")?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    Whole::write(folder, &name.to_string_lossy(), bytes)?.place()
}

/// A file that is whole, beside the place where it belongs. Its name begins with a dot, which a host passes over.
struct Whole {
    here: PathBuf,
    place: PathBuf,
}

impl Whole {
    fn write(plugins: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<Self> {
        let place = plugins.join(name);
        let folder = place.parent().unwrap_or(plugins);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let last = place.file_name().unwrap_or_default().to_string_lossy();
        let whole = Self {
            here: folder.join(format!(".{last}.new-{}", std::process::id())),
            place,
        };
        File::create(&whole.here)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .with_context(|| format!("cannot write {}", whole.here.display()))?;
        Ok(whole)
    }

    fn place(self) -> anyhow::Result<()> {
        std::fs::rename(&self.here, &self.place)
            .with_context(|| format!("cannot write {}", self.place.display()))
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.here);
    }
}
