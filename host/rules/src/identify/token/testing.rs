//! Tokens and keys for tests: those that another implementation (OpenSSL) has signed, and those that a test signs itself.

use super::{KeySet, bytes};
use data_encoding::BASE64URL_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The issuer of all of them.
pub(in crate::identify) const ISSUER: &str = "https://login.example.com/";

/// A second at which the golden tokens hold.
pub(in crate::identify) const NOW: u64 = 1_800_000_100;

/// The golden file: a set of keys, with a member of tokens by their algorithms beside it.
pub(in crate::identify) fn golden() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// The golden token of an algorithm.
pub(in crate::identify) fn golden_token(algorithm: &str) -> String {
    golden()["tokens"][algorithm].as_str().unwrap().to_owned()
}

/// The golden keys.
pub(in crate::identify) fn keys() -> KeySet {
    KeySet::read(golden().to_string().as_bytes()).unwrap()
}

/// What signs the tokens of a test.
pub(in crate::identify) struct Signer(Ed25519KeyPair);

impl Signer {
    /// One for each number.
    pub(in crate::identify) fn numbered(number: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap())
    }

    /// Its public half, under this name if it has one.
    pub(in crate::identify) fn key(&self, name: Option<&str>) -> Value {
        let x = BASE64URL_NOPAD.encode(self.0.public_key().as_ref());
        let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        if let Some(name) = name {
            key["kid"] = json!(name);
        }
        key
    }

    /// A token with this header and payload, as they are written.
    pub(in crate::identify) fn sign(&self, head: &str, payload: &str) -> String {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", encode(head), encode(payload));
        let signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// A token with these claims, signed with the key of this name.
    pub(in crate::identify) fn token(&self, name: Option<&str>, claims: &Value) -> String {
        let mut head = json!({ "alg": "EdDSA", "typ": "JWT" });
        if let Some(name) = name {
            head["kid"] = json!(name);
        }
        self.sign(&head.to_string(), &claims.to_string())
    }
}

/// A set of these keys.
pub(in crate::identify) fn set(keys: &[Value]) -> KeySet {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// Claims that hold at [`NOW`].
pub(in crate::identify) fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "alice", "aud": "holdfast", "exp": NOW + 60, "scope": "notes.read" })
}

/// The parts of a token, decoded.
pub(in crate::identify) fn parts(token: &str) -> Vec<Vec<u8>> {
    token.split('.').map(|part| bytes(part).unwrap()).collect()
}
