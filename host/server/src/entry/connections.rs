//! Connections: taken one by one, HTTP/1.1 and HTTP/2 (prior knowledge) on each, ended gracefully when the host drains.
//!
//! Encryption, and the look at what comes in, stand between the socket and the protocol. One accept loop serves the gateway and the admin
//! pages. It knows nothing of calls.

use crate::drain::{Listener, Phase, Stop};
use crate::entry::crowd::{Crowd, Entered};
use crate::entry::line::{Busy, Line, Spans};
use crate::entry::peer::{Peer, Trust};
use crate::entry::scan::{self, Borne, Scan};
use crate::entry::wire::Wire;
use crate::settings::ListenLimits;
use crate::tls::Keys;
use holdfast_call::{Clock, Level, Log, Moment};
use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

/// How long a connection that is closed for want of use may take to end in order.
const CLOSE_SPAN: Duration = Duration::from_secs(1);
/// Fields of a head that the library of HTTP/1.1 has room for without asking for memory.
const FIELDS_AT_HAND: u32 = 100;
/// How long nothing more is said of addresses that hold too many connections.
const SAY_AGAIN: Duration = Duration::from_secs(60);
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

    /// Whether `address` is one of the proxies that speak for others.
    fn trust(&self, address: IpAddr) -> Trust;
}

/// What a listener needs besides its socket.
#[derive(Clone)]
pub struct Terms {
    /// Tells when to stop.
    pub stop: Stop,
    /// The phase in which it ends: it takes no more connections, and begins nothing new on those there are.
    pub until: Phase,
    /// What clients may hold.
    pub limits: ListenLimits,
    /// The keys of an encrypted listener.
    pub keys: Option<Arc<Keys>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where trouble is said.
    pub log: Arc<dyn Log>,
}

/// Takes connections until the host drains, then waits until the last of them has ended.
pub async fn run<A: Answers>(listener: TcpListener, answers: Arc<A>, terms: Terms) {
    let mut hall = Hall::new(answers, terms);
    let mut stop = hall.terms.stop.listen();
    let mut silent = Silent::No;
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.reached(hall.terms.until) => break,
            taken = take(&listener, &hall.places) => taken,
        };
        match taken {
            Ok(taken) => {
                silent = Silent::No;
                hall.enter(taken);
            }
            Err(error) => {
                let terms = &hall.terms;
                if silent == Silent::No {
                    let text = format!("cannot take connections: {error}");
                    terms.log.host(Level::Error, text);
                    silent = Silent::Yes;
                }
                terms.clock.sleep_until(terms.clock.now().after(REST)).await;
            }
        }
    }
    // A socket that goes on without this host has somebody else for whoever waits at it.
    if hall.terms.stop.phase() != Phase::Leaving {
        hall.enter_last(listener);
    }
    hall.empty().await;
}

/// The connections that were taken, and who may have one.
struct Hall<A> {
    answers: Arc<A>,
    terms: Terms,
    places: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    full: Full,
}

impl<A: Answers> Hall<A> {
    fn new(answers: Arc<A>, terms: Terms) -> Self {
        Self {
            answers,
            places: Arc::new(Semaphore::new(terms.limits.connections as usize)),
            crowd: Crowd::new(terms.limits.connections_per_address),
            full: Full::default(),
            terms,
        }
    }

    /// Serves one connection, unless its address holds too many.
    fn enter(&mut self, (stream, address, place): Taken) {
        let terms = &self.terms;
        let seat = match self.answers.trust(address.ip()) {
            // Behind it is everybody: what is too much for one is little for all of them.
            Trust::Proxy => None,
            Trust::Stranger => match self.crowd.enter(address.ip()) {
                Entered::Seat(seat) => Some(seat),
                Entered::Full => {
                    let most = terms.limits.connections_per_address;
                    let (log, clock) = (&*terms.log, &*terms.clock);
                    return self.full.say(log, clock, address.ip(), most);
                }
            },
        };
        let (answers, terms) = (self.answers.clone(), terms.clone());
        tokio::spawn(async move {
            serve(stream, address, answers, &terms).await;
            drop((seat, place));
        });
    }

