//! What the tests of the server stand on: a small pipeline that notes how each call ended, and a gateway on a port of its own.

use holdfast_call::{
    Admitted, Answer, Body, BodyEnd, BodySource, BodyWatch, BoxFuture, Call, Clock, Closing,
    Failure, Fault, GuestLine, Implementation, Layer, Level, Log, Moment, Next, Notice, Notices,
    Pipeline, Random, Registered, Reply, Settings, Sources, Target, WallTime, mask,
    pipeline::Attempt, pipeline::Dispatch,
};
use holdfast_server::drain::{Gate, Stop};
use holdfast_server::entry::connections::{self, Terms};
use holdfast_server::entry::http::Gateway;
use holdfast_server::entry::peer::TrustedProxies;
use holdfast_server::router::{Claim, Routes};
use holdfast_server::settings::ListenLimits;
use http_body::Frame;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};

pub(crate) struct TestClock(tokio::time::Instant);

impl Default for TestClock {
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        Moment::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap())
    }
    #[expect(
        clippy::disallowed_types,
        reason = "a clock is what reads the system's"
    )]
    fn wall(&self) -> WallTime {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        WallTime(u64::try_from(since.as_micros()).unwrap())
    }
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let until = self.0 + moment.since(Moment::START);
        Box::pin(async move { tokio::time::sleep_until(until).await })
    }
}

pub(crate) struct TestRandom;

impl Random for TestRandom {
    fn sixteen(&self) -> [u8; 16] {
        rand::random()
    }
}

pub(crate) struct Silence;

impl Log for Silence {
    fn closing(&self, _: Closing) {}
    fn guest(&self, _: GuestLine) {}
    fn host(&self, _: Level, _: String) {}
}

impl Notices for Silence {
    fn tell(&self, _: Notice) {}
}

/// Notes how each call ended, and is the gate: it counts what is in flight.
struct Note {
    ends: mpsc::UnboundedSender<String>,
    inside: watch::Sender<usize>,
    draining: Arc<watch::Sender<bool>>,
}

struct Noted {
    ends: mpsc::UnboundedSender<String>,
    inside: watch::Sender<usize>,
    text: String,
}

impl Noted {
    /// Notes how it ended, in place of what a dropped future would say.
    fn say(&mut self, word: &str) {
        let begin = self.text.trim_end_matches(" future dropped");
        self.text = format!("{begin} {word}");
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let _ = self.ends.send(self.text.clone());
        self.inside.send_modify(|inside| *inside -= 1);
    }
}

impl BodyWatch for Noted {
    fn end(&mut self, end: &BodyEnd<'_>) {
        let word = match end {
            BodyEnd::Finished => "finished".to_owned(),
            BodyEnd::Cut(fault) => format!("cut {}", fault.code()),
            BodyEnd::Dropped => "dropped".to_owned(),
        };
        self.say(&word);
    }
}

impl Layer for Note {
    fn name(&self) -> &'static str {
        "note"
    }
    fn run<'a>(&'a self, call: Box<Call>, next: Next<'a>) -> BoxFuture<'a, Reply> {
        self.inside.send_modify(|inside| *inside += 1);
        let mut noted = Noted {
            ends: self.ends.clone(),
            inside: self.inside.clone(),
            text: format!(
                "{} {} ({}) future dropped",
                call.target,
                call.operation,
                call.why.as_str()
            ),
        };
        let draining = *self.draining.borrow();
        Box::pin(async move {
            assert!(!draining, "no test sends a call after the drain began");
            match next.run(call).await {
                Ok(mut answer) => {
                    answer.body_mut().watch(Box::new(noted));
                    Ok(answer)
                }
                Err(fault) => {
                    noted.say(&fault.code().to_string());
                    Err(fault)
                }
            }
        })
    }
}

struct Mask;

impl Attempt for Mask {
    fn name(&self) -> &'static str {
        "attempt"
    }
    fn attempt<'a>(&'a self, call: Box<Call>, dispatch: Dispatch<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let (target, meter) = (call.target.clone(), call.meter.clone());
            let answered = dispatch.run(call).await;
            answered.map_err(|failure| mask::fault(&failure, &target, &meter))
        })
    }
}

pub(crate) struct TestGate {
    inside: watch::Sender<usize>,
    draining: Arc<watch::Sender<bool>>,
}

