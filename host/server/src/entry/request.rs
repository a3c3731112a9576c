//! The head of a request, made ready for a service: where it goes, under which name, and what of it is the host's to say.
//!
//! What a stranger writes about others (`x-forwarded-*`, `traceparent`) is dropped and what the host saw is put in its place. Headers that
//! are for one connection only are removed. Nothing here touches the body.

use crate::entry::peer::{Peer, Trust};
use crate::router::Found;
use holdfast_call::{Trace, Why};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};
use std::sync::Arc;

/// Says why a call is made; for the host alone.
pub const WHY: HeaderName = HeaderName::from_static("holdfast-why");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether a header is for one connection alone, whoever sends it. `trailer` is not: it belongs to the message.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "http2-settings"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The longest path that a closing line shows, in bytes.
const SHOWN_BYTES_MAX: usize = 1_024;

/// Why a request is not valid; each says what the caller may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There is no host, or more than one.
    NoHost,
    /// The host is none.
    BadHost,
    /// `CONNECT`: the host is no proxy.
    Connect,
    /// An upgrade to another protocol.
    Upgrade,
    /// The target of the request is no path.
    BadPath,
}

impl Invalid {
    /// What the caller may read.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoHost => "The request must name exactly one host.",
            Self::BadHost => "The host of the request is not valid.",
            Self::Connect => "CONNECT is not served.",
            Self::Upgrade => "Upgrades to other protocols, WebSockets among them, are not served.",
            Self::BadPath => "The target of the request must be a path.",
        }
    }
}

/// Checks what must hold of every request, and reads for which authority it is.
///
/// # Errors
/// The request is not valid.
pub fn authority(parts: &Parts) -> Result<Authority, Invalid> {
    if parts.method == Method::CONNECT {
        return Err(Invalid::Connect);
    }
    // `Upgrade: h2c` is an offer that may be left unanswered, and common clients make it; any other upgrade is what the client came for.
    let upgrades = parts.headers.get_all(header::UPGRADE).iter();
    if upgrades
        .into_iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c"))
    {
        return Err(Invalid::Upgrade);
    }
    let path_ok = parts.uri.path().starts_with('/')
        || (parts.method == Method::OPTIONS && parts.uri.path() == "*");
    if !path_ok {
        return Err(Invalid::BadPath);
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Invalid::NoHost);
    }
    // A request line with an authority of its own (and `:authority`) goes before the header (RFC 9112, 3.2.2).
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).map_err(|_| Invalid::BadHost)?,
        (None, None) => return Err(Invalid::NoHost),
    };
    let plain = !authority.host().is_empty() && !authority.as_str().contains('@');
    if plain {
        Ok(authority)
    } else {
        Err(Invalid::BadHost)
    }
}

/// The host of an authority as the router knows it: in lower case, without port and last dot.
#[must_use]
pub fn host_of(authority: &Authority) -> String {
    let host = authority.host();
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// What the request says for the host alone; taken out of its headers.
#[derive(Debug)]
pub struct Said {
    /// Why the call is made.
    pub why: Option<Why>,
    /// The trace it continues; only a trusted proxy's is believed.
    pub trace: Option<Trace>,
}

/// Takes out what is for the host alone, and what was for one connection only.
pub fn strip(headers: &mut HeaderMap, trust: Trust) -> Said {
    remove_listed(headers);
    let mut said = Said {
        why: None,
        trace: None,
    };
    // One look at what there is; to ask for each name that could be there costs more.
    for name in matching(headers, |name| is_taken(name, trust)) {
        let Some(value) = headers.remove(&name) else {
            continue;
        };
        if name == WHY {
            said.why = Why::claimed(&String::from_utf8_lossy(value.as_bytes()));
        } else if name == TRACEPARENT && trust == Trust::Proxy {
            said.trace = value.to_str().ok().and_then(Trace::parse);
        }
    }
    said
}

fn is_taken(name: &str, trust: Trust) -> bool {
    // The wait for `100 Continue` is over as soon as somebody reads the body; what it reads is no expectation any more.
    is_hop_by_hop(name)
        || matches!(
            name,
            "holdfast-why" | "holdfast-call" | "traceparent" | "expect"
        )
        || (trust == Trust::Stranger && speaks_for_others(name))
}

fn matching(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let names = headers.keys().filter(|name| wanted(name.as_str()));
    names.cloned().collect()
}

fn speaks_for_others(name: &str) -> bool {
    // Many programs read `_` in a header's name as `-`.
    if name.contains('_') {
        return speaks_for_others(&name.replace('_', "-"));
    }
    name.starts_with("x-forwarded-")
        || matches!(name, "forwarded" | "x-real-ip" | "tracestate" | "baggage")
}

/// Removes the headers that are for one connection alone, those that `connection` lists among them.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    remove_listed(headers);
    for name in matching(headers, is_hop_by_hop) {
        headers.remove(name);
    }
}

