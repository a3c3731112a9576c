//! The HTTP gateway: a request becomes a call, the call runs in the task of its connection, its answer goes back.
//!
//! Everything before the pipeline is plain work without a wait, so that the call's clock starts with its request.

use crate::entry::answer::{Outgoing, Serving};
use crate::entry::connections::Answers;
use crate::entry::door::Door;
use crate::entry::line::Busy;
use crate::entry::lot;
use crate::entry::peer::{Peer, Trust, TrustedProxies};
use crate::entry::request::{self, Invalid, Said};
use crate::entry::trailers::Checked;
use crate::router::{Found, Routes};
use crate::settings::ListenLimits;
use arc_swap::ArcSwap;
use holdfast_call::{
    Body, BodyEnd, BodyWatch, Boundary, Call, CallId, Caller, Entry, Fault, HostCode, Link, Lot,
    Meter, Moment, Payload, Pipeline, Registered, Settings, Trace, Tree, Verdict, Why, claimed_key,
    wished_wait,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request};
use http_body::Body as _;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The gateway.
pub struct Gateway {
    pipeline: Arc<Pipeline>,
    routes: Arc<Routes>,
    proxies: ArcSwap<TrustedProxies>,
    limits: ListenLimits,
    door: Door,
}

impl Gateway {
    /// A gateway to the services of `routes`, within `limits`. `refused` are the layers' settings for requests that find no target.
    #[must_use]
    pub fn new(
        pipeline: Arc<Pipeline>,
        routes: Arc<Routes>,
        proxies: TrustedProxies,
        limits: ListenLimits,
        refused: Settings,
    ) -> Self {
        Self {
            door: Door::new(pipeline.clone(), refused),
            pipeline,
            routes,
            proxies: ArcSwap::from_pointee(proxies),
            limits,
        }
    }

    /// Believes these proxies from now on.
    pub fn trust(&self, proxies: TrustedProxies) {
        self.proxies.store(Arc::new(proxies));
    }

    fn serve(&self, peer: &Peer, request: Request<Incoming>, busy: Busy) -> Serving {
        let (mut parts, incoming) = request.into_parts();
        let proxies = self.proxies.load();
        let trust = proxies.trust(peer.address);
        let routed = self.route(&mut parts, peer, trust);
        let (mut way, said) = match routed {
            Ok((found, said)) => (Ok(found), said),
            Err((fault, said)) => (Err(fault), said),
        };
        // Whoever announces too much is told so before anybody waits for it.
        if way.is_ok() && incoming.size_hint().lower() > self.limits.body_bytes {
            way = Err(invalid_fault(Invalid::LongBody));
        }
        let lot = lot::of(&parts.headers, peer, &proxies);
        let call = self.call(way, said, lot, parts, incoming, &busy);
        Serving::of(&self.pipeline, call, Some(busy))
    }

    /// Finds the service and makes the head ready for it.
    fn route(
        &self,
        parts: &mut Parts,
        peer: &Peer,
        trust: Trust,
    ) -> Result<(Arc<Found>, Said), (Fault, Said)> {
        let authority = self.head(parts, trust, &peer.scheme);
        let said = request::strip(&mut parts.headers, trust);
        let authority = match authority {
            Ok(authority) => authority,
            Err(invalid) => return Err((invalid_fault(invalid), said)),
        };
        let host = request::host_of(&authority);
        let Some(found) = self.routes.find(&host, parts.uri.path()) else {
            return Err((self.no_route(&host, &parts.method, parts.uri.path()), said));
        };
        match request::address(parts, authority, &found, peer, trust) {
            Ok(()) => Ok((found, said)),
            Err(invalid) => Err((invalid_fault(invalid), said)),
        }
    }

    /// Checks the head.
    fn head(&self, parts: &Parts, trust: Trust, used: &Scheme) -> Result<Authority, Invalid> {
        let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
        if target.len() as u64 > u64::from(self.limits.target_bytes) {
            return Err(Invalid::LongTarget);
        }
        // The library of HTTP/1.1 counts the fields itself, and answers before there is a call.
        if parts.headers.len() > self.limits.fields as usize {
            return Err(Invalid::ManyFields);
        }
        request::authority(parts, trust, used)
    }

