//! The one place where machine code is loaded from bytes, and the proof that the bytes are ours.
//!
//! [`Trusted`] can only be made here: from an envelope whose digest was checked on the very bytes that are then loaded (not on a file that
//! could change in between), or from what this host's compiling process answered just now.

use crate::cache::{self, Unsealed};
use crate::compile::artifact::Artifact;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use wasmtime::component::Component;
use wasmtime::{Engine, Error, Result};

/// An artefact that this host had compiled and nobody changed since.
pub(crate) struct Trusted<'a>(&'a [u8]);

impl<'a> Trusted<'a> {
    /// Checks an envelope that the cache held under `key`, and takes the artefact out of it.
    pub(crate) fn check(key: &str, envelope: &'a [u8]) -> Result<Self, Unsealed> {
        cache::open(key, envelope).map(Self)
    }

    /// What the compiling process answered, over a pipe that nobody else writes to.
    pub(crate) fn compiled(artifact: &'a [u8]) -> Self {
        Self(artifact)
    }

    /// The envelope for the cache.
    pub(crate) fn seal(&self, key: &str) -> Vec<u8> {
        cache::seal(key, self.0)
    }

    /// What the artefact says of itself; none if it says nothing.
    pub(crate) fn artifact(&self) -> Option<Artifact<'a>> {
        Artifact::read(self.0)
    }

    /// Loads the machine code. The engine still refuses what was compiled for other settings.
    #[expect(
        unsafe_code,
        reason = "machine code cannot be validated; that these bytes are the engine's own output is what the type proves"
    )]
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component> {
        let artifact = self
            .artifact()
            .ok_or_else(|| Error::msg("it is no artefact"))?;
        // A file that exists in memory alone, which the engine maps: the code and the images of memories are then there once. From plain bytes
        // it makes copies of both.
        let sealed = sealed(artifact.code).ok();
        // SAFETY: the bytes are the unmodified output of `Engine::precompile_component` of this program. Either its process wrote them into
        // our pipe just now, or `check` compared their digest, which also binds the component and the engine's settings; the file they come
        // from is private to this user (mode 0600, owner checked).
        // The file holds the same bytes and is sealed: until the end of its last mapping nobody can change it, not even this process.
        unsafe {
            match sealed {
                Some(file) => {
                    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                    Component::deserialize_file(engine, path)
                }
                None => Component::deserialize(engine, artifact.code),
            }
        }
    }
}

/// The bytes in a file of memory that can no longer be changed.
fn sealed(bytes: &[u8]) -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("holdfast-component", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}