fn remove_listed(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            // These frame the message; no sender may have them taken out from under its reader.
            .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
            .collect();
        headers.remove(header::CONNECTION);
        for name in listed {
            headers.remove(name);
        }
    }
}

/// Rewrites the head for the service that was found: an absolute URI without the service's prefix, and the headers that say where the
/// request came from.
///
/// # Errors
/// The path without its prefix is none.
pub fn address(
    parts: &mut Parts,
    authority: Authority,
    found: &Found,
    peer: &Peer,
    trust: Trust,
) -> Result<(), Invalid> {
    let scheme = scheme(&parts.headers, trust);
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Invalid::BadHost)?;
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(without(&parts.uri, &found.strip)?);
    uri.authority = Some(authority);
    uri.scheme = Some(scheme.clone());
    parts.uri = Uri::from_parts(uri).map_err(|_| Invalid::BadPath)?;

    let headers = &mut parts.headers;
    let forwarded_for = extended(headers, &FORWARDED_FOR, ", ", &peer.text);
    headers.insert(FORWARDED_FOR, forwarded_for);
    headers.entry(FORWARDED_HOST).or_insert(host);
    let proto = if scheme == Scheme::HTTPS {
        "https"
    } else {
        "http"
    };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    if !found.strip.is_empty()
        && let Ok(prefix) = HeaderValue::from_str(&found.strip)
    {
        let prefix = extended(headers, &FORWARDED_PREFIX, "", &prefix);
        headers.insert(FORWARDED_PREFIX, prefix);
    }
    Ok(())
}

/// The scheme that the outside used: what a proxy says of it, else this connection's, which is never encrypted.
fn scheme(headers: &HeaderMap, trust: Trust) -> Scheme {
    let said = headers.get(FORWARDED_PROTO).map(HeaderValue::as_bytes);
    match (trust, said) {
        (Trust::Proxy, Some(b"https")) => Scheme::HTTPS,
        _ => Scheme::HTTP,
    }
}

/// What a header says already (a trusted proxy wrote it, or it would have been removed), with `more` behind it.
fn extended(
    headers: &HeaderMap,
    name: &HeaderName,
    between: &str,
    more: &HeaderValue,
) -> HeaderValue {
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return more.clone();
    }
    let mut text = Vec::new();
    for value in values {
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(between.as_bytes());
    }
    text.extend_from_slice(more.as_bytes());
    // Values joined with a comma are a value again; were they not, what the host saw itself is kept.
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| more.clone())
}

fn without(uri: &Uri, strip: &str) -> Result<PathAndQuery, Invalid> {
    let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = whole.strip_prefix(strip).unwrap_or(whole);
    if rest.starts_with('/') || rest == "*" {
        rest.parse().map_err(|_| Invalid::BadPath)
    } else {
        // `/NAME` and `/NAME?query`: the service's root, although the slash is missing.
        format!("/{rest}").parse().map_err(|_| Invalid::BadPath)
    }
}

/// What is to be done, for people: method and path, never with the query, and of bounded length.
#[must_use]
pub fn operation(method: &Method, path: &str) -> Arc<str> {
    let mut end = path.len().min(SHOWN_BYTES_MAX);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    let shown = path.get(..end).unwrap_or_default();
    let cut = if end < path.len() { "…" } else { "" };
    format!("{method} {shown}{cut}").into()
}
