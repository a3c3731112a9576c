//! The tests of `trial`: what of a call's end is counted, and what is asked of the version before.

use super::*;
use crate::testing::*;
use holdfast_call::{Answer, Failure, FailureKind, Pipeline};
use std::sync::atomic::AtomicUsize;

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    target: Target,
    version: Arc<Version>,
    told: Arc<Mutex<Vec<Worse>>>,
    looks: Arc<AtomicUsize>,
}

fn trapping(_admitted: holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
    Box::pin(async { Err(Failure::new(FailureKind::Trapped, "it traps")) })
}

/// A version that does `new`, on trial against one that does `old`.
fn world(
    old: fn(holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>>,
    new: fn(holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>>,
) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["trial", "record"]);
    let target = service("hello");
    let series = bench.metrics().series(&target);
    let settings = |version: &Arc<Version>| {
        holdfast_call::Settings::default()
            .with(crate::record::Settings {
                series: series.clone(),
            })
            .with(Settings {
                version: version.clone(),
            })
    };
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = looks.clone();
    let first = Version::new(series.clone());
    let before = register(&pipeline, &target, settings(&first), move |admitted| {
        looked.fetch_add(1, Ordering::SeqCst);
        old(admitted)
    });
    let version = Version::new(series.clone());
    register(&pipeline, &target, settings(&version), new);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    version.begin(
        before,
        Box::new(move |worse| heard.lock().unwrap().push(worse)),
    );
    World {
        bench,
        pipeline,
        target,
        version,
        told,
        looks,
    }
}

impl World {
    fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Makes a call and lets what it leaves behind come to its end.
    async fn ask(&self, method: &str) -> Reply {
        let mut call = self.bench.call(&self.target);
        let Payload::Http(request) = &mut call.payload else {
            unreachable!("a call over HTTP");
        };
        *request.method_mut() = method.parse().unwrap();
        let reply = self.pipeline.run(call).await;
        tokio::task::yield_now().await;
        reply
    }
}

fn alone(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(test);
}

#[test]
fn a_version_that_fails_where_the_one_before_answers_is_told_after_fifty_calls() {
    alone(async {
        let world = world(hello, trapping);
        for _ in 0..49 {
            assert_eq!(code(world.ask("GET").await), "service-fault");
        }
        assert_eq!(world.told(), 0);
        assert!(world.version.on_trial());
        assert_eq!(code(world.ask("GET").await), "service-fault");
        assert_eq!(world.told(), 1);
        assert_eq!(world.told.lock().unwrap()[0].faults, 50);
        assert!(!world.version.on_trial());
        assert_eq!(world.looks(), 50);
        // The trial is over: nothing is looked at twice any more.
        assert_eq!(code(world.ask("GET").await), "service-fault");
        assert_eq!((world.told(), world.looks()), (1, 50));
    });
}

#[test]
fn bad_input_that_both_versions_fail_at_puts_nothing_back() {
    alone(async {
        let world = world(trapping, trapping);
        for _ in 0..60 {
            assert_eq!(code(world.ask("GET").await), "service-fault");
        }
        assert_eq!(world.told(), 0);
        assert!(!world.version.on_trial(), "the trial goes on for ever");
    });
}

#[test]
fn a_call_that_may_have_had_an_effect_is_never_repeated() {
    alone(async {
        let world = world(hello, trapping);
        for _ in 0..60 {
            assert_eq!(code(world.ask("POST").await), "service-fault");
        }
        assert_eq!(world.looks(), 0);
        // The version before never answered, so there is nothing to compare with.
        assert_eq!(world.told(), 0);
    });
}

#[test]
fn what_is_not_the_service_s_own_fault_is_no_part_of_the_trial() {
    alone(async {
        let world = world(hello, |_admitted| {
            Box::pin(async { Err(Failure::new(FailureKind::PoolExhausted, "no slot")) })
        });
        for _ in 0..60 {
            assert_eq!(code(world.ask("GET").await), "overloaded");
        }
        assert!(world.version.on_trial(), "refusals were counted");
        assert_eq!(world.looks(), 0);
    });
}

#[test]
fn the_second_look_is_a_call_of_its_own_with_its_own_line() {
    alone(async {
        let world = world(hello, trapping);
        assert_eq!(code(world.ask("GET").await), "service-fault");
        let closings = world.bench.log.closings.lock().unwrap();
        let lines: Vec<_> = closings
            .iter()
            .map(|closing| {
                (
                    closing.outcome.as_str(),
                    closing.trace.header()[..36].to_owned(),
                )
            })
            .collect();
        assert_eq!(lines.len(), 2, "{closings:?}");
        assert_eq!((lines[0].0, lines[1].0), ("fault", "ok"));
        assert_eq!(lines[0].1, lines[1].1, "they are of two traces");
        assert_ne!(closings[0].id, closings[1].id);
    });
}
