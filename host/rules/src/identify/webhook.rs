//! Signed requests of known providers: what their headers claim, and whether the very bytes of the body bear it out.
//!
//! What a provider's headers are called and what it signs is in its own file. What holds for all is here: a header that counts stands there
//! once, a time that is signed is near to now, and each code is compared with that of each key in a time that tells nothing. Keys and time
//! come in; a key is used only as what its owner says it is, whatever the request says. Nobody is told what a code should have been.

mod github;
mod slack;
mod standard;
mod stripe;
mod telegram;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_call::WallTime;
use http::HeaderMap;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// How far the time that is signed may be from now, either way.
pub const TIME_OFF_MAX: Duration = Duration::from_secs(300);

/// The most signatures of one request that are looked at: a sender that exchanges its key signs with both.
const CODES_MAX: usize = 16;

/// The longest name of a delivery, in bytes: with the provider's before it, it is an idempotency key.
const ID_BYTES_MAX: usize = 200;

/// Who sends, and so how it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Whoever signs as the specification Standard Webhooks says.
    Standard,
    /// GitHub.
    GitHub,
    /// Stripe.
    Stripe,
    /// Slack.
    Slack,
    /// Telegram, which signs nothing: it sends a token along.
    Telegram,
}

/// A key that requests are checked with.
#[derive(Clone)]
pub enum Key {
    /// One that the sender has too.
    Shared(Zeroizing<Vec<u8>>),
    /// The public half of the sender's, for ed25519.
    Public(Vec<u8>),
}

/// A request that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The name that its provider gave it, the same however often it is sent: visible ASCII without quotes.
    pub id: String,
}

/// Why a request is not verified. None of it tells what would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// A header is missing.
    Missing(&'static str),
    /// A header stands there more than once, so that two readers could take two of them.
    Twice(&'static str),
    /// A header is not what the provider sends.
    Malformed(&'static str),
    /// It was signed too long ago.
    Stale(Duration),
    /// It was signed in the future.
    Early(Duration),
    /// No code is that of these bytes under one of the keys.
    NoneMatches,
    /// It is signed well, and its body has no name for the delivery.
    NoId(&'static str),
}

/// What the headers of a request claim.
pub struct Claim {
    id: Id,
    /// What is signed before the body.
    before: Vec<u8>,
    codes: Vec<Code>,
}

/// Where the name of the delivery is.
enum Id {
    /// It was in a header.
    Known(String),
    /// In the body.
    Body(Field),
    /// In the body; where it is not, the request is named by what it was signed with.
    BodyOrCode(Field),
}

/// A field of a body that is JSON.
struct Field {
    name: &'static str,
    read: fn(&[u8]) -> Option<String>,
}

/// What a request brings to be compared.
enum Code {
    /// An HMAC-SHA256.
    Shared([u8; 32]),
    /// A signature of ed25519.
    Public([u8; 64]),
    /// The key itself; its hash, so that no comparison tells its length.
    Token([u8; 32]),
}

// === Provider ===

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Standard,
        Self::GitHub,
        Self::Stripe,
        Self::Slack,
        Self::Telegram,
    ];

    /// The word of the settings and of the caller's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::GitHub => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Telegram => "telegram",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == word)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === Claim ===

impl Claim {
    /// Reads what the headers claim. So a request that cannot be verified whatever its body is refused before anybody waits for one.
    ///
    /// # Errors
    /// They are not those of the provider, or the time they name is not near.
    pub fn read(
        provider: Provider,
        headers: &HeaderMap,
        wall: WallTime,
    ) -> Result<Self, Unverified> {
        match provider {
            Provider::Standard => standard::claim(headers, wall),
            Provider::GitHub => github::claim(headers),
            Provider::Stripe => stripe::claim(headers, wall),
            Provider::Slack => slack::claim(headers, wall),
            Provider::Telegram => telegram::claim(headers),
        }
    }

    /// Begins to check it. The body comes piece by piece, so that others may run in between.
    #[must_use]
    pub fn begin<'a>(&'a self, keys: &'a [Key]) -> Check<'a> {
        let shared = keys.iter().filter_map(|key| match key {
            Key::Shared(key) => Some(key),
            Key::Public(_) => None,
        });
        // An HMAC has a key of any length, so none is left out.
        let macs = shared.filter_map(|key| Hmac::<Sha256>::new_from_slice(key).ok());
        let mut check = Check {
            claim: self,
            keys,
            macs: macs.collect(),
        };
        check.update(&self.before);
        check
    }
}

// === Check ===

/// A claim that is being checked.
pub struct Check<'a> {
    claim: &'a Claim,
    keys: &'a [Key],
    macs: Vec<Hmac<Sha256>>,
}

impl Check<'_> {
    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        for mac in &mut self.macs {
            mac.update(piece);
        }
    }

    /// Whether the claim is borne out by `body`, all of which was given piece by piece.
    ///
    /// # Errors
    /// It is not, or the body has no name for the delivery.
    pub fn end(self, body: &[u8]) -> Result<Delivery, Unverified> {
        let claim = self.claim;
        if !self.fits(body) {
            return Err(Unverified::NoneMatches);
        }
        let id = match &claim.id {
            Id::Known(id) => Some(id.clone()),
            Id::Body(field) => Some((field.read)(body).ok_or(Unverified::NoId(field.name))?),
            Id::BodyOrCode(field) => (field.read)(body).or_else(|| claim.named_by_code()),
        };
        let id = id.ok_or(Unverified::NoneMatches)?;
        Ok(Delivery { id })
    }

    /// Each code is compared with that of each key, so that the time does not tell which fits.
    fn fits(self, body: &[u8]) -> bool {
        let mut fits = Choice::from(0);
        for mac in self.macs {
            let made: [u8; 32] = mac.finalize().into_bytes().into();
            for code in &self.claim.codes {
                if let Code::Shared(code) = code {
                    fits |= made.ct_eq(code);
                }
            }
        }
        for key in self.keys {
            for code in &self.claim.codes {
                fits |= match (key, code) {
                    (Key::Shared(key), Code::Token(token)) => hash(key).ct_eq(token),
                    (Key::Public(key), Code::Public(code)) => {
                        Choice::from(u8::from(self.claim.signed(key, code, body)))
                    }
                    _ => Choice::from(0),
                };
            }
        }
        fits.into()
    }
}

