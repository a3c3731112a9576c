//! The head of a request, made fit to leave the host: for this origin and no other, without what belongs to a connection or to the host,
//! with the trace, and with the credential in place of the guest's own.

use super::failure::{Stage, denied, failure};
use super::headers::strip_hop_by_hop;
use super::origin::Origin;
use super::peek::bodiless;
use super::upstream::Upstream;
use holdfast_call::{Body, Failure, FailureKind, Scope, Secret};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};
use http_body::Body as _;

/// Headers of a guest that the host answers for itself. The host never waits for a `100 Continue`; it has a trace of its own, so a guest's
/// trace state would belong to no trace; and baggage is not for third parties.
const HOSTS_OWN: [HeaderName; 5] = [
    header::HOST,
    header::EXPECT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// Makes the request fit to leave: refuses what is not for `upstream`, and cleans the rest. Says which secret it carries.
pub(super) fn prepare(
    request: Request<Body>,
    upstream: &Upstream,
    scope: &Scope,
) -> Result<(Request<Body>, Option<Secret>), Failure> {
    check(&request, upstream)?;
    let (mut head, body) = request.into_parts();
    let wants_trailers = wants_trailers(&head.headers);
    strip_hop_by_hop(&mut head.headers);
    if head.headers.keys().any(|name| HOSTS_OWN.contains(name)) {
        for name in &HOSTS_OWN {
            head.headers.remove(name);
        }
    }
    strip_holdfast(&mut head.headers);
    check_length(&head.headers, &body)?;
    if wants_trailers {
        head.headers
            .insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Ok(trace) = HeaderValue::try_from(scope.trace().header()) {
        head.headers
            .insert(HeaderName::from_static("traceparent"), trace);
    }
    if let Some(keyed) = &upstream.keyed {
        keyed.inject(&head.method, &mut head.headers, scope.id());
    }
    let mut carried = None;
    if let Some(credential) = &upstream.credential {
        let secret = credential.held().secret();
        credential.inject(&mut head, &secret).map_err(|error| {
            let cause = format!("with its credential the request cannot be sent: {error}");
            failure(FailureKind::InvalidInput, Stage::Request, cause)
        })?;
        carried = Some(secret);
    }
    // What the import left there is read already, and none of it is for an HTTP library.
    head.extensions.clear();
    Ok((Request::from_parts(head, body), carried))
}

/// Cleans the trailers of a request as its head was cleaned: a credential must not come in by the back door.
pub(super) fn clean_trailers(trailers: &mut HeaderMap, upstream: &Upstream) {
    strip_hop_by_hop(trailers);
    strip_holdfast(trailers);
    for name in HOSTS_OWN.iter().chain([&header::CONTENT_LENGTH]) {
        trailers.remove(name);
    }
    if let Some(credential) = &upstream.credential {
        credential.strip(trailers);
    }
}

fn strip_holdfast(headers: &mut HeaderMap) {
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("holdfast-"))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

fn check(request: &Request<Body>, upstream: &Upstream) -> Result<(), Failure> {
    let refuse = |cause: String, change: &str| Err(denied(Stage::Request, cause, change));
    match Origin::of(request.uri()) {
        Ok(origin) if origin == upstream.origin => {}
        Ok(origin) => {
            let cause = format!(
                "the request is for {origin}, but this upstream is {}",
                upstream.origin
            );
            return refuse(cause, "an upstream of that origin, in manifest and policy");
        }
        Err(error) => {
            let cause = format!("the request's URL names no origin: {error}");
            return refuse(cause, "nothing; the guest has to send another URL");
        }
    }
    if request.method() == Method::CONNECT {
        return refuse(
            "CONNECT would make a tunnel past every rule".to_owned(),
            "nothing; tunnels are not offered",
        );
    }
    if request.headers().contains_key(header::UPGRADE) {
        return refuse(
            "an upgrade was asked for (WebSockets?)".to_owned(),
            "nothing; upgrades are not offered",
        );
    }
    Ok(())
}

/// A length that is not one number, or not the body's, would let the two ends disagree on where the next request begins.
fn check_length(headers: &HeaderMap, body: &Body) -> Result<(), Failure> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(());
    };
    let digits = first
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length: Option<u64> = digits.and_then(|text| text.parse().ok());
    let known = body.size_hint().exact();
    if lengths.next().is_none()
        && length.is_some()
        && known.is_none_or(|known| Some(known) == length)
    {
        return Ok(());
    }
    let cause = "the request's content-length is not the length of its body";
    Err(failure(FailureKind::InvalidInput, Stage::Request, cause))
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Gives the head the form that the connection's version wants. May be used again for a connection of another version.
pub(super) fn dress<B: http_body::Body>(
    request: &mut Request<B>,
    version: Version,
    origin: &Origin,
) {
    let path = request
        .uri()
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path);
    if version == Version::HTTP_2 {
        parts.scheme = origin.scheme().as_str().parse().ok();
        parts.authority = origin.authority().parse().ok();
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::CONNECTION);
        request.headers_mut().remove(header::TRANSFER_ENCODING);
    } else {
        if let Ok(host) = HeaderValue::try_from(origin.authority()) {
            request.headers_mut().insert(header::HOST, host);
        }
        if bodiless(request.method()) && request.body().size_hint().exact().is_none() {
            // Only so is a body taken along that the method usually does not have.
            let chunked = HeaderValue::from_static("chunked");
            request
                .headers_mut()
                .insert(header::TRANSFER_ENCODING, chunked);
        }
        if request.headers().contains_key(header::TE) {
            request
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    // The parts come from a URI and an origin that were read before, so they fit together.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = version;
}
