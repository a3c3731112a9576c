//! A body that carries its call: whoever holds something for a call hangs it on the body, and it is let go exactly once.
//!
//! A call ends when its answer has ended, not when the headers leave. So a layer that holds a permit, a deadline or the record adds a
//! [`BodyWatch`] to the answer's [`Body`]; the watch is told every frame, may cut the body, and is told once how it ended. A body that is
//! dropped before its end was not ended: its reader went away.

use crate::fault::Fault;
use crate::time::Moment;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How a body ended.
#[derive(Debug)]
pub enum BodyEnd<'a> {
    /// The last byte and the trailers were handed on.
    Finished,
    /// It was cut short, and its reader sees that it was.
    Cut(&'a Fault),
    /// Its reader went away.
    Dropped,
}

/// Something that lives as long as the body does.
pub trait BodyWatch: Send {
    /// Asked whenever the body is polled; ready with a fault cuts the body there.
    fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<Fault> {
        Poll::Pending
    }

    /// When [`poll_cut`](Self::poll_cut) will be ready if nothing moves until then. For whoever must cut a body that nobody polls.
    fn due(&self) -> Option<Moment> {
        None
    }

    /// Told the size of each frame of data handed on, in bytes; a fault cuts the body instead of handing the frame on.
    fn frame(&mut self, _bytes: usize) -> Result<(), Fault> {
        Ok(())
    }

    /// Shown what is handed on.
    fn data(&mut self, _data: &Bytes) {}

    /// Told once how the body ended.
    fn end(&mut self, end: &BodyEnd<'_>);
}

/// The watches of one body. Dropped without having been ended, it tells them that the reader went away.
#[derive(Default)]
pub struct Watch {
    watches: Vec<Box<dyn BodyWatch>>,
}

impl Watch {
    /// Asks each watch whether the body must be cut.
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        for watch in &mut self.watches {
            if let Poll::Ready(fault) = watch.poll_cut(cx) {
                return Poll::Ready(fault);
            }
        }
        Poll::Pending
    }

    /// Tells all of them the end, the innermost first. Only the first end counts.
    pub fn end(&mut self, end: &BodyEnd<'_>) {
        for mut watch in self.watches.drain(..) {
            watch.end(end);
        }
    }

    fn frame(&mut self, data: &Bytes) -> Result<(), Fault> {
        self.watches.iter_mut().try_for_each(|watch| {
            watch.frame(data.len())?;
            watch.data(data);
            Ok(())
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(&BodyEnd::Dropped);
    }
}

/// Where the bytes of a streamed body come from.
pub trait BodySource: Send {
    /// The next frame; `None` only if the body ended well.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>>;

    /// What is known of the size that is still to come.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }

    /// Called once, after the last frame was handed on. A source whose work goes on behind the answer takes the watches along and ends
    /// them when it is done; any other ends them here.
    fn finish(self: Pin<Box<Self>>, mut watch: Watch) {
        watch.end(&BodyEnd::Finished);
    }
}

enum State {
    Whole(Bytes),
    Stream(Pin<Box<dyn BodySource>>),
    /// Cut while nobody asked for its bytes; its reader is still to be told.
    Cut(Fault),
    Ended,
}

/// The body of a request or an answer, with the watches that live as long as it does.
pub struct Body {
    state: State,
    watch: Watch,
    /// Data bytes still to come where the size was known beforehand. An HTTP library stops asking once it has them all, so a body
    /// dropped then has ended well.
    left: Option<u64>,
}

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// A body that is all there.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            left: Some(bytes.len() as u64),
            state: State::Whole(bytes),
            watch: Watch::default(),
        }
    }

    /// A body that comes from `source`.
    #[must_use]
    pub fn stream(source: Pin<Box<dyn BodySource>>) -> Self {
        let left = source.size_hint().exact();
        Self {
            state: State::Stream(source),
            watch: Watch::default(),
            left,
        }
    }

    /// A body that comes from any other kind of body, its errors turned into faults.
    #[must_use]
    pub fn wrap<B>(body: B, fault: impl Fn(B::Error) -> Fault + Send + Unpin + 'static) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self::stream(Box::pin(Wrapped {
            body: Box::pin(body),
            fault,
        }))
    }

    /// Adds a watch. Watches are asked in the order they were added: innermost layer first.
    pub fn watch(&mut self, watch: Box<dyn BodyWatch>) {
        self.watch.watches.push(watch);
    }

    /// The bytes, if they are all there and nothing of them was handed on.
    #[must_use]
    pub fn as_whole(&self) -> Option<&Bytes> {
        match &self.state {
            State::Whole(bytes) => Some(bytes),
            State::Stream(_) | State::Cut(_) | State::Ended => None,
        }
    }

    /// Ends the body well although nobody reads it: the answer to a `HEAD`, a 204, a 304.
    pub fn close(mut self) {
        self.finish();
    }

    /// Whether there is nothing more to ask for: its end, or its last byte where the number of bytes was known beforehand, was handed on.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Ended) || self.left == Some(0)
    }

    /// When the body is cut if nothing of it moves until then.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.watch
            .watches
            .iter()
            .filter_map(|watch| watch.due())
            .min()
    }

    /// Cuts the body if it is due `now`, although nobody asks for its bytes: its source and its watches are let go at once, and its
    /// reader meets the fault when it asks again. Says whether the body was cut.
    pub fn expire(&mut self, now: Moment) -> bool {
        if let State::Stream(_) = self.state
            && self.due().is_some_and(|due| due <= now)
            && let Poll::Ready(fault) = self.watch.poll_cut(&mut Context::from_waker(Waker::noop()))
        {
            // The source first, as when a reader finds the cut: what it reports of itself must come before the end.
            self.state = State::Ended;
            self.watch.end(&BodyEnd::Cut(&fault));
            self.state = State::Cut(fault);
            return true;
        }
        false
    }

    fn finish(&mut self) {
        let watch = std::mem::take(&mut self.watch);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Stream(source) => source.finish(watch),
            State::Whole(_) | State::Cut(_) | State::Ended => {
                let mut watch = watch;
                watch.end(&BodyEnd::Finished);
            }
        }
    }

    fn cut(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.state = State::Ended;
        self.watch.end(&BodyEnd::Cut(&fault));
        Poll::Ready(Some(Err(fault)))
    }

    fn hand_on(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(data) = frame.data_ref() {
            if let Err(fault) = self.watch.frame(data) {
                return self.cut(fault);
            }
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(data.len() as u64);
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        if let Poll::Ready(fault) = this.watch.poll_cut(cx) {
            return this.cut(fault);
        }
        match &mut this.state {
            State::Ended => Poll::Ready(None),
            State::Cut(fault) => {
                let fault = fault.clone();
                this.state = State::Ended;
                Poll::Ready(Some(Err(fault)))
            }
            State::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                if bytes.is_empty() {
                    this.finish();
                    return Poll::Ready(None);
                }
                let handed = this.hand_on(Frame::data(bytes));
                // The whole body is with its reader now, so the call has ended.
                this.finish();
                handed
            }
            State::Stream(source) => match source.as_mut().poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let last = frame.is_trailers();
                    let handed = this.hand_on(frame);
                    if last {
                        // Nothing comes behind trailers, and an HTTP library stops asking there.
                        this.finish();
                    }
                    handed
                }
                Poll::Ready(Some(Err(fault))) => this.cut(fault),
                Poll::Ready(None) => {
                    this.finish();
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Ended => true,
            State::Whole(bytes) => bytes.is_empty() && self.watch.watches.is_empty(),
            State::Stream(_) | State::Cut(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Ended => SizeHint::with_exact(0),
            State::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Stream(source) => source.size_hint(),
            State::Cut(_) => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.left == Some(0) {
            self.finish();
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Whole(_) => "Body(whole)",
            State::Stream(_) => "Body(stream)",
            State::Cut(_) => "Body(cut)",
            State::Ended => "Body(ended)",
        })
    }
}

