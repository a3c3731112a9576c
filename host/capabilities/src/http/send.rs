//! One exchange: the request out, the head of the answer in, and the body handed on as it comes.
//!
//! There is no retry here but one: a request that was never written, because the kept connection it was meant for had closed, goes out
//! over a new one. What may have been written is never sent again; that is for the pipeline to decide.

use super::HttpOut;
use super::body::{RequestBody, ResponseSource, release};
use super::connect::{Dial, HEAD_BYTES_MAX};
use super::echo::Guard;
use super::failure::{ECHOED, Stage, chain, failure, not_sent};
use super::headers::strip_hop_by_hop;
use super::held::Refused;
use super::lease::{Lease, Outgoing, Used};
use super::names::Leads;
use super::origin::Place;
use super::peek::settled;
use super::pool::{Pool, Slot, Taken};
use super::progress::{Progress, Stand};
use super::request::{dress, prepare};
use super::timeouts::Limits;
use super::tls::Tls;
use super::upstream::Upstream;
use holdfast_call::{
    Admitted, Answer, Body, BoxFuture, Clock, Exchanged, Failure, FailureKind, Implementation,
    Moment, Scope, Secret, Shield, Timeouts, in_time,
};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The way to one upstream.
pub(super) struct Way(Arc<Inner>);

struct Inner {
    out: Arc<HttpOut>,
    upstream: Arc<Upstream>,
    tls: Tls,
    /// For each service that asks, one pool of its own.
    pools: Mutex<HashMap<Arc<str>, Arc<Pool>>>,
}

impl Way {
    pub(super) fn new(out: Arc<HttpOut>, settings: Upstream) -> Self {
        let tls = Tls::new(&settings.origin, settings.ca.as_ref());
        Self(Arc::new(Inner {
            out,
            upstream: Arc::new(settings),
            tls,
            pools: Mutex::default(),
        }))
    }
}

impl Implementation for Way {
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.call(admitted).await })
    }
}

impl Inner {
    async fn call(&self, admitted: Admitted) -> Result<Answer, Failure> {
        let (call, scope) = admitted.into_parts();
        let asker = call.asking();
        let request = call.payload.into_http()?;
        let asked = request
            .extensions()
            .get::<Timeouts>()
            .copied()
            .unwrap_or_default();
        let clock = &self.out.sources.clock;
        let started = clock.now();
        let limits = Limits::of(&self.upstream, asked, scope.deadline());
        let exchange = Exchange {
            way: self,
            limits,
            scope: &scope,
            pool: self.pool(&asker),
        };
        let answer = exchange.run(request).await;
        answer.map(Answer::Http).map_err(|failure| {
            let ms = clock.now().since(started).as_millis();
            failure.with("upstream", &self.upstream.name).with("ms", ms)
        })
    }

    fn pool(&self, asker: &Arc<str>) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(asker) {
            return pool.clone();
        }
        let pool = Pool::new(
            self.upstream.connections_max,
            self.out.sources.clock.clone(),
        );
        self.out.register(&pool);
        pools.insert(asker.clone(), pool.clone());
        pool
    }
}

/// What is held for one exchange until the head of its answer.
struct Exchange<'a> {
    way: &'a Inner,
    limits: Limits,
    scope: &'a Scope,
    pool: Arc<Pool>,
}

/// How long a kept connection may take to come to rest before another one is made.
pub(super) const REST_SPAN: Duration = Duration::from_millis(50);

