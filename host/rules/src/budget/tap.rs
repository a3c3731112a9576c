//! A body that is read while it goes by, and handed on unchanged.

use bytes::Bytes;
use holdfast_call::{Body, BodyEnd, BodySource, Fault, Watch};
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Who reads along. Dropped without having been told the end: the body was cut, or its reader went away.
pub(super) trait Reader: Send + Unpin + 'static {
    /// The next bytes.
    fn data(&mut self, data: &[u8]);

    /// All of it went by.
    fn ended(self);
}

/// `body`, with `reader` reading along.
pub(super) fn tap(body: Body, reader: impl Reader) -> Body {
    Body::stream(Box::pin(Tap {
        body,
        reader: Some(reader),
    }))
}

struct Tap<R> {
    body: Body,
    reader: Option<R>,
}

impl<R: Reader> Tap<R> {
    fn ended(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.ended();
        }
    }
}

impl<R: Reader> BodySource for Tap<R> {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(reader)) = (frame.data_ref(), &mut self.reader) {
                    reader.data(data);
                }
            }
            Poll::Ready(None) => self.ended(),
            Poll::Ready(Some(Err(_))) => self.reader = None,
            Poll::Pending => {}
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn finish(mut self: Pin<Box<Self>>, mut watch: Watch) {
        self.ended();
        watch.end(&BodyEnd::Finished);
    }
}
