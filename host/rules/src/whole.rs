//! A body that is read whole, within a limit, so that it can be looked into; then the very same bytes go on.

use bytes::{Bytes, BytesMut};
use holdfast_call::{Body, BodySource, Fault};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// All of a body.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    trailers: Option<HeaderMap>,
}

/// Why a body could not be read whole.
pub(crate) enum NotWhole {
    /// It has more bytes.
    TooLong,
    /// It was cut.
    Cut(Fault),
}

/// Reads a body of at most `bytes_max`.
///
/// # Errors
/// It is longer, or was cut.
pub(crate) async fn whole(mut body: Body, bytes_max: usize) -> Result<Whole, NotWhole> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.map_err(NotWhole::Cut)?.into_data() {
            Ok(data) => {
                if first.len() + more.len() + data.len() > bytes_max {
                    return Err(NotWhole::TooLong);
                }
                // Most bodies come in one piece, which need not be copied.
                if first.is_empty() {
                    first = data;
                } else {
                    more.extend_from_slice(&data);
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let bytes = if more.is_empty() {
        first
    } else {
        let mut all = BytesMut::with_capacity(first.len() + more.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&more);
        all.freeze()
    };
    Ok(Whole { bytes, trailers })
}

impl Whole {
    /// Whether trailers came behind it.
    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }

    /// The body again, as it came.
    pub(crate) fn again(self) -> Body {
        match self.trailers {
            None => Body::whole(self.bytes),
            trailers @ Some(_) => Rest {
                read: self.bytes,
                trailers,
                body: None,
            }
            .body(),
        }
    }
}

/// A body that was begun to be read.
pub(crate) enum Begun {
    /// All of it is there.
    Whole(Whole),
    /// It is not, for this reason; it goes on as it comes.
    Part(Body, &'static str),
}

/// Reads a body of at most `bytes_max`, as far as it comes before `over`.
pub(crate) async fn begun(
    mut body: Body,
    bytes_max: usize,
    over: impl Future<Output = ()>,
) -> Begun {
    let mut over = pin!(over);
    let (mut read, mut trailers) = (BytesMut::new(), None);
    let why = loop {
        let frame = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending => over.as_mut().poll(cx).map(|()| None),
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
        });
        let frame = match frame.await {
            None => break "it did not come to its end in time",
            Some(None) => {
                let bytes = read.freeze();
                return Begun::Whole(Whole { bytes, trailers });
            }
            Some(Some(Err(fault))) => {
                body = Body::stream(Box::pin(Cut(Some(fault))));
                break "it was cut";
            }
            Some(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => read.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if read.len() > bytes_max {
            break "it is longer than an entry may be";
        }
    };
    let rest = Rest {
        read: read.freeze(),
        trailers: None,
        body: Some(body),
    };
    Begun::Part(rest.body(), why)
}

/// What was read of a body, and what is still to come of it.
pub(crate) struct Rest {
    pub(crate) read: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) body: Option<Body>,
}

impl Rest {
    pub(crate) fn body(self) -> Body {
        Body::stream(Box::pin(self))
    }
}

impl BodySource for Rest {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.read.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.read)))));
        }
        if let Some(body) = &mut self.body {
            return Pin::new(body).poll_frame(cx);
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        // An exact size would have a reader stop before the trailers.
        SizeHint::default()
    }
}

/// The end of a body that was cut.
struct Cut(Option<Fault>);

impl BodySource for Cut {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}