impl Exchange<'_> {
    async fn run(self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let upstream = &self.way.upstream;
        let clock = &self.way.out.sources.clock;
        let (request, carried) = prepare(request, upstream, self.scope)?;
        let request = settled(request).await?;
        let connect_by = self.limits.end(clock.now(), self.limits.connect);
        let mut lease = self.connection(connect_by).await?;
        let progress = Arc::new(Progress::new(clock.now()));
        let cut = CutOnDrop(Some(progress.clone()));
        let method = request.method().clone();
        let mut request = request
            .map(|body| RequestBody::new(body, progress.clone(), upstream.clone(), clock.clone()));
        let _shield = self.shield(&method);
        let head = loop {
            dress(&mut request, lease.version(), &upstream.origin);
            let address = lease.address();
            match self.head(&mut lease, request, &progress).await {
                Ok(head) => break head,
                Err(Lost::NotSent(unsent, _)) if lease.used() == Used::Before => {
                    request = *unsent;
                    lease.retire();
                    lease = self.dial(connect_by).await?;
                }
                Err(lost) => {
                    if matches!(lost, Lost::FirstByte(_) | Lost::Deadline) {
                        lease.retire();
                    }
                    return Err(lost.failure(&progress).with("address", address));
                }
            }
        };
        cut.keep();
        let status = head.status();
        let mut answer = self.answer(head, lease, progress)?;
        if let Some(sent) = carried
            && self.exchanged(sent, status).await == Refused::Exchanged
        {
            answer.extensions_mut().insert(Exchanged);
        }
        Ok(answer)
    }

    /// Notes whether the upstream took the credential; where it refused it, whether there is another one by now.
    async fn exchanged(&self, sent: Secret, status: StatusCode) -> Refused {
        let Some(credential) = &self.way.upstream.credential else {
            return Refused::Final;
        };
        if status != StatusCode::UNAUTHORIZED {
            credential.held().taken(&sent);
            return Refused::Final;
        }
        let (held, now) = (credential.held().clone(), self.clock().now());
        // The source may be a file, and files may be slow.
        let looked = tokio::task::spawn_blocking(move || held.refused(&sent, now));
        looked.await.unwrap_or(Refused::Final)
    }

    /// A connection that is kept, or a new one.
    async fn connection(&self, by: Moment) -> Result<Lease, Failure> {
        loop {
            let mut lease = match self.taken(by).await? {
                Taken::Room(slot) => return self.made(slot, by).await,
                Taken::Lease(lease) => lease,
            };
            // One that leads where the name no longer does serves those who are on it, and nobody else.
            if self.leads(lease.address().ip(), by).await == Leads::Elsewhere {
                lease.retire();
                continue;
            }
            // It comes to rest a moment after its last answer was read; one that does not is closed.
            let soon = self.clock().now().after(REST_SPAN).min(by);
            if in_time(self.clock(), soon, lease.ready()).await == Some(true) {
                return Ok(lease);
            }
            lease.retire();
            return self.dial(by).await;
        }
    }

    /// Whether the upstream is still at the address of a connection that was kept.
    async fn leads(&self, address: IpAddr, by: Moment) -> Leads {
        match self.way.upstream.origin.place() {
            Place::Name(name) => self.way.out.names.leads(name, address, by).await,
            Place::Address(_) => Leads::There,
        }
    }

    /// A new connection, whatever is kept: what had been kept beside one that turned out dead may be dead as well.
    async fn dial(&self, by: Moment) -> Result<Lease, Failure> {
        loop {
            match self.taken(by).await? {
                Taken::Room(slot) => return self.made(slot, by).await,
                Taken::Lease(kept) => kept.retire(),
            }
        }
    }

    async fn taken(&self, by: Moment) -> Result<Taken, Failure> {
        match in_time(self.clock(), by, self.pool.take()).await {
            Some(taken) => Ok(taken),
            None => {
                let most = self.way.upstream.connections_max;
                let cause = "all connections that the service may have to this upstream are in use";
                Err(not_sent(Stage::Pool, cause).with("connections_max", most))
            }
        }
    }

    async fn made(&self, slot: Slot, by: Moment) -> Result<Lease, Failure> {
        let dial = Dial {
            out: &self.way.out,
            upstream: &self.way.upstream,
            tls: &self.way.tls,
            by,
        };
        let patience = self.way.upstream.connect;
        // A tenth may have been lost on the way here.
        let had_all = by.since(self.clock().now()) >= patience - patience / 10;
        // Boxed, because it is large and rare: every exchange would carry the room for it.
        let made = Box::pin(dial.run(slot)).await.map_err(|mut failure| {
            // Who gives an upstream less time than the policy does must not make it look gone to others.
            if !had_all && matches!(failure.kind, FailureKind::UpstreamUnreachable) {
                failure.kind = FailureKind::UpstreamNotSent;
            }
            failure
        })?;
        Ok(self.pool.lease(made))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.way.out.sources.clock
    }

    /// A request that changes something is seen to the head of its answer, although its client may go away meanwhile.
    fn shield(&self, method: &Method) -> Option<Shield> {
        if method.is_safe() {
            None
        } else {
            Some(self.scope.tree().shield())
        }
    }

    /// Hands the request to the connection and waits for the head. A pause that the request's own sender makes is not the upstream's.
    async fn head(
        &self,
        lease: &mut Lease,
        request: Outgoing,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Lost> {
        let Some(sent) = lease.send(request) else {
            return Err(Lost::Broken("the connection was closed".to_owned()));
        };
        let mut sent = pin!(sent);
        let mut by = self.limits.end(self.clock().now(), self.limits.first_byte);
        loop {
            if let Some(sent) = in_time(self.clock(), by, sent.as_mut()).await {
                return sent.map_err(Lost::of);
            }
            let now = self.clock().now();
            let from = match progress.stand() {
                Stand::Awaited => now,
                Stand::Taken(since) | Stand::Finished(since) => since,
                Stand::Failed(_) | Stand::Cut => by,
            };
            by = self.limits.end(from, self.limits.first_byte);
            if by >= self.limits.deadline && self.limits.deadline <= now {
                return Err(Lost::Deadline);
            }
            if by <= now {
                return Err(Lost::FirstByte(self.limits.first_byte));
            }
        }
    }

    fn answer(
        &self,
        head: Response<Incoming>,
        lease: Lease,
        progress: Arc<Progress>,
    ) -> Result<Response<Body>, Failure> {
        let upstream = &self.way.upstream;
        let (mut parts, incoming) = head.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            progress.cut();
            let cause = "the upstream switched to another protocol, which was not asked for";
            return Err(failure(FailureKind::UpstreamFault, Stage::Head, cause));
        }
        let most = upstream.response_bytes_max;
        if incoming.size_hint().lower() > most {
            progress.cut();
            let cause = format!(
                "the answer's body has more than {most} bytes: `response_bytes` of [upstreams.{}] in holdfast.toml",
                upstream.name
            );
            let announced = incoming.size_hint().lower();
            return Err(
                failure(FailureKind::UpstreamTooLarge, Stage::Head, cause).with("bytes", announced)
            );
        }
        let guard = upstream
            .credential
            .as_ref()
            .map(|credential| Guard::new(credential.held().echo()));
        let echo = guard.as_ref().map(Guard::echo);
        if echo.is_some_and(|echo| echo.is_in_headers(&parts.headers)) {
            progress.cut();
            return Err(failure(FailureKind::SecretEchoed, Stage::Head, ECHOED));
        }
        strip_hop_by_hop(&mut parts.headers);
        parts.extensions.clear();
        parts.version = Version::HTTP_11;
        if incoming.is_end_stream() {
            release(lease, &progress);
            return Ok(Response::from_parts(parts, Body::empty()));
        }
        let clock = self.way.out.sources.clock.clone();
        let source = ResponseSource::new(
            incoming,
            lease,
            progress,
            upstream.clone(),
            clock,
            self.limits.between_bytes,
            guard,
        );
        Ok(Response::from_parts(parts, Body::stream(Box::pin(source))))
    }
}

