//! A body that is read whole, within a limit, so that it can be looked into; then the very same bytes go on.

use bytes::{Bytes, BytesMut};
use holdfast_call::{Body, BodySource, Fault};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
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
    /// The body again, as it came.
    pub(crate) fn again(self) -> Body {
        match self.trailers {
            None => Body::whole(self.bytes),
            Some(trailers) => Body::stream(Box::pin(Again {
                bytes: Some(self.bytes),
                trailers: Some(trailers),
            })),
        }
    }
}

/// What is left of a body with trailers.
struct Again {
    bytes: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl BodySource for Again {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        // An exact size would have a reader stop before the trailers.
        SizeHint::default()
    }
}
