//! The keys that an issuer publishes (a JWK Set, RFC 7517). A key that is for something else, or that we cannot use, is passed over: others
//! of the set may serve. One whose private half stands beside it proves nothing, for everybody who reads the set could sign with it.

use super::algorithm::{Algorithm, Scheme};
use super::bytes;
use crate::contract::described::json;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};
use std::fmt;

/// The largest set that is read, in bytes.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;

/// The most keys of a set that are looked at.
pub const KEYS_MAX: usize = 128;

/// The bytes of a modulus: of 2,048 to 8,192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of an issuer.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

/// Why a text is no set of keys that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKeys {
    /// It is too large.
    Large,
    /// It is no set.
    NoSet,
    /// There is none in it that a token can be checked with.
    NoneFits,
}

/// One key.
pub(super) struct Key {
    name: Option<String>,
    /// The only algorithm that it is for, if its owner says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    /// It is none, or has no key that can be used.
    pub fn read(text: &[u8]) -> Result<Self, NoKeys> {
        if text.len() > KEYS_BYTES_MAX {
            return Err(NoKeys::Large);
        }
        let Ok(Value::Object(set)) = json(text) else {
            return Err(NoKeys::NoSet);
        };
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err(NoKeys::NoSet);
        };
        let keys: Vec<_> = keys.iter().take(KEYS_MAX).filter_map(key).collect();
        match keys.is_empty() {
            true => Err(NoKeys::NoneFits),
            false => Ok(Self(keys)),
        }
    }

    /// Those that a token could be signed with: of that name where it names one, else all that are for its algorithm.
    pub(super) fn fitting<'a>(
        &'a self,
        algorithm: Algorithm,
        name: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Key> {
        let named = move |key: &&Key| name.is_none_or(|name| key.name.as_deref() == Some(name));
        let fits = move |key: &&Key| key.fits(algorithm);
        self.0.iter().filter(named).filter(fits)
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = matches!(
            (&self.material, algorithm.scheme()),
            (Material::Rsa { .. }, Scheme::Rsa(_))
                | (Material::P256(_), Scheme::P256(_))
                | (Material::P384(_), Scheme::P384(_))
                | (Material::Ed25519(_), Scheme::Ed25519(_))
        );
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    pub(super) fn signs(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm.scheme()) {
            (Material::Rsa { n, e }, Scheme::Rsa(scheme)) => RsaPublicKeyComponents { n, e }
                .verify(scheme, message, signature)
                .is_ok(),
            (Material::P256(point), Scheme::P256(scheme))
            | (Material::P384(point), Scheme::P384(scheme))
            | (Material::Ed25519(point), Scheme::Ed25519(scheme)) => {
                let key = UnparsedPublicKey::new(scheme, point);
                key.verify(message, signature).is_ok()
            }
            (
                Material::Rsa { .. } | Material::P256(_) | Material::P384(_) | Material::Ed25519(_),
                Scheme::Rsa(_) | Scheme::P256(_) | Scheme::P384(_) | Scheme::Ed25519(_),
            ) => false,
        }
    }
}

impl fmt::Display for NoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Large => write!(f, "they have more than {KEYS_BYTES_MAX} bytes"),
            Self::NoSet => {
                f.write_str("they are no JSON object with `keys` that is read in just one way")
            }
            Self::NoneFits => write!(
                f,
                "none of the first {KEYS_MAX} is the public half of a key for signatures with RSA (2,048 bits or more), P-256, P-384 or Ed25519"
            ),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.name)
    }
}

/// A key of a set, if tokens can be checked with it.
fn key(written: &Value) -> Option<Key> {
    let written = written.as_object()?;
    let text = |name: &str| written.get(name).and_then(Value::as_str);
    let usage = match written.get("use") {
        None => true,
        Some(usage) => usage == "sig",
    };
    let may = match written.get("key_ops") {
        None => true,
        Some(operations) => operations
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "verify")),
    };
    let private = written.contains_key("d") || written.contains_key("k");
    if !usage || !may || private {
        return None;
    }
    let algorithm = match written.get("alg") {
        None => None,
        Some(Value::String(word)) => Some(Algorithm::parse(word)?),
        Some(_) => return None,
    };
    let name = match written.get("kid") {
        None => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return None,
    };
    let material = match (text("kty")?, text("crv")) {
        ("RSA", None) => rsa(written)?,
        ("EC", Some("P-256")) => Material::P256(point(written, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(written, 48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(written, "x", 32)?),
        _ => return None,
    };
    Some(Key {
        name,
        algorithm,
        material,
    })
}

fn rsa(written: &Map<String, Value>) -> Option<Material> {
    // Some write the zero before the number that shows its sign; the number is the same.
    let number = |name: &str| {
        let number = bytes(written.get(name)?.as_str()?)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        Some(number.get(zeros..)?.to_vec())
    };
    let (n, e) = (number("n")?, number("e")?);
    MODULUS_BYTES
        .contains(&n.len())
        .then_some(Material::Rsa { n, e })
}

/// A point in the form that it is checked in.
fn point(written: &Map<String, Value>, size: usize) -> Option<Vec<u8>> {
    let (x, y) = (
        coordinate(written, "x", size)?,
        coordinate(written, "y", size)?,
    );
    Some([&[4], x.as_slice(), y.as_slice()].concat())
}

fn coordinate(written: &Map<String, Value>, name: &str, size: usize) -> Option<Vec<u8>> {
    let number = bytes(written.get(name)?.as_str()?)?;
    (number.len() == size).then_some(number)
}
