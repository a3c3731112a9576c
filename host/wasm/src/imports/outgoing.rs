//! The body of a guest's outgoing request, on its way to the child call: half a body must never look whole.

use crate::drained::drain;
use crate::life::{Life, Taking};
use bytes::Bytes;
use holdfast_call::{Body, BodySource, Failure, FailureKind, Fault};
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi_http::WasiBody;

/// A request body that believes its end only while its guest is alive, or after the guest has ended well.
pub(crate) struct Outgoing {
    raw: WasiBody,
    life: Arc<Life>,
}

/// The body of a request as its call has it. Call it on the thread on which the guest asks.
pub(crate) fn body(raw: WasiBody, life: Arc<Life>) -> Body {
    if http_body::Body::is_end_stream(&raw) && life.end().is_none() {
        return Body::empty();
    }
    let taking = life.taking();
    let mut outgoing = Outgoing { raw, life };
    let Taking::Itself(beyond) = taking else {
        return Body::stream(Box::pin(outgoing));
    };
    let life = outgoing.life.clone();
    Body::stream(Box::pin(drain(
        move |cx| BodySource::poll_frame(Pin::new(&mut outgoing), cx),
        move || cut(&life, "the guest did not write the body to its end"),
        beyond,
    )))
}

impl BodySource for Outgoing {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Pin::new(&mut self.raw)
            .poll_frame(cx)
            .map(|frame| match frame {
                Some(Ok(frame)) => Some(Ok(frame)),
                Some(Err(error)) => Some(Err(cut(&self.life, &format!("{error:?}")))),
                None => match self.life.end() {
                    None | Some(Ok(())) => None,
                    Some(Err(_)) => Some(Err(cut(
                        &self.life,
                        "the guest died while it wrote the body",
                    ))),
                },
            })
    }

    fn size_hint(&self) -> SizeHint {
        self.raw.size_hint()
    }
}

fn cut(life: &Life, cause: &str) -> Fault {
    life.mask(&Failure::new(FailureKind::CallerCut, cause))
}
