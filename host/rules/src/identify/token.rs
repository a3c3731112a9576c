//! Signed tokens of issuers that the policy names (JWT, RFC 7519, signed as RFC 7515 says): what is written in one, and whether a key of its
//! issuer has signed it.
//!
//! Three types, so that nothing is believed too early: a [`Token`] was read, and says only what is needed to look for its key; [`Claims`]
//! were signed by one; a [`Bearer`] fits the issuer's settings and the time. The algorithm of a token must be one that the policy allows
//! *and* that of the key: what a key is for its owner says, never the token. Keys that a token brings or points to (`jwk`, `jku`, `x5c`,
//! `x5u`) are not looked at. Signatures are checked by `ring`; here is what its callers have got wrong elsewhere.

mod algorithm;
mod claims;
mod jwks;
mod untaken;

pub use algorithm::Algorithm;
pub use claims::{Bearer, Claims, Wanted};
pub use jwks::{KEYS_BYTES_MAX, KEYS_MAX, KeySet, NoKeys};
pub use untaken::Untaken;

use crate::contract::described::json;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

/// The longest token that is looked at, in bytes: a quarter of what a head may have, and twice what the largest of well-known issuers have.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The most keys that a token is checked with: several only where neither it nor they say which one it is.
pub const TRIES_MAX: usize = 4;

/// A token as it was read: nothing in it is true yet.
pub struct Token<'a> {
    algorithm: Algorithm,
    key: Option<String>,
    signed: &'a [u8],
    signature: Vec<u8>,
    issuer: String,
    claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Reads a token in its compact form.
    ///
    /// # Errors
    /// It is none that could be taken here, whoever has signed it.
    pub fn read(text: &'a str) -> Result<Self, Untaken> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Untaken::Long);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Untaken::NoToken)?;
        let (head, claims) = signed.split_once('.').ok_or(Untaken::NoToken)?;
        let (algorithm, key) = read_head(&object(head, "header")?)?;
        let mut claims = object(claims, "payload")?;
        let issuer = match claims.remove("iss") {
            Some(Value::String(issuer)) => issuer,
            Some(_) => return Err(Untaken::Malformed("iss".to_owned())),
            None => return Err(Untaken::Missing("iss".to_owned())),
        };
        Ok(Self {
            algorithm,
            key,
            signed: signed.as_bytes(),
            signature: bytes(signature).ok_or(Untaken::Unreadable("signature"))?,
            issuer,
            claims,
        })
    }

    /// Whose token it says it is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How it says it is signed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key that it says it is signed with.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether one of these keys could have signed it.
    #[must_use]
    pub fn may_fit(&self, keys: &KeySet) -> bool {
        keys.fitting(self.algorithm, self.key()).next().is_some()
    }

    /// What it claims, if one of these keys has signed it.
    ///
    /// # Errors
    /// None of them could have, or none has.
    pub fn verify(self, keys: &KeySet) -> Result<Claims, Untaken> {
        if !self.may_fit(keys) {
            return Err(Untaken::NoKey);
        }
        match self.signed_by(keys) {
            true => Ok(Claims::new(self.claims)),
            false => Err(Untaken::NotSigned),
        }
    }

    fn signed_by(&self, keys: &KeySet) -> bool {
        let fitting = keys.fitting(self.algorithm, self.key());
        fitting
            .take(TRIES_MAX)
            .any(|key| key.signs(self.algorithm, self.signed, &self.signature))
    }
}

/// What of the header is looked at: how the token is signed, and with which key.
fn read_head(head: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Untaken> {
    // Whoever writes it forbids everybody to take the token who does not know what it names, and nothing of the kind is known here.
    if head.contains_key("crit") {
        return Err(Untaken::Critical);
    }
    match head.get("typ") {
        None => {}
        Some(Value::String(kind)) if is_access(kind) => {}
        Some(_) => return Err(Untaken::Kind),
    }
    let algorithm = match head.get("alg") {
        Some(Value::String(word)) => Algorithm::parse(word).ok_or(Untaken::Algorithm)?,
        Some(_) | None => return Err(Untaken::Algorithm),
    };
    let key = match head.get("kid") {
        None => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(Untaken::Unreadable("header")),
    };
    Ok((algorithm, key))
}

/// Whether a token of this kind may be brought by a caller. Others are signed by the same keys for other ends: a notice that somebody has
/// logged out opens nothing.
fn is_access(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let short = kind.strip_prefix("application/").unwrap_or(&kind);
    matches!(short, "jwt" | "at+jwt")
}

/// A part of a token that is an object. A name that stands twice in it would be read in two ways, and is refused.
fn object(text: &str, part: &'static str) -> Result<Map<String, Value>, Untaken> {
    let bytes = bytes(text).ok_or(Untaken::Unreadable(part))?;
    match json(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Untaken::Unreadable(part)),
    }
}

/// Base64 in the one form that a token has it in.
fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
pub(in crate::identify) mod testing;
#[cfg(test)]
mod tests;