struct Wrapped<B, F> {
    body: Pin<Box<B>>,
    fault: F,
}

impl<B, F> BodySource for Wrapped<B, F>
where
    B: http_body::Body<Data = Bytes> + Send,
    F: Fn(B::Error) -> Fault + Send + Unpin,
{
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        this.body
            .as_mut()
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(&this.fault)))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{Boundary, HostCode};
    use crate::fault::Verdict;
    use http_body::Body as _;
    use std::sync::{Arc, Mutex};

    struct Told(Arc<Mutex<Vec<String>>>, Option<Fault>);

    impl BodyWatch for Told {
        fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<Fault> {
            self.1.take().map_or(Poll::Pending, Poll::Ready)
        }
        fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
            self.0.lock().unwrap().push(format!("frame {bytes}"));
            Ok(())
        }
        fn end(&mut self, end: &BodyEnd<'_>) {
            let word = match end {
                BodyEnd::Finished => "finished",
                BodyEnd::Cut(_) => "cut",
                BodyEnd::Dropped => "dropped",
            };
            self.0.lock().unwrap().push(word.to_owned());
        }
    }

    fn fault() -> Fault {
        let verdict = Verdict {
            boundary: Boundary::Platform,
            stage: "test",
            cause: "test".into(),
            evidence: vec![],
            next: "none".into(),
        };
        Fault::host(HostCode::Internal, "test", verdict)
    }

    fn watched(mut body: Body, cut: Option<Fault>) -> (Body, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        body.watch(Box::new(Told(told.clone(), cut)));
        (body, told)
    }

    fn poll(body: &mut Body) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn a_whole_body_ends_with_its_only_frame() {
        let (mut body, told) = watched(Body::whole(Bytes::from_static(b"hello")), None);
        assert!(!body.is_end_stream());
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        assert!(body.is_end_stream());
        drop(body);
        assert_eq!(*told.lock().unwrap(), ["frame 5", "finished"]);
    }

    #[test]
    fn a_body_without_a_byte_has_ended_well_although_nobody_asks_for_it() {
        let (body, told) = watched(Body::empty(), None);
        drop(body);
        assert_eq!(*told.lock().unwrap(), ["finished"]);
    }

    #[test]
    fn a_body_dropped_before_its_end_was_left_by_its_reader() {
        let (body, told) = watched(Body::whole(Bytes::from_static(b"hello")), None);
        drop(body);
        assert_eq!(*told.lock().unwrap(), ["dropped"]);
    }

    #[test]
    fn a_cut_is_an_error_and_never_a_clean_end() {
        let (mut body, told) = watched(Body::whole(Bytes::from_static(b"hello")), Some(fault()));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
        assert_eq!(*told.lock().unwrap(), ["cut"]);
    }

    struct Sized(u64);

    impl BodySource for Sized {
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            let bytes = usize::try_from(std::mem::take(&mut self.0)).unwrap();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; bytes])))))
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[test]
    fn a_sized_stream_dropped_after_its_last_byte_has_ended_well() {
        let (mut body, told) = watched(Body::stream(Box::pin(Sized(3))), None);
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        drop(body);
        assert_eq!(*told.lock().unwrap(), ["frame 3", "finished"]);
    }
}
