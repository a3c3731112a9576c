//! What a call carries in, and what it brings back.

use crate::body::Body;
use http::{HeaderMap, Request, Response, StatusCode};
use std::time::Duration;

/// What a call carries in. An absolute URI in an HTTP request says scheme and authority as the caller used them.
#[derive(Debug)]
pub enum Payload {
    /// An HTTP request, to a service or to the way out.
    Http(Request<Body>),
}

/// What a call brings back.
#[derive(Debug)]
pub enum Answer {
    /// An HTTP response. The call goes on until its body has ended.
    Http(Response<Body>),
}

impl Answer {
    /// The answer's body, for a layer that holds something as long as the call goes on.
    pub fn body_mut(&mut self) -> &mut Body {
        match self {
            Self::Http(response) => response.body_mut(),
        }
    }

    /// The status and the headers.
    #[must_use]
    pub fn head(&self) -> (StatusCode, &HeaderMap) {
        match self {
            Self::Http(response) => (response.status(), response.headers()),
        }
    }

    /// The HTTP status, where there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(response) => Some(response.status().as_u16()),
        }
    }
}

/// How long a guest is willing to wait for an upstream; an extension of the request. The guest can only shorten what the policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Option<Duration>,
    /// From the request to the answer's head.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer's body.
    pub between_bytes: Option<Duration>,
}
