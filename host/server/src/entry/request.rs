//! The head of a request, made ready for a service: where it goes, under which name, and what of it is the host's to say.
//!
//! What a stranger writes about others (`x-forwarded-*`, `traceparent`) is dropped and what the host saw is put in its place. Headers that
//! are for one connection only are removed. Nothing here touches the body.

use crate::entry::peer::{Peer, Trust};
use crate::entry::target::{self, Others};
use crate::router::Found;
use holdfast_call::{HostCode, Trace, Why};
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
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
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
    /// The target and the header name different ones.
    TwoHosts,
    /// `CONNECT`: the host is no proxy.
    Connect,
    /// An upgrade to another protocol.
    Upgrade,
    /// The target of the request is no path.
    BadPath,
    /// The path has a `.` or `..` in it.
    DotSegment,
    /// The target is longer than allowed.
    LongTarget,
    /// The scheme that the target names is not the connection's.
    BadScheme,
    /// The method is a known one in another spelling.
    BadMethod,
    /// More is expected than `100-continue`.
    Expects,
    /// There are more fields than allowed.
    ManyFields,
    /// The body's length is said twice, or is none.
    BadLength,
    /// The body is longer than allowed.
    LongBody,
}

impl Invalid {
    /// What the caller may read.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoHost => "The request must name exactly one host.",
            Self::BadHost => "The host of the request is not valid.",
            Self::TwoHosts => "The target of the request and its host header name different hosts.",
            Self::Connect => "CONNECT is not served.",
            Self::Upgrade => "Upgrades to other protocols, WebSockets among them, are not served.",
            Self::BadPath => {
                "The target of the request must be a path, of visible ASCII, without a backslash or a broken `%`."
            }
            Self::DotSegment => {
                "The path must not have `.` or `..` in it: resolve it before it is sent."
            }
            Self::LongTarget => "The target of the request is longer than this host allows.",
            Self::BadScheme => "The scheme of the target is not the one of this connection.",
            Self::BadMethod => "Methods are written in capital letters.",
            Self::Expects => "Nothing can be expected but `100-continue`.",
            Self::ManyFields => "The request has more header fields than this host allows.",
            Self::BadLength => "The length of the body must be said once, in digits.",
            Self::LongBody => "The body of the request is longer than this host allows.",
        }
    }

    /// The code that a caller may rely on.
    #[must_use]
    pub const fn code(self) -> HostCode {
        match self {
            Self::LongTarget => HostCode::TargetTooLong,
            Self::Expects => HostCode::ExpectationFailed,
            Self::ManyFields => HostCode::FieldsTooLarge,
            Self::LongBody => HostCode::PayloadTooLarge,
            Self::NoHost
            | Self::BadHost
            | Self::TwoHosts
            | Self::Connect
            | Self::Upgrade
            | Self::BadPath
            | Self::DotSegment
            | Self::BadScheme
            | Self::BadMethod
            | Self::BadLength => HostCode::InvalidInput,
        }
    }

    /// The key of the policy that allows more, where one does.
    #[must_use]
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::LongTarget => Some("target_bytes"),
            Self::ManyFields => Some("fields"),
            Self::LongBody => Some("body_bytes"),
            _ => None,
        }
    }
}

/// Checks what must hold of every request, and reads for which authority it is.
///
/// # Errors
/// The request is not valid.
pub fn authority(parts: &Parts, trust: Trust, used: &Scheme) -> Result<Authority, Invalid> {
    target::check_method(&parts.method)?;
    // `Upgrade: h2c` is an offer that may be left unanswered, and common clients make it; any other upgrade is what the client came for.
    let only = |name, word: &str| {
        let mut values = parts.headers.get_all(name).iter();
        values.all(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
    };
    if !only(header::UPGRADE, "h2c") {
        return Err(Invalid::Upgrade);
    }
    if !only(header::EXPECT, "100-continue") {
        return Err(Invalid::Expects);
    }
    // In HTTP/1.1 nothing else comes as far as this; in HTTP/2 the library looks at the first alone.
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let digits = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|length| !digits(length)) || lengths.next().is_some() {
        return Err(Invalid::BadLength);
    }
    target::check_path(&parts.uri, &parts.method)?;
    let others = match trust {
        Trust::Proxy => Others::Proxied,
        Trust::Stranger => Others::Nobody,
    };
    target::check_scheme(parts.uri.scheme(), used, others)?;
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Invalid::NoHost);
    }
    let host = host.map(|host| Authority::try_from(host.as_bytes()));
    let host = host.transpose().map_err(|_| Invalid::BadHost)?;
    // A request line with an authority of its own (and `:authority`) goes before the header (RFC 9112, 3.2.2), which must not say
    // something else then: whoever reads the header alone would send the request elsewhere.
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), Some(host)) if *authority != host => return Err(Invalid::TwoHosts),
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => host,
        (None, None) => return Err(Invalid::NoHost),
    };
    target::check_authority(&authority)?;
    Ok(authority)
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
    // Many programs read `_` in a field's name as `-`. What would be taken for one that decides something was written by nobody honest.
    if name.contains('_') {
        let name = name.replace('_', "-");
        return matches!(&*name, "host" | "content-length" | "connection")
            || speaks_for_others(&name)
            || is_taken(&name, trust);
    }
    is_hop_by_hop(name)
        || is_for_the_host(name)
        || (trust == Trust::Stranger && speaks_for_others(name))
}

/// Whether a header is said to the host, or is the host's to say.
pub(crate) fn is_for_the_host(name: &str) -> bool {
    // The wait for `100 Continue` is over as soon as somebody reads the body; what it reads is no expectation any more.
    matches!(
        name,
        "holdfast-why" | "holdfast-call" | "holdfast-caller" | "traceparent" | "expect"
    )
}

fn matching(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let names = headers.keys().filter(|name| wanted(name.as_str()));
    names.cloned().collect()
}

/// Whether a header says something about others than its sender.
pub(crate) fn speaks_for_others(name: &str) -> bool {
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

/// Whether no sender may have a header taken out from under its reader: it frames the message, or says who asks for what.
fn is_for_the_end(name: &str) -> bool {
    speaks_for_others(name)
        || matches!(
            name,
            "content-length" | "host" | "authorization" | "cookie" | "traceparent"
        )
}

fn remove_listed(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name: &HeaderName| !is_for_the_end(name.as_str()))
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
    let used = &peer.scheme;
    let scheme = scheme(&parts.headers, trust, used);
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

/// The scheme that the outside used: what a proxy says of it, else this connection's.
fn scheme(headers: &HeaderMap, trust: Trust, used: &Scheme) -> Scheme {
    let said = headers.get(FORWARDED_PROTO).map(HeaderValue::as_bytes);
    match (trust, said) {
        (Trust::Proxy, Some(b"https")) => Scheme::HTTPS,
        (Trust::Proxy, Some(b"http")) => Scheme::HTTP,
        _ => used.clone(),
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
