//! The key that the checkpoints of the audit log are signed with, and its public half, by which anybody can check them.
//!
//! The log is named after its key: whoever has the public half knows which log it belongs to, and a log that was begun anew with another
//! key is another log.

use super::error::AuditError;
use crate::error::StoreError;
use crate::private::{Directory, Read};
use data_encoding::{BASE64, HEXLOWER};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// How many bytes a key is made of.
pub const SEED_BYTES: usize = 32;

pub(crate) const NAME: &str = "audit.key";
const PUBLIC_BYTES: usize = 32;
/// What a signed note calls an Ed25519 key.
const ED25519_KIND: u8 = 1;
const ORIGIN: &str = "holdfast.audit/";

/// Whether a log is there already: then its key must be, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// A log is there.
    There,
    /// None is.
    New,
}

/// The key. Nothing prints it.
pub(super) struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Reads the key of this data directory, or makes it of `random`. The caller holds the directory's lock.
    pub(super) fn open(
        data: &Path,
        log: Log,
        random: impl FnOnce() -> [u8; SEED_BYTES],
    ) -> Result<Self, AuditError> {
        let directory = Directory::open(data)?;
        let path = data.join(NAME).display().to_string();
        match (directory.read(NAME)?, log) {
            (Read::Found(seed), _) => Self::of(&seed)
                .ok_or_else(|| AuditError::Key(format!("{path} is not {SEED_BYTES} bytes long"))),
            (Read::Untrusted(why), _) => Err(AuditError::Key(why)),
            (Read::Absent, Log::There) => Err(AuditError::Key(format!(
                "{path} is not there, though a log is; put it back, or move the log away to begin a new one"
            ))),
            (Read::Absent, Log::New) => {
                let seed = random();
                directory.write(NAME, &seed)?;
                Self::of(&seed).ok_or(AuditError::Key(path))
            }
        }
    }

    pub(super) fn of(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature line of a note with this text.
    pub(super) fn sign(&self, text: &str) -> String {
        let mut signed = self.public.id().to_vec();
        signed.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        let origin = self.public.origin();
        format!("{SIGNED}{origin} {}\n", BASE64.encode(&signed))
    }
}

/// How the line of a signature begins.
pub(super) const SIGNED: &str = "\u{2014} ";

/// The public half of a log's key, in the form in which signed notes name their keys: `NAME+ID+KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_BYTES]);

impl PublicKey {
    /// The public half of the key in this data directory.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn of_data(data: &Path) -> Result<Self, AuditError> {
        let path = data.join(NAME);
        let seed = std::fs::read(&path).map_err(|source| StoreError::read(&path, source));
        let key = seed.map(|seed| SigningKey::of(&seed));
        let key = key.map_err(|error| AuditError::Key(error.to_string()))?;
        key.map(|key| key.public)
            .ok_or_else(|| AuditError::Key(format!("{} is no key", path.display())))
    }

    /// The name of the log: the beginning of the SHA-256 of its key.
    #[must_use]
    pub fn host(&self) -> String {
        let digest = Sha256::digest(self.0);
        HEXLOWER.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// What the checkpoints of the log say they are of.
    pub(super) fn origin(&self) -> String {
        format!("{ORIGIN}{}", self.host())
    }

    fn id(&self) -> [u8; 4] {
        let mut sha = Sha256::new();
        sha.update(self.origin());
        sha.update(b"\n");
        sha.update([ED25519_KIND]);
        sha.update(self.0);
        let digest = sha.finalize();
        *digest.first_chunk().unwrap_or(&[0; 4])
    }

    /// Whether this line signs this text with this key.
    pub(super) fn signed(&self, text: &str, line: &str) -> Signed {
        let checked = || {
            let rest = line.strip_prefix(SIGNED)?.strip_suffix('\n')?;
            let rest = rest.strip_prefix(&self.origin())?.strip_prefix(' ')?;
            let signed = BASE64.decode(rest.as_bytes()).ok()?;
            let signature = signed.strip_prefix(&self.id())?;
            let key = UnparsedPublicKey::new(&ED25519, self.0);
            key.verify(text.as_bytes(), signature).ok()
        };
        match checked() {
            Some(()) => Signed::Yes,
            None => Signed::No,
        }
    }
}

/// Whether something is signed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    Yes,
    No,
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_KIND];
        key.extend_from_slice(&self.0);
        let (id, key) = (HEXLOWER.encode(&self.id()), BASE64.encode(&key));
        write!(f, "{}+{id}+{key}", self.origin())
    }
}

impl FromStr for PublicKey {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let read = || {
            let (_, key) = text.trim().split_once('+')?.1.split_once('+')?;
            let key = BASE64.decode(key.as_bytes()).ok()?;
            let key = Self(key.strip_prefix(&[ED25519_KIND])?.try_into().ok()?);
            (key.to_string() == text.trim()).then_some(key)
        };
        read().ok_or_else(|| {
            AuditError::Key(format!(
                "\"{text}\" is not the public half of one; it looks like {ORIGIN}…+…+…"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(data: &Path, log: Log, byte: u8) -> Result<SigningKey, AuditError> {
        SigningKey::open(data, log, || [byte; SEED_BYTES])
    }

    #[test]
    fn it_is_made_once_and_a_log_without_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let made = open(folder.path(), Log::New, 1).unwrap();
        let again = open(folder.path(), Log::There, 2).unwrap();
        assert_eq!(made.public(), again.public());
        assert_eq!(
            &PublicKey::of_data(folder.path()).unwrap(),
            made.public(),
            "its public half can be told without the host"
        );
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        let refused = open(folder.path(), Log::There, 2).err().unwrap();
        assert!(refused.to_string().contains("put it back"), "{refused}");
    }

    #[test]
    fn one_that_others_could_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), Log::New, 1).unwrap();
        let loose = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(folder.path().join(NAME), loose).unwrap();
        let refused = open(folder.path(), Log::There, 2).err().unwrap();
        assert!(refused.to_string().contains("mode is 640"), "{refused}");
    }

    #[test]
    fn the_public_half_reads_back_and_nothing_else_does() {
        let key = SigningKey::of(&[7; SEED_BYTES]).unwrap();
        let text = key.public().to_string();
        assert_eq!(text.parse(), Ok(key.public().clone()));
        let other = SigningKey::of(&[8; SEED_BYTES])
            .unwrap()
            .public()
            .to_string();
        let key_of_other = other.rsplit('+').next().unwrap();
        let own = text.rsplit('+').next().unwrap();
        for bad in ["", "a+b+c", own, &text.replace(own, key_of_other)] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_key_signs_and_only_that_text() {
        let key = SigningKey::of(&[7; SEED_BYTES]).unwrap();
        let other = SigningKey::of(&[8; SEED_BYTES]).unwrap();
        let line = key.sign("text\n");
        assert_eq!(key.public().signed("text\n", &line), Signed::Yes);
        assert_eq!(key.public().signed("texts\n", &line), Signed::No);
        assert_eq!(other.public().signed("text\n", &line), Signed::No);
        assert_eq!(key.public().signed("text\n", &line[..20]), Signed::No);
        assert_eq!(key.public().signed("text\n", ""), Signed::No);
    }
}
