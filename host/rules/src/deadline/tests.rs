//! The tests of `deadline`: on a clock that only moves when told.

use super::*;
use crate::testing::*;
use holdfast_call::{Account, Pipeline, Registered};
use std::sync::Mutex;

const HEAD: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(3);
const STREAM: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(1);

fn settings() -> holdfast_call::Settings {
    holdfast_call::Settings::default().with(Settings {
        head: HEAD,
        idle: IDLE,
        stream: STREAM,
    })
}

fn world() -> (Bench, Arc<Pipeline>) {
    let bench = Bench::new();
    let pipeline = bench.only(&["deadline"]);
    (bench, pipeline)
}

/// Registers a service that notes the deadline it is given.
fn noting(pipeline: &Pipeline, name: &str) -> (Arc<Registered>, Arc<Mutex<Vec<Moment>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = noted.clone();
    let registered = register(pipeline, &service(name), settings(), move |admitted| {
        notes.lock().unwrap().push(admitted.call().deadline);
        hello(admitted)
    });
    (registered, noted)
}

#[test]
fn what_never_answers_is_dropped_at_the_deadline() {
    for (target, code, boundary) in [
        (
            service("slow"),
            HostCode::DeadlineExceeded,
            Boundary::Application,
        ),
        (
            upstream("http://up:80"),
            HostCode::UpstreamTimeout,
            Boundary::Upstream,
        ),
    ] {
        let (bench, pipeline) = world();
        let held = Arc::new(());
        let holds = held.clone();
        register(&pipeline, &target, settings(), move |_| {
            let held = holds.clone();
            Box::pin(async move {
                let _held = held;
                std::future::pending().await
            })
        });
        let call = bench.call(&target);
        call.meter.add_cpu(Duration::from_micros(5));
        let mut reply = pipeline.run(call);
        assert!(poll(&mut reply).is_pending());
        bench.clock.advance(HEAD - TICK);
        assert!(poll(&mut reply).is_pending());
        assert_eq!(Arc::strong_count(&held), 3);
        bench.clock.advance(TICK);
        let fault = fault(done(&mut reply));
        assert_eq!(Arc::strong_count(&held), 2, "what ran was dropped");
        assert_eq!(fault.host_code(), Some(code));
        assert_eq!(fault.verdict().boundary, boundary);
        assert_eq!(
            fault.verdict().evidence[..3],
            [
                ("waited_ms", "2000".to_owned()),
                ("limit_ms", "2000".to_owned()),
                ("cpu_us", "5".to_owned())
            ]
        );
    }
}

#[test]
fn a_service_is_not_blamed_for_the_time_of_its_upstream() {
    let (bench, pipeline) = world();
    register(&pipeline, &service("slow"), settings(), |_| {
        Box::pin(std::future::pending())
    });
    let call = bench.call(&service("slow"));
    let meter = call.meter.clone();
    meter
        .time()
        .enter(Account::Serve, bench.parts.sources.clock.now());
    let mut reply = pipeline.run(call);
    assert!(poll(&mut reply).is_pending());
    bench.clock.advance(HEAD / 4);
    meter.time().goes_out(bench.parts.sources.clock.now());
    bench.clock.advance(HEAD);
    let fault = fault(done(&mut reply));
    assert_eq!(fault.host_code(), Some(HostCode::DeadlineExceeded));
    assert_eq!(fault.verdict().boundary, Boundary::Upstream);
    let spent = &fault.verdict().evidence.last().unwrap().1;
    assert_eq!(spent, "guest_wait 500.000 ms, upstream 2000.000 ms");
}

#[test]
fn an_answer_without_a_wait_needs_no_timer() {
    let (bench, pipeline) = world();
    register(&pipeline, &service("hello"), settings(), hello);
    assert!(run(&pipeline, bench.call(&service("hello"))).is_ok());
    assert_eq!(bench.clock.timers(), 0);
}

#[test]
fn a_deadline_is_never_extended() {
    let (bench, pipeline) = world();
    let (_, noted) = noting(&pipeline, "hello");
    let now = bench.now();
    let sooner = now.after(Duration::from_millis(1));
    for (given, effective) in [(Moment::FAR, now.after(HEAD)), (sooner, sooner)] {
        let mut call = bench.call(&service("hello"));
        call.deadline = given;
        assert!(run(&pipeline, call).is_ok());
        assert_eq!(noted.lock().unwrap().pop(), Some(effective));
    }
}

#[test]
fn a_nested_call_leaves_a_reserve_to_its_parent() {
    let (bench, pipeline) = world();
    let (asker, noted) = noting(&pipeline, "hello");
    let now = bench.now();
    // Two per cent, and no less than ten milliseconds; the call's own limit may be sooner.
    for (left_ms, expected_ms) in [(1_000, 980), (100, 90), (11, 1), (60_000, 2_000)] {
        let mut call = bench.nested(&asker, &[], &service("hello"));
        call.deadline = now.after(Duration::from_millis(left_ms));
        assert!(run(&pipeline, call).is_ok());
        let expected = now.after(Duration::from_millis(expected_ms));
        assert_eq!(noted.lock().unwrap().pop(), Some(expected), "{left_ms}");
    }
}

