//! The two bodies of an exchange: the request's, as the connection takes it, and the answer's, as the guest reads it.
//!
//! Nothing is buffered here: a reader that does not read stops the upstream. A body that is cut, either way, is seen as cut.

use super::echo::{Guard, Passed};
use super::failure::{Cut, chain, cut};
use super::headers::strip_hop_by_hop;
use super::lease::Lease;
use super::progress::{Progress, Stand};
use super::request::clean_trailers;
use super::upstream::Upstream;
use bytes::Bytes;
use holdfast_call::{
    Body, BodyEnd, BodySource, Boundary, BoxFuture, Clock, Fault, HostCode, Moment, Verdict, Watch,
};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a body says when it is asked for its next frame.
type Polled = Poll<Option<Result<Frame<Bytes>, Fault>>>;

/// A request's body on its way to the upstream.
pub(super) struct RequestBody {
    body: Body,
    progress: Arc<Progress>,
    upstream: Arc<Upstream>,
    clock: Arc<dyn Clock>,
    /// Data bytes still to come where their number is known: an HTTP library stops asking once it has them.
    left: Option<u64>,
}

impl RequestBody {
    pub(super) fn new(
        body: Body,
        progress: Arc<Progress>,
        upstream: Arc<Upstream>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let left = body.size_hint().exact();
        let this = Self {
            body,
            progress,
            upstream,
            clock,
            left,
        };
        this.note_end();
        this
    }

    fn note_end(&self) {
        if self.left == Some(0) || self.body.is_end_stream() {
            self.progress.note(Stand::Finished(self.clock.now()));
        }
    }

    fn taken(&mut self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(trailers) = frame.trailers_mut() {
            clean_trailers(trailers, &self.upstream);
        }
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.left = self.left.map(|left| left.saturating_sub(bytes));
        self.progress.note(Stand::Taken(self.clock.now()));
        self.note_end();
        frame
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        this.progress.watch(cx);
        match this.progress.stand() {
            Stand::Cut => return Poll::Ready(Some(Err(ended_early()))),
            Stand::Failed(fault) => return Poll::Ready(Some(Err(fault))),
            Stand::Taken(_) | Stand::Awaited | Stand::Finished(_) => {}
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => {
                this.progress.note(Stand::Awaited);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(this.taken(frame)))),
            Poll::Ready(Some(Err(fault))) => {
                this.progress.note(Stand::Failed(fault.clone()));
                Poll::Ready(Some(Err(fault)))
            }
            Poll::Ready(None) => {
                this.progress.note(Stand::Finished(this.clock.now()));
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Seen by the connection alone, which it makes break off.
fn ended_early() -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Caller,
        stage: "request",
        cause: "the call ended before its request had been sent".to_owned(),
        evidence: Vec::new(),
        next: "look at the call that asked".to_owned(),
    };
    Fault::host(HostCode::Cancelled, "The call has ended.", verdict)
}

/// An answer's body on its way to the guest, with the connection it comes from.
pub(super) struct ResponseSource {
    incoming: Incoming,
    lease: Option<Lease>,
    progress: Arc<Progress>,
    upstream: Arc<Upstream>,
    clock: Arc<dyn Clock>,
    between_bytes: Duration,
    seen: u64,
    /// Looks for the secret that the request carried.
    guard: Option<Guard>,
    /// Trailers that wait for what the guard held back.
    trailers: Option<Frame<Bytes>>,
    pause: Pause,
}

/// How long the upstream has been waited for. The timer is made when it is first needed, and moved only when it rings too early.
#[derive(Default)]
struct Pause {
    since: Option<Moment>,
    timer: Option<BoxFuture<'static, ()>>,
}

impl Pause {
    /// Ready once the upstream has paused for `limit`.
    fn poll(&mut self, cx: &mut Context<'_>, clock: &dyn Clock, limit: Duration) -> Poll<()> {
        let now = clock.now();
        let over = self.since.get_or_insert(now).after(limit);
        if now >= over {
            return Poll::Ready(());
        }
        loop {
            let timer = self.timer.get_or_insert_with(|| clock.sleep_until(over));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            if clock.now() >= over {
                return Poll::Ready(());
            }
        }
    }
}

impl ResponseSource {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        progress: Arc<Progress>,
        upstream: Arc<Upstream>,
        clock: Arc<dyn Clock>,
        between_bytes: Duration,
        guard: Option<Guard>,
    ) -> Self {
        Self {
            incoming,
            lease: Some(lease),
            progress,
            upstream,
            clock,
            between_bytes,
            seen: 0,
            guard,
            trailers: None,
            pause: Pause::default(),
        }
    }

