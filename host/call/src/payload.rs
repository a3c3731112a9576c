//! What a call carries in, and what it brings back.

use crate::body::Body;
use crate::fault::{Failure, FailureKind};
use crate::value::Value;
use http::{HeaderMap, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// What a call carries in. An absolute URI in an HTTP request says scheme and authority as the caller used them.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every call is a request over HTTP, and would be allocated once more; a call is boxed as a whole"
)]
pub enum Payload {
    /// An HTTP request, to a service or to the way out.
    Http(Request<Body>),
    /// An operation of a typed service or of a capability, by its name, and what it is given.
    Values(Arc<str>, Vec<Value>),
}

impl Payload {
    /// The request, for an implementation that takes nothing else.
    ///
    /// # Errors
    /// It is something else.
    pub fn into_http(self) -> Result<Request<Body>, Failure> {
        match self {
            Self::Http(request) => Ok(request),
            Self::Values(operation, _) => {
                let failure = Failure::new(
                    FailureKind::NoSuchOperation,
                    "only HTTP requests are taken here",
                );
                Err(failure.with("operation", operation))
            }
        }
    }
}

/// What a call brings back.
#[derive(Debug)]
pub enum Answer {
    /// An HTTP response. The call goes on until its body has ended.
    Http(Response<Body>),
    /// What an operation gave. The call ends when they are taken.
    Values(Values),
}

/// The values of an answer. They carry their call as a body does, without a byte of one.
#[derive(Debug)]
pub struct Values {
    list: Vec<Value>,
    end: Body,
}

impl Values {
    /// These values.
    #[must_use]
    pub fn new(list: Vec<Value>) -> Self {
        Self {
            list,
            end: Body::empty(),
        }
    }

    /// A look at them.
    #[must_use]
    pub fn list(&self) -> &[Value] {
        &self.list
    }

    /// Takes them, which ends the call well.
    #[must_use]
    pub fn into_list(self) -> Vec<Value> {
        self.end.close();
        self.list
    }
}

impl Answer {
    /// The answer's body, for a layer that holds something as long as the call goes on.
    pub fn body_mut(&mut self) -> &mut Body {
        match self {
            Self::Http(response) => response.body_mut(),
            Self::Values(values) => &mut values.end,
        }
    }

    /// Ends it well although nobody takes it.
    pub fn close(self) {
        match self {
            Self::Http(response) => response.into_body().close(),
            Self::Values(values) => values.end.close(),
        }
    }

    /// The status and the headers, where there are any.
    #[must_use]
    pub fn head(&self) -> Option<(StatusCode, &HeaderMap)> {
        match self {
            Self::Http(response) => Some((response.status(), response.headers())),
            Self::Values(_) => None,
        }
    }

    /// The HTTP status, where there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(response) => Some(response.status().as_u16()),
            Self::Values(_) => None,
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
