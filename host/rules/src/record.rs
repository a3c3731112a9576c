//! `record`: every call ends here. Whatever happened inside, one closing line is written and one call is counted.
//!
//! The record lives in the future of the call until there is an answer, and on the answer's body from then on. Dropped before either
//! has ended, it says that the caller went away; dropped by a panic, that the host failed. It formats nothing and waits for nothing.

use crate::Parts;
use crate::metrics::Series;
use holdfast_call::meter::Reading;
use holdfast_call::{
    BodyEnd, BodyWatch, Boundary, BoxFuture, Call, Closing, Fault, HostCode, Layer, Moment, Next,
    Outcome, Reply, Verdict, WallTime,
};
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What the record of a target needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its calls are counted.
    pub series: Arc<Series>,
}

pub(crate) fn layer(parts: &Parts) -> Box<dyn Layer> {
    Box::new(Record {
        parts: Arc::new(parts.clone()),
    })
}

struct Record {
    parts: Arc<Parts>,
}

impl Layer for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn run<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let mut open = Box::new(Open::new(&self.parts, &call));
            match unwinding_caught(next.run(call)).await {
                Ok(mut answer) => {
                    let status = answer.status();
                    let body = answer.body_mut();
                    open.head(status, body.as_whole().is_none());
                    body.watch(open);
                    Ok(answer)
                }
                Err(fault) => {
                    open.refused(&fault);
                    Err(fault)
                }
            }
        })
    }
}

/// A record that is open. It closes exactly once.
struct Open {
    parts: Arc<Parts>,
    meter: Arc<holdfast_call::Meter>,
    series: Arc<Series>,
    since: Moment,
    streams: Streams,
    closing: Option<Closing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Streams {
    No,
    Yes,
}

impl Open {
    fn new(parts: &Arc<Parts>, call: &Call) -> Self {
        let registered = call.registered.as_ref();
        let series = registered
            .and_then(|registered| registered.settings.get::<Settings>())
            .map_or_else(|| parts.metrics.unknown(), |settings| &settings.series)
            .clone();
        series.opened();
        Self {
            parts: parts.clone(),
            meter: call.meter.clone(),
            series,
            since: parts.sources.clock.now(),
            streams: Streams::No,
            closing: Some(Closing {
                wall: WallTime(0),
                id: call.id,
                parent: call.parent,
                trace: call.trace,
                entry: call.entry,
                target: call.target.clone(),
                digest: registered.and_then(|registered| registered.digest.clone()),
                operation: call.operation.clone(),
                caller: call.caller.clone(),
                why: call.why.clone(),
                // What is true of a record that nobody closes.
                outcome: Outcome::Cancelled,
                status: None,
                took: Duration::ZERO,
                reading: Reading::default(),
            }),
        }
    }

    fn head(&mut self, status: Option<u16>, streams: bool) {
        if let Some(closing) = &mut self.closing {
            closing.status = status;
        }
        if streams {
            self.streams = Streams::Yes;
            self.series.stream_opened();
        }
    }

    fn refused(&mut self, fault: &Fault) {
        if let Some(closing) = &mut self.closing {
            closing.status = Some(fault.status());
        }
        self.close(Outcome::Failed(fault.clone()));
    }

    fn close(&mut self, outcome: Outcome) {
        let Some(mut closing) = self.closing.take() else {
            return;
        };
        let clock = &self.parts.sources.clock;
        closing.took = clock.now().since(self.since);
        closing.wall = clock.wall();
        closing.reading = self.meter.read();
        closing.outcome = outcome;
        if self.streams == Streams::Yes {
            self.series.stream_closed();
        }
        self.series
            .closed(&closing.outcome, closing.took, &closing.reading);
        self.parts.log.closing(closing);
    }

