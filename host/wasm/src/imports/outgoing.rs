//! The body of a guest's outgoing request, on its way to the child call: half a body must never look whole.

use crate::life::Life;
use bytes::Bytes;
use holdfast_call::{BodySource, Failure, FailureKind, Fault};
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi_http::WasiBody;

/// A request body that believes its end only while its guest is alive, or after the guest has ended well.
pub(crate) struct Outgoing {
    pub(crate) raw: WasiBody,
    pub(crate) life: Arc<Life>,
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
