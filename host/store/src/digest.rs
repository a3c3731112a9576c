//! Names made from content: SHA-256, in hexadecimal.

use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};

/// The SHA-256 of something, as 64 hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Reads a digest back; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of a version: the component, its manifest and the documents that this names, each with its length, so that no byte can move
/// from one to the other. A manifest that is empty and none at all are two things.
#[must_use]
pub fn pair_digest(component: &[u8], manifest: Option<&[u8]>, documents: Option<&[u8]>) -> Digest {
    let mut sha = Sha256::new();
    sha.update(b"holdfast version 1\0");
    sha.update((component.len() as u64).to_le_bytes());
    sha.update(component);
    match manifest {
        None => sha.update([0]),
        Some(manifest) => {
            sha.update([1]);
            sha.update((manifest.len() as u64).to_le_bytes());
            sha.update(manifest);
        }
    }
    if let Some(documents) = documents {
        sha.update([2]);
        sha.update((documents.len() as u64).to_le_bytes());
        sha.update(documents);
    }
    let mut text = String::with_capacity(64);
    for byte in sha.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Digest(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_can_move_between_component_and_manifest() {
        let digests = [
            pair_digest(b"ab", Some(b"c"), None),
            pair_digest(b"a", Some(b"bc"), None),
            pair_digest(b"abc", Some(b""), None),
            pair_digest(b"abc", None, None),
            pair_digest(b"", Some(b"abc"), None),
            pair_digest(b"", Some(b"ab"), Some(b"c")),
            pair_digest(b"", Some(b"abc"), Some(b"")),
        ];
        for (place, one) in digests.iter().enumerate() {
            for other in &digests[place + 1..] {
                assert_ne!(one, other);
            }
        }
        assert_eq!(pair_digest(b"ab", Some(b"c"), None), digests[0]);
    }

    #[test]
    fn a_digest_reads_back_and_nothing_else_does() {
        let digest = pair_digest(b"x", None, None);
        assert_eq!(Digest::parse(digest.as_str()), Some(digest.clone()));
        for bad in [
            "",
            "../../etc/passwd",
            &digest.as_str()[1..],
            &digest.as_str().to_uppercase(),
        ] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }
}
