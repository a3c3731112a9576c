//! A connection: name, guard, socket, TLS, and the HTTP version that both sides speak, all within one time limit.
//!
//! The name's addresses are taken once for each connection and only one that the guard has passed is dialled: that very address, so no
//! second lookup can give another.

use super::HttpOut;
use super::failure::{Stage, denied, failure, unreachable};
use super::guard::{Check, check};
use super::lease::{Connection, Driver, Multiplexed, Single};
use super::origin::Place;
use super::pool::Slot;
use super::tls::{Tls, speaks_h2};
use super::upstream::Upstream;
use holdfast_call::{Clock, Failure, FailureKind, Level, Moment, in_time};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The most bytes of an answer's head, and of its trailers. That it has no more than 100 fields is the HTTP library's own limit.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// What a connection is made from.
pub(super) struct Dial<'a> {
    pub(super) out: &'a HttpOut,
    pub(super) upstream: &'a Upstream,
    pub(super) tls: &'a Tls,
    /// By when it must be up.
    pub(super) by: Moment,
}

impl Dial<'_> {
    /// Makes the connection.
    pub(super) async fn run(&self, slot: Slot) -> Result<Connection, Failure> {
        let addresses = self.addresses().await?;
        let (stream, address) = self.socket(&addresses).await?;
        let connection = match self.tls {
            Tls::Clear => self.speak_h1(stream, address, slot).await,
            Tls::Verified(connector, name) => {
                let handshake = connector.connect(name.clone(), stream);
                let stream = self
                    .timed(Stage::Tls, handshake)
                    .await?
                    .map_err(|error| no_tls(&error));
                match stream {
                    Ok(stream) if speaks_h2(&stream) => self.speak_h2(stream, address, slot).await,
                    Ok(stream) => self.speak_h1(stream, address, slot).await,
                    Err(failure) => Err(failure),
                }
            }
            Tls::Broken(cause) => {
                let cause = format!("TLS could not be set up: {cause}");
                Err(failure(FailureKind::Internal, Stage::Tls, cause))
            }
        };
        connection.map_err(|failure| failure.with("address", address))
    }

    /// Makes the connection as far as TLS, and lets it go.
    pub(super) async fn reach(&self) -> Result<SocketAddr, Failure> {
        let addresses = self.addresses().await?;
        let (stream, address) = self.socket(&addresses).await?;
        match self.tls {
            Tls::Clear => Ok(address),
            Tls::Verified(connector, name) => {
                let handshake = connector.connect(name.clone(), stream);
                match self.timed(Stage::Tls, handshake).await? {
                    Ok(_) => Ok(address),
                    Err(error) => Err(no_tls(&error)),
                }
            }
            Tls::Broken(cause) => {
                let cause = format!("TLS could not be set up: {cause}");
                Err(failure(FailureKind::Internal, Stage::Tls, cause))
            }
        }
        .map_err(|failure| failure.with("address", address))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.out.sources.clock
    }

    async fn timed<T>(&self, stage: Stage, work: impl Future<Output = T>) -> Result<T, Failure> {
        match in_time(self.clock(), self.by, work).await {
            Some(done) => Ok(done),
            None => Err(unreachable(
                stage,
                "no connection within the time allowed for it",
            )),
        }
    }

    /// The addresses that may be dialled, in the resolver's order, but for those that failed a moment ago.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = (self.upstream.origin.host(), self.upstream.origin.port());
        let found = match self.upstream.origin.place() {
            Place::Address(address) => [address].into(),
            Place::Name(name) => self
                .timed(Stage::Resolve, self.out.names.find(name, self.by))
                .await?
                .map_err(|cause| {
                    let cause = format!("the name could not be resolved: {cause}");
                    unreachable(Stage::Resolve, cause)
                })?,
        };
        let (mut allowed, mut refused) = (Vec::new(), Vec::new());
        for ip in found.iter().copied().take(ADDRESSES_MAX) {
            match check(ip, &self.upstream.allow_private) {
                Check::Allowed => allowed.push(SocketAddr::new(ip, port)),
                Check::Refused(reason) => refused.push(format!("{ip} ({reason})")),
            }
        }
        self.out.health.order(&mut allowed, self.clock().now());
        let refused = refused.join(", ");
        let name = &self.upstream.name;
        let line = format!("`allow_private` of [upstreams.{name}] in holdfast.toml");
        match (allowed.is_empty(), refused.is_empty()) {
            (true, true) => Err(unreachable(Stage::Resolve, "the name has no address")),
            (true, false) => {
                let cause =
                    format!("{host} leads only to addresses that are not public: {refused}");
                Err(denied(Stage::Resolve, cause, line).with("refused", refused))
            }
            (false, true) => Ok(allowed),
            (false, false) => {
                let text = format!(
                    "upstream {name}: {host} leads to {refused} too, which {line} does not list; not dialled"
                );
                self.out.log.host(Level::Warn, text);
                Ok(allowed)
            }
        }
    }

    /// The first address that answers. Each gets its share of the time that is left, so one that is silent does not use it all up.
    async fn socket(&self, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
        let mut last = unreachable(Stage::Connect, "there is no address to dial");
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        // Who has less time than half of a fair share of the policy's learns nothing of an address by its silence.
        let telling = self.upstream.connect / 2 / count.max(1);
        for (tried, address) in addresses.iter().enumerate() {
            let now = self.clock().now();
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let until = now.after(self.by.since(now) / left).min(self.by);
            last = match in_time(self.clock(), until, TcpStream::connect(address)).await {
                Some(Ok(stream)) => {
                    // Without it small requests wait for acknowledgements; a socket that refuses it still works.
                    let _ = stream.set_nodelay(true);
                    self.out.health.connected(*address);
                    return Ok((stream, *address));
                }
                Some(Err(error)) => {
                    let failure = refused(&error);
                    // What the host itself has too little of says nothing of the address.
                    if !matches!(failure.kind, FailureKind::NoSocket) {
                        self.out.health.failed(*address, now);
                    }
                    failure
                }
                None => {
                    if until.since(now) >= telling {
                        self.out.health.failed(*address, until);
                    }
                    unreachable(Stage::Connect, "the address did not answer in time")
                }
            }
            .with("address", address);
        }
        Err(last)
    }

    async fn speak_h1<S>(
        &self,
        stream: S,
        address: SocketAddr,
        slot: Slot,
    ) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = self
            .timed(Stage::Connect, handshake)
            .await?
            .map_err(|error| no_http(&error))?;
        let _driver = Driver::spawn(connection, slot);
        Ok(Connection::Single(Single {
            sender,
            address,
            _driver,
        }))
    }

    async fn speak_h2<S>(
        &self,
        stream: S,
        address: SocketAddr,
        slot: Slot,
    ) -> Result<Connection, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream));
        let (sender, connection) = self
            .timed(Stage::Connect, handshake)
            .await?
            .map_err(|error| no_http(&error))?;
        let _driver = Driver::spawn(connection, slot);
        Ok(Connection::Multiplexed(Multiplexed {
            sender,
            address,
            _driver,
        }))
    }
}

/// Why a connection was not made: the address said no, or the machine had nothing left to ask it with.
fn refused(error: &io::Error) -> Failure {
    let own = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    if own
        .iter()
        .any(|own| error.raw_os_error() == Some(own.raw_os_error()))
    {
        let cause = format!("the host could not open a connection: {error}");
        return failure(FailureKind::NoSocket, Stage::Connect, cause);
    }
    unreachable(Stage::Connect, format!("the address refused: {error}"))
}

/// A certificate that does not convince will not do so a moment later; whatever else fails may.
fn no_tls(error: &std::io::Error) -> Failure {
    let cause = format!("TLS failed: {error}");
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            failure(FailureKind::UpstreamUntrusted, Stage::Tls, cause)
        }
        Some(_) | None => unreachable(Stage::Tls, cause),
    }
}

fn no_http(error: &hyper::Error) -> Failure {
    unreachable(
        Stage::Connect,
        format!("the connection was made, but not HTTP: {error}"),
    )
}
