//! `identify`: what the entry saw becomes a known caller, or is refused.
//!
//! A request that brings a key of this host (`Authorization: Bearer hf_…`) is its principal's or nobody's: a key that is wrong is refused
//! also where strangers are served, so that nobody takes a mistake for a success. The key goes no further: no guest ever holds one. A
//! request that brings none is a stranger's, and `authorize` says whether strangers may call. What services ask of each other is vouched
//! for by the host, and not looked at here. Where the policy names issuers of tokens, every other `Bearer` is a token of one of them, and
//! the same holds of it: [`issuer`].
//!
//! But where the policy has put a webhook, nothing passes that its provider has not signed: [`signed`].

mod alike;
pub mod issuer;
pub mod keys;
pub mod signed;
pub mod token;
pub mod webhook;

use crate::Parts;
use holdfast_call::{
    BoxFuture, Call, Caller, Entry, Fault, HostCode, Layer, Link, Next, Payload, Principal,
    Refusal, Reply, Sources,
};
use http::{HeaderMap, HeaderValue, header};
use issuer::Issuers;
use keys::{Found, KeyRing};
use signed::{Place, Taker};
use std::sync::Arc;

/// What every key begins with.
pub const KEY_PREFIX: &str = "hf_";

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Identify {
        sources: parts.sources.clone(),
        keys: parts.keys.clone(),
        issuers: parts.issuers.clone(),
        taker: Taker {
            sources: parts.sources.clone(),
            bodies: Arc::default(),
        },
    })
}

struct Identify {
    sources: Sources,
    keys: Arc<KeyRing>,
    issuers: Arc<Issuers>,
    taker: Taker,
}

impl Layer for Identify {
    fn name(&self) -> &'static str {
        "identify"
    }

    fn run<'a>(&'a self, mut call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let brought = match signed::place(&call) {
            Place::At(hook) => {
                return Box::pin(
                    async move { next.run(self.taker.take(call, &hook).await?).await },
                );
            }
            Place::Alike(hook) => {
                let fault = hook.refused_alike(&call);
                return Box::pin(async move { Err(fault) });
            }
            Place::Elsewhere => self.brought(&call),
        };
        let known = match brought {
            Brought::Nothing => Ok(None),
            Brought::More => Err(unknown(
                "a key or token, and another Authorization beside it",
            )),
            Brought::Key(key) => self.principal(&key).map(Some),
            // It may have to wait for the keys of its issuer.
            Brought::Token(token) => {
                return Box::pin(async move {
                    let (clock, by) = (&*self.sources.clock, call.deadline);
                    let principal = self.issuers.principal(&token, clock, by).await?;
                    tell(&mut call, Some(principal));
                    next.run(call).await
                });
            }
        };
        match known {
            Ok(principal) => {
                tell(&mut call, principal);
                next.run(call)
            }
            Err(fault) => Box::pin(async move { Err(fault) }),
        }
    }
}

/// What a request brings to say whose it is.
#[derive(Debug, PartialEq, Eq)]
enum Brought {
    /// Nothing that is for the host: what else it says is the service's business.
    Nothing,
    /// A key.
    Key(String),
    /// What is a token, or nothing.
    Token(String),
    /// Either, and something else beside it.
    More,
}

/// What may be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Keys.
    Keys,
    /// Keys, and tokens.
    Tokens,
}

impl Identify {
    /// What the call brings, if that is looked at.
    fn brought(&self, call: &Call) -> Brought {
        // A nested call's caller is its parent's, with the service that asks; whoever comes over the owner's socket is known by it, and
        // what the host asks it asks itself.
        if call.nested() || call.entry != Entry::Http {
            return Brought::Nothing;
        }
        let takes = match self.issuers.any() {
            true => Takes::Tokens,
            false => Takes::Keys,
        };
        match &call.payload {
            Payload::Http(request) => brought(request.headers(), takes),
            Payload::Values(..) => Brought::Nothing,
        }
    }

    fn principal(&self, key: &str) -> Result<Arc<Principal>, Fault> {
        let clock = &self.sources.clock;
        match self.keys.find(key, clock.now(), clock.wall()) {
            Found::Known(principal) => Ok(principal),
            Found::Unknown => Err(unknown("a key that is not known, or not whole")),
            Found::Expired(id) => Err(unknown(format!("the key {id}, which has expired"))),
            Found::Revoked(id) => Err(unknown(format!("the key {id}, which is revoked"))),
            Found::Unread => Err(unread()),
        }
    }
}

/// Notes whose call it is, and tells the service; by what he has proved it, the service is not told.
fn tell(call: &mut Call, principal: Option<Arc<Principal>>) {
    // Whoever makes a nested call has told so already.
    if call.nested() {
        return;
    }
    if let Some(principal) = principal {
        if let Payload::Http(request) = &mut call.payload {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        call.tree.set_principal(principal.clone());
        call.caller = Caller::outside(Link::Principal(principal));
    }
    if let Payload::Http(request) = &mut call.payload {
        call.caller.tell(request.headers_mut());
    }
}

/// What stands in the request's `Authorization`.
fn brought(headers: &HeaderMap, takes: Takes) -> Brought {
    let all = headers.get_all(header::AUTHORIZATION);
    let mut ours = all.iter().filter_map(|value| bearer(value, takes));
    match (ours.next(), all.iter().count()) {
        (None, _) => Brought::Nothing,
        (Some(brought), 1) => brought,
        (Some(_), _) => Brought::More,
    }
}

/// The key or token in a value, if it is for the host.
fn bearer(value: &HeaderValue, takes: Takes) -> Option<Brought> {
    // What is no text is no key; where tokens are taken, it is no token either, and refused as one.
    let text = String::from_utf8_lossy(value.as_bytes());
    let (scheme, token) = text.trim().split_once(' ')?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    match (token.starts_with(KEY_PREFIX), takes) {
        (true, _) => Some(Brought::Key(token.to_owned())),
        (false, Takes::Tokens) => Some(Brought::Token(token.to_owned())),
        (false, Takes::Keys) => None,
    }
}

fn unknown(seen: impl Into<String>) -> Fault {
    let refusal = Refusal {
        code: HostCode::Unauthenticated,
        layer: "identify",
        detail: "The key is not one that is valid here.".to_owned(),
        rule: "a request that brings a key is its principal's, or nobody's".to_owned(),
        seen: seen.into(),
        limit: "keys that were made here and are neither revoked nor over".to_owned(),
        change: "holdfast keys ls".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

/// Nobody can say whether the key still holds.
fn unread() -> Fault {
    let refusal = Refusal {
        code: HostCode::StorageUnavailable,
        layer: "identify",
        detail: "It cannot be found out at present whether the key is valid.".to_owned(),
        rule: "a key is taken only if it is known that nobody has revoked it".to_owned(),
        seen: "the keys could not be read for some time".to_owned(),
        limit: format!("{} s", keys::STALE_MAX.as_secs()),
        change: "holdfast doctor".to_owned(),
        retry_after: Some(keys::READ_EVERY),
    };
    refusal.into()
}

#[cfg(test)]
mod tests;