    fn call(
        &self,
        way: Result<Arc<Found>, Fault>,
        said: Said,
        lot: Lot,
        parts: Parts,
        incoming: Incoming,
        busy: &Busy,
    ) -> Call {
        let (registered, purpose): (Arc<Registered>, Option<Why>) = match way {
            Ok(found) => (found.registered.clone(), found.purpose.clone()),
            Err(fault) => (self.door.refuse(fault), None),
        };
        let sources = self.pipeline.sources();
        let random = || sources.random.sixteen();
        let meter = Arc::new(Meter::default());
        let operation = request::operation(&parts.method, parts.uri.path());
        Call {
            id: CallId::new(sources.clock.wall(), random()),
            parent: None,
            entry: Entry::Http,
            caller: Caller::outside(Link::Anonymous),
            asker: None,
            target: registered.target.clone(),
            registered: Some(registered),
            operation,
            why: said.why.or(purpose).unwrap_or_else(Why::undeclared),
            deadline: Moment::FAR,
            stream: Duration::ZERO,
            trace: match said.trace {
                Some(trace) => trace.child(random()),
                None => Trace::start(random(), random()),
            },
            ordinal: 0,
            key: claimed_key(&parts.headers),
            wait: wished_wait(&parts.headers),
            execution: None,
            journal: None,
            step: None,
            outbox: None,
            payload: Payload::Http(Request::from_parts(
                parts,
                self.body(incoming, &meter, busy),
            )),
            meter,
            above: None,
            tree: Arc::new(Tree::of(lot)),
        }
    }
}

impl Gateway {
    /// Nobody serves this path. Whether somebody was to serve it and could not be loaded is for the operator alone.
    fn no_route(&self, host: &str, method: &Method, path: &str) -> Fault {
        let missed = self.routes.missed(path);
        let verdict = Verdict {
            boundary: missed
                .as_ref()
                .map_or(Boundary::Routing, |missed| missed.boundary),
            stage: "route",
            cause: match &missed {
                Some(missed) => format!("{} is not loaded: {}", missed.service, missed.why),
                None => "no service claims this path".to_owned(),
            },
            evidence: vec![
                ("host", host.to_owned()),
                ("operation", request::operation(method, path).to_string()),
            ],
            next: "holdfast ls".to_owned(),
        };
        Fault::host(HostCode::NoSuchService, "No service answers here.", verdict)
    }

    /// The body of a request, its bytes counted for the call.
    fn body(&self, incoming: Incoming, meter: &Arc<Meter>, busy: &Busy) -> Body {
        let mut body = Body::wrap(Checked(incoming), |fault| fault);
        // An empty body stays as it is: it has nothing to count, and a watch would make it look like one that is still to come.
        if body.as_whole().is_none() {
            body.watch(Box::new(Count {
                meter: meter.clone(),
                busy: Some(busy.also()),
                left: self.limits.body_bytes,
            }));
        }
        body
    }
}

impl Answers for Gateway {
    type Body = Outgoing;
    type Future = Serving;

    fn answer(&self, peer: &Peer, request: Request<Incoming>, busy: Busy) -> Serving {
        self.serve(peer, request, busy)
    }

    fn trust(&self, address: IpAddr) -> Trust {
        self.proxies.load().trust(address)
    }
}

/// Counts a request's bytes; and as long as they come, its connection is in use.
struct Count {
    meter: Arc<Meter>,
    busy: Option<Busy>,
    /// How many more may come.
    left: u64,
}

impl BodyWatch for Count {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        let bytes = bytes as u64;
        self.meter.add_in(bytes);
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| invalid_fault(Invalid::LongBody))?;
        Ok(())
    }

    fn end(&mut self, _end: &BodyEnd<'_>) {
        self.busy = None;
    }
}

fn invalid_fault(invalid: Invalid) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Caller,
        stage: "route",
        cause: invalid.detail().to_owned(),
        evidence: Vec::new(),
        next: match invalid.setting() {
            Some(key) => format!("the request, or {key} under [listen.limits] in holdfast.toml"),
            None => "the request".to_owned(),
        },
    };
    Fault::host(invalid.code(), invalid.detail(), verdict)
}