/// Why there is no head.
enum Lost {
    /// The connection closed before any of the request was written; here it is again.
    NotSent(Box<Outgoing>, String),
    /// The upstream said that it did nothing with the request.
    TurnedAway(String),
    /// It broke off, or what came is no HTTP.
    Broken(String),
    /// The head is larger than allowed.
    HeadTooLarge,
    /// Nothing came within this time.
    FirstByte(Duration),
    /// The call's own deadline came first.
    Deadline,
}

impl Lost {
    fn of(error: TrySendError<Outgoing>) -> Self {
        let mut error = error;
        let unsent = error.take_message();
        let error = error.into_error();
        match unsent {
            Some(request) => Self::NotSent(Box::new(request), chain(&error)),
            None if error.is_parse_too_large() => Self::HeadTooLarge,
            None if turned_away(&error) => Self::TurnedAway(chain(&error)),
            None => Self::Broken(chain(&error)),
        }
    }

    fn failure(self, progress: &Progress) -> Failure {
        if let Stand::Failed(fault) = progress.stand() {
            let cause = "the request's body was cut by its sender, so the upstream saw it cut";
            return failure(FailureKind::CallerCut, Stage::Request, cause)
                .with("code", fault.code());
        }
        match self {
            Self::NotSent(_, cause) => {
                let cause =
                    format!("the connection closed before the request was written: {cause}");
                not_sent(Stage::Head, cause)
            }
            Self::TurnedAway(cause) => {
                let cause = format!("the upstream turned the request away unread: {cause}");
                not_sent(Stage::Head, cause)
            }
            Self::Broken(cause) => {
                let cause =
                    format!("the connection broke off before the head of the answer: {cause}");
                failure(FailureKind::UpstreamFault, Stage::Head, cause)
            }
            Self::HeadTooLarge => {
                let cause = format!(
                    "the head of the answer has more than {HEAD_BYTES_MAX} bytes or too many fields"
                );
                failure(FailureKind::UpstreamTooLarge, Stage::Head, cause)
            }
            Self::FirstByte(limit) => {
                let cause = format!("no head of an answer came for {} ms", limit.as_millis());
                failure(FailureKind::UpstreamTimeout, Stage::Head, cause)
                    .with("limit", "first_byte")
            }
            Self::Deadline => {
                let cause = "no head of an answer came by the call's deadline";
                failure(FailureKind::UpstreamTimeout, Stage::Head, cause).with("limit", "deadline")
            }
        }
    }
}

/// Whether the upstream has said, over HTTP/2, that it took no action on the stream: it refused it, or it is going away and names an
/// earlier one as its last (RFC 9113, sections 8.7 and 6.8; the library tells only the later ones that it is going away).
fn turned_away(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return error.is_remote() && (refused || error.is_go_away());
        }
        source = error.source();
    }
    false
}

/// Cuts the request's body if the exchange is dropped or fails before the head has come.
struct CutOnDrop(Option<Arc<Progress>>);

impl CutOnDrop {
    /// The head has come: from here on the answer's body sees to it.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.cut();
        }
    }
}
