//! `identify`: what the entry saw becomes a known caller, or is refused.
//!
//! A request that brings a key of this host (`Authorization: Bearer hf_…`) is its principal's or nobody's: a key that is wrong is refused
//! also where strangers are served, so that nobody takes a mistake for a success. The key goes no further: no guest ever holds one. A
//! request that brings none is a stranger's, and `authorize` says whether strangers may call. What services ask of each other is vouched
//! for by the host, and not looked at here.
//!
//! But where the policy has put a webhook, nothing passes that its provider has not signed: [`signed`].

mod alike;
pub mod keys;
pub mod signed;
pub mod webhook;

use crate::Parts;
use holdfast_call::{
    BoxFuture, Call, Caller, Entry, Fault, HostCode, Layer, Link, Next, Payload, Principal,
    Refusal, Reply, Sources,
};
use http::{HeaderMap, HeaderValue, header};
use keys::{Found, KeyRing};
use signed::{Place, Taker};
use std::sync::Arc;

/// What every key begins with.
pub const KEY_PREFIX: &str = "hf_";

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Identify {
        sources: parts.sources.clone(),
        keys: parts.keys.clone(),
        taker: Taker {
            sources: parts.sources.clone(),
            bodies: Arc::default(),
        },
    })
}

struct Identify {
    sources: Sources,
    keys: Arc<KeyRing>,
    taker: Taker,
}

impl Layer for Identify {
    fn name(&self) -> &'static str {
        "identify"
    }

    fn run<'a>(&'a self, mut call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        let known = match signed::place(&call) {
            Place::At(hook) => {
                return Box::pin(
                    async move { next.run(self.taker.take(call, &hook).await?).await },
                );
            }
            Place::Alike(hook) => Err(hook.refused_alike(&call)),
            Place::Elsewhere => self.known(&mut call),
        };
        match known {
            Ok(()) => next.run(call),
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
    /// A key, and something else beside it.
    More,
}

impl Identify {
    /// Makes sure who asks, and tells the service.
    fn known(&self, call: &mut Call) -> Result<(), Fault> {
        // A nested call's caller is its parent's, with the service that asks; whoever made it has told so.
        if call.nested() {
            return Ok(());
        }
        // Whoever comes over the owner's socket is known by it.
        if call.entry == Entry::Http {
            self.prove(call)?;
        }
        if let Payload::Http(request) = &mut call.payload {
            call.caller.tell(request.headers_mut());
        }
        Ok(())
    }

    fn prove(&self, call: &mut Call) -> Result<(), Fault> {
        let Payload::Http(request) = &mut call.payload else {
            return Ok(());
        };
        let key = match brought(request.headers()) {
            Brought::Nothing => return Ok(()),
            Brought::More => return Err(unknown("a key, and another Authorization beside it")),
            Brought::Key(key) => key,
        };
        request.headers_mut().remove(header::AUTHORIZATION);
        let principal = self.principal(&key)?;
        call.tree.set_principal(principal.clone());
        call.caller = Caller::outside(Link::Principal(principal));
        Ok(())
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

/// What stands in the request's `Authorization`.
fn brought(headers: &HeaderMap) -> Brought {
    let all = headers.get_all(header::AUTHORIZATION);
    let mut ours = all.iter().filter_map(key_of);
    match (ours.next(), all.iter().count()) {
        (None, _) => Brought::Nothing,
        (Some(key), 1) => Brought::Key(key.to_owned()),
        (Some(_), _) => Brought::More,
    }
}

/// The key in a value, if it is one of this host's.
fn key_of(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(KEY_PREFIX)).then_some(token)
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
