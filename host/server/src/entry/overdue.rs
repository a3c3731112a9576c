//! Streamed answers are cut when they are due, whether or not their reader asks for more.
//!
//! The protocol's library asks for an answer's bytes only while its peer takes them. A peer that takes none must not hold the instance and
//! the place that the answer comes from, so a task beside the connection watches the time and lets them go.

use crate::entry::line::Busy;
use bytes::Bytes;
use holdfast_call::{Body, BodySource, Clock, Fault};
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use tokio::task::AbortHandle;

/// The same body, cut when it is due. Its connection is `busy` with it until then, if it goes over one.
pub fn guarded(body: Body, clock: Arc<dyn Clock>, busy: Option<Busy>) -> Body {
    let held = Arc::new(Mutex::new(Held {
        body,
        busy,
        reader: None,
    }));
    let task = tokio::spawn(guard(Arc::downgrade(&held), clock)).abort_handle();
    Body::stream(Box::pin(Guarded { held, task }))
}

struct Held {
    body: Body,
    busy: Option<Busy>,
    reader: Option<Waker>,
}

async fn guard(held: Weak<Mutex<Held>>, clock: Arc<dyn Clock>) {
    loop {
        let due = held.upgrade().and_then(|held| lock(&held).body.due());
        let Some(due) = due else { return };
        clock.sleep_until(due).await;
        let Some(held) = held.upgrade() else { return };
        let mut held = lock(&held);
        if held.body.expire(clock.now()) {
            // A stream of HTTP/2 whose peer gives no window cannot be ended; its connection can, once nothing else is under way on it.
            if let Some(busy) = held.busy.take() {
                busy.cut();
            }
            if let Some(reader) = held.reader.take() {
                reader.wake();
            }
            return;
        }
    }
}

struct Guarded {
    held: Arc<Mutex<Held>>,
    task: AbortHandle,
}

// What is held is whole after a panic too: a body that panicked while it was asked is dropped like any other.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BodySource for Guarded {
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut held = lock(&self.held);
        let polled = Pin::new(&mut held.body).poll_frame(cx);
        match &polled {
            Poll::Pending => held.reader = Some(cx.waker().clone()),
            Poll::Ready(Some(Err(_))) => {
                if let Some(busy) = held.busy.take() {
                    busy.cut();
                }
            }
            Poll::Ready(_) => {}
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.held).body.size_hint()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.task.abort();
        let mut held = lock(&self.held);
        if !held.body.is_done()
            && let Some(busy) = held.busy.take()
        {
            busy.cut();
        }
    }
}
