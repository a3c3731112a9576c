//! The tests of `quarantine`: what counts as a start that failed, and what a refused caller is told.

use super::*;
use crate::testing::*;
use holdfast_call::{Admitted, Answer, Failure, FailureKind, Pipeline};
use std::task::Poll;
use std::time::Duration;

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    target: Target,
    starts: Arc<Starts>,
}

type Doing = BoxFuture<'static, Result<Answer, Failure>>;

fn world(does: fn(Admitted) -> Doing) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["quarantine"]);
    let target = service("hello");
    let starts = Arc::new(Starts::default());
    let settings = holdfast_call::Settings::default().with(Settings {
        starts: starts.clone(),
    });
    register(&pipeline, &target, settings, does);
    World {
        bench,
        pipeline,
        target,
        starts,
    }
}

fn ended(admitted: Admitted, kind: FailureKind) -> Doing {
    let (call, _scope) = admitted.into_parts();
    call.meter.start_begun();
    Box::pin(async move { Err(Failure::new(kind, "it did not start")) })
}

fn dies_at_start(admitted: Admitted) -> Doing {
    ended(admitted, FailureKind::Trapped)
}

impl World {
    fn ask(&self) -> Reply {
        run(&self.pipeline, self.bench.call(&self.target))
    }
}

#[test]
fn the_fourth_call_of_a_service_that_does_not_start_is_refused_and_told_when_to_come_again() {
    let world = world(dies_at_start);
    for _ in 0..3 {
        assert_eq!(code(world.ask()), "service-fault");
    }
    world.bench.clock.advance(Duration::from_millis(300));
    let refused = fault(world.ask());
    assert_eq!(refused.host_code(), Some(HostCode::Quarantined));
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.wait(), Some(Duration::from_millis(700)));
    let verdict = refused.verdict();
    assert_eq!(verdict.boundary, Boundary::Lifecycle);
    let evidence: Vec<_> = verdict
        .evidence
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    assert_eq!(
        evidence,
        [
            ("failures", "3"),
            ("since_ms", "300"),
            ("next_probe_ms", "700")
        ]
    );
}

#[test]
fn a_trap_while_a_call_is_served_switches_nothing_off() {
    let world = world(|admitted| {
        admitted.call().meter.start_begun();
        admitted.call().meter.start_done();
        Box::pin(async { Err(Failure::new(FailureKind::Trapped, "bad input")) })
    });
    for _ in 0..100 {
        assert_eq!(code(world.ask()), "service-fault");
    }
    assert!(world.starts.standing().is_none());
}

#[test]
fn what_the_machine_lacks_is_not_held_against_the_service() {
    for kind in [FailureKind::PoolExhausted, FailureKind::HostMemoryExhausted] {
        let world = match kind {
            FailureKind::PoolExhausted => {
                world(|admitted| ended(admitted, FailureKind::PoolExhausted))
            }
            _ => world(|admitted| ended(admitted, FailureKind::HostMemoryExhausted)),
        };
        for _ in 0..10 {
            assert_eq!(code(world.ask()), "overloaded");
        }
        assert!(world.starts.standing().is_none());
    }
}

#[test]
fn a_probe_that_starts_ends_the_quarantine() {
    let world = world(|admitted| {
        let meter = &admitted.call().meter;
        meter.start_begun();
        if admitted.call().operation.contains("mended") {
            meter.start_done();
            return hello(admitted);
        }
        Box::pin(async { Err(Failure::new(FailureKind::MemoryExhausted, "too small")) })
    });
    for _ in 0..3 {
        assert_eq!(code(world.ask()), "memory-exhausted");
    }
    let mended = || {
        let mut call = world.bench.call(&world.target);
        call.operation = "GET /mended".into();
        run(&world.pipeline, call)
    };
    assert_eq!(code(mended()), "quarantined");
    world.bench.clock.advance(Duration::from_secs(1));
    assert!(mended().is_ok());
    assert!(world.starts.standing().is_none());
    assert!(mended().is_ok());
}

#[test]
fn a_probe_whose_caller_leaves_makes_room_for_the_next() {
    let world = world(|admitted| {
        admitted.call().meter.start_begun();
        if admitted.call().operation.contains("slow") {
            return never(admitted);
        }
        Box::pin(async { Err(Failure::new(FailureKind::Trapped, "no")) })
    });
    for _ in 0..3 {
        assert_eq!(code(world.ask()), "service-fault");
    }
    world.bench.clock.advance(Duration::from_secs(1));
    let mut call = world.bench.call(&world.target);
    call.operation = "GET /slow".into();
    let mut probe = world.pipeline.run(call);
    assert!(matches!(poll(&mut probe), Poll::Pending));
    assert_eq!(
        code(world.ask()),
        "quarantined",
        "there is one probe already"
    );
    drop(probe);
    assert_eq!(
        code(world.ask()),
        "service-fault",
        "nobody may probe any more"
    );
    assert_eq!(code(world.ask()), "quarantined");
}
