//! The bodies that a guest with a journal writes, of its requests and of its answer: they are moved out of its store on its own thread,
//! into memory, whoever reads them or has stopped to.
//!
//! A guest sees whether what it writes is taken: it goes on, or has to wait, or is told that nobody reads. Were that up to a reader on
//! another thread, the guest would be another one each time it is run. So a body is drained by a task of the guest's own runtime, which has
//! its turn whenever the guest waits for it, and before the thread is ever idle. No buffer of the engine would do: in 0.2 its size is ours
//! to say, but what it may hold would have to be bounded by chunks, large ones and small ones alike; in 0.3 it is one chunk.

use crate::life::Life;
use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use holdfast_call::{BodySource, Fault, Journal};
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// The most bytes of one body that are taken so: what one entry of a journal has room for. A little more is handed on, so that whoever
/// reads sees that it is too much.
pub(crate) const BODY_BYTES_MAX: u64 = 2 << 20;
/// What waits to be read of a body that is longer.
const AHEAD_BYTES_MAX: usize = 64 << 10;

/// What becomes of a guest that writes a longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// It is told that nobody reads any more: there is no entry for that.
    Stops,
    /// From there on it waits for its reader. It would be another one if it were run again, and whoever keeps its journal says so.
    Waits,
}

impl Beyond {
    /// For a guest with this journal.
    pub(crate) fn of(journal: &dyn Journal) -> Self {
        match journal.is_lasting() {
            true => Self::Stops,
            false => Self::Waits,
        }
    }
}

type Framed<E> = Option<Result<Frame<Bytes>, E>>;

/// A body that is drained, as its reader has it.
pub(crate) struct Drained<E>(Arc<Taken<E>>);

/// What was taken of it and not read yet.
struct Taken<E> {
    state: Mutex<State<E>>,
    reader: AtomicWaker,
    /// Who waits until something was read.
    writer: AtomicWaker,
}

struct State<E> {
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
    end: End<E>,
    reader: Reader,
}

#[derive(Clone, Copy)]
enum Reader {
    There,
    Gone,
}

/// Whether there is room for more.
#[derive(PartialEq, Eq)]
enum Room {
    Free,
    /// Nobody reads it.
    Unread,
}

enum End<E> {
    NotYet,
    Well,
    Badly(E),
    Told,
}

/// The task that drains.
struct Drain<E> {
    /// Asks the engine for the next frame; gone once there is none, or too much was taken.
    next: Option<Next<E>>,
    taken: Arc<Taken<E>>,
    /// How many bytes were taken.
    bytes: u64,
    beyond: Beyond,
    /// What the reader is told of a body whose end was not seen.
    cut: Option<Cut<E>>,
}

type Next<E> = Box<dyn FnMut(&mut Context<'_>) -> Poll<Framed<E>> + Send>;
type Cut<E> = Box<dyn FnOnce() -> E + Send>;

/// Begins to drain. Call it on the guest's thread.
pub(crate) fn drain<E: Send + 'static>(
    next: impl FnMut(&mut Context<'_>) -> Poll<Framed<E>> + Send + 'static,
    cut: impl FnOnce() -> E + Send + 'static,
    beyond: Beyond,
) -> Drained<E> {
    let taken = Arc::new(Taken {
        state: Mutex::new(State {
            bytes: BytesMut::new(),
            trailers: None,
            end: End::NotYet,
            reader: Reader::There,
        }),
        reader: AtomicWaker::new(),
        writer: AtomicWaker::new(),
    });
    drop(tokio::spawn(Drain {
        next: Some(Box::new(next)),
        taken: taken.clone(),
        bytes: 0,
        beyond,
        cut: Some(Box::new(cut)),
    }));
    Drained(taken)
}

/// The guest's answer, whose body is drained; its life is told when nothing more of it is to come.
pub(crate) fn answer(
    response: Response<WasiBody>,
    life: Arc<Life>,
    beyond: Beyond,
) -> Response<WasiBody> {
    response.map(|mut raw| {
        let read = Read(life);
        let next = move |cx: &mut Context<'_>| {
            let _until_the_end = &read;
            Pin::new(&mut raw).poll_frame(cx)
        };
        drain(next, || HttpError::ConnectionTerminated, beyond).boxed_unsync()
    })
}

/// Tells a life that its answer's body was read, by being dropped.
struct Read(Arc<Life>);

impl Drop for Read {
    fn drop(&mut self) {
        self.0.body_was_read();
    }
}

// === Drain ===

impl<E> Drain<E> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.next.is_some() {
            if ready!(self.poll_room(cx)) == Room::Unread {
                // The guest is told by this being dropped.
                self.next = None;
            }
            let Some(next) = &mut self.next else { break };
            match ready!(next(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.bytes += data.len() as u64;
                        self.taken
                            .change(|state| state.bytes.extend_from_slice(&data));
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().ok();
                        self.taken.change(|state| state.trailers = trailers);
                    }
                },
                Some(Err(error)) => self.ended(End::Badly(error)),
                None => self.ended(End::Well),
            }
        }
        Poll::Ready(())
    }

    /// Whether more is taken.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Room> {
        match self.beyond {
            _ if self.bytes <= BODY_BYTES_MAX => return Poll::Ready(Room::Free),
            Beyond::Stops => return Poll::Ready(Room::Unread),
            Beyond::Waits => self.taken.writer.register(cx.waker()),
        }
        let state = self.taken.lock();
        match state.reader {
            Reader::Gone => Poll::Ready(Room::Unread),
            Reader::There if state.bytes.len() < AHEAD_BYTES_MAX => Poll::Ready(Room::Free),
            Reader::There => Poll::Pending,
        }
    }

    fn ended(&mut self, end: End<E>) {
        self.next = None;
        self.cut = None;
        self.taken.change(|state| state.end = end);
    }
}

impl<E> Future for Drain<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_end(cx)
    }
}

impl<E> Drop for Drain<E> {
    fn drop(&mut self) {
        // A guest that has ended has left here what it wrote last, which is little. So it has room, however much came before.
        self.bytes = 0;
        let _ = self.poll_end(&mut Context::from_waker(Waker::noop()));
        if let Some(cut) = self.cut.take() {
            let error = cut();
            self.ended(End::Badly(error));
        }
    }
}

// === Drained ===

impl<E> Taken<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // Nothing under this lock can panic half way, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<E>)) {
        change(&mut self.lock());
        self.reader.wake();
    }
}

impl<E> Drained<E> {
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Framed<E>> {
        self.0.reader.register(cx.waker());
        let mut state = self.0.lock();
        if !state.bytes.is_empty() {
            let bytes = state.bytes.split().freeze();
            self.0.writer.wake();
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(trailers) = state.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match std::mem::replace(&mut state.end, End::Told) {
            End::NotYet => {
                state.end = End::NotYet;
                Poll::Pending
            }
            End::Badly(error) => Poll::Ready(Some(Err(error))),
            End::Well | End::Told => Poll::Ready(None),
        }
    }
}

impl<E> Drop for Drained<E> {
    fn drop(&mut self) {
        self.0.lock().reader = Reader::Gone;
        self.0.writer.wake();
    }
}

impl<E> http_body::Body for Drained<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Framed<E>> {
        self.poll_next(cx)
    }
}

impl BodySource for Drained<Fault> {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Framed<Fault>> {
        self.poll_next(cx)
    }
}
