//! Secrets that guests use and never see: a code of a message is made or checked with one, and nothing gives its value away.
//!
//! Each secret of the policy is one implementation, so it is reached only with an `Admitted` call in hand. The code is an HMAC (RFC 2104),
//! which is what the providers of webhooks sign with: whoever has many codes of messages of his own choice still knows nothing of the key.
//!
//! It signs with the newest value. It accepts a code that was made with that or, for a while after an exchange, with the one before, since
//! whoever sends has not heard of the exchange at the same moment.

mod key;

pub use key::{BadKey, Encoding};

use crate::http::Held;
use bytes::Bytes;
use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit, Mac as _};
use holdfast_call::{
    Admitted, Answer, BoxFuture, Failure, FailureKind, Implementation, Moment, Payload, Secret,
    Value, Values,
};
use sha2::{Sha256, Sha512};
use std::sync::Arc;

/// The operation that makes a code.
pub const SIGN: &str = "sign";
/// The operation that checks one.
pub const VERIFY: &str = "verify";
/// What no service does: the host checks signed requests with it.
pub const WEBHOOK: &str = "webhook";

/// How much of a message is hashed between two chances for others to run, in bytes: less than a millisecond of work.
const STRIDE_BYTES: usize = 256 * 1024;

/// One secret as a target of calls.
#[derive(Clone, Debug)]
pub struct SecretKey {
    /// What holds it.
    pub held: Arc<Held>,
    /// How its text stands for the key.
    pub encoding: Encoding,
}

impl Implementation for SecretKey {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let this = self.clone();
        Box::pin(async move {
            let (call, scope) = admitted.into_parts();
            let given = this.run(call.payload, scope.clock().now()).await?;
            Ok(Answer::Values(Values::new(vec![given])))
        })
    }
}

impl SecretKey {
    /// The HMAC-SHA256, under the newest value, of what the host itself sends. None, where the secret is no key that signs.
    #[must_use]
    pub fn signed(&self, message: &[u8]) -> Option<Vec<u8>> {
        if self.encoding == Encoding::Ed25519 {
            return None;
        }
        let key = self.encoding.key(&self.held.secret()).ok()?;
        let mut mac: Hmac<Sha256> = keyed(&key).ok()?;
        mac.update(message);
        Some(mac.finalize().into_bytes().to_vec())
    }

    async fn run(&self, payload: Payload, now: Moment) -> Result<Value, Failure> {
        let Payload::Values(operation, values) = payload else {
            return Err(wrong(
                FailureKind::NoSuchOperation,
                "a secret takes no requests over HTTP",
            ));
        };
        let live = self.held.live(now);
        let newest = live.iter().take(1);
        match (&*operation, values.as_slice()) {
            (SIGN, [Value::Text(algorithm), Value::Bytes(message)]) => {
                let codes = self.codes(algorithm, newest, message).await?;
                let code = codes.into_iter().next();
                let code =
                    code.ok_or_else(|| wrong(FailureKind::Internal, "a secret without a value"))?;
                Ok(Value::Bytes(code.made().into()))
            }
            (
                VERIFY,
                [
                    Value::Text(algorithm),
                    Value::Bytes(message),
                    Value::Bytes(code),
                ],
            ) => {
                let codes = self.codes(algorithm, live.iter(), message).await?;
                // Each is compared, so that the time does not tell which.
                let fits = codes
                    .into_iter()
                    .fold(false, |fits, own| own.is(code) | fits);
                Ok(Value::Bool(fits))
            }
            _ => Err(wrong(
                FailureKind::NoSuchOperation,
                "no such operation of a secret",
            )),
        }
    }

    /// The code of `message` for each of these values of the secret.
    async fn codes(
        &self,
        algorithm: &str,
        values: impl Iterator<Item = &Secret> + Send,
        message: &Bytes,
    ) -> Result<Vec<Code>, Failure> {
        // With what everybody knows, everybody could make the code.
        if self.encoding == Encoding::Ed25519 {
            let cause = "a public key makes no codes";
            return Err(wrong(FailureKind::NoSuchOperation, cause));
        }
        let mut codes = Vec::new();
        for value in values {
            let key = self.encoding.key(value);
            let key = key.map_err(|error| wrong(FailureKind::Internal, &error.to_string()))?;
            codes.push(Code::begin(algorithm, &key)?);
        }
        for piece in message.chunks(STRIDE_BYTES) {
            for code in &mut codes {
                code.update(piece);
            }
            tokio::task::yield_now().await;
        }
        Ok(codes)
    }
}

/// A code that is being made.
enum Code {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Code {
    fn begin(algorithm: &str, key: &[u8]) -> Result<Self, Failure> {
        match algorithm {
            "hmac-sha256" => Ok(Self::Sha256(keyed(key)?)),
            "hmac-sha512" => Ok(Self::Sha512(keyed(key)?)),
            _ => {
                let known = "there is no such algorithm; there are hmac-sha256 and hmac-sha512";
                Err(wrong(FailureKind::InvalidInput, known))
            }
        }
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(mac) => mac.update(piece),
            Self::Sha512(mac) => mac.update(piece),
        }
    }

    fn made(self) -> Vec<u8> {
        match self {
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }

    /// Whether `code` is this one, whole. How long that takes says nothing of where they differ.
    fn is(self, code: &[u8]) -> bool {
        match self {
            Self::Sha256(mac) => mac.verify_slice(code).is_ok(),
            Self::Sha512(mac) => mac.verify_slice(code).is_ok(),
        }
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> Result<M, Failure> {
    M::new_from_slice(key).map_err(|InvalidLength| {
        wrong(
            FailureKind::Internal,
            "a key of a length that cannot be used",
        )
    })
}

fn wrong(kind: FailureKind, cause: &str) -> Failure {
    Failure::new(kind, cause)
}

#[cfg(test)]
mod tests;