#[test]
fn without_time_left_nothing_runs() {
    let (bench, pipeline) = world();
    let (asker, noted) = noting(&pipeline, "hello");
    let mut nested = bench.nested(&asker, &[], &service("hello"));
    nested.deadline = bench.now().after(RESERVE_MIN);
    let mut outside = bench.call(&service("hello"));
    outside.deadline = bench.now();
    for call in [nested, outside] {
        assert_eq!(code(run(&pipeline, call)), "deadline-exceeded");
    }
    assert!(noted.lock().unwrap().is_empty());
}

struct Open {
    bench: Bench,
    feed: Feed,
    body: holdfast_call::Body,
}

fn open() -> Open {
    let (bench, pipeline) = world();
    let (does, mut feeds) = streaming();
    register(&pipeline, &service("stream"), settings(), does);
    let body = body(run(&pipeline, bench.call(&service("stream"))));
    let feed = feeds.try_recv().unwrap();
    Open { bench, feed, body }
}

impl Open {
    fn cut(&mut self) -> Fault {
        match frame(&mut self.body) {
            Poll::Ready(Some(Err(fault))) => fault,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self) {
        self.feed.send(Ok("more")).unwrap();
        assert!(matches!(frame(&mut self.body), Poll::Ready(Some(Ok(_)))));
    }
}

#[test]
fn an_answer_that_stands_still_is_cut() {
    let mut open = open();
    open.bench.clock.advance(IDLE - TICK);
    open.pass();
    assert!(frame(&mut open.body).is_pending());
    open.bench.clock.advance(IDLE - TICK);
    assert!(frame(&mut open.body).is_pending());
    open.bench.clock.advance(TICK);
    let fault = open.cut();
    assert_eq!(fault.host_code(), Some(HostCode::DeadlineExceeded));
    assert_eq!(fault.verdict().boundary, Boundary::Application);
    assert!(
        fault
            .verdict()
            .evidence
            .contains(&("bytes", "4".to_owned()))
    );
    assert!(fault.verdict().next.starts_with("idle "));
}

#[test]
fn a_frame_without_a_byte_is_no_sign_of_life() {
    let mut open = open();
    open.bench.clock.advance(IDLE - TICK);
    open.feed.send(Ok("")).unwrap();
    assert!(matches!(frame(&mut open.body), Poll::Ready(Some(Ok(_)))));
    open.bench.clock.advance(TICK);
    open.cut();
}

#[test]
fn a_body_that_nobody_polls_is_cut_by_whoever_watches_the_time() {
    let mut open = open();
    open.pass();
    let due = open.body.due().unwrap();
    assert_eq!(due, open.bench.now().after(IDLE));
    assert!(!open.body.expire(open.bench.now()));
    open.bench.clock.advance(IDLE);
    assert!(open.body.expire(open.bench.now()));
    assert!(!open.body.expire(open.bench.now()), "once is enough");
    // Its source is gone, and its reader is told when it asks.
    assert!(open.feed.send(Ok("more")).is_err());
    assert_eq!(open.cut().verdict().boundary, Boundary::Caller);
}

#[test]
fn once_the_head_has_left_children_have_until_the_end_of_the_stream() {
    let (bench, pipeline) = world();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = noted.clone();
    register(&pipeline, &service("talks"), settings(), move |admitted| {
        let (_, scope) = admitted.into_parts();
        let before = scope.deadline();
        scope.streams();
        notes.lock().unwrap().push((before, scope.deadline()));
        Box::pin(async { Ok(answer(200, holdfast_call::Body::empty())) })
    });
    let now = bench.now();
    run(&pipeline, bench.call(&service("talks"))).unwrap();
    let expected = (now.after(HEAD), now.after(STREAM));
    assert_eq!(*noted.lock().unwrap(), [expected]);
}

#[test]
fn a_reader_that_stands_still_is_told_apart_from_an_answer_that_does() {
    let mut open = open();
    open.pass();
    open.bench.clock.advance(IDLE);
    assert_eq!(open.cut().verdict().boundary, Boundary::Caller);
}

#[test]
fn a_stream_that_goes_on_for_ever_is_cut() {
    let mut open = open();
    for _ in 0..9 {
        open.bench.clock.advance(Duration::from_secs(1));
        open.pass();
        assert!(frame(&mut open.body).is_pending());
    }
    open.bench.clock.advance(Duration::from_secs(1));
    let fault = open.cut();
    assert!(fault.verdict().next.starts_with("stream "));
}

#[test]
fn a_whole_answer_is_not_watched() {
    let (bench, pipeline) = world();
    register(&pipeline, &service("hello"), settings(), hello);
    let mut body = body(run(&pipeline, bench.call(&service("hello"))));
    bench.clock.advance(STREAM);
    assert!(matches!(frame(&mut body), Poll::Ready(Some(Ok(_)))));
}

#[test]
fn a_target_without_a_deadline_is_passed_by() {
    let (_bench, pipeline) = world();
    let bare = holdfast_call::Settings::default();
    let registered = register(&pipeline, &service("hello"), bare, hello);
    assert_eq!(pipeline.crossed(&registered), ["attempt"]);
}
