//! What a request over HTTP gives to a function: JSON in the body of a POST, or the query of a GET where the function is safe.

use super::query::{self, QUERY_BYTES_MAX};
use super::refusals::{refused, unfit};
use super::{TEXT_BYTES_MAX, read};
use crate::whole::{NotWhole, whole};
use holdfast_call::contract::Function;
use holdfast_call::{Body, Fault, HostCode, Value, Violation};
use http::{Method, Request, header};
use http_body::Body as _;

/// How a function may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    /// It may do something.
    Post,
    /// It only looks.
    GetToo,
}

impl Ways {
    /// The methods, as `Allow` has them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::GetToo => "GET, HEAD, POST",
        }
    }
}

/// The methods of a page.
pub(super) const LOOK: &str = "GET, HEAD";

/// Whether a method asks for nothing to be done.
pub(super) fn looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What a request gives to a function that may be asked in these ways.
pub(super) async fn arguments(
    request: Request<Body>,
    function: &Function,
    ways: Ways,
) -> Result<Vec<Value>, Fault> {
    match *request.method() {
        Method::POST => posted(request, function).await,
        Method::GET | Method::HEAD if ways == Ways::GetToo => queried(&request, function),
        ref other => Err(method(other, &function.name, ways.methods())),
    }
}

/// The method is none of those that are taken.
pub(super) fn method(method: &Method, what: &str, allowed: &'static str) -> Fault {
    let detail = format!("`{what}` is asked with {allowed}.");
    let (code, seen) = (HostCode::MethodNotAllowed, method.to_string());
    refused(code, detail, seen, allowed.to_owned()).allowing(allowed)
}

async fn posted(request: Request<Body>, function: &Function) -> Result<Vec<Value>, Fault> {
    let (head, body) = request.into_parts();
    let text = match whole(body, TEXT_BYTES_MAX).await {
        Ok(whole) => whole.bytes,
        Err(NotWhole::Cut(fault)) => return Err(fault),
        Err(NotWhole::TooLong) => return Err(too_long()),
    };
    // What a page of another site can send without being asked is never taken for JSON.
    let kind = head.headers.get(header::CONTENT_TYPE);
    if !text.is_empty() && !kind.is_some_and(|kind| is_json(kind.as_bytes())) {
        let reason = "must be sent with `content-type: application/json`";
        return Err(all_wrong(function, reason));
    }
    read::arguments(&text, function).map_err(|violations| unfit(function, violations))
}

fn queried(request: &Request<Body>, function: &Function) -> Result<Vec<Value>, Fault> {
    if !request.body().is_end_stream() {
        let reason = "stands in the query of a GET, which has no body";
        return Err(all_wrong(function, reason));
    }
    let query = request.uri().query().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        let detail = format!(
            "The query must not have more than {QUERY_BYTES_MAX} bytes; POST takes more in a body."
        );
        let (code, seen) = (HostCode::TargetTooLong, format!("{} bytes", query.len()));
        return Err(refused(
            code,
            detail,
            seen,
            format!("{QUERY_BYTES_MAX} bytes"),
        ));
    }
    query::arguments(query, function).map_err(|violations| unfit(function, violations))
}

/// Something is wrong with the input as a whole.
fn all_wrong(function: &Function, reason: &str) -> Fault {
    let violation = Violation {
        pointer: String::new(),
        reason: reason.to_owned(),
    };
    unfit(function, vec![violation])
}

fn is_json(kind: &[u8]) -> bool {
    let name = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn too_long() -> Fault {
    let detail = format!("The body must not have more than {TEXT_BYTES_MAX} bytes.");
    let (code, seen) = (HostCode::PayloadTooLarge, "more bytes".to_owned());
    refused(code, detail, seen, format!("{TEXT_BYTES_MAX} bytes"))
}
