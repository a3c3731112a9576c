//! The one place where machine code is loaded from bytes, and the proof that the bytes are ours.
//!
//! [`Trusted`] can only be made here, from an envelope whose digest was checked on the very bytes that are then loaded (not on a file that
//! could change in between).

use crate::cache::{self, Unsealed};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Bytes that this host's engine compiled and nobody changed since.
pub(crate) struct Trusted(Vec<u8>);

impl Trusted {
    /// Checks an envelope that the cache held under `key`, and takes the artefact out of it.
    pub(crate) fn check(key: &str, envelope: &[u8]) -> Result<Self, Unsealed> {
        cache::open(key, envelope).map(|artifact| Self(artifact.to_vec()))
    }

    /// Loads the machine code. The engine still refuses what was compiled for other settings.
    #[expect(
        unsafe_code,
        reason = "machine code cannot be validated; that these bytes are the engine's own output is what the type proves"
    )]
    pub(crate) fn load(&self, engine: &Engine) -> Result<Component> {
        // SAFETY: the bytes are the unmodified output of `Component::serialize` of this host: `check` compared their digest, which also
        // binds the component and the engine's settings; the file they come from is private to this user (mode 0600, owner checked).
        unsafe { Component::deserialize(engine, &self.0) }
    }
}
