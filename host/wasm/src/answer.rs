//! The guest's answer: what came out of its store, made into an [`Answer`] whose body carries the rest of the guest's work.

mod whole;

pub(crate) use self::whole::whole;

use crate::drive::Driver;
use crate::life::Life;
use bytes::Bytes;
use holdfast_call::{
    Answer, Body, BodyEnd, BodySource, Failure, FailureKind, Fault, Values, Watch,
};
use http::{HeaderMap, Response, header};
use http_body::{Body as _, Frame, SizeHint};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasmtime_wasi_http::WasiBody;

/// Frames that are ready with the head are taken along with it, as many as this: a small answer is then whole, and costs no stream.
const READY_FRAMES_MAX: usize = 4;

/// Drives the guest until it has answered or ended, and makes the answer.
pub(crate) async fn of(mut driver: Driver, bytes_max: u64) -> Result<Answer, Failure> {
    let life = driver.life().clone();
    let head = poll_fn(|cx| {
        driver.poll(cx);
        match life.take_head() {
            Some(head) => Poll::Ready(Ok(head)),
            None => life
                .end()
                .map_or(Poll::Pending, |end| Poll::Ready(Err(end.clone()))),
        }
    })
    .await;
    let response = match head {
        Ok(Ok(response)) if response.status().is_server_error() && life.has_broken_input() => {
            let cause = "the service answered with a server error to a request that broke off";
            return Err(life.blamed(Failure::new(FailureKind::GaveUp, cause)));
        }
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(life.blamed(answered_error(&error))),
        Err(Ok(())) => return Err(life.blamed(none())),
        Err(Err(failure)) => {
            // What it held is given back before anybody is told that it is gone.
            poll_fn(|cx| driver.poll_gone(cx)).await;
            return Err(life.blamed(failure));
        }
    };
    let (head, raw) = response.into_parts();
    let left = declared_length(&head.headers);
    let mut body = GuestBody {
        driver,
        raw: Some(raw),
        ready: VecDeque::new(),
        left,
        bytes_max,
        bytes_left: bytes_max,
    };
    // A guest that dies before anything of its answer has left is a failure like any other: the answer is still ours to give.
    let whole = poll_fn(|cx| Poll::Ready(body.take_ready(cx))).await;
    let whole = whole.map_err(|failure| life.blamed(failure))?;
    let body = whole.map_or_else(|| Body::stream(Box::pin(body)), Body::whole);
    Ok(Answer::Http(Response::from_parts(head, body)))
}

/// Drives the guest until it has ended, and hands on what it gave.
pub(crate) async fn given(mut driver: Driver) -> Result<Answer, Failure> {
    let life = driver.life().clone();
    ended(&mut driver)
        .await
        .map_err(|failure| life.blamed(failure))?;
    let given = life.take_given().ok_or_else(none)?;
    Ok(Answer::Values(Values::new(given)))
}

/// Waits for the end of the guest. What it held is given back before anybody knows how it ended.
async fn ended(driver: &mut Driver) -> Result<(), Failure> {
    let life = driver.life().clone();
    let end = poll_fn(|cx| {
        driver.poll(cx);
        life.end()
            .map_or(Poll::Pending, |end| Poll::Ready(end.clone()))
    })
    .await;
    poll_fn(|cx| driver.poll_gone(cx)).await;
    end
}

/// The guest ended well all the same.
fn none() -> Failure {
    Failure::new(FailureKind::Trapped, "the guest returned without an answer")
}

