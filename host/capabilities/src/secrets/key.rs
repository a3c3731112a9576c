//! How the text of a secret stands for the bytes of a key.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use holdfast_call::Secret;
use zeroize::Zeroizing;

/// What Standard Webhooks writes before the base64 of a key that both sides have.
const WHSEC: &str = "whsec_";
/// The same of a public key.
const WHPK: &str = "whpk_";
/// What it writes before either half of a pair, which must never pass for a key that both sides have: everybody knows the one half.
const HALVES: [&str; 2] = [WHPK, "whsk_"];

/// A public key of ed25519, in bytes.
const ED25519_BYTES: usize = 32;

/// The shortest key, in bytes: a shorter one could be found by trying.
const KEY_BYTES_MIN: usize = 16;

/// How a secret's text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// The text is the key (GitHub, Slack, Stripe with its `whsec_` and all).
    #[default]
    Text,
    /// Base64 of it, with or without padding, in either alphabet; a `whsec_` before it is no part of it (Standard Webhooks).
    Base64,
    /// Its bytes in hexadecimal.
    Hex,
    /// Base64 as above of a public key for ed25519; a `whpk_` before it is no part of it (Standard Webhooks). Nothing is signed with it, and
    /// no code is made.
    Ed25519,
}

/// Why a text stands for no key. It does not hold the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is not of that encoding.
    #[error("the secret is not what `encoding` says: {0}")]
    Encoding(&'static str),
    /// It is no public key.
    #[error("the secret makes {0} bytes; a public key of ed25519 has {ED25519_BYTES}")]
    Public(usize),
    /// It is too short.
    #[error("the secret makes a key of {0} bytes; a key that signs has at least {KEY_BYTES_MIN}")]
    Short(usize),
}

impl Encoding {
    /// The key.
    ///
    /// # Errors
    /// The text stands for none.
    pub fn key(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, BadKey> {
        let text = secret.reveal();
        let key = match self {
            Self::Text => text.as_bytes().to_vec(),
            Self::Base64 if HALVES.iter().any(|half| text.starts_with(half)) => {
                return Err(BadKey::Encoding("base64, of a key that both sides have"));
            }
            Self::Base64 => {
                let text = text.strip_prefix(WHSEC).unwrap_or(text);
                base64(text).ok_or(BadKey::Encoding("base64"))?
            }
            Self::Ed25519 => {
                let text = text.strip_prefix(WHPK).unwrap_or(text);
                let key = base64(text).ok_or(BadKey::Encoding("base64"))?;
                if key.len() != ED25519_BYTES {
                    return Err(BadKey::Public(key.len()));
                }
                key
            }
            Self::Hex => {
                let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
                bytes.map_err(|_| BadKey::Encoding("hex"))?
            }
        };
        let key = Zeroizing::new(key);
        if key.len() < KEY_BYTES_MIN {
            return Err(BadKey::Short(key.len()));
        }
        Ok(key)
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=').bytes();
    let plain = plain.map(|byte| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    });
    let plain = Zeroizing::new(plain.collect::<Vec<_>>());
    BASE64URL_NOPAD.decode(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(encoding: Encoding, text: &str) -> Result<Vec<u8>, BadKey> {
        let key = encoding.key(&Secret::new(text).unwrap());
        key.map(|key| key.to_vec())
    }

    #[test]
    fn a_text_is_read_as_its_encoding_says() {
        let bytes: Vec<u8> = (0xf0..=0xff).collect();
        for (encoding, text) in [
            (Encoding::Base64, "whsec_8PHy8/T19vf4+fr7/P3+/w=="),
            (Encoding::Base64, "8PHy8/T19vf4+fr7/P3+/w"),
            (Encoding::Base64, "8PHy8_T19vf4-fr7_P3-_w=="),
            (Encoding::Hex, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
            (Encoding::Hex, "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"),
        ] {
            assert_eq!(key(encoding, text), Ok(bytes.clone()), "{text}");
        }
        let text = "whsec_as-it-is-written";
        assert_eq!(key(Encoding::Text, text), Ok(text.as_bytes().to_vec()));
    }

    #[test]
    fn half_of_a_pair_is_never_taken_for_a_key_that_both_sides_have() {
        let public = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        for text in [format!("whpk_{public}"), public.to_owned()] {
            assert_eq!(key(Encoding::Ed25519, &text).unwrap().len(), 32);
        }
        for prefix in ["whpk_", "whsk_"] {
            let refused = key(Encoding::Base64, &format!("{prefix}{public}"));
            assert!(matches!(refused, Err(BadKey::Encoding(_))), "{prefix}");
        }
        let short = key(Encoding::Ed25519, "whpk_8PHy8/T19vf4+fr7/P3+/w==");
        assert_eq!(short, Err(BadKey::Public(16)));
        let shared = key(Encoding::Ed25519, &format!("whsec_{public}"));
        assert!(shared.is_err());
    }

    #[test]
    fn what_stands_for_no_key_is_refused_without_being_shown() {
        for (encoding, text) in [
            (Encoding::Base64, "CANARY not base64 CANARY"),
            (Encoding::Hex, "CANARYCANARYCANARYCANARYCANARY"),
            (Encoding::Hex, "f0f1f2f3f"),
        ] {
            let refused = key(encoding, text).unwrap_err();
            assert!(matches!(refused, BadKey::Encoding(_)), "{refused}");
            assert!(!format!("{refused} {refused:?}").contains("CANARY"));
        }
        assert_eq!(
            key(Encoding::Text, "fifteen-bytes-1"),
            Err(BadKey::Short(15))
        );
        assert_eq!(
            key(Encoding::Base64, "whsec_AAAAAAAAAAA="),
            Err(BadKey::Short(8))
        );
    }
}
