//! What the tests of the layers share: a clock that only moves when told, a log that keeps its lines, and futures polled by hand.
//!
//! No runtime and no timer: every step of a test is one that the test makes.

use crate::admit::HostGate;
use crate::metrics::Metrics;
use crate::{Parts, built, layers};
use bytes::Bytes;
use holdfast_call::{
    Admitted, Answer, Body, BodySource, BoxFuture, Call, CallId, Caller, Clock, Closing, Entry,
    Failure, Fault, GuestLine, Implementation, Level, Link, Log, Meter, Moment, Notice, Notices,
    Payload, Pipeline, Random, Registered, Reply, Settings, Sources, Target, Trace, WallTime, Why,
};
use http_body::{Body as _, Frame};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::mpsc;

/// A clock that stands still until it is moved.
#[derive(Default)]
pub(crate) struct HandClock {
    now: AtomicU64,
    timers: AtomicU64,
}

impl HandClock {
    pub(crate) fn advance(&self, span: Duration) {
        self.now
            .fetch_add(u64::try_from(span.as_nanos()).unwrap(), SeqCst);
    }

    /// How many timers were ever registered.
    pub(crate) fn timers(&self) -> u64 {
        self.timers.load(SeqCst)
    }
}

struct HandSleep(Arc<HandClock>, Moment, Option<()>);

impl Future for HandSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.2.replace(()).is_none() {
            self.0.timers.fetch_add(1, SeqCst);
        }
        if Moment::from_nanos(self.0.now.load(SeqCst)) >= self.1 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

struct Shown(Arc<HandClock>);

/// A clock that nobody moves.
pub(crate) fn still() -> Arc<dyn Clock> {
    Arc::new(Shown(Arc::default()))
}

impl Clock for Shown {
    fn now(&self) -> Moment {
        Moment::from_nanos(self.0.now.load(SeqCst))
    }
    fn wall(&self) -> WallTime {
        WallTime(self.0.now.load(SeqCst) / 1_000)
    }
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        Box::pin(HandSleep(self.0.clone(), moment, None))
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn sixteen(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, SeqCst)).to_le_bytes()
    }
}

/// A log that keeps its lines.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) closings: Mutex<Vec<Closing>>,
    pub(crate) guests: Mutex<Vec<GuestLine>>,
    pub(crate) hosts: Mutex<Vec<String>>,
    pub(crate) notices: Mutex<Vec<Notice>>,
}

impl Log for Lines {
    fn closing(&self, closing: Closing) {
        self.closings.lock().unwrap().push(closing);
    }
    fn guest(&self, line: GuestLine) {
        self.guests.lock().unwrap().push(line);
    }
    fn host(&self, _level: Level, text: String) {
        self.hosts.lock().unwrap().push(text);
    }
}

impl Notices for Lines {
    fn tell(&self, notice: Notice) {
        self.notices.lock().unwrap().push(notice);
    }
}

/// A host without a world.
pub(crate) struct Bench {
    pub(crate) parts: Parts,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) log: Arc<Lines>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(HandClock::default());
        // Not at the start of the line, where "not later than" and "at" look the same.
        clock.advance(Duration::from_secs(100));
        let log = Arc::new(Lines::default());
        let parts = Parts {
            sources: Sources {
                clock: Arc::new(Shown(clock.clone())),
                random: Arc::new(Counting::default()),
            },
            log: log.clone(),
            notices: log.clone(),
            metrics: Arc::default(),
            host: Arc::default(),
            keys: Arc::default(),
            issuers: Arc::default(),
            executions: Arc::default(),
            trail: Arc::default(),
            ledger: Arc::default(),
            captures: Arc::default(),
        };
        Self { parts, clock, log }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    pub(crate) fn host(&self) -> &Arc<HostGate> {
        &self.parts.host
    }

    pub(crate) fn now(&self) -> Moment {
        self.parts.sources.clock.now()
    }

    /// A pipeline of these layers alone, and the attempt.
    pub(crate) fn only(&self, names: &[&'static str]) -> Arc<Pipeline> {
        let (mut layers, attempt) = layers(&self.parts);
        layers.retain(|layer| names.contains(&layer.name()));
        let order: Vec<_> = built()
            .into_iter()
            .filter(|name| names.contains(name) || *name == "attempt")
            .collect();
        Pipeline::new(&order, layers, attempt, self.parts.sources.clone()).unwrap()
    }

    /// A call from outside, by nobody in particular.
    pub(crate) fn call(&self, target: &Target) -> Call {
        let sources = &self.parts.sources;
        Call {
            id: CallId::new(sources.clock.wall(), sources.random.sixteen()),
            parent: None,
            entry: Entry::Http,
            caller: Caller::outside(Link::Anonymous),
            asker: None,
            target: target.clone(),
            registered: None,
            operation: "GET /".into(),
            why: Why::undeclared(),
            deadline: Moment::FAR,
            stream: Duration::ZERO,
            trace: Trace::start(sources.random.sixteen(), sources.random.sixteen()),
            ordinal: 0,
            key: None,
            wait: None,
            execution: None,
            journal: None,
            step: None,
            outbox: None,
            payload: request(),
            meter: Arc::new(Meter::default()),
            above: None,
            tree: Arc::default(),
        }
    }

    /// A call that `asker` makes while it serves one, through `services` outside of it.
    pub(crate) fn nested(
        &self,
        asker: &Arc<Registered>,
        through: &[&str],
        target: &Target,
    ) -> Call {
        let mut caller = Caller::outside(Link::Anonymous);
        for service in through {
            caller = caller.through(&(*service).into());
        }
        if let Target::Service(name) = &asker.target {
            caller = caller.through(name);
        }
        let outer = self.call(target);
        Call {
            parent: Some(outer.id),
            entry: Entry::Import,
            caller,
            asker: Some(asker.clone()),
            ordinal: 1,
            deadline: self.now().after(Duration::from_secs(30)),
            stream: Duration::ZERO,
            ..self.call(target)
        }
    }

    pub(crate) fn only_closing(&self) -> Closing {
        let closings = self.log.closings.lock().unwrap();
        assert_eq!(closings.len(), 1, "{closings:?}");
        closings[0].clone()
    }
}

