//! One connection in the hands of one exchange.
//!
//! A connection over HTTP/1 serves one exchange at a time and is closed when that is cut; one over HTTP/2 is shared, and only the
//! exchange's stream is reset. Whoever holds a lease gives it back only after an exchange that ended well both ways.

use super::body::RequestBody;
use super::pool::{Pool, Slot};
use futures_util::future::{Either, select};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// What an exchange goes through.
pub(super) type Outgoing = Request<RequestBody>;
/// What comes of it.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Outgoing>>;

/// The task that drives a connection; it ends, and the connection with it, when this is dropped.
pub(super) struct Driver(AbortHandle);

impl Driver {
    /// Drives `connection` until it ends. The slot is given back when it does.
    pub(super) fn spawn<E: Send + 'static>(
        connection: impl Future<Output = Result<(), E>> + Send + 'static,
        slot: Slot,
    ) -> Self {
        let task = tokio::spawn(async move {
            let _slot = slot;
            // How it ended is told to the exchanges it served; between them, a connection that ends is no news.
            let _ = connection.await;
        });
        Self(task.abort_handle())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection over HTTP/1.
pub(super) struct Single {
    pub(super) sender: http1::SendRequest<RequestBody>,
    pub(super) address: SocketAddr,
    pub(super) _driver: Driver,
}

/// A connection over HTTP/2.
pub(super) struct Multiplexed {
    pub(super) sender: http2::SendRequest<RequestBody>,
    pub(super) address: SocketAddr,
    pub(super) _driver: Driver,
}

/// A connection just made.
pub(super) enum Connection {
    Single(Single),
    Multiplexed(Multiplexed),
}

/// What a lease is of.
pub(super) enum Leased {
    Single(Single),
    Stream(Arc<Multiplexed>),
}

/// Whether a connection was used before this exchange; only then may it have died unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    Before,
    Never,
}

/// Whether a shared connection is still to be used.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    Yes,
    No,
}

/// A connection, or one stream of it, for one exchange. Dropped without being given back, the exchange was cut: the connection is closed,
/// or the stream left to be reset.
pub(super) struct Lease {
    pub(super) connection: Option<Leased>,
    pub(super) address: SocketAddr,
    pub(super) pool: Arc<Pool>,
    pub(super) used: Used,
}

impl Lease {
    pub(super) fn used(&self) -> Used {
        self.used
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn version(&self) -> Version {
        match self.connection {
            Some(Leased::Stream(_)) => Version::HTTP_2,
            Some(Leased::Single(_)) | None => Version::HTTP_11,
        }
    }

    /// Hands a request to the connection. `None` if there is no connection any more.
    pub(super) fn send(&mut self, request: Outgoing) -> Option<impl Future<Output = Sent> + use<>> {
        match &mut self.connection {
            Some(Leased::Single(single)) => {
                Some(Either::Left(single.sender.try_send_request(request)))
            }
            Some(Leased::Stream(shared)) => Some(Either::Right(
                shared.sender.clone().try_send_request(request),
            )),
            None => None,
        }
    }

    /// The exchange has ended well, both ways.
    pub(super) fn give_back(mut self) {
        match self.connection.take() {
            Some(Leased::Single(single)) if single.sender.is_ready() => self.pool.put_by(single),
            Some(Leased::Single(single)) if !single.sender.is_closed() => {
                // The answer was read before the connection's task has come to rest.
                let pool = self.pool.clone();
                self.pool.spawn(come_to_rest(pool, single));
            }
            Some(Leased::Single(_)) | None => {}
            Some(Leased::Stream(shared)) => self.pool.stream_ended(&shared, Keep::Yes),
        }
    }

    /// The upstream did not answer: no further request goes over this connection.
    pub(super) fn retire(mut self) {
        if let Some(Leased::Stream(shared)) = self.connection.take() {
            self.pool.stream_ended(&shared, Keep::No);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Leased::Stream(shared)) = self.connection.take() {
            self.pool.stream_ended(&shared, Keep::Yes);
        }
    }
}

/// Waits until a connection can take its next request; one that does not come to rest is closed.
async fn come_to_rest(pool: Arc<Pool>, mut single: Single) {
    let patience = pool.idle_time();
    let ready = match select(pin!(single.sender.ready()), patience).await {
        Either::Left((ready, _)) => ready.is_ok(),
        Either::Right(((), _)) => false,
    };
    if ready {
        pool.put_by(single);
    }
}