/// A guest may answer with an error code instead of a response. What the code blames is not believed.
fn answered_error(error: &wasmtime_wasi_http::Error) -> Failure {
    Failure::new(
        FailureKind::HandedOn,
        "the guest answered with an error code",
    )
    .with("error", format!("{error:?}"))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// A body that comes out of a guest, and drives it while it is read.
struct GuestBody {
    driver: Driver,
    /// The body as the engine gives it; `None` once it has ended.
    raw: Option<WasiBody>,
    /// Frames that were taken beforehand.
    ready: VecDeque<Frame<Bytes>>,
    /// What is left of the declared length.
    left: Option<u64>,
    /// The limit on answered bytes, and what is left of it.
    bytes_max: u64,
    bytes_left: u64,
}

impl GuestBody {
    /// Takes what is there already. The whole body, if that was all and the guest has ended well; otherwise the frames are kept for the
    /// reader.
    fn take_ready(&mut self, cx: &mut Context<'_>) -> Result<Option<Bytes>, Failure> {
        let mut waited = false;
        let mut bytes = 0;
        while self.ready.len() < READY_FRAMES_MAX {
            let Some(raw) = self.raw.as_mut() else {
                break;
            };
            match Pin::new(raw).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    bytes += frame.data_ref().map_or(0, Bytes::len);
                    self.ready.push_back(frame);
                    if bytes as u64 > self.bytes_left {
                        return Err(self.too_many());
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.driver.life().spoil();
                    self.raw_ended();
                    return Err(self.died().unwrap_or_else(|| broken_off(&error)));
                }
                Poll::Ready(None) => {
                    self.raw_ended();
                    // A guest that only waited for its body to be read ends now.
                    self.driver.poll(cx);
                    break;
                }
                Poll::Pending if waited => break,
                Poll::Pending => {
                    // It may only have waited for room, which taking a frame has made.
                    waited = true;
                    self.driver.poll(cx);
                }
            }
        }
        if let Some(failure) = self.died() {
            return Err(failure);
        }
        let ended_well = matches!(self.driver.life().end(), Some(Ok(())));
        if self.raw.is_some() || !ended_well || self.ready.iter().any(Frame::is_trailers) {
            return Ok(None);
        }
        Ok(Some(joined(std::mem::take(&mut self.ready), bytes)))
    }

    fn too_many(&self) -> Failure {
        self.driver.life().spoil();
        let cause = "the guest answered more bytes than allowed";
        Failure::new(FailureKind::BadResponse, cause)
            .with("key", "limits.response_bytes")
            .with("limit", self.bytes_max)
    }

    /// Why the guest died, if it did.
    fn died(&self) -> Option<Failure> {
        self.driver.life().end()?.as_ref().err().cloned()
    }

    /// There is nothing more to read.
    fn raw_ended(&mut self) {
        self.raw = None;
        self.driver.life().body_was_read();
    }

    /// The guest has ended well, and its reader has all that was declared: whether the end of the body is one as well.
    fn read_to_end(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let raw = self.raw.as_mut();
        match raw.map(|raw| Pin::new(raw).poll_frame(&mut cx)) {
            Some(Poll::Ready(None)) => self.raw_ended(),
            Some(Poll::Ready(Some(_)) | Poll::Pending) => self.driver.life().spoil(),
            None => {}
        }
    }

    /// The end of the raw body is believed only if the guest is alive or has ended well.
    fn believed_end(life: &Life) -> Option<Result<Frame<Bytes>, Fault>> {
        match life.end() {
            None | Some(Ok(())) => None,
            Some(Err(failure)) => Some(Err(life.mask(failure))),
        }
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), Fault> {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => self.bytes_left = left,
            None => return Err(self.driver.life().mask(&self.too_many())),
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Lets the guest work on behind its answer. One that goes on writing (the body of a `HEAD`, say) works for nobody, and has ended.
    fn poll_tail(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while let Some(raw) = &mut self.raw {
            match Pin::new(raw).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if frame.data_ref().is_some_and(|data| !data.is_empty()) {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    self.driver.life().spoil();
                    self.raw_ended();
                }
                Poll::Ready(None) => self.raw_ended(),
                Poll::Pending => break,
            }
        }
        self.driver.poll(cx);
        self.driver
            .life()
            .end()
            .map_or(Poll::Pending, |end| Poll::Ready(end.clone()))
    }
}

fn joined(frames: VecDeque<Frame<Bytes>>, bytes: usize) -> Bytes {
    let mut parts = frames
        .into_iter()
        .filter_map(|frame| frame.into_data().ok());
    let first = parts.next().unwrap_or_default();
    if first.len() == bytes {
        return first;
    }
    let mut whole = Vec::with_capacity(bytes);
    whole.extend_from_slice(&first);
    parts.for_each(|part| whole.extend_from_slice(&part));
    whole.into()
}

fn broken_off(error: &wasmtime_wasi_http::Error) -> Failure {
    Failure::new(FailureKind::GaveUp, "the guest broke its answer off")
        .with("error", format!("{error:?}"))
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        if self.raw.is_some() {
            // Nobody will know how it would have ended.
            self.driver.life().spoil();
        }
    }
}

impl BodySource for GuestBody {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        this.driver.poll(cx);
        let frame = match (this.ready.pop_front(), &mut this.raw) {
            (Some(frame), _) => frame,
            (None, None) => return Poll::Ready(Self::believed_end(this.driver.life())),
            (None, Some(raw)) => match Pin::new(raw).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    this.driver.life().spoil();
                    // A guest that died tells better why than the body it left behind.
                    let died = Self::believed_end(this.driver.life());
                    return Poll::Ready(Some(
                        died.unwrap_or_else(|| Err(this.driver.life().mask(&broken_off(&error)))),
                    ));
                }
                Poll::Ready(None) => {
                    this.raw_ended();
                    this.driver.poll(cx);
                    return Poll::Ready(Self::believed_end(this.driver.life()));
                }
            },
        };
        Poll::Ready(Some(this.count(&frame).map(|()| frame)))
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn finish(mut self: Pin<Box<Self>>, mut watch: Watch) {
        match self.driver.life().end() {
            Some(Ok(())) => {
                self.read_to_end();
                return watch.end(&BodyEnd::Finished);
            }
            Some(Err(failure)) => {
                return watch.end(&BodyEnd::Cut(&self.driver.life().mask(failure)));
            }
            None => {}
        }
        // The client has its answer; the guest works on, under the same watches, and the call ends with it.
        let tail = poll_fn(move |cx| {
            if let Poll::Ready(fault) = watch.poll_cut(cx) {
                watch.end(&BodyEnd::Cut(&fault));
                return Poll::Ready(());
            }
            self.poll_tail(cx).map(|end| match end {
                Ok(()) => watch.end(&BodyEnd::Finished),
                Err(failure) => watch.end(&BodyEnd::Cut(&self.driver.life().mask(&failure))),
            })
        });
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(tail)),
            // Without a runtime the host itself is going down; dropping the tail ends the guest and tells the watches.
            Err(_) => drop(tail),
        }
    }
}
