//! Connections: taken one by one, HTTP/1.1 and HTTP/2 (prior knowledge) on each, ended gracefully when the host drains.
//!
//! One accept loop serves the gateway and the admin pages. It knows nothing of calls.

use crate::drain::{Listener, Phase, Stop};
use crate::entry::line::{Busy, Line};
use crate::entry::peer::Peer;
use crate::entry::wire::Wire;
use holdfast_call::{Clock, Level, Log};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

/// A client that has begun a request's head must have ended it by then; a connection on which nothing happens is closed after the same
/// span, whether or not it ever said which protocol it speaks.
const HEAD_SPAN: Duration = Duration::from_secs(30);
/// How long a connection that is closed for want of use may take to end in order.
const CLOSE_SPAN: Duration = Duration::from_secs(1);
/// The largest head of a request, in bytes. A larger one is answered 431 and never becomes a call.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 250;
/// How long the loop rests when the system gives it no connection (no file descriptors, for one): it must not spin.
const REST: Duration = Duration::from_millis(100);

/// What answers the requests of a connection.
pub trait Answers: Send + Sync + 'static {
    /// The answer's body.
    type Body: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + 'static;
    /// The answer to come.
    type Future: Future<Output = Result<Response<Self::Body>, Infallible>> + Send + 'static;

    /// Answers one request. `busy` lives until its answer has ended.
    fn answer(&self, peer: &Peer, request: Request<Incoming>, busy: Busy) -> Self::Future;
}

/// What a listener needs besides its socket.
#[derive(Clone)]
pub struct Terms {
    /// Tells when to stop.
    pub stop: Stop,
    /// The phase in which it ends: it takes no more connections, and begins nothing new on those there are.
    pub until: Phase,
    /// How many connections there may be at once; the next one waits in the system's queue.
    pub connections_max: u32,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where trouble is said.
    pub log: Arc<dyn Log>,
}

/// Takes connections until the host drains, then waits until the last of them has ended.
pub async fn run<A: Answers>(listener: TcpListener, answers: Arc<A>, terms: Terms) {
    let places = Arc::new(Semaphore::new(terms.connections_max as usize));
    let mut stop = terms.stop.listen();
    let mut silent = Silent::No;
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.reached(terms.until) => break,
            taken = take(&listener, &places) => taken,
        };
        match taken {
            Ok((stream, address, place)) => {
                silent = Silent::No;
                let connection = Connection {
                    answers: answers.clone(),
                    peer: Peer::at(address),
                    line: Line::new(stream, terms.clock.clone()),
                };
                let (stop, until) = (terms.stop.listen(), terms.until);
                tokio::spawn(async move {
                    drive(connection, stop, until).await;
                    drop(place);
                });
            }
            Err(error) => {
                if silent == Silent::No {
                    let text = format!("cannot take connections: {error}");
                    terms.log.host(Level::Error, text);
                    silent = Silent::Yes;
                }
                terms.clock.sleep_until(terms.clock.now().after(REST)).await;
            }
        }
    }
    drop(listener);
    // The semaphore is never closed, so all places come back once the last connection has ended.
    let _ = places.acquire_many(terms.connections_max).await;
}

/// Whether trouble was said already: once is enough until it is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silent {
    Yes,
    No,
}

type Taken = (
    TcpStream,
    std::net::SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
);

async fn take(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<Taken> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // A small answer must not wait for the client's acknowledgement of the last one.
    stream.set_nodelay(true)?;
    Ok((stream, address, place))
}

struct Connection<A> {
    answers: Arc<A>,
    peer: Peer,
    line: Arc<Line>,
}

impl<A: Answers> Service<Request<Incoming>> for Connection<A> {
    type Response = Response<A::Body>;
    type Error = Infallible;
    type Future = A::Future;

    fn call(&self, request: Request<Incoming>) -> A::Future {
        let busy = self.line.busy(request.version());
        self.answers.answer(&self.peer, request, busy)
    }
}

async fn drive<A: Answers>(connection: Connection<A>, stop: Listener, until: Phase) {
    let wire = TokioIo::new(Wire::new(connection.line.clone()));
    let (end, mut end_comes) = oneshot::channel();
    // A set, because it ends with this future, however that ends.
    let mut watcher = JoinSet::new();
    watcher.spawn(watch(connection.line.clone(), (stop, until), end));
    let builder = protocols();
    let mut served = std::pin::pin!(builder.serve_connection(wire, connection));
    // How a connection ended is of no interest: every call on it has its own closing line, and a request that never became a call was
    // answered by the protocol itself.
    tokio::select! {
        biased;
        _ = served.as_mut() => {}
        mut now = &mut end_comes => {
            if let Ok(End::InOrder(later)) = &mut now {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    _ = served => {}
                    _ = later => {}
                }
            }
        }
    }
}

/// How a connection is to end.
enum End {
    /// Nothing new is begun on it, and what runs may finish until this is ready.
    InOrder(oneshot::Receiver<()>),
    /// At once.
    Now,
}

/// Watches for what ends a connection from outside: the host's end, a peer that has left, and want of use. It is a task of its own, so that
/// the connection's does not look at all of that each time a byte comes.
async fn watch(line: Arc<Line>, (mut stop, until): (Listener, Phase), end: oneshot::Sender<End>) {
    // Dropped when this returns: then the connection's time is over.
    let (_held, later) = oneshot::channel();
    let mut cutting = stop.clone();
    // Nobody hears it once the connection has ended by itself.
    let tell = |what: End| drop(end.send(what));
    let unused = tokio::select! {
        biased;
        () = over(&line, &mut stop, until) => false,
        () = line.left() => {
            line.cut();
            return tell(End::Now);
        }
        () = line.rested(HEAD_SPAN) => true,
    };
    tell(End::InOrder(later));
    tokio::select! {
        biased;
        () = line.left() => {}
        () = cutting.reached(Phase::Cut) => {}
        // A request that came in the same moment is still served.
        () = line.free(CLOSE_SPAN), if unused => {}
    }
    line.cut();
}

/// Ready once nothing new is to be begun on a connection because of the host's end. A host that only leaves its socket still waits for the
/// first request of a connection that it took: the one who sends it could have been left for the next host.
async fn over(line: &Line, stop: &mut Listener, until: Phase) {
    stop.reached(until).await;
    tokio::select! {
        biased;
        () = stop.reached(Phase::Draining) => {}
        () = line.asked() => {}
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The watcher bounds a head's time: here it would be a timer for each request.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX);
    builder
}