    /// Serves whoever waits at a socket that is about to be closed. Their connections stand, as far as they know, and the end of the socket
    /// would reset them.
    fn enter_last(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok(place) = self.places.clone().try_acquire_owned() {
            let taken = listener.accept().and_then(|(stream, address)| {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                Ok((TcpStream::from_std(stream)?, address))
            });
            match taken {
                Ok((stream, address)) => self.enter((stream, address, place)),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                // Nobody waits any more, or the system has none to give.
                Err(_) => break,
            }
        }
    }

    /// Ready once the last connection has ended.
    async fn empty(self) {
        // The semaphore is never closed, so all places come back.
        let _ = self
            .places
            .acquire_many(self.terms.limits.connections)
            .await;
    }
}

/// Says that an address holds too many connections, now and then: whoever opens them may not fill the log too.
#[derive(Default)]
struct Full {
    said: Option<Moment>,
}

impl Full {
    fn say(&mut self, log: &dyn Log, clock: &dyn Clock, address: IpAddr, most: u32) {
        let now = clock.now();
        if self.said.is_none_or(|said| said.after(SAY_AGAIN) <= now) {
            self.said = Some(now);
            let text = format!(
                "connections from {address} are closed: it holds {most}, as many as connections_per_address under [listen.limits] allows"
            );
            log.host(Level::Warn, text);
        }
    }
}

/// Whether trouble was said already: once is enough until it is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silent {
    Yes,
    No,
}

type Taken = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

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

async fn serve<A: Answers>(stream: TcpStream, address: SocketAddr, answers: Arc<A>, terms: &Terms) {
    let limits = &terms.limits;
    let spans = Spans {
        head: limits.head,
        idle: limits.idle,
        write: limits.write,
    };
    let line = Line::new(stream, terms.clock.clone(), spans);
    let wire = Wire::new(line.clone());
    let scheme = match &terms.keys {
        None => Scheme::HTTP,
        Some(_) => Scheme::HTTPS,
    };
    let connection = Connection {
        answers,
        peer: Peer::at(address, scheme),
        line: line.clone(),
    };
    let (end, end_comes) = oneshot::channel();
    // A set, because it ends with this future, however that ends.
    let mut watcher = JoinSet::new();
    watcher.spawn(watch(line, (terms.stop.listen(), terms.until), end));
    match &terms.keys {
        None => drive(wire, connection, limits, end_comes).await,
        Some(keys) => {
            let mut end_comes = end_comes;
            // The handshake is a part of the first head, and ends in its time or with the host.
            let shaken = tokio::select! {
                biased;
                shaken = keys.accept(wire) => shaken,
                _ = &mut end_comes => return,
            };
            // What the client did wrong is told to it by the protocol itself.
            if let Ok(stream) = shaken {
                drive(stream, connection, limits, end_comes).await;
            }
        }
    }
}

async fn drive<A: Answers, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    connection: Connection<A>,
    limits: &ListenLimits,
    mut end_comes: oneshot::Receiver<End>,
) {
    let borne = scan::Terms {
        head_bytes_max: limits.head_bytes,
        borne: Borne {
            resets_max: limits.resets,
            frames_max: limits.frames,
        },
    };
    let stream = Scan::new(stream, connection.line.clone(), borne);
    let builder = protocols(limits);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), connection));
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
        () = line.rested() => true,
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
/// first request of a connection that it took: the one who sends it could have been left for the next host. One that drains still reads what
/// was sent before.
async fn over(line: &Line, stop: &mut Listener, until: Phase) {
    stop.reached(until).await;
    tokio::select! {
        biased;
        () = stop.reached(Phase::Draining) => line.heard().await,
        () = line.asked() => {}
    }
}

fn protocols(limits: &ListenLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The watcher bounds a head's time: here it would be a timer for each request.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes as usize);
    if limits.fields != FIELDS_AT_HAND {
        builder.http1().max_headers(limits.fields as usize);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.head_bytes)
        .max_concurrent_streams(limits.streams);
    builder
}
