//! The body of a child call's answer on its way to the guest: what was ready with its head, and a channel for the rest.

use super::seen::error_of;
use bytes::Bytes;
use holdfast_call::{Body, Clock, Moment, Seat, in_time};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::Error;

/// How many frames are taken along with the head: a small answer is then read to its end, and its connection free, before the guest goes
/// on.
const READY_MAX: usize = 4;

/// A piece of the body; none for its end.
type Piece = Result<Option<Frame<Bytes>>, Error>;

/// The task of a child call. It ends when it is dropped, but for that of an entry of a durable execution: what becomes of it is written down
/// although nobody waits for it, and its own deadline ends it.
pub(super) struct Task(Option<JoinHandle<()>>);

impl Task {
    /// Spawns it.
    pub(super) fn spawn(
        serving: &Handle,
        seat: &Seat,
        child: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let task = serving.spawn(child);
        Self((!seat.is_lasting()).then_some(task))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The body as the guest reads it. The sender goes away without a word only if the task was aborted or died, so that is no end.
pub(super) struct Frames {
    ready: VecDeque<Piece>,
    /// Where the rest comes from; none if all of the body was ready.
    rest: Option<mpsc::Receiver<Piece>>,
    /// Who sends the rest; held for its drop.
    task: Option<Task>,
}

impl Frames {
    /// Keeps the task that sends the rest for as long as the body is read.
    pub(super) fn with(mut self, task: Task) -> Self {
        self.task = Some(task);
        self
    }
}

/// The sender's side of a body that is not all there yet.
pub(super) struct Rest {
    body: Body,
    out: mpsc::Sender<Piece>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

/// Takes all of `body`: nothing of an entry of a durable execution comes behind its head.
pub(super) async fn whole(mut body: Body) -> Frames {
    let mut ready = VecDeque::new();
    let mut ended = Ended::No;
    while ended == Ended::No {
        let piece = piece(body.frame().await);
        ended = last(&piece);
        ready.push_back(piece);
    }
    Frames {
        ready,
        rest: None,
        task: None,
    }
}

/// Takes what is ready of `body`, and says who hands the rest over, if there is one.
pub(super) async fn split(mut body: Body) -> (Frames, Option<Rest>) {
    let (ready, ended) = poll_fn(|cx| Poll::Ready(take_ready(&mut body, cx))).await;
    let (rest, sender) = match ended {
        Ended::Yes => (None, None),
        Ended::No => {
            let (out, rest) = mpsc::channel(1);
            (Some(rest), Some(Rest { body, out }))
        }
    };
    let frames = Frames {
        ready,
        rest,
        task: None,
    };
    (frames, sender)
}

fn take_ready(body: &mut Body, cx: &mut Context<'_>) -> (VecDeque<Piece>, Ended) {
    let mut ready = VecDeque::new();
    let mut ended = Ended::No;
    while ended == Ended::No && ready.len() < READY_MAX {
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            break;
        };
        let piece = piece(frame);
        ended = last(&piece);
        ready.push_back(piece);
    }
    (ready, ended)
}

impl Rest {
    /// Hands the rest over, at the pace of its reader. A reader that stands still does not hold what the body comes from for longer than
    /// the body's watches allow.
    pub(super) async fn hand_over(mut self, clock: &dyn Clock) {
        let mut ended = Ended::No;
        while ended == Ended::No {
            let piece = piece(self.body.frame().await);
            ended = last(&piece);
            let room = loop {
                let due = self.body.due().unwrap_or(Moment::FAR);
                match in_time(clock, due, self.out.reserve()).await {
                    Some(room) => break room,
                    // What is cut is not due any more, and only its fault is still to be handed over.
                    None => drop(self.body.expire(clock.now())),
                }
            };
            let Ok(room) = room else { return };
            room.send(piece);
        }
    }
}

fn piece(frame: Option<Result<Frame<Bytes>, holdfast_call::Fault>>) -> Piece {
    frame.transpose().map_err(|fault| error_of(&fault))
}

fn last(piece: &Piece) -> Ended {
    match piece {
        Ok(Some(_)) => Ended::No,
        Ok(None) | Err(_) => Ended::Yes,
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(piece) = self.ready.pop_front() {
            return Poll::Ready(piece.transpose());
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        rest.poll_recv(cx).map(|piece| {
            piece
                .unwrap_or(Err(Error::ConnectionTerminated))
                .transpose()
        })
    }
}