    /// The answer is all there: the connection may be used again if the request, too, was taken whole.
    pub(super) fn done(&mut self) {
        if let Some(lease) = self.lease.take() {
            release(lease, &self.progress);
        }
    }

    fn cut(&mut self, why: &Cut) -> Polled {
        self.lease = None;
        if let Stand::Failed(fault) = self.progress.stand() {
            // The upstream only broke off because the request did.
            return Poll::Ready(Some(Err(fault)));
        }
        Poll::Ready(Some(Err(cut(&self.upstream.name, why, self.seen))))
    }

    /// Hands a frame on; `None` if all of it is held back.
    fn hand_on(&mut self, frame: Frame<Bytes>) -> Option<Polled> {
        self.pause.since = None;
        self.seen += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.seen > self.upstream.response_bytes_max {
            return Some(self.cut(&Cut::TooLarge(self.upstream.response_bytes_max)));
        }
        if self.incoming.is_end_stream() {
            self.done();
        }
        match frame.into_data() {
            Ok(data) => self.hand_on_data(data),
            Err(frame) => Some(self.hand_on_trailers(frame)),
        }
    }

    fn hand_on_data(&mut self, data: Bytes) -> Option<Polled> {
        let passed = match &mut self.guard {
            Some(guard) => guard.pass(data),
            None => Passed::On(data),
        };
        match passed {
            Passed::On(data) => Some(Poll::Ready(Some(Ok(Frame::data(data))))),
            Passed::Held => None,
            Passed::Echoed => Some(self.cut(&Cut::Echoed)),
        }
    }

    fn hand_on_trailers(&mut self, mut frame: Frame<Bytes>) -> Polled {
        if let Some(trailers) = frame.trailers_mut() {
            strip_hop_by_hop(trailers);
            let echo = self.guard.as_ref().map(Guard::echo);
            if echo.is_some_and(|echo| echo.is_in_headers(trailers)) {
                return self.cut(&Cut::Echoed);
            }
        }
        match self.rest() {
            Some(rest) => {
                self.trailers = Some(frame);
                Poll::Ready(Some(Ok(rest)))
            }
            None => Poll::Ready(Some(Ok(frame))),
        }
    }

    /// What the guard holds back, now that it can be no secret any more.
    fn rest(&mut self) -> Option<Frame<Bytes>> {
        self.guard.as_mut()?.rest().map(Frame::data)
    }

    /// What the upstream has next, as far as anything of it can be handed on.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Polled {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(trailers)));
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(polled) = self.hand_on(frame) {
                        return polled;
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.cut(&Cut::Broken(chain(&error))),
                // A connection whose task is gone says no more than that there is nothing more.
                Poll::Ready(None) if self.incoming.size_hint().lower() > 0 => {
                    return self.cut(&Cut::Broken("it ended short of its length".to_owned()));
                }
                Poll::Ready(None) => {
                    self.done();
                    return Poll::Ready(self.rest().map(Ok));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Ends an exchange whose answer is all there.
pub(super) fn release(lease: Lease, progress: &Progress) {
    match progress.stand() {
        Stand::Finished(_) => lease.give_back(),
        // The rest of the request ends with its call; dropping the lease closes the connection.
        Stand::Taken(_) | Stand::Awaited | Stand::Failed(_) | Stand::Cut => progress.cut(),
    }
}

impl BodySource for ResponseSource {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let polled = this.poll_incoming(cx);
        if polled.is_ready() {
            return polled;
        }
        match this.pause.poll(cx, &*this.clock, this.between_bytes) {
            Poll::Ready(()) => this.cut(&Cut::Paused(this.between_bytes)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.guard.as_ref().map_or(0, Guard::held) as u64;
        let coming = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(coming.lower() + held);
        if let Some(upper) = coming.upper() {
            hint.set_upper(upper + held);
        }
        hint
    }

    fn finish(mut self: Pin<Box<Self>>, mut watch: Watch) {
        if self.incoming.is_end_stream() {
            self.done();
        }
        watch.end(&BodyEnd::Finished);
    }
}

impl Drop for ResponseSource {
    fn drop(&mut self) {
        // A request still on its way ends with its answer's reader; over HTTP/2 nothing else would end it.
        self.progress.cut();
    }
}
