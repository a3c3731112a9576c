//! A host under watch: `recorder.c`, built where it is needed, puts on record what it does to the files of its data directory.
//!
//! A host that is watched is killed by [`terminate`](super::Host::terminate), so that what is on record is what was done.

use super::guests::root;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The program that watches, and the file that it writes to.
pub(crate) struct Recorder {
    dir: TempDir,
}

impl Recorder {
    /// Builds it, with the compiler that the host's own database needs too.
    pub(crate) fn build() -> Self {
        let this = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let built = Command::new("cc")
            .args(["-O1", "-o"])
            .arg(this.program())
            .arg(root().join("tests/harness/recorder.c"))
            .status();
        assert!(built.unwrap().success(), "the recorder does not build");
        std::fs::write(this.trace(), b"").unwrap();
        this
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.dir.path().join("recorder")
    }

    /// What is on record. It only grows.
    pub(crate) fn trace(&self) -> PathBuf {
        self.dir.path().join("trace")
    }
}
