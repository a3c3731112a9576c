//! The tests of a canary on its way: who goes to which version, and what is found out of it.

use super::*;
use crate::testing::*;
use crate::trial::{Settings, Version};
use holdfast_call::{
    Answer, BoxFuture, Failure, FailureKind, Lot, Payload, Pipeline, Target, Tree,
};
use std::sync::atomic::AtomicUsize;

type Serves = fn(holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>>;

fn trapping(_admitted: holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>> {
    Box::pin(async { Err(Failure::new(FailureKind::Trapped, "it traps")) })
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    target: Target,
    beside: Arc<Beside>,
    version: Arc<Version>,
    came: Arc<Mutex<Vec<Came>>>,
    /// How often each version was asked.
    asked: [Arc<AtomicUsize>; 2],
}

/// What a version does, and how long that takes.
type Does = (Serves, Duration);

fn counted(
    bench: &Bench,
    (serves, takes): Does,
    count: &Arc<AtomicUsize>,
) -> impl Fn(holdfast_call::Admitted) -> BoxFuture<'static, Result<Answer, Failure>> + use<> {
    let (clock, count) = (bench.clock.clone(), count.clone());
    move |admitted| {
        count.fetch_add(1, Ordering::SeqCst);
        clock.advance(takes);
        serves(admitted)
    }
}

/// A version that does `old`, and beside it one that does `new`.
fn world(old: Serves, new: Serves, share: Share) -> World {
    taking((old, Duration::ZERO), (new, Duration::ZERO), share)
}

fn taking(old: Does, new: Does, share: Share) -> World {
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
    let asked = [Arc::default(), Arc::default()];
    let candidate = Version::new(series.clone());
    let candidate = register(
        &pipeline,
        &target,
        settings(&candidate),
        counted(&bench, new, &asked[1]),
    );
    let version = Version::new(series.clone());
    register(
        &pipeline,
        &target,
        settings(&version),
        counted(&bench, old, &asked[0]),
    );
    let came = Arc::new(Mutex::new(Vec::new()));
    let heard = came.clone();
    let tell = Box::new(move |one| heard.lock().unwrap().push(one));
    let beside = Beside::new(candidate, share, tell);
    version.divide(Some(beside.clone()));
    World {
        bench,
        pipeline,
        target,
        beside,
        version,
        came,
        asked,
    }
}

impl World {
    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    fn asked(&self) -> (usize, usize) {
        let [old, new] = &self.asked;
        (old.load(Ordering::SeqCst), new.load(Ordering::SeqCst))
    }

    async fn ask(&self, method: &str, caller: u64) -> Reply {
        let mut call = self.bench.call(&self.target);
        let lot = Lot {
            draw: Some(caller),
            caller,
        };
        call.tree = Arc::new(Tree::of(lot));
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

fn five() -> Share {
    Share::of(50).unwrap()
}

#[test]
fn about_its_share_of_the_callers_goes_to_it_and_the_same_ones_each_time() {
    alone(async {
        // Its answers are streamed and nobody reads them to their end, so no stage is ever over.
        let world = world(hello, hello, five());
        world.beside.lock().tell = None;
        let goes = async |caller| {
            let before = world.asked().1;
            world.ask("GET", caller).await.unwrap().close();
            world.asked().1 > before
        };
        let mut there = 0;
        for caller in 0..2_000 {
            let first = goes(caller).await;
            assert_eq!(first, goes(caller).await, "caller {caller} changes sides");
            there += u32::from(first);
        }
        assert!(
            (60..=140).contains(&there),
            "{there} of 2,000 are no five per cent"
        );
    });
}

#[test]
fn one_that_faults_goes_at_once_and_its_caller_is_told_no_more_than_that() {
    alone(async {
        let world = world(hello, trapping, five());
        let mut faults = 0;
        for caller in 0..2_000 {
            if let Err(fault) = world.ask("GET", caller).await {
                assert_eq!(code(Err(fault)), "service-fault");
                faults += 1;
            }
        }
        assert_eq!(faults, 6, "calls went on to it");
        assert_eq!(world.came(), [Came::Back(Gate::Faults(6))]);
        assert_eq!(world.beside.share(), None);
    });
}

#[test]
fn one_that_answers_passes_and_then_has_all_callers() {
    alone(async {
        let world = world(hello, hello, five());
        for caller in 0..3_000 {
            world.ask("GET", caller).await.unwrap().close();
        }
        let shares = [100, 500].map(|share| Came::Wider(Share::of(share).unwrap()));
        assert_eq!(world.came(), [shares[0], shares[1], Came::Passed]);
        let (old, new) = world.asked();
        world.ask("GET", 1).await.unwrap().close();
        assert_eq!(world.asked(), (old, new + 1));
        // Who is not drawn stays with the one that serves.
        let call = world.bench.call(&world.target);
        world.pipeline.run(call).await.unwrap().close();
        assert_eq!(world.asked(), (old + 1, new + 1));
        let (old, new) = (old + 1, new);
        // What is over changes nothing any more.
        world.version.divide(None);
        world.ask("GET", 1).await.unwrap().close();
        assert_eq!(world.asked(), (old + 1, new + 1));
    });
}

#[test]
fn calls_that_may_have_had_an_effect_are_never_asked_again_and_count_by_caller() {
    alone(async {
        let world = world(hello, trapping, five());
        for caller in 0..400 {
            let _ = world.ask("POST", caller).await;
        }
        assert_eq!(world.came(), [Came::Back(Gate::Callers(3, 3))]);
        let (old, new) = world.asked();
        assert_eq!((old + new, new), (400, 3));
    });
}

#[test]
fn what_is_no_fault_of_its_own_is_not_held_against_it() {
    alone(async {
        let full: Serves =
            |_| Box::pin(async { Err(Failure::new(FailureKind::PoolExhausted, "no slot")) });
        let world = world(hello, full, five());
        for caller in 0..2_000 {
            let _ = world.ask("GET", caller).await;
        }
        assert!(world.asked().1 > 50);
        assert_eq!(world.came(), []);
    });
}

#[test]
fn one_that_is_slower_at_the_same_calls_is_put_back() {
    alone(async {
        let [fast, slow] = [10, 30].map(Duration::from_millis);
        let world = taking((hello, fast), (hello, slow), five());
        for caller in 0..4_000 {
            world.ask("GET", caller).await.unwrap().close();
        }
        assert_eq!(world.came(), [Came::Back(Gate::Slow(6))]);
        // A call that takes both versions as long is a long call, and no slow version.
        let world = taking((hello, slow), (hello, slow), five());
        for caller in 0..4_000 {
            if caller == 1_000 {
                world.beside.lock().canary = short();
            }
            world.ask("GET", caller).await.unwrap().close();
        }
        assert_eq!(world.came().last(), Some(&Came::Passed));
    });
}

#[test]
fn the_version_before_is_asked_fifty_times_a_stage_and_no_fault_goes_unseen_after_that() {
    alone(async {
        // It never says anything that could be compared, and was known before to answer.
        let full: Serves =
            |_| Box::pin(async { Err(Failure::new(FailureKind::PoolExhausted, "no slot")) });
        let world = world(full, trapping, Share::ALL);
        for caller in 0..100 {
            world.beside.lock().canary.before(caller, false, None);
        }
        for caller in 0..52 {
            let _ = world.ask("GET", caller).await;
        }
        assert_eq!((world.asked(), world.came()), ((50, 52), vec![]));
        let _ = world.ask("GET", 52).await;
        assert_eq!(world.came(), [Came::Back(Gate::Callers(3, 3))]);
        assert_eq!(world.asked(), (50, 53));
    });
}

/// A canary that believes the version before to take a millisecond.
fn short() -> Canary {
    let mut canary = Canary::beginning(five());
    for caller in 0..128 {
        canary.before(caller, false, Some(Duration::from_millis(1)));
    }
    canary
}
