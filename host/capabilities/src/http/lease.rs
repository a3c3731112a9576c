//! One connection in the hands of one exchange.
//!
//! A connection over HTTP/1 serves one exchange at a time and is closed when that is cut; one over HTTP/2 is shared, and only the
//! exchange's stream is reset. Whoever holds a lease gives it back only after an exchange that ended well both ways.

use super::body::RequestBody;
use super::pool::{Pool, Slot};
use futures_util::future::Either;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use std::net::SocketAddr;
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

    /// Waits until the connection can take a request: the answer before may have been read before its task has come to rest. Says whether
    /// it can.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.connection {
            Some(Leased::Single(single)) => single.sender.ready().await.is_ok(),
            Some(Leased::Stream(shared)) => shared.sender.is_ready(),
            None => false,
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
            Some(Leased::Single(single)) if !single.sender.is_closed() => self.pool.put_by(single),
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
