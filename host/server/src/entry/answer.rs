//! The answer on its way out: what the connection may carry, the id that no service can forge, and a body that outlives its reader where
//! the call is shielded.

use crate::entry::line::Busy;
use crate::entry::overdue::guarded;
use crate::entry::request::remove_hop_by_hop;
use crate::entry::trailers;
use bytes::Bytes;
use holdfast_call::problem::{self, CALL_HEADER};
use holdfast_call::{
    Answer, Body, BoxFuture, Call, CallId, Clock, Fault, Payload, Pipeline, Reply, Tree,
};
use http::header::{CONTENT_LENGTH, DATE, HeaderValue, SERVER};
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;

/// The future of one call, polled by the task of its connection. Dropped before its end (the client went away), it is cancelled, unless
/// something of the call is shielded: then it finishes on a task of its own.
pub struct Serving {
    run: Option<BoxFuture<'static, Reply>>,
    tree: Arc<Tree>,
    id: CallId,
    method: Method,
    clock: Arc<dyn Clock>,
    busy: Option<Busy>,
}

impl Serving {
    /// Sends `call` through the pipeline. Its connection is `busy` with it, if it came over one.
    #[must_use]
    pub fn of(pipeline: &Arc<Pipeline>, call: Call, busy: Option<Busy>) -> Self {
        let method = match &call.payload {
            Payload::Http(request) => request.method().clone(),
            Payload::Values(..) => Method::POST,
        };
        Self {
            tree: call.tree.clone(),
            id: call.id,
            method,
            clock: pipeline.sources().clock.clone(),
            busy,
            run: Some(pipeline.run(call)),
        }
    }
}

impl Future for Serving {
    type Output = Result<Response<Outgoing>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(run) = &mut this.run else {
            return Poll::Pending;
        };
        let reply = ready!(run.as_mut().poll(cx));
        this.run = None;
        let response = response(reply, this.id, &this.method);
        let tree = this.tree.clone();
        let (head, body) = response.into_parts();
        let busy = this.busy.take();
        let (body, busy) = if body.as_whole().is_none() {
            (guarded(body, this.clock.clone(), busy), None)
        } else {
            (body, busy)
        };
        let outgoing = Outgoing {
            body: Some(body),
            tree,
            busy,
            handed: true,
            cut: None,
        };
        Poll::Ready(Ok(Response::from_parts(head, outgoing)))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        if self.tree.shielded()
            // Without a runtime the whole host is going down, and nothing can be finished.
            && let Ok(runtime) = Handle::try_current()
        {
            let tree = self.tree.clone();
            runtime.spawn(async move {
                match run.await {
                    Ok(Answer::Http(response)) => finish(response.into_body(), tree).await,
                    Ok(answer @ Answer::Values(_)) => answer.close(),
                    Err(_) => {}
                }
            });
        }
    }
}

/// Reads on in a body that nobody wants any more, as long as something of its call is shielded. A whole answer
/// has then ended well, for want of a reader; a stream goes on for nobody, and is cancelled.
async fn finish(mut body: Body, tree: Arc<Tree>) {
    while tree.shielded() {
        match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
    if body.as_whole().is_some() {
        body.close();
    }
}

/// The body of an answer as the connection reads it.
pub struct Outgoing {
    body: Option<Body>,
    tree: Arc<Tree>,
    /// With a whole answer, until it was handed on; a streamed one holds it itself.
    busy: Option<Busy>,
    /// Whether the connection was given something that it may not have sent yet.
    handed: bool,
    /// The cut that waits for that.
    cut: Option<Fault>,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(fault) = self.cut.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        // The connection sends what it has before it waits, and drops what it has when it is cut: the head should not be lost with the body.
        let handed = std::mem::replace(&mut self.handed, polled.is_ready());
        let frame = ready!(polled);
        self.busy = None;
        if let (Some(Err(fault)), true) = (&frame, handed) {
            self.cut = Some(fault.clone());
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Trailers are the last that is asked for: the connection drops the body then, and would look like a reader who went away.
        if let Some(Ok(last)) = &frame
            && last.is_trailers()
            && let Some(body) = self.body.take()
        {
            body.close();
        }
        Poll::Ready(frame.map(|frame| frame.map(cleaned)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if !body.is_end_stream()
            && self.tree.shielded()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(finish(body, self.tree.clone()));
        }
    }
}

/// A trailer must not say what only a header may.
fn cleaned(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        trailers::clean(trailers);
    }
    frame
}

/// The response to a call that ended in `reply`.
fn response(reply: Reply, id: CallId, method: &Method) -> Response<Body> {
    let mut response = match reply {
        Ok(Answer::Http(mut response)) => {
            frame(&mut response, method);
            response
        }
        Ok(answer @ Answer::Values(_)) => {
            answer.close();
            // No service answers so: the attempt does not let it through.
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Err(fault) => problem::response(&fault, id),
    };
    if let Ok(text) = HeaderValue::from_str(id.text().as_str()) {
        response.headers_mut().insert(CALL_HEADER, text);
    }
    let status = response.status();
    if *method == Method::HEAD
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        )
    {
        response = bodiless(response);
    }
    response
}

/// Takes out what the host says itself: how the message is framed, when and by what it was sent.
fn frame(response: &mut Response<Body>, method: &Method) {
    // These say how long the body is that another request would have got.
    let about_another = *method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED;
    let exact = response.body().size_hint().exact();
    let headers = response.headers_mut();
    remove_hop_by_hop(headers);
    headers.remove(SERVER);
    headers.remove(DATE);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = length.as_bytes().iter().all(u8::is_ascii_digit);
        let said = length.to_str().ok().filter(|_| digits);
        let said: Option<u64> = said.and_then(|text| text.parse().ok());
        // A length that is none, or another than is known here, is left to the connection to say.
        let known = match exact {
            Some(0) if about_another => true,
            Some(exact) => said == Some(exact),
            None => true,
        };
        if said.is_none() || lengths.next().is_some() || !known {
            headers.remove(CONTENT_LENGTH);
        }
    }
}

/// The same head without its body, which ends well although nobody reads it.
fn bodiless(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT
    ) {
        head.headers.remove(CONTENT_LENGTH);
    } else if head.status != StatusCode::NOT_MODIFIED
        && let Some(length) = body.size_hint().exact().filter(|length| *length > 0)
    {
        // The length that a `GET` would have shown; an empty body would be taken for it otherwise.
        head.headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
    }
    body.close();
    Response::from_parts(head, Body::empty())
}
