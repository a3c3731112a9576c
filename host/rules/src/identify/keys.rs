//! The keys of the host's callers, as the `identify` layer looks them up: a copy in memory of what the store has.
//!
//! A lookup asks no database, so neither its speed nor its silence is felt by every call. The price is that what another host revokes is
//! refused here [`READ_EVERY`] later; and a copy older than [`STALE_MAX`] is used no more, because nobody would know whether a key was revoked.

use super::KEY_PREFIX;
use holdfast_call::{AccessScope, Moment, Principal, WallTime};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// How often the copy is made anew, while the store answers.
pub const READ_EVERY: Duration = Duration::from_secs(2);

/// How old a copy may be that is still used: several readings may fail, as while a database server starts again.
pub const STALE_MAX: Duration = Duration::from_secs(10);

/// The longest key that is looked at, in bytes: those that we make have 70.
const KEY_BYTES_MAX: usize = 128;

/// A key as the store has it.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its name, which is no secret.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// The SHA-256 of its secret part.
    pub secret: [u8; 32],
    /// What it is good for.
    pub scopes: Vec<AccessScope>,
    /// When it ends, if it does.
    pub expires: Option<WallTime>,
    /// Whether it still holds.
    pub standing: Standing,
}

/// Whether a key was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Live,
    /// It was taken back.
    Revoked,
}

/// What a key that somebody brought is.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// This principal's.
    Known(Arc<Principal>),
    /// None that was made here, or its secret is wrong.
    Unknown,
    /// Made here, and over.
    Expired(String),
    /// Made here, and taken back.
    Revoked(String),
    /// Nobody can say: the store has not answered for too long.
    Unread,
}

/// The keys there are.
#[derive(Debug, Default)]
pub struct KeyRing(RwLock<Option<Arc<Ring>>>);

#[derive(Debug)]
struct Ring {
    /// When it was read.
    read: Moment,
    keys: HashMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    secret: [u8; 32],
    expires: Option<WallTime>,
    standing: Standing,
    principal: Arc<Principal>,
}

impl KeyRing {
    /// These are all the keys there were at `read`.
    pub fn put(&self, keys: Vec<StoredKey>, read: Moment) {
        let keys = keys.into_iter().map(|key| {
            let held = Held {
                secret: key.secret,
                expires: key.expires,
                standing: key.standing,
                principal: Arc::new(Principal {
                    name: key.principal.into(),
                    proof: format!("key:{}", key.id).into(),
                    scopes: key.scopes.into(),
                }),
            };
            (key.id, held)
        });
        let ring = Arc::new(Ring {
            read,
            keys: keys.collect(),
        });
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Two readings may overtake each other; the one that began later knows more.
        if now.as_ref().is_none_or(|old| old.read <= read) {
            *now = Some(ring);
        }
    }

    /// Whose key this is.
    #[must_use]
    pub fn find(&self, key: &str, now: Moment, wall: WallTime) -> Found {
        let ring = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let ring = match ring {
            Some(ring) if now.since(ring.read) <= STALE_MAX => ring,
            _ => return Found::Unread,
        };
        let Some((id, secret)) = parts(key) else {
            return Found::Unknown;
        };
        let Some(held) = ring.keys.get(id) else {
            return Found::Unknown;
        };
        let hash: [u8; 32] = Sha256::digest(secret).into();
        if !bool::from(hash.ct_eq(&held.secret)) {
            return Found::Unknown;
        }
        // Only to whoever has the key is it said what became of it.
        match held.standing {
            Standing::Revoked => Found::Revoked(id.to_owned()),
            Standing::Live if held.expires.is_some_and(|end| wall >= end) => {
                Found::Expired(id.to_owned())
            }
            Standing::Live => Found::Known(held.principal.clone()),
        }
    }
}

/// The name and the secret of a key.
fn parts(key: &str) -> Option<(&str, &str)> {
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    key.strip_prefix(KEY_PREFIX)?.split_once('_')
}

#[cfg(test)]
pub(super) fn stored(id: &str, secret: &str) -> StoredKey {
    StoredKey {
        id: id.to_owned(),
        principal: "ann".to_owned(),
        secret: Sha256::digest(secret).into(),
        scopes: vec![AccessScope::parse("*").unwrap()],
        expires: None,
        standing: Standing::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    fn ring(keys: Vec<StoredKey>) -> KeyRing {
        let ring = KeyRing::default();
        ring.put(keys, NOW);
        ring
    }

    fn found(ring: &KeyRing, key: &str) -> Found {
        ring.find(key, NOW, WallTime(50))
    }

    #[test]
    fn only_the_whole_key_is_its_principals() {
        let ring = ring(vec![stored("a1", "s3cret"), stored("a2", "other")]);
        let Found::Known(principal) = found(&ring, "hf_a1_s3cret") else {
            unreachable!()
        };
        assert_eq!((&*principal.name, &*principal.proof), ("ann", "key:a1"));
        let long = format!("hf_a1_{}", "s".repeat(KEY_BYTES_MAX));
        for key in [
            "",
            "hf_",
            "hf_a1",
            "hf_a1_",
            "hf_a1_s3cre",
            "hf_a1_s3cret_",
            "hf_a2_s3cret",
            "hf_A1_s3cret",
            "a1_s3cret",
            "hf__s3cret",
            &long,
        ] {
            assert_eq!(found(&ring, key), Found::Unknown, "{key}");
        }
    }

    #[test]
    fn a_key_that_is_over_or_taken_back_is_told_from_a_wrong_one_to_its_owner_alone() {
        let over = StoredKey {
            expires: Some(WallTime(50)),
            ..stored("over", "s")
        };
        let soon = StoredKey {
            expires: Some(WallTime(51)),
            ..stored("soon", "s")
        };
        let back = StoredKey {
            standing: Standing::Revoked,
            ..stored("back", "s")
        };
        let ring = ring(vec![over, soon, back]);
        assert_eq!(found(&ring, "hf_over_s"), Found::Expired("over".to_owned()));
        assert_eq!(found(&ring, "hf_back_s"), Found::Revoked("back".to_owned()));
        assert_eq!(found(&ring, "hf_over_x"), Found::Unknown);
        assert_eq!(found(&ring, "hf_back_x"), Found::Unknown);
        assert!(matches!(found(&ring, "hf_soon_s"), Found::Known(_)));
    }

    #[test]
    fn what_was_not_read_for_too_long_is_used_no_more() {
        let ring = ring(vec![stored("a", "s")]);
        let at = |span| ring.find("hf_a_s", NOW.after(span), WallTime(50));
        assert!(matches!(at(STALE_MAX), Found::Known(_)));
        let late = STALE_MAX + Duration::from_nanos(1);
        assert_eq!(at(late), Found::Unread);
        let never = KeyRing::default();
        assert_eq!(never.find("hf_a_s", NOW, WallTime(50)), Found::Unread);
    }

    #[test]
    fn an_older_reading_that_comes_late_changes_nothing() {
        let ring = ring(vec![]);
        ring.put(vec![stored("a", "s")], Moment::from_nanos(5));
        assert_eq!(found(&ring, "hf_a_s"), Found::Unknown);
    }
}
