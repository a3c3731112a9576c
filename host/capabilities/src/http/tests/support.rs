//! What the tests of the way out share: a host around one upstream, whose pipeline is nothing but its innermost end.

pub(crate) use super::clock::ManualClock;
pub(crate) use super::servers::{OK, Peer, Server};

use crate::http::{Found, HttpOut, Origin, Resolve, Unresolved, Upstream};
use bytes::Bytes;
use holdfast_call::pipeline::{Attempt, Dispatch};
use holdfast_call::{
    Admitted, Answer, Body, BodySource, Boundary, BoxFuture, Call, CallId, Caller, Closing, Entry,
    Failure, Fault, GuestLine, HostCode, Implementation, Level, Link, Log, Meter, Moment, Payload,
    Pipeline, Random, Registered, Reply, Settings, Sources, Target, Trace, Tree, Verdict, WallTime,
    Why,
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// Settings for an upstream on loopback. Its limits differ, so that a test can tell which timer it rings.
pub(crate) fn upstream(url: &str) -> Upstream {
    Upstream {
        name: "api".to_owned(),
        origin: Origin::parse(url).unwrap(),
        connect: CONNECT,
        first_byte: FIRST_BYTE,
        between_bytes: BETWEEN_BYTES,
        response_bytes_max: 1000,
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        ca: None,
        credential: None,
        keyed: None,
        connections_max: 8,
    }
}

pub(crate) const CONNECT: Duration = Duration::from_secs(10);
pub(crate) const FIRST_BYTE: Duration = Duration::from_secs(20);
pub(crate) const BETWEEN_BYTES: Duration = Duration::from_secs(40);

#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn sixteen(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes()
    }
}

/// A log that keeps the host's lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<String>>);

impl Log for Lines {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, _level: Level, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

/// A resolver that knows one answer for every name, or never comes back.
pub(crate) struct Fixed(pub(crate) Option<Vec<IpAddr>>);

impl Fixed {
    pub(crate) fn to(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self(Some(
            addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        )))
    }
}

impl Resolve for Fixed {
    fn resolve(&self, _host: &str) -> BoxFuture<'static, Result<Found, Unresolved>> {
        let Some(addresses) = self.0.clone() else {
            return Box::pin(std::future::pending());
        };
        let ttl = Duration::from_secs(60);
        Box::pin(async move { Ok(Found { addresses, ttl }) })
    }
}

type Failures = Arc<Mutex<Vec<Failure>>>;

struct Bare(Failures);

impl Attempt for Bare {
    fn name(&self) -> &'static str {
        "attempt"
    }
    fn attempt<'a>(&'a self, call: Box<Call>, dispatch: Dispatch<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            dispatch.run(call).await.map_err(|failure| {
                self.0.lock().unwrap().push(failure);
                fault("the failure is kept beside")
            })
        })
    }
}

struct Nobody;

impl Implementation for Nobody {
    fn call(&self, _admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        Box::pin(std::future::pending())
    }
}

/// Any fault.
pub(crate) fn fault(cause: &str) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Application,
        stage: "test",
        cause: cause.to_owned(),
        evidence: vec![],
        next: String::new(),
    };
    Fault::host(HostCode::ServiceFault, "test", verdict)
}

/// One upstream, and the host around it.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) log: Arc<Lines>,
    pub(crate) out: Arc<HttpOut>,
    pipeline: Arc<Pipeline>,
    failures: Failures,
    target: Target,
}

impl World {
    pub(crate) fn new(settings: Upstream) -> Self {
        Self::resolving(settings, Fixed::to(&["127.0.0.1"]))
    }

    pub(crate) fn resolving(settings: Upstream, resolver: Arc<dyn Resolve>) -> Self {
        let (clock, log, failures) = (
            ManualClock::default(),
            Arc::new(Lines::default()),
            Failures::default(),
        );
        let sources = Sources {
            clock: Arc::new(clock.clone()),
            random: Arc::new(Counting::default()),
        };
        let out = HttpOut::new(sources.clone(), log.clone(), resolver);
        let attempt = Box::new(Bare(failures.clone()));
        let pipeline = Pipeline::new(&["attempt"], vec![], attempt, sources).unwrap();
        let target = Target::Capability {
            name: "http",
            resource: settings.origin.to_string().into(),
        };
        let registered = Registered::new(
            &pipeline,
            target.clone(),
            None,
            Settings::default(),
            out.upstream(settings),
        );
        pipeline.registry().put(registered);
        Self {
            clock,
            log,
            out,
            pipeline,
            failures,
            target,
        }
    }

    /// A call of the service `front`, without a deadline.
    pub(crate) fn call(
        &self,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        self.call_as("front", Moment::FAR, Arc::default(), request)
    }

    pub(crate) fn call_as(
        &self,
        asker: &str,
        deadline: Moment,
        tree: Arc<Tree>,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        let (pipeline, failures) = (self.pipeline.clone(), self.failures.clone());
        let asker = Registered::new(
            &pipeline,
            Target::Service(asker.into()),
            None,
            Settings::default(),
            Arc::new(Nobody),
        );
        let call = Call {
            id: CallId::new(WallTime(0), [1; 16]),
            parent: Some(CallId::new(WallTime(0), [2; 16])),
            entry: Entry::Import,
            caller: Caller::outside(Link::Anonymous),
            asker: Some(asker),
            target: self.target.clone(),
            registered: None,
            operation: "test".into(),
            why: Why::undeclared(),
            deadline,
            stream: Duration::ZERO,
            trace: Trace::start([3; 16], [4; 16]),
            ordinal: 1,
            key: None,
            wait: None,
            execution: None,
            journal: None,
            step: None,
            outbox: None,
            payload: Payload::Http(request),
            meter: Arc::new(Meter::default()),
            above: None,
            tree,
        };
        Box::pin(async move {
            match pipeline.run(call).await {
                Ok(Answer::Http(response)) => Ok(response),
                Ok(other) => panic!("{other:?}"),
                Err(_) => Err(failures.lock().unwrap().pop().unwrap()),
            }
        })
    }

    /// A call of `front` on a task of its own.
    pub(crate) fn spawn(
        &self,
        request: Request<Body>,
    ) -> tokio::task::JoinHandle<Result<Response<Body>, Failure>> {
        tokio::spawn(self.call(request))
    }
}

pub(crate) fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

pub(crate) fn post(url: &str, body: &'static str) -> Request<Body> {
    Request::post(url).body(Body::whole(body.into())).unwrap()
}

/// A streamed body fed by the test: `Err` is its sender's death, and dropping the other end its clean end.
pub(crate) fn fed() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, Fault>>, Body) {
    let (feed, frames) = mpsc::unbounded_channel();
    struct Fed(mpsc::UnboundedReceiver<Result<Frame<Bytes>, Fault>>);
    impl BodySource for Fed {
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            self.0.poll_recv(cx)
        }
    }
    (feed, Body::stream(Box::pin(Fed(frames))))
}

/// The whole of an answer's body.
pub(crate) async fn text(response: Response<Body>) -> Result<String, Fault> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// What a failure found, under `key`.
pub(crate) fn evidence(failure: &Failure, key: &str) -> String {
    let found = failure.evidence.iter().find(|(held, _)| *held == key);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}
