//! Trailers: fields that come after a body, when what they would decide was decided long ago.
//!
//! Somebody on the way may still join them with the fields of the head. So what frames, routes, identifies, conditions or describes a message
//! may not stand there (RFC 9110, 6.5.1): from a client it breaks the request, from a guest it is dropped.

use crate::entry::request::{is_for_the_host, is_hop_by_hop, speaks_for_others};
use bytes::Bytes;
use holdfast_call::{Boundary, Fault, HostCode, Verdict};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Whether a field may not come after a body.
#[must_use]
pub fn is_forbidden(name: &str) -> bool {
    // Many programs read `_` in a field's name as `-`.
    if name.contains('_') {
        return is_forbidden(&name.replace('_', "-"));
    }
    is_hop_by_hop(name)
        || is_for_the_host(name)
        || speaks_for_others(name)
        || name.starts_with("proxy-")
        || name.starts_with("if-")
        || matches!(
            name,
            "age"
                | "authorization"
                | "cache-control"
                | "connection"
                | "content-encoding"
                | "content-length"
                | "content-range"
                | "content-type"
                | "cookie"
                | "date"
                | "expires"
                | "host"
                | "location"
                | "max-forwards"
                | "pragma"
                | "range"
                | "retry-after"
                | "server"
                | "set-cookie"
                | "trailer"
                | "vary"
                | "www-authenticate"
        )
}

/// Takes out what may not come after a body.
pub fn clean(trailers: &mut HeaderMap) {
    let forbidden = trailers.keys().filter(|name| is_forbidden(name.as_str()));
    let forbidden: Vec<_> = forbidden.cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

/// Takes out what a client says to the host or of others: it is not believed, and breaks nothing.
fn drop_claims(trailers: &mut HeaderMap) {
    let claims = trailers.keys().filter(|name| {
        let name = name.as_str().replace('_', "-");
        is_for_the_host(&name) || speaks_for_others(&name)
    });
    let claims: Vec<_> = claims.cloned().collect();
    for name in claims {
        trailers.remove(name);
    }
}

/// The body of a request, its trailers looked at.
pub struct Checked(pub Incoming);

impl Body for Checked {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let mut frame = frame.map_err(|error| broken_off(&error))?;
            if let Some(trailers) = frame.trailers_mut() {
                drop_claims(trailers);
                if let Some(name) = trailers.keys().find(|name| is_forbidden(name.as_str())) {
                    return Err(misplaced(name.as_str()));
                }
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn misplaced(name: &str) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Caller,
        stage: "request-body",
        cause: "a field stands after the body that decides about it".to_owned(),
        evidence: vec![("trailer", name.to_owned())],
        next: "the caller: this field belongs into the head".to_owned(),
    };
    let detail = "A field that belongs into the head stands in the trailers.";
    Fault::host(HostCode::InvalidInput, detail, verdict)
}

fn broken_off(error: &hyper::Error) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Caller,
        stage: "request-body",
        cause: "the caller broke its request off".to_owned(),
        evidence: vec![("error", error.to_string())],
        next: "the caller, or the network between".to_owned(),
    };
    Fault::host(HostCode::Cancelled, "The request was broken off.", verdict)
}