impl Claim {
    fn signed(&self, key: &[u8], code: &[u8; 64], body: &[u8]) -> bool {
        let message = [self.before.as_slice(), body].concat();
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(&message, code).is_ok()
    }

    /// A name for what has none: the same bytes at the same time have the same code, and nothing else has.
    fn named_by_code(&self) -> Option<String> {
        self.codes.iter().find_map(|code| match code {
            Code::Shared(code) => Some(HEXLOWER.encode(&hash(code))),
            Code::Public(_) | Code::Token(_) => None,
        })
    }
}

// === What the providers have in common ===

/// The value of a header that must stand there once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Unverified> {
    let mut all = headers.get_all(name).iter();
    let value = all.next().ok_or(Unverified::Missing(name))?;
    if all.next().is_some() {
        return Err(Unverified::Twice(name));
    }
    let text = value.to_str().ok().map(str::trim);
    text.ok_or(Unverified::Malformed(name))
}

/// A time in whole seconds since 1970, which must be near.
fn near(text: &str, name: &'static str, wall: WallTime) -> Result<(), Unverified> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let then: Option<u64> = text.parse().ok().filter(|_| digits);
    let then = Duration::from_secs(then.ok_or(Unverified::Malformed(name))?);
    let now = Duration::from_secs(wall.millis() / 1_000);
    let (late, early) = (now.saturating_sub(then), then.saturating_sub(now));
    if late > TIME_OFF_MAX {
        return Err(Unverified::Stale(late));
    }
    if early > TIME_OFF_MAX {
        return Err(Unverified::Early(early));
    }
    Ok(())
}

/// An HMAC-SHA256 in hexadecimal.
fn hex_code(text: &str) -> Option<Code> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    Some(Code::Shared(bytes.try_into().ok()?))
}

/// A text that can name a delivery.
fn named(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let fits = (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = TIME_OFF_MAX.as_secs();
        match self {
            Self::Missing(name) => write!(f, "the header `{name}` is missing"),
            Self::Twice(name) => write!(f, "the header `{name}` is there more than once"),
            Self::Malformed(name) => write!(f, "the header `{name}` cannot be read"),
            Self::Stale(by) => {
                write!(
                    f,
                    "it was signed {} s ago, more than {most} s",
                    by.as_secs()
                )
            }
            Self::Early(by) => {
                let by = by.as_secs();
                write!(f, "it was signed {by} s in the future, more than {most} s")
            }
            Self::NoneMatches => {
                f.write_str("these are not the bytes that were signed, or another key was used")
            }
            Self::NoId(field) => write!(f, "its body has no `{field}` that names it"),
        }
    }
}

#[cfg(test)]
mod tests;
