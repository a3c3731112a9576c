//! The tests of `breaker`: who is kept away from an upstream that fails, and who is not.

use super::*;
use crate::testing::*;
use holdfast_call::{Admitted, Answer, Failure, FailureKind, Pipeline, Registered};
use state::ROW_MAX;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;

type Doing = BoxFuture<'static, Result<Answer, Failure>>;

/// How the upstream is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Well,
    Gone,
    Failing,
    Throttling,
    Refusing,
    NotAsked,
    Hurried,
    Silent,
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    is: Arc<Mutex<Is>>,
    asked: Arc<AtomicU32>,
    known: Arc<Breakers>,
}

const ORIGIN: &str = "http://up:80";

fn world() -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["breaker"]);
    let (is, asked) = (Arc::new(Mutex::new(Is::Well)), Arc::new(AtomicU32::new(0)));
    let (now, count) = (is.clone(), asked.clone());
    let does = move |_admitted: Admitted| -> Doing {
        let is = *now.lock().unwrap();
        count.fetch_add(1, SeqCst);
        let failed = |kind| Err(Failure::new(kind, "scripted"));
        let reply = match is {
            Is::Silent => return never(_admitted),
            Is::Well => Ok(answer(200, text("hello"))),
            Is::Gone => failed(FailureKind::UpstreamUnreachable),
            Is::Failing => failed(FailureKind::UpstreamTimeout),
            Is::Hurried => failed(FailureKind::UpstreamNotSent),
            Is::NotAsked => failed(FailureKind::InvalidInput),
            Is::Refusing => Ok(answer(404, text("no"))),
            Is::Throttling => {
                let response = http::Response::builder()
                    .status(429)
                    .header("retry-after", "3");
                Ok(Answer::Http(response.body(text("no")).unwrap()))
            }
        };
        Box::pin(async { reply })
    };
    let known = Arc::new(Breakers::default());
    let settings = holdfast_call::Settings::default().with(Settings {
        known: known.clone(),
    });
    register(&pipeline, &upstream(ORIGIN), settings, does);
    for name in ["one", "two"] {
        register(&pipeline, &service(name), Default::default(), hello);
    }
    World {
        bench,
        pipeline,
        is,
        asked,
        known,
    }
}

impl World {
    fn call(&self, asker: &str) -> Call {
        let asker: Arc<Registered> = self.pipeline.registry().get(&service(asker)).unwrap();
        self.bench.nested(&asker, &[], &upstream(ORIGIN))
    }

    fn ask(&self, asker: &str) -> Reply {
        run(&self.pipeline, self.call(asker))
    }

    /// Asks once, and says whether the upstream was.
    fn reaches(&self, asker: &str) -> bool {
        let before = self.asked.load(SeqCst);
        drop(self.ask(asker));
        self.asked.load(SeqCst) > before
    }

    fn becomes(&self, is: Is) {
        *self.is.lock().unwrap() = is;
    }

    fn open(&self, is: Is, asker: &str) {
        self.becomes(is);
        for _ in 0..ROW_MAX {
            assert!(self.reaches(asker));
        }
    }

    fn later(&self, millis: u64) {
        self.bench.clock.advance(Duration::from_millis(millis));
    }
}

#[test]
fn the_sixth_call_is_refused_and_told_when_to_come_again() {
    let world = world();
    world.open(Is::Failing, "one");
    let fault = fault(world.ask("one"));
    assert_eq!(fault.host_code(), Some(HostCode::UpstreamCircuitOpen));
    assert_eq!(fault.status(), 503);
    assert!(fault.wait().unwrap() >= Duration::from_secs(1));
    assert_eq!(fault.verdict().boundary, Boundary::Upstream);
    assert_eq!(world.asked.load(SeqCst), ROW_MAX);
}

#[test]
fn one_service_s_failures_shut_no_other_out() {
    let world = world();
    world.open(Is::Failing, "one");
    assert!(!world.reaches("one"));
    world.becomes(Is::Well);
    assert!(world.reaches("two"));
    // Nor does a service that gives the upstream no time to be reached.
    let world = self::world();
    world.open(Is::Hurried, "one");
    assert!(!world.reaches("one"));
    assert!(world.reaches("two"));
    // Only that it cannot be reached is everybody's news.
    let world = self::world();
    world.open(Is::Gone, "one");
    assert!(!world.reaches("two"));
}

#[test]
fn a_probe_that_succeeds_lets_everybody_in_again() {
    let world = world();
    world.open(Is::Gone, "one");
    world.later(1_500);
    assert!(world.reaches("two"), "a probe");
    assert!(!world.reaches("one"), "it failed");
    world.becomes(Is::Well);
    world.later(3_000);
    assert!(world.reaches("one"), "another probe");
    assert!(world.reaches("one"));
    assert!(world.reaches("two"));
    assert!(world.known.open().is_empty());
}

#[test]
fn there_is_one_probe_at_a_time_and_one_that_leaves_makes_room() {
    let world = world();
    world.open(Is::Failing, "one");
    world.becomes(Is::Silent);
    world.later(1_500);
    let mut probe = world.pipeline.run(world.call("one"));
    assert!(matches!(poll(&mut probe), Poll::Pending));
    assert!(!world.reaches("one"));
    drop(probe);
    let mut probe = world.pipeline.run(world.call("one"));
    assert!(matches!(poll(&mut probe), Poll::Pending));
    assert_eq!(world.asked.load(SeqCst), ROW_MAX + 2);
}

#[test]
fn a_probe_that_asked_nothing_has_found_nothing_out() {
    let world = world();
    world.open(Is::Gone, "one");
    world.later(1_500);
    world.becomes(Is::NotAsked);
    assert!(world.reaches("two"));
    assert_eq!(world.known.open().len(), 2, "it is as shut as before");
    world.becomes(Is::Gone);
    assert!(world.reaches("two"), "the next one is the probe");
    assert!(!world.reaches("two"));
}

#[test]
fn an_upstream_that_says_no_is_well() {
    let world = world();
    world.becomes(Is::Refusing);
    for _ in 0..100 {
        assert!(world.reaches("one"));
    }
}

#[test]
fn an_upstream_that_asks_for_less_is_left_alone_as_long_as_it_says() {
    let world = world();
    world.becomes(Is::Throttling);
    assert!(world.reaches("one"));
    let refused = fault(world.ask("one"));
    assert_eq!(refused.host_code(), Some(HostCode::UpstreamThrottled));
    assert_eq!(refused.wait(), Some(Duration::from_secs(3)));
    world.becomes(Is::Well);
    // It is the service that was asked, and whoever can have a 429 sent must not shut the others out.
    assert!(world.reaches("two"));
    world.later(2_999);
    assert!(!world.reaches("one"));
    world.later(1);
    assert!(world.reaches("one"));
    assert!(world.known.open().is_empty());
}

#[test]
fn what_happens_is_said_once() {
    let world = world();
    world.open(Is::Gone, "one");
    for _ in 0..100 {
        drop(world.ask("one"));
    }
    world.becomes(Is::Well);
    world.later(1_500);
    drop(world.ask("one"));
    let said = world.bench.log.hosts.lock().unwrap().clone();
    let of = |word: &str| said.iter().filter(|line| line.contains(word)).count();
    // For every service, and for the one that asked.
    assert_eq!(
        (of("keeps failing"), of("answers again")),
        (2, 2),
        "{said:?}"
    );
}
