//! The head of a request: what is accepted names one host and one path, and what is passed on says nothing in a stranger's name.
//!
//! The bytes are a head as HTTP/1.1 writes it; what the HTTP library would refuse before us is passed over here.

use holdfast_server::entry::peer::{Peer, Trust};
use holdfast_server::entry::request::{
    address, authority, host_of, operation, remove_hop_by_hop, strip,
};
use holdfast_server::router::Found;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Request, Uri};

/// Reads the bytes as the head of a request.
pub(crate) fn check(bytes: &[u8]) {
    let Some(parts) = head(bytes) else {
        return;
    };
    hop_by_hop(parts.headers.clone());
    for trust in [Trust::Stranger, Trust::Proxy] {
        passed_on(parts.clone(), trust, "");
        passed_on(parts.clone(), trust, "/notes");
    }
}

fn head(bytes: &[u8]) -> Option<Parts> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method;
    parts.uri = uri;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    Some(parts)
}

const OF_ONE_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

fn hop_by_hop(mut headers: HeaderMap) {
    let listed: Vec<String> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !is_for_the_end(name))
        .collect();
    remove_hop_by_hop(&mut headers);
    for name in OF_ONE_CONNECTION
        .iter()
        .copied()
        .chain(listed.iter().map(String::as_str))
    {
        assert!(!headers.contains_key(name), "{name}");
    }
}

/// Whether a sender may not have a header taken out by listing it: it frames the message, or says who asks.
fn is_for_the_end(name: &str) -> bool {
    let others = [
        "content-length",
        "host",
        "authorization",
        "cookie",
        "traceparent",
    ];
    speaks_for_others(name) || others.contains(&name)
}

/// Whether a header, however its dashes are written, speaks for somebody behind the peer.
fn speaks_for_others(name: &str) -> bool {
    let name = name.replace('_', "-");
    name.starts_with("x-forwarded-")
        || ["forwarded", "x-real-ip", "tracestate", "baggage"].contains(&name.as_str())
}

fn passed_on(mut parts: Parts, trust: Trust, prefix: &str) {
    let asked = parts.uri.clone();
    let shown = operation(&parts.method, asked.path());
    assert!(shown.len() <= parts.method.as_str().len() + 1_024 + 8);
    let authority = match authority(&parts, trust, &Scheme::HTTP) {
        Ok(authority) => authority,
        Err(invalid) => return super::plain(invalid.detail()),
    };
    let host = host_of(&authority);
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@/?#".contains(c);
    assert!(!authority.as_str().contains(odd), "{authority}");
    assert!(!host.chars().any(|c| c.is_ascii_uppercase()), "{host}");
    assert!(!host.contains(':') || host.starts_with('['), "{host}");

    let said = strip(&mut parts.headers, trust);
    for name in
        OF_ONE_CONNECTION
            .iter()
            .chain(&["traceparent", "holdfast-why", "holdfast-call", "expect"])
    {
        assert!(!parts.headers.contains_key(*name), "{name}");
    }
    if trust == Trust::Stranger {
        assert_eq!(said.trace, None);
        let other = parts
            .headers
            .keys()
            .find(|name| speaks_for_others(name.as_str()));
        assert_eq!(other, None);
    }

    let peer = Peer::at(([192, 0, 2, 7], 80).into(), Scheme::HTTP);
    let found = Found {
        service: "notes".into(),
        registered: super::registered(),
        purpose: None,
        strip: prefix.into(),
    };
    if let Err(invalid) = address(&mut parts, authority.clone(), &found, &peer, trust) {
        return super::plain(invalid.detail());
    }
    assert_eq!(parts.uri.authority(), Some(&authority));
    assert_eq!(parts.uri.query(), asked.query());
    assert!(
        parts.uri.path().starts_with('/') || parts.uri.path() == "*",
        "{}",
        parts.uri
    );
    // The longest path is the one that was asked for, with a slash in front at most.
    assert!(parts.uri.path().len() <= asked.path().len() + 1);
    for name in ["x-forwarded-for", "x-forwarded-proto"] {
        assert_eq!(parts.headers.get_all(name).iter().count(), 1, "{name}");
    }
    let of = parts.headers["x-forwarded-for"].as_bytes();
    assert!(of.ends_with(b"192.0.2.7"), "{of:?}");
    let proto = parts.headers["x-forwarded-proto"].as_bytes();
    assert_eq!(parts.uri.scheme_str().map(str::as_bytes), Some(proto));
    assert!(trust == Trust::Proxy || proto == b"http");
}
