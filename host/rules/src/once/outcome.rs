//! The outcome of a call, as it is kept: what the first one was answered, for whoever asks again.
//!
//! One line of JSON, then the bytes of the body as they are. Of an answer whose body is longer than [`BODY_BYTES_MAX`] only the head is
//! kept, and whoever asks again is told so.

use super::field::{Fields, fields};
use super::values;
use crate::whole::Rest;
use bytes::{Bytes, BytesMut};
use holdfast_call::{Answer, Body, Call, CallId, Fault, HostCode, Payload, Reply, Values, Verdict};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

/// The longest body that is kept, in bytes: as long as one that is buffered on its way in.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// The header of an answer that was given before: `true`, or `summary` where only its head was kept.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What the line says, after the name of the call that was answered so.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// A response over HTTP, its body behind the line.
    Http {
        status: u16,
        headers: Fields,
        kept: Kept,
    },
    /// What an operation gave.
    Values(Vec<serde_json::Value>),
    /// A fault of the host.
    Fault {
        code: String,
        detail: String,
        after_ms: Option<u64>,
    },
}

/// How much of a response is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kept {
    /// All of it.
    Whole,
    /// Its head.
    Head,
}

/// A reply that was read to its end, and how it is kept.
pub(crate) struct Ended {
    pub(crate) reply: Reply,
    pub(crate) outcome: Vec<u8>,
}

/// Reads a reply to its end. What is too long to be kept goes on as it comes.
pub(crate) async fn ended(reply: Reply, id: CallId) -> Ended {
    match reply {
        Ok(Answer::Http(response)) => http(response, id).await,
        Ok(Answer::Values(given)) => {
            let list = given.list().iter().map(values::written);
            let outcome = line(id, &What::Values(list.collect()), &[]);
            let reply = Ok(Answer::Values(given));
            Ended { reply, outcome }
        }
        Err(fault) => failed(fault, id),
    }
}

/// A fault, as it is kept.
pub(crate) fn of_fault(fault: &Fault, id: CallId) -> Vec<u8> {
    let what = What::Fault {
        code: fault.code().to_string(),
        detail: fault.detail().to_owned(),
        after_ms: fault
            .wait()
            .map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
    };
    line(id, &what, &[])
}

/// A response that is whole, as it is kept.
pub(crate) fn of_response(id: CallId, status: StatusCode, headers: Fields, body: &[u8]) -> Vec<u8> {
    let what = What::Http {
        status: status.as_u16(),
        headers,
        kept: Kept::Whole,
    };
    line(id, &what, body)
}

fn failed(fault: Fault, id: CallId) -> Ended {
    Ended {
        outcome: of_fault(&fault, id),
        reply: Err(fault),
    }
}

async fn http(response: Response<Body>, id: CallId) -> Ended {
    let (head, mut body) = response.into_parts();
    let mut read = BytesMut::new();
    let mut trailers = None;
    let mut kept = Kept::Whole;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => read.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(fault) => return failed(fault, id),
        }
        if read.len() > BODY_BYTES_MAX {
            kept = Kept::Head;
            break;
        }
    }
    let read = read.freeze();
    let what = What::Http {
        status: head.status.as_u16(),
        headers: fields(&head.headers),
        kept,
    };
    let outcome = match kept {
        Kept::Whole => line(id, &what, &read),
        Kept::Head => line(id, &what, &[]),
    };
    let body = match (kept, &trailers) {
        (Kept::Whole, None) => Body::whole(read),
        (Kept::Whole, Some(_)) | (Kept::Head, _) => Rest {
            read,
            trailers,
            body: (kept == Kept::Head).then_some(body),
        }
        .body(),
    };
    let reply = Ok(Answer::Http(Response::from_parts(head, body)));
    Ended { reply, outcome }
}

fn line(id: CallId, what: &What, body: &[u8]) -> Vec<u8> {
    let line = (id.to_string(), what);
    // Texts and numbers alone: there is nothing in it that could not be written.
    let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    bytes
}

/// What was kept: which call came to what, with what body; none if nobody can read it.
pub(crate) fn read(outcome: &[u8]) -> Option<(CallId, What, &[u8])> {
    let end = outcome.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = outcome.split_at_checked(end)?;
    let (id, what): (String, What) = serde_json::from_slice(line).ok()?;
    Some((CallId::parse(&id)?, what, rest.get(1..)?))
}

/// The first call, and what it was answered, as an answer to this one; none if nobody can read it.
pub(super) fn replayed(outcome: &[u8], call: &Call) -> Option<(CallId, Reply)> {
    let (id, mut reply) = given(outcome)?;
    match &mut reply {
        Ok(Answer::Http(response)) => {
            let headers = response.headers_mut();
            let whole = HeaderValue::from_static("true");
            headers.entry(REPLAYED).or_insert(whole);
        }
        Ok(Answer::Values(_)) => {}
        Err(fault) => *fault = fault.clone().with("operation", &call.operation),
    }
    Some((id, reply))
}

/// What was kept, as whoever asked first was given it; none if nobody can read it.
pub(crate) fn recorded(outcome: &[u8]) -> Option<Reply> {
    Some(given(outcome)?.1)
}

/// What was kept, and which call came to it. Of an answer over HTTP whose head alone was kept, a header says so.
fn given(outcome: &[u8]) -> Option<(CallId, Reply)> {
    let (id, what, body) = read(outcome)?;
    let reply = match what {
        What::Http {
            status,
            headers,
            kept,
        } => {
            let body = Bytes::copy_from_slice(body);
            Ok(Answer::Http(response(status, headers, kept, body)?))
        }
        What::Values(list) => {
            let list = list.iter().map(values::read).collect::<Option<_>>()?;
            Ok(Answer::Values(Values::new(list)))
        }
        What::Fault {
            code,
            detail,
            after_ms,
        } => Err(fault(&code, detail, after_ms, id)?),
    };
    Some((id, reply))
}

fn fault(code: &str, detail: String, after_ms: Option<u64>, id: CallId) -> Option<Fault> {
    let code = HostCode::ALL.iter().find(|known| known.as_str() == code)?;
    let verdict = Verdict {
        boundary: code.meaning().boundary,
        stage: "once",
        cause: format!("the call {id} ended so, and was asked for again"),
        evidence: Vec::new(),
        next: format!("holdfast explain {id}"),
    };
    let fault = Fault::host(*code, detail, verdict).of_call(id);
    Some(match after_ms {
        Some(millis) => fault.retry_after(Duration::from_millis(millis)),
        None => fault,
    })
}

fn response(status: u16, headers: Fields, kept: Kept, body: Bytes) -> Option<Response<Body>> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).ok()?;
        response.headers_mut().append(
            name,
            HeaderValue::from_maybe_shared(Bytes::from(value.into_bytes())).ok()?,
        );
    }
    if kept == Kept::Head {
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(REPLAYED, HeaderValue::from_static("summary"));
    }
    Some(response)
}

/// Whether the answer has the form in which the call is to be answered.
pub(super) fn fits(reply: &Reply, payload: &Payload) -> bool {
    match (reply, payload) {
        (Ok(Answer::Http(_)), Payload::Http(_))
        | (Ok(Answer::Values(_)), Payload::Values(..))
        | (Err(_), _) => true,
        (Ok(Answer::Http(_)), Payload::Values(..)) | (Ok(Answer::Values(_)), Payload::Http(_)) => {
            false
        }
    }
}
