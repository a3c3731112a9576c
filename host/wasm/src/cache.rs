//! Where compiled components are kept, and in which form: an envelope that a damaged or exchanged file cannot pass.
//!
//! The engine itself notices no flipped bits in what it compiled earlier, so the envelope carries a digest of our own. Nothing in here
//! loads machine code; that is `trusted.rs`.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::hash::Hasher;

/// Keeps bytes under keys, for this host alone. Best effort: what cannot be read is compiled again.
pub trait ArtifactCache: Send + Sync {
    /// What is kept under `key`.
    fn read(&self, key: &str) -> Option<Vec<u8>>;
    /// Keeps `bytes` under `key`, in place of what was there.
    fn write(&self, key: &str, bytes: &[u8]);
}

/// A cache that keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl ArtifactCache for NoCache {
    fn read(&self, _key: &str) -> Option<Vec<u8>> {
        None
    }
    fn write(&self, _key: &str, _bytes: &[u8]) {}
}

const MAGIC: &[u8] = b"holdfast artifact 4\n";
const DIGEST_BYTES: usize = 32;

/// The key of a component compiled for engines with this fingerprint: everything that the machine code depends on.
#[must_use]
pub fn key(component_digest: &str, fingerprint: &str) -> String {
    format!("{component_digest}{fingerprint}")
}

/// The digest of a component, in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// An artefact as it is kept under `key`.
#[must_use]
pub fn seal(key: &str, artifact: &[u8]) -> Vec<u8> {
    let mut envelope = Vec::with_capacity(MAGIC.len() + DIGEST_BYTES + artifact.len());
    envelope.extend_from_slice(MAGIC);
    envelope.extend_from_slice(&proof(key, artifact));
    envelope.extend_from_slice(artifact);
    envelope
}

/// Why an envelope was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// It is no envelope, or one of another version.
    Foreign,
    /// Its content is not what was sealed, or was sealed under another key.
    Damaged,
}

/// The artefact in an envelope, if it is whole and was sealed under this key.
///
/// # Errors
/// If it is not.
pub fn open<'a>(key: &str, envelope: &'a [u8]) -> Result<&'a [u8], Unsealed> {
    let sealed = envelope.strip_prefix(MAGIC).ok_or(Unsealed::Foreign)?;
    let (written, artifact) = sealed
        .split_at_checked(DIGEST_BYTES)
        .ok_or(Unsealed::Damaged)?;
    if written == proof(key, artifact) {
        Ok(artifact)
    } else {
        Err(Unsealed::Damaged)
    }
}

/// Binds the artefact to its key, so that a file renamed to another component's key does not pass.
fn proof(key: &str, artifact: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update(artifact);
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Collects what an engine hashes, whole instead of folded to 64 bits.
#[derive(Default)]
pub(crate) struct DigestHasher(Sha256);

impl DigestHasher {
    /// What was collected, in hexadecimal.
    pub(crate) fn text(self) -> String {
        hex(&self.0.finalize())
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}
