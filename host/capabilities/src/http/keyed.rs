//! The key by which an upstream knows a request again, so that one that is sent twice takes effect once.
//!
//! The host makes it of the call, so that every try of a call has the same one, and no two calls do. It tells nothing of the call: who reads
//! it could not make the key of another. A guest that sends a key of its own knows better than the host what is the same request.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_call::CallId;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// How many bytes of the code are the key: 160 bits, 32 characters, which every upstream takes.
const KEY_BYTES: usize = 20;

/// Makes keys out of calls.
#[derive(Clone)]
pub struct Keys(Arc<Hmac<Sha256>>);

impl Keys {
    /// Keys that only whoever has `secret` can make.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let padded = {
            let mut block = [0; 64];
            for (to, from) in block.iter_mut().zip(secret) {
                *to = *from;
            }
            block
        };
        Self(Arc::new(Hmac::new(&padded.into())))
    }

    fn of(&self, call: CallId) -> Option<HeaderValue> {
        let mut mac = Hmac::clone(&self.0);
        mac.update(b"idempotency");
        mac.update(&call.as_u128().to_be_bytes());
        let code = mac.finalize().into_bytes();
        let key = BASE32_NOPAD.encode(code.get(..KEY_BYTES)?);
        HeaderValue::try_from(key.to_ascii_lowercase()).ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

/// The header in which one upstream takes them.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// The header.
    pub header: HeaderName,
    /// What makes the keys.
    pub keys: Keys,
}

impl Keyed {
    /// Puts a key into a request that has none and would need one.
    pub(super) fn inject(&self, method: &Method, headers: &mut HeaderMap, call: CallId) {
        if method.is_idempotent() || headers.contains_key(&self.header) {
            return;
        }
        if let Some(key) = self.keys.of(call) {
            headers.insert(self.header.clone(), key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_call::WallTime;

    fn call(number: u8) -> CallId {
        CallId::new(WallTime(0), [number; 16])
    }

    fn keyed(secret: u8) -> Keyed {
        Keyed {
            header: HeaderName::from_static("idempotency-key"),
            keys: Keys::new(&[secret; 32]),
        }
    }

    fn key(keyed: &Keyed, method: &Method, call: CallId) -> Option<String> {
        let mut headers = HeaderMap::new();
        keyed.inject(method, &mut headers, call);
        Some(headers.get(&keyed.header)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_call_has_one_key_and_no_other_call_has_it() {
        let (one, other) = (keyed(1), keyed(2));
        let first = key(&one, &Method::POST, call(1)).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(key(&one, &Method::POST, call(1)).unwrap(), first);
        assert_ne!(key(&one, &Method::POST, call(2)).unwrap(), first);
        assert_ne!(key(&other, &Method::POST, call(1)).unwrap(), first);
        assert!(!first.contains(&call(1).to_string()[..8]));
        assert!(!format!("{one:?}").contains("1, 1"));
    }

    #[test]
    fn what_needs_no_key_gets_none_and_a_guest_s_own_is_kept() {
        assert_eq!(key(&keyed(1), &Method::PUT, call(1)), None);
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_static("order-7"));
        keyed(1).inject(&Method::POST, &mut headers, call(1));
        assert_eq!(headers["idempotency-key"], "order-7");
    }
}
