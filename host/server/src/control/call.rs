//! A call from the terminal: the same pipeline as any other, with the owner as its caller.
//!
//! Whoever closes the socket before the answer has ended went away, and the call is cancelled like a client's that hangs up, unless it
//! is shielded.

use crate::control::say;
use crate::control::words::{CallRequest, Response};
use crate::entry::answer::Serving;
use crate::entry::request;
use bytes::Bytes;
use holdfast_call::{
    Body, Call, CallId, Caller, Entry, Link, Moment, Payload, Pipeline, Target, Trace, Tree, Why,
};
use http::{HeaderValue, Method, Request, header};
use http_body::Body as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Makes the call and streams its answer.
///
/// # Errors
/// The socket broke.
pub async fn answer(
    pipeline: &Arc<Pipeline>,
    asked: CallRequest,
    body: Vec<u8>,
    uid: u32,
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> std::io::Result<()> {
    let call = match made(pipeline, asked, body, uid) {
        Ok(call) => call,
        Err(error) => return say(write, &Response::Error(error)).await,
    };
    tokio::select! {
        biased;
        // Nothing more is asked while a call runs: readable means closed, or out of order.
        _ = read.fill_buf() => Err(std::io::ErrorKind::BrokenPipe.into()),
        done = stream(pipeline, call, write) => done,
    }
}

async fn stream(
    pipeline: &Arc<Pipeline>,
    call: Call,
    write: &mut OwnedWriteHalf,
) -> std::io::Result<()> {
    let Ok(response) = Serving::of(pipeline, call, None).await;
    let (head, mut body) = response.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter();
    let line = Response::Head {
        status: head.status.as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
    };
    say(write, &line).await?;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => {
                say(write, &Response::Data(data.len() as u64)).await?;
                write.write_all(&data).await?;
            }
            // Trailers are nothing that a terminal shows.
            Ok(Err(_)) => {}
            Err(fault) => return say(write, &Response::Error(fault.to_string())).await,
        }
    }
    say(write, &Response::End).await
}

fn made(
    pipeline: &Arc<Pipeline>,
    asked: CallRequest,
    body: Vec<u8>,
    uid: u32,
) -> Result<Call, String> {
    let method: Method = asked
        .method
        .parse()
        .map_err(|_| format!("`{}` is no method", asked.method.escape_debug()))?;
    if !asked.path.starts_with('/') {
        let path = asked.path.escape_debug();
        return Err(format!("`{path}` is no path; it begins with a slash"));
    }
    let uri = format!("http://{}.internal{}", asked.name, asked.path);
    let mut request = Request::new(Body::whole(Bytes::from(body)));
    *request.method_mut() = method;
    if let Some(kind) = asked.content_type {
        let kind = HeaderValue::from_str(&kind);
        let kind = kind.map_err(|_| "the type of the body is no header".to_owned())?;
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    *request.uri_mut() = uri.parse().map_err(|error| format!("`{uri}`: {error}"))?;
    let operation = request::operation(request.method(), request.uri().path());
    let why = asked
        .why
        .and_then(|why| Why::claimed(&why))
        .or_else(|| Why::claimed("holdfast call"))
        .unwrap_or_else(Why::undeclared);
    let call = operators(
        pipeline,
        (asked.name.into(), operation),
        Payload::Http(request),
        why,
        uid,
    );
    call.meter.add_in(asked.body_bytes);
    Ok(call)
}

/// A call that the operator makes, to an operation of a service.
pub(super) fn operators(
    pipeline: &Arc<Pipeline>,
    (service, operation): (Arc<str>, Arc<str>),
    payload: Payload,
    why: Why,
    uid: u32,
) -> Call {
    let sources = pipeline.sources();
    let random = || sources.random.sixteen();
    Call {
        id: CallId::new(sources.clock.wall(), random()),
        parent: None,
        entry: Entry::Command,
        caller: Caller::outside(Link::Operator { uid }),
        asker: None,
        target: Target::Service(service),
        registered: None,
        operation,
        why,
        deadline: Moment::FAR,
        stream: Duration::ZERO,
        trace: Trace::start(random(), random()),
        ordinal: 0,
        key: None,
        wait: None,
        execution: None,
        journal: None,
        step: None,
        outbox: None,
        payload,
        meter: Arc::default(),
        above: None,
        tree: Arc::new(Tree::default()),
    }
}
