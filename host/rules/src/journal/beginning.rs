//! What a call with a journal was begun with, as it is kept: a line of JSON, and the body.

use crate::once::{self, Fields};
use bytes::Bytes;
use holdfast_call::{Body, Call, Payload, Trace, Why};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    why: String,
    trace: String,
    http: Option<Head>,
    values: Option<(String, Vec<serde_json::Value>)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    method: String,
    uri: String,
    headers: Fields,
}

/// What a call was begun with.
#[derive(Debug)]
pub struct Beginning {
    /// What is asked.
    pub payload: Payload,
    /// Why.
    pub why: Why,
    /// The trace that it goes on.
    pub trace: Option<Trace>,
}

/// Writes down what this call asks. `body` is the whole of a request's body, `headers` are how its headers are written.
pub(crate) fn beginning(
    call: &Call,
    body: &[u8],
    headers: impl FnOnce(&HeaderMap) -> Fields,
) -> Vec<u8> {
    let (http, values) = match &call.payload {
        Payload::Http(request) => {
            let head = Head {
                method: request.method().to_string(),
                uri: request.uri().to_string(),
                headers: headers(request.headers()),
            };
            (Some(head), None)
        }
        Payload::Values(operation, list) => {
            let list = list.iter().map(once::written).collect();
            (None, Some((operation.to_string(), list)))
        }
    };
    let line = Line {
        why: call.why.as_str().to_owned(),
        trace: call.trace.header(),
        http,
        values,
    };
    // Texts and numbers alone: there is nothing in it that could not be written.
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    if matches!(call.payload, Payload::Http(_)) {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// The header of an answer with which an operation says that it goes on as new: a path and a query, at the same path.
pub(crate) const CONTINUE: HeaderName = HeaderName::from_static("holdfast-continue");

/// What a call is begun with that goes on as new after one that was begun with this: the same request, but for its query and its body. None, if
/// `target` is not at the same path.
pub(crate) fn again(asked: &[u8], target: &HeaderValue, body: &[u8]) -> Option<Vec<u8>> {
    let end = asked.iter().position(|byte| *byte == b'\n')?;
    let mut line: Line = serde_json::from_slice(asked.get(..end)?).ok()?;
    let head = line.http.as_mut()?;
    let before: Uri = head.uri.parse().ok()?;
    let target: PathAndQuery = target.to_str().ok()?.parse().ok()?;
    if target.path() != before.path() {
        return None;
    }
    let mut parts = before.into_parts();
    parts.path_and_query = Some(target);
    head.uri = Uri::from_parts(parts).ok()?.to_string();
    head.headers
        .retain(|(name, _)| *name != header::CONTENT_LENGTH.as_str());
    let mut bytes = serde_json::to_vec(&line).ok()?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    Some(bytes)
}

/// Reads what a call was begun with; none if nobody can read it.
#[must_use]
pub fn begun_with(bytes: &[u8]) -> Option<Beginning> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = bytes.split_at_checked(end)?;
    let line: Line = serde_json::from_slice(line).ok()?;
    let payload = match (line.http, line.values) {
        (Some(head), None) => {
            let mut request = Request::new(Body::whole(Bytes::copy_from_slice(body.get(1..)?)));
            *request.method_mut() = head.method.parse::<Method>().ok()?;
            *request.uri_mut() = head.uri.parse::<Uri>().ok()?;
            for (name, value) in head.headers {
                let name = HeaderName::try_from(name).ok()?;
                let value = HeaderValue::from_bytes(&value.into_bytes()).ok()?;
                request.headers_mut().append(name, value);
            }
            Payload::Http(request)
        }
        (None, Some((operation, list))) => {
            let list = list.iter().map(once::read).collect::<Option<_>>()?;
            Payload::Values(operation.into(), list)
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Beginning {
        payload,
        why: Why::claimed(&line.why).unwrap_or_else(Why::undeclared),
        trace: Trace::parse(&line.trace),
    })
}
