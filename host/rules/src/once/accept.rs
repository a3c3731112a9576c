//! A signed request that is only taken on: where the policy says so of a webhook, its sender is answered as soon as the message that it is
//! lies in the service's queue, and the service is given it from there.
//!
//! The name of the delivery is the key of the call, so whoever sends it again is answered as before; and it is the message's name, so that
//! it is sent once for as long as names of messages are remembered, which is longer.

use super::refusals::{full, nowhere, unavailable};
use super::rows::Rows;
use crate::identify::signed;
use bytes::Bytes;
use holdfast_call::message::Message;
use holdfast_call::{
    Answer, Body, Call, CallId, Fault, HostCode, Outbox, Payload, Refusal, Reply, Sources, Target,
};
use holdfast_store::queue::{BYTES_MAX, Fits, Room};
use http::{HeaderMap, Response, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// How many headers go into a message.
const HEADERS_MAX: usize = 60;
/// How many bytes they have together at most.
const HEADERS_BYTES_MAX: usize = 15 << 10;

/// Whether the call is only taken on: it was verified, where the policy says that such a request goes into the queue.
pub(super) fn is_left(call: &Call) -> bool {
    signed::goes_into_the_queue(call)
}

/// How much the queue of the service may have.
pub(super) fn room(call: &Call) -> Option<Room> {
    let registered = call.registered.as_ref()?;
    registered.settings.get::<Room>().copied()
}

/// The message that a request is.
///
/// # Errors
/// It is more than a message may be.
pub(super) fn message(
    call: &Call,
    body: &Bytes,
    key: Option<&str>,
    sources: &Sources,
) -> Result<Message, Fault> {
    let (Payload::Http(request), Target::Service(queue)) = (&call.payload, &call.target) else {
        return Err(too_large("it is no request of a service"));
    };
    if body.len() > BYTES_MAX {
        return Err(too_large("its body is longer than a message may be"));
    }
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let path = request.uri().path_and_query();
    let path = path.map_or("/", http::uri::PathAndQuery::as_str);
    let mut attributes = vec![
        (":method".to_owned(), request.method().to_string()),
        (":path".to_owned(), path.to_owned()),
    ];
    attributes.extend(headers(request.headers())?);
    Ok(Message {
        id: CallId::new(sources.clock.wall(), sources.random.sixteen()),
        queue: queue.clone(),
        operation: None,
        body: body.clone(),
        content_type: text(header::CONTENT_TYPE).map(str::to_owned),
        attributes,
        lane: None,
        dedupe: key.map(str::to_owned),
        delay: Duration::ZERO,
        sent_by: call.id,
        caller: call.caller.clone(),
        why: call.why.clone(),
        trace: call.trace,
    })
}

/// What the sender said in headers, but for what speaks for a connection, or proves who somebody is.
fn headers(headers: &HeaderMap) -> Result<Vec<(String, String)>, Fault> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !is_left_out(name.as_str()));
    let pairs: Vec<_> = kept
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), value.replace('\0', ""))
        })
        .collect();
    let sizes = pairs.iter().map(|(name, value)| name.len() + value.len());
    match pairs.len() > HEADERS_MAX || sizes.sum::<usize>() > HEADERS_BYTES_MAX {
        true => Err(too_large("its headers are more than go into a message")),
        false => Ok(pairs),
    }
}

fn is_left_out(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "authorization"
            | "cookie"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "accept-encoding"
            | "idempotency-key"
            | "x-telegram-bot-api-secret-token"
    ) || name.starts_with("x-forwarded-")
        || name.starts_with("holdfast-")
}

/// Leaves the message in the call's outbox, from where it goes out with the answer.
pub(super) async fn take_on(
    message: Message,
    room: Option<Room>,
    outbox: &Outbox,
    rows: &Arc<Rows>,
    sources: &Sources,
) -> Reply {
    let queue = message.queue.clone();
    if let Some(room) = room {
        let all = std::slice::from_ref(&message);
        let fits = rows.fits(&queue, all, room, sources.clock.now()).await;
        match fits.map_err(|error| unavailable(&error))? {
            Fits::Yes => {}
            Fits::No { there, .. } => return Err(full(&queue, there, room)),
        }
    }
    // It is the only one of this call.
    if outbox.hold(vec![message]).is_err() {
        return Err(nowhere());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(Answer::Http(response))
}

fn too_large(seen: &str) -> Fault {
    let refusal = Refusal {
        code: HostCode::PayloadTooLarge,
        layer: "once",
        detail: "The request is too large to be taken on.".to_owned(),
        rule: "what goes into a queue is a message, with the limits of one".to_owned(),
        seen: seen.to_owned(),
        limit: format!(
            "{BYTES_MAX} bytes of body, {HEADERS_MAX} headers of {HEADERS_BYTES_MAX} bytes"
        ),
        change: "accept = \"service\" for this webhook in holdfast.toml: then the service is asked at once".to_owned(),
        retry_after: None,
    };
    refusal.into()
}