pub(crate) fn service(name: &str) -> Target {
    Target::Service(name.into())
}

pub(crate) fn upstream(origin: &str) -> Target {
    Target::Capability {
        name: "http",
        resource: origin.into(),
    }
}

pub(crate) fn request() -> Payload {
    let request = http::Request::builder().uri("http://hello.internal/");
    Payload::Http(request.body(Body::empty()).unwrap())
}

pub(crate) fn answer(status: u16, body: Body) -> Answer {
    let response = http::Response::builder().status(status);
    Answer::Http(response.body(body).unwrap())
}

pub(crate) fn text(words: &'static str) -> Body {
    Body::whole(Bytes::from_static(words.as_bytes()))
}

type Doing = BoxFuture<'static, Result<Answer, Failure>>;

struct Does<F>(F);

impl<F: Fn(Admitted) -> Doing + Send + Sync> Implementation for Does<F> {
    fn call(&self, admitted: Admitted) -> Doing {
        (self.0)(admitted)
    }
}

/// Registers `target`, done by `does`.
pub(crate) fn register(
    pipeline: &Pipeline,
    target: &Target,
    settings: Settings,
    does: impl Fn(Admitted) -> Doing + Send + Sync + 'static,
) -> Arc<Registered> {
    register_version(pipeline, target, "digest", settings, does)
}

/// Registers this version of `target`, done by `does`.
pub(crate) fn register_version(
    pipeline: &Pipeline,
    target: &Target,
    digest: &str,
    settings: Settings,
    does: impl Fn(Admitted) -> Doing + Send + Sync + 'static,
) -> Arc<Registered> {
    let registered = Registered::new(
        pipeline,
        target.clone(),
        Some(digest.into()),
        settings,
        Arc::new(Does(does)),
    );
    pipeline.registry().put(registered.clone());
    registered
}

/// Answers 200 and "hello".
pub(crate) fn hello(_admitted: Admitted) -> Doing {
    Box::pin(async { Ok(answer(200, text("hello"))) })
}

/// Never answers.
pub(crate) fn never(_admitted: Admitted) -> Doing {
    Box::pin(std::future::pending())
}

/// A body that is fed by hand.
pub(crate) struct Fed(mpsc::UnboundedReceiver<Result<&'static str, Fault>>);

impl BodySource for Fed {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.0.poll_recv(cx).map(|fed| {
            fed.map(|fed| fed.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))))
        })
    }
}

pub(crate) type Feed = mpsc::UnboundedSender<Result<&'static str, Fault>>;

/// A body, and what feeds it.
pub(crate) fn fed() -> (Feed, Body) {
    let (feed, fed) = mpsc::unbounded_channel();
    (feed, Body::stream(Box::pin(Fed(fed))))
}

/// An implementation that answers 200 with a fed body each time, and where the feeds come out.
pub(crate) fn streaming() -> (
    impl Fn(Admitted) -> Doing + Send + Sync,
    mpsc::UnboundedReceiver<Feed>,
) {
    streaming_with(200)
}

/// The same with another status.
pub(crate) fn streaming_with(
    status: u16,
) -> (
    impl Fn(Admitted) -> Doing + Send + Sync,
    mpsc::UnboundedReceiver<Feed>,
) {
    let (feeds, taken) = mpsc::unbounded_channel();
    let does = move |_admitted: Admitted| -> Doing {
        let (feed, body) = fed();
        feeds.send(feed).unwrap();
        Box::pin(async move { Ok(answer(status, body)) })
    };
    (does, taken)
}

/// Polls once, with a waker that does nothing.
pub(crate) fn poll<T>(future: &mut BoxFuture<'_, T>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// What the future is by now.
pub(crate) fn done<T>(future: &mut BoxFuture<'_, T>) -> T {
    match poll(future) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("still pending"),
    }
}

/// Runs a call that comes to its end at once.
pub(crate) fn run(pipeline: &Arc<Pipeline>, call: Call) -> Reply {
    done(&mut pipeline.run(call))
}

/// The code of a reply that must be a fault.
pub(crate) fn code(reply: Reply) -> &'static str {
    fault(reply).host_code().unwrap().as_str()
}

pub(crate) fn fault(reply: Reply) -> Fault {
    match reply {
        Err(fault) => fault,
        Ok(_) => panic!("answered"),
    }
}

pub(crate) fn body(reply: Reply) -> Body {
    match reply {
        Ok(Answer::Http(response)) => response.into_body(),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => panic!("{fault:?}"),
    }
}

/// Polls a body once.
pub(crate) fn frame(body: &mut Body) -> Poll<Option<Result<Bytes, Fault>>> {
    Pin::new(body)
        .poll_frame(&mut Context::from_waker(Waker::noop()))
        .map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
}