    /// The outcome of a call that nobody waits for any more.
    fn left(&self) -> Outcome {
        if std::thread::panicking() {
            Outcome::Failed(panicked("a panic while the call was on its way"))
        } else {
            Outcome::Cancelled
        }
    }
}

impl BodyWatch for Open {
    fn frame(&mut self, bytes: usize) -> Result<(), Fault> {
        self.meter.add_out(bytes as u64);
        Ok(())
    }

    fn end(&mut self, end: &BodyEnd<'_>) {
        let outcome = match end {
            BodyEnd::Finished => Outcome::Answered,
            BodyEnd::Cut(fault) => Outcome::Failed((*fault).clone()),
            BodyEnd::Dropped => self.left(),
        };
        self.close(outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.closing.is_some() {
            self.close(self.left());
        }
    }
}

/// A panic inside is a fault of the host, not the end of everything else on the connection.
async fn unwinding_caught(mut inner: BoxFuture<'_, Reply>) -> Reply {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(payload) => Poll::Ready(Err(panicked(said(&*payload)))),
        },
    )
    .await
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

fn panicked(said: &str) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Platform,
        stage: "record",
        cause: "the host panicked while it served the call".to_owned(),
        evidence: vec![("panic", said.to_owned())],
        next: "report it: a panic is a mistake in the host".to_owned(),
    };
    Fault::host(HostCode::Internal, "The host failed.", verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use holdfast_call::{Failure, FailureKind, Pipeline, Target};

    struct World {
        bench: Bench,
        pipeline: Arc<Pipeline>,
        target: Target,
        series: Arc<Series>,
    }

    fn world() -> World {
        let bench = Bench::new();
        let target = service("hello");
        World {
            pipeline: bench.only(&["record"]),
            series: bench.metrics().series(&target),
            target,
            bench,
        }
    }

    impl World {
        fn settings(&self) -> holdfast_call::Settings {
            holdfast_call::Settings::default().with(Settings {
                series: self.series.clone(),
            })
        }

        fn closed(&self) -> Closing {
            assert_eq!(self.series.in_flight(), 0);
            assert_eq!(self.series.open_streams(), 0);
            self.bench.only_closing()
        }
    }

    #[test]
    fn an_answer_is_recorded_at_its_last_byte() {
        let world = world();
        register(&world.pipeline, &world.target, world.settings(), hello);
        let call = world.bench.call(&world.target);
        let id = call.id;
        let mut body = body(run(&world.pipeline, call));
        assert_eq!(world.series.in_flight(), 1);
        assert_eq!(
            world.series.open_streams(),
            0,
            "a whole answer is no stream"
        );
        world.bench.clock.advance(Duration::from_millis(7));
        assert!(world.bench.log.closings.lock().unwrap().is_empty());
        assert!(frame(&mut body).is_ready());
        let closing = world.closed();
        assert_eq!(closing.id, id);
        assert_eq!(closing.outcome.as_str(), "ok");
        assert_eq!(closing.status, Some(200));
        assert_eq!(closing.took, Duration::from_millis(7));
        assert_eq!(closing.reading.bytes_out, 5);
        assert_eq!(closing.reading.attempts, 1);
        assert_eq!(closing.digest.as_deref(), Some("digest"));
        drop(body);
        world.closed();
    }

    #[test]
    fn a_stream_counts_as_open_until_it_ends() {
        let world = world();
        let (does, mut feeds) = streaming();
        register(&world.pipeline, &world.target, world.settings(), does);
        let mut body = body(run(&world.pipeline, world.bench.call(&world.target)));
        let feed = feeds.try_recv().unwrap();
        feed.send(Ok("one")).unwrap();
        assert!(frame(&mut body).is_ready());
        assert!(frame(&mut body).is_pending());
        assert_eq!(world.series.open_streams(), 1);
        drop(feed);
        assert!(matches!(frame(&mut body), Poll::Ready(None)));
        let closing = world.closed();
        assert_eq!(
            (closing.outcome.as_str(), closing.reading.bytes_out),
            ("ok", 3)
        );
    }

    #[test]
    fn a_fault_before_the_head_is_recorded_at_once() {
        let world = world();
        register(&world.pipeline, &world.target, world.settings(), |_| {
            Box::pin(async { Err(Failure::new(FailureKind::Trapped, "unreachable")) })
        });
        let reply = run(&world.pipeline, world.bench.call(&world.target));
        assert_eq!(code(reply), "service-fault");
        let closing = world.closed();
        assert_eq!(closing.status, Some(500));
        assert!(
            matches!(closing.outcome, Outcome::Failed(fault) if fault.verdict().cause == "unreachable")
        );
    }

    #[test]
    fn a_body_that_is_cut_is_a_fault_and_keeps_its_status() {
        let world = world();
        let (does, mut feeds) = streaming();
        register(&world.pipeline, &world.target, world.settings(), does);
        let mut body = body(run(&world.pipeline, world.bench.call(&world.target)));
        feeds
            .try_recv()
            .unwrap()
            .send(Err(panicked("cut")))
            .unwrap();
        assert!(matches!(frame(&mut body), Poll::Ready(Some(Err(_)))));
        let closing = world.closed();
        assert_eq!(
            (closing.outcome.as_str(), closing.status),
            ("fault", Some(200))
        );
    }

    #[test]
    fn a_caller_that_goes_away_cancels_before_and_within_the_answer() {
        for before in [true, false] {
            let world = world();
            let (does, mut feeds) = streaming();
            if before {
                register(&world.pipeline, &world.target, world.settings(), never);
            } else {
                register(&world.pipeline, &world.target, world.settings(), does);
            }
            let mut call = world.pipeline.run(world.bench.call(&world.target));
            if before {
                assert!(poll(&mut call).is_pending());
                assert_eq!(world.series.in_flight(), 1);
            } else {
                let body = body(done(&mut call));
                assert!(feeds.try_recv().is_ok());
                drop(body);
            }
            drop(call);
            assert_eq!(world.closed().outcome.as_str(), "cancelled");
        }
    }

    #[test]
    fn a_panic_inside_is_a_fault_of_the_platform_that_says_nothing_to_strangers() {
        let world = world();
        register(&world.pipeline, &world.target, world.settings(), |_| {
            Box::pin(async { panic!("CANARY {}", 7) })
        });
        let fault = fault(run(&world.pipeline, world.bench.call(&world.target)));
        assert_eq!(fault.host_code(), Some(HostCode::Internal));
        assert_eq!(fault.verdict().boundary, Boundary::Platform);
        assert_eq!(fault.verdict().evidence, [("panic", "CANARY 7".to_owned())]);
        assert!(!fault.to_string().contains("CANARY"));
        assert_eq!(world.closed().outcome.as_str(), "fault");
    }

    #[test]
    fn a_panic_around_a_body_is_not_taken_for_a_caller_that_left() {
        let world = world();
        let (does, _feeds) = streaming();
        register(&world.pipeline, &world.target, world.settings(), does);
        let body = body(run(&world.pipeline, world.bench.call(&world.target)));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _body = body;
            panic!("while a body is held");
        }));
        assert!(panicked.is_err());
        assert_eq!(world.closed().outcome.as_str(), "fault");
    }

    #[test]
    fn a_call_for_what_is_not_there_is_recorded_without_its_name_in_a_label() {
        let world = world();
        let reply = run(&world.pipeline, world.bench.call(&service("CANARY")));
        assert_eq!(code(reply), "no-such-service");
        assert_eq!(world.closed().target, service("CANARY"));
        let text = world.bench.metrics().render();
        assert!(text.contains("target=\"unknown\",outcome=\"fault\",code=\"no-such-service\""));
        assert!(!text.contains("CANARY"));
    }

    #[test]
    fn an_answer_that_nobody_reads_but_that_was_closed_ended_well() {
        let world = world();
        register(&world.pipeline, &world.target, world.settings(), hello);
        body(run(&world.pipeline, world.bench.call(&world.target))).close();
        assert_eq!(world.closed().outcome.as_str(), "ok");
    }
}
