//! Whether a request whose method usually has no body has one.
//!
//! A guest may open a body and write nothing into it. For `GET` and `HEAD` an HTTP/1 client takes a body of unknown length for none, and
//! never looks at it: what was written would be lost, and a connection whose request was not taken whole could not be kept. So the first
//! frame is waited for, and what is known then is said.

use bytes::Bytes;
use holdfast_call::{Body, BodySource, Failure, FailureKind, Fault};
use http::{Method, Request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Whether requests of this method usually have no body.
pub(super) fn bodiless(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The request, with an empty body if nothing was written into it.
///
/// # Errors
/// The body broke off.
pub(super) async fn settled(request: Request<Body>) -> Result<Request<Body>, Failure> {
    if !bodiless(request.method()) || request.body().size_hint().exact().is_some() {
        return Ok(request);
    }
    let (head, mut body) = request.into_parts();
    let body = match body.frame().await {
        None => Body::empty(),
        Some(Ok(first)) => Body::stream(Box::pin(Peeked {
            first: Some(first),
            body,
        })),
        Some(Err(fault)) => {
            let cause = "the request's body broke off before it began";
            return Err(Failure::new(FailureKind::Passed(fault), cause));
        }
    };
    Ok(Request::from_parts(head, body))
}

struct Peeked {
    first: Option<Frame<Bytes>>,
    body: Body,
}

impl BodySource for Peeked {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.first.take() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
