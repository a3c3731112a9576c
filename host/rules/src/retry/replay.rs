//! A request that can be sent more than once: what was read of its body is kept, up to a limit, and read again by the next try.
//!
//! The first try does not wait for the body: it reads it as it comes. Only one try reads at a time; an earlier one that still holds on to
//! its body, on a connection that is being given up, reads nothing more. Nothing is kept any longer than somebody may need it.

use super::decide::Replay;
use bytes::Bytes;
use holdfast_call::{Body, BodySource, Boundary, Fault, HostCode, Verdict};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// How many bytes of a body are kept for another try. Most requests of services are far smaller, and what is larger is sent once.
pub const REPLAY_BYTES_MAX: usize = 64 << 10;

/// A body for as many tries as it takes.
pub(super) enum Kept {
    /// It has no byte.
    Empty,
    /// It has some, or may have.
    Tee(Arc<Mutex<Tee>>),
}

/// The body's source, and what came out of it.
pub(super) struct Tee {
    source: Body,
    parts: Vec<Part>,
    bytes: usize,
    replay: Replay,
    /// How long it is, where that was said.
    exact: Option<u64>,
    /// Which try reads.
    reader: u32,
}

#[derive(Clone)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Kept {
    pub(super) fn new(source: Body) -> Self {
        if source.is_end_stream() {
            return Self::Empty;
        }
        Self::Tee(Arc::new(Mutex::new(Tee {
            exact: source.size_hint().exact(),
            source,
            parts: Vec::new(),
            bytes: 0,
            replay: Replay::Kept,
            reader: 0,
        })))
    }

    /// The body for the next try.
    pub(super) fn body(&self) -> Body {
        match self {
            Self::Empty => Body::empty(),
            Self::Tee(tee) => {
                let mut locked = lock(tee);
                locked.reader += 1;
                Body::stream(Box::pin(Reader {
                    number: locked.reader,
                    place: 0,
                    left: locked.exact,
                    tee: tee.clone(),
                }))
            }
        }
    }

    /// Whether there can be another try.
    pub(super) fn replay(&self) -> Replay {
        match self {
            Self::Empty => Replay::Kept,
            Self::Tee(tee) => lock(tee).replay,
        }
    }

    /// There will be no other try.
    pub(super) fn let_go(&self) {
        if let Self::Tee(tee) = self {
            let mut tee = lock(tee);
            // What the present try has not read yet is still to be read.
            tee.replay = Replay::Gone;
        }
    }
}

// Every change is whole before anything is called that could panic.
fn lock(tee: &Mutex<Tee>) -> MutexGuard<'_, Tee> {
    tee.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tee {
    fn keep(&mut self, part: Part, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > REPLAY_BYTES_MAX {
            self.replay = Replay::Gone;
        }
        match self.replay {
            Replay::Kept => self.parts.push(part),
            Replay::Gone => self.parts = Vec::new(),
        }
    }
}

impl Part {
    fn of(frame: &Frame<Bytes>) -> (Self, usize) {
        match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => (Self::Data(data.clone()), data.len()),
            (None, trailers) => {
                let trailers = trailers.cloned().unwrap_or_default();
                let bytes = trailers
                    .iter()
                    .map(|(name, value)| name.as_str().len() + value.len());
                let bytes = bytes.sum();
                (Self::Trailers(trailers), bytes)
            }
        }
    }

    fn frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

/// One try's view of the body.
struct Reader {
    tee: Arc<Mutex<Tee>>,
    number: u32,
    place: usize,
    left: Option<u64>,
}

impl Reader {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut tee = lock(&self.tee);
        if tee.reader != self.number {
            return Poll::Ready(Some(Err(superseded())));
        }
        if let Some(part) = tee.parts.get(self.place) {
            self.place += 1;
            return Poll::Ready(Some(Ok(part.clone().frame())));
        }
        let polled = Pin::new(&mut tee.source).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let (part, bytes) = Part::of(frame);
            tee.keep(part, bytes);
            self.place = tee.parts.len();
        }
        polled
    }
}

impl BodySource for Reader {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = self.next(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&polled, &mut self.left) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Seen only by a connection that is being given up.
fn superseded() -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Upstream,
        stage: "retry",
        cause: "another try of the same call has begun".to_owned(),
        evidence: Vec::new(),
        next: "nothing".to_owned(),
    };
    Fault::host(HostCode::Cancelled, "The call is tried again.", verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fed, frame, text};

    fn data(body: &mut Body) -> Option<Bytes> {
        match frame(body) {
            Poll::Ready(Some(Ok(data))) => Some(data),
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => None,
        }
    }

    #[test]
    fn each_try_reads_the_whole_body_wherever_the_one_before_stopped() {
        let (feed, source) = fed();
        let kept = Kept::new(source);
        let mut first = kept.body();
        feed.send(Ok("one ")).unwrap();
        feed.send(Ok("two ")).unwrap();
        assert_eq!(data(&mut first).unwrap(), "one ");
        drop(first);
        let mut second = kept.body();
        assert_eq!(data(&mut second).unwrap(), "one ");
        assert_eq!(data(&mut second).unwrap(), "two ");
        assert!(frame(&mut second).is_pending());
        feed.send(Ok("three")).unwrap();
        drop(feed);
        let mut third = kept.body();
        let mut whole = Vec::new();
        while let Some(part) = data(&mut third) {
            whole.extend_from_slice(&part);
        }
        assert_eq!(whole, b"one two three");
        assert_eq!(kept.replay(), Replay::Kept);
    }

    #[test]
    fn a_try_that_is_over_takes_nothing_from_the_next() {
        let (feed, source) = fed();
        let kept = Kept::new(source);
        let mut first = kept.body();
        let mut second = kept.body();
        feed.send(Ok("one")).unwrap();
        assert!(matches!(frame(&mut first), Poll::Ready(Some(Err(_)))));
        assert_eq!(data(&mut second).unwrap(), "one");
    }

    #[test]
    fn a_length_that_was_said_is_said_to_each_try() {
        let kept = Kept::new(text("hello"));
        for _ in 0..3 {
            let mut body = kept.body();
            assert_eq!(body.size_hint().exact(), Some(5));
            assert_eq!(data(&mut body).unwrap(), "hello");
            assert_eq!(body.size_hint().exact(), Some(0));
        }
        assert!(Kept::new(Body::empty()).body().is_end_stream());
    }

    #[test]
    fn what_is_too_large_is_sent_once_and_not_kept() {
        let large = Bytes::from(vec![7; REPLAY_BYTES_MAX + 1]);
        let kept = Kept::new(Body::whole(large.clone()));
        let mut body = kept.body();
        assert_eq!(data(&mut body).unwrap(), large);
        assert!(data(&mut body).is_none());
        assert_eq!(kept.replay(), Replay::Gone);
        let fits = Kept::new(Body::whole(Bytes::from(vec![7; REPLAY_BYTES_MAX])));
        data(&mut fits.body()).unwrap();
        assert_eq!(fits.replay(), Replay::Kept);
    }

    #[test]
    fn once_no_other_try_can_come_nothing_more_is_kept() {
        let (feed, source) = fed();
        let kept = Kept::new(source);
        let mut first = kept.body();
        feed.send(Ok("one ")).unwrap();
        data(&mut first).unwrap();
        let mut last = kept.body();
        kept.let_go();
        feed.send(Ok("two")).unwrap();
        assert_eq!(data(&mut last).unwrap(), "one ");
        assert_eq!(data(&mut last).unwrap(), "two");
        let Kept::Tee(tee) = &kept else {
            panic!("it has bytes");
        };
        assert!(lock(tee).parts.is_empty());
    }
}