impl Gate for TestGate {
    fn start_draining(&self) {
        self.draining.send_replace(true);
    }
    fn start_cutting(&self) {
        self.draining.send_replace(true);
    }
    fn idle(&self) -> BoxFuture<'static, ()> {
        let mut inside = self.inside.subscribe();
        Box::pin(async move {
            inside.wait_for(|inside| *inside == 0).await.unwrap();
        })
    }
}

/// A pipeline, its gate, and the ends of its calls.
pub(crate) struct Line {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) gate: Arc<TestGate>,
    pub(crate) ends: mpsc::UnboundedReceiver<String>,
}

pub(crate) fn line() -> Line {
    let (ends, ended) = mpsc::unbounded_channel();
    let inside = watch::Sender::new(0);
    let draining = Arc::new(watch::Sender::new(false));
    let note = Note {
        ends,
        inside: inside.clone(),
        draining: draining.clone(),
    };
    let sources = Sources {
        clock: Arc::new(TestClock::default()),
        random: Arc::new(TestRandom),
    };
    let layers: Vec<Box<dyn Layer>> = vec![Box::new(note)];
    let pipeline = Pipeline::new(&["note", "attempt"], layers, Box::new(Mask), sources).unwrap();
    let gate = Arc::new(TestGate { inside, draining });
    Line {
        pipeline,
        gate,
        ends: ended,
    }
}

/// An implementation that is a function.
pub(crate) struct Native<F>(pub(crate) F);

impl<F> Implementation for Native<F>
where
    F: Fn(Admitted) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync,
{
    fn call(&self, admitted: Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
        self.0(admitted)
    }
}

pub(crate) fn native<F>(line: &Pipeline, name: &str, f: F) -> Arc<Registered>
where
    F: Fn(Admitted) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync + 'static,
{
    let target = Target::Service(name.into());
    Registered::new(line, target, None, Settings::default(), Arc::new(Native(f)))
}

/// A body that comes from a channel, frame by frame; the channel's end is its end.
pub(crate) struct Fed(pub(crate) mpsc::Receiver<Result<Frame<bytes::Bytes>, Fault>>);

impl BodySource for Fed {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Fault>>> {
        self.0.poll_recv(cx)
    }
}

pub(crate) type Feed = mpsc::Sender<Result<Frame<bytes::Bytes>, Fault>>;

pub(crate) fn fed() -> (Feed, Body) {
    let (feed, frames) = mpsc::channel(1);
    (feed, Body::stream(Box::pin(Fed(frames))))
}

/// A gateway on a port of its own.
pub(crate) struct Bed {
    pub(crate) address: SocketAddr,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) gate: Arc<TestGate>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ends: mpsc::UnboundedReceiver<String>,
    pub(crate) stop: Stop,
    pub(crate) connections: tokio::task::JoinHandle<()>,
}

impl Bed {
    pub(crate) async fn new(connections_max: u32) -> Self {
        let line = line();
        let routes = Arc::new(Routes::default());
        let gateway = Arc::new(Gateway::new(
            line.pipeline.clone(),
            routes.clone(),
            TrustedProxies::default(),
            ListenLimits::default(),
            Settings::default(),
        ));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Stop::default();
        let terms = Terms {
            until: holdfast_server::drain::Phase::Leaving,
            stop: stop.clone(),
            limits: ListenLimits {
                connections: connections_max,
                ..ListenLimits::default()
            },
            keys: None,
            clock: line.pipeline.sources().clock.clone(),
            log: Arc::new(Silence),
        };
        let connections = tokio::spawn(connections::run(listener, gateway.clone(), terms));
        Self {
            address,
            pipeline: line.pipeline,
            routes,
            gate: line.gate,
            gateway,
            ends: line.ends,
            stop,
            connections,
        }
    }

    pub(crate) fn serve<F>(&self, name: &str, f: F)
    where
        F: Fn(Admitted) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync + 'static,
    {
        let claim = Claim {
            service: name.into(),
            routes: Vec::new(),
            purpose: None,
            registered: native(&self.pipeline, name, f),
        };
        self.routes.put(claim).unwrap();
    }

    /// How the next call to end has ended.
    pub(crate) async fn ended(&mut self) -> String {
        self.ends.recv().await.unwrap()
    }
}

/// An answer of one text.
pub(crate) fn answer(text: &str) -> Result<Answer, Failure> {
    let body = Body::whole(bytes::Bytes::from(text.to_owned()));
    Ok(Answer::Http(http::Response::new(body)))
}
