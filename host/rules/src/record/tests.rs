//! The tests of `record`: one closing line, whatever happens.

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
