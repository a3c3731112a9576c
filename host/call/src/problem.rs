//! The form in which a client sees a fault: `application/problem+json` (RFC 9457), never more than the fault's public half.

use crate::body::Body;
use crate::codes::HostCode;
use crate::fault::{Fault, Violation};
use crate::id::CallId;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use std::fmt::Write as _;

/// The media type of a fault.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How callers say who they are: with a key of this host.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"holdfast\"");

/// The header that carries the id of the call in every answer.
pub const CALL_HEADER: http::HeaderName = http::HeaderName::from_static("holdfast-call");

/// The answer to a call that ended in `fault`.
#[must_use]
pub fn response(fault: &Fault, id: CallId) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(json(fault, id))));
    *response.status_mut() =
        StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.extend(fault.told().iter().cloned());
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(methods) = fault.allow().and_then(|methods| methods.parse().ok()) {
        headers.insert(header::ALLOW, methods);
    }
    if fault.host_code() == Some(HostCode::Unauthenticated) {
        // RFC 9110 wants it said how one would say who one is.
        headers.insert(header::WWW_AUTHENTICATE, BEARER);
    }
    if let Some(wait) = fault.wait() {
        // Rounded up: a client that waits the whole seconds named never comes too early.
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64),
        );
    }
    response
}

/// The body of that answer.
#[must_use]
pub fn json(fault: &Fault, id: CallId) -> String {
    let id = fault.instance().unwrap_or(id);
    let mut out = String::with_capacity(256);
    out.push_str("{\"type\":\"urn:holdfast:fault:");
    push_escaped(&mut out, &fault.code().to_string());
    out.push_str("\",\"title\":\"");
    push_escaped(&mut out, fault.title());
    // Writing to a string cannot fail.
    let _ = write!(out, "\",\"status\":{},\"code\":\"", fault.status());
    push_escaped(&mut out, &fault.code().to_string());
    out.push_str("\",\"detail\":\"");
    push_escaped(&mut out, fault.detail());
    let _ = write!(
        out,
        "\",\"instance\":\"urn:uuid:{id}\",\"retry\":{{\"policy\":\"{}\"",
        fault.retry().as_str()
    );
    if let Some(wait) = fault.wait() {
        let _ = write!(out, ",\"after_ms\":{}", wait.as_millis());
    }
    out.push('}');
    push_violations(&mut out, fault.violations());
    out.push('}');
    out
}

fn push_violations(out: &mut String, violations: &[Violation]) {
    if violations.is_empty() {
        return;
    }
    out.push_str(",\"violations\":[");
    for (place, violation) in violations.iter().enumerate() {
        out.push_str(if place == 0 {
            "{\"pointer\":\""
        } else {
            ",{\"pointer\":\""
        });
        push_escaped(out, &violation.pointer);
        out.push_str("\",\"reason\":\"");
        push_escaped(out, &violation.reason);
        out.push_str("\"}");
    }
    out.push(']');
}

/// Appends `text` as the inside of a JSON string.
pub fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // C0, DEL and C1: a terminal that shows the log must not be steered by it.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{Boundary, HostCode};
    use crate::fault::Verdict;
    use crate::time::WallTime;

    #[test]
    fn a_problem_shows_the_public_half_alone() {
        let verdict = Verdict {
            boundary: Boundary::Application,
            stage: "guest",
            cause: "CANARY cause".into(),
            evidence: vec![("path", "CANARY/evidence".into())],
            next: "CANARY next".into(),
        };
        let fault = Fault::host(HostCode::Overloaded, "say \"please\"", verdict)
            .retry_after(std::time::Duration::from_millis(1200));
        let id = CallId::new(WallTime(0), [0; 16]);
        let text = json(&fault, id);
        assert_eq!(
            text,
            "{\"type\":\"urn:holdfast:fault:overloaded\",\"title\":\"The service has no free place\",\"status\":503,\
             \"code\":\"overloaded\",\"detail\":\"say \\\"please\\\"\",\
             \"instance\":\"urn:uuid:00000000-0000-7000-8000-000000000000\",\"retry\":{\"policy\":\"later\",\"after_ms\":1200}}"
        );
        assert_eq!(response(&fault, id).headers()[header::RETRY_AFTER], "2");
        let name = http::HeaderName::from_static("ratelimit");
        let fault = fault.telling(name.clone(), HeaderValue::from_static("\"caller\";r=0;t=2"));
        let told = response(&fault.allowing("GET, HEAD"), id);
        assert_eq!(told.headers()[header::ALLOW], "GET, HEAD");
        assert_eq!(told.headers()[name], "\"caller\";r=0;t=2");
    }
}
