//! The tests of `retry`: what an upstream sees of one call, and what its caller gets.

use super::*;
use crate::testing::*;
use holdfast_call::{Admitted, Answer, Failure, FailureKind, HostCode, Pipeline, Registered};
use std::collections::VecDeque;

type Doing = BoxFuture<'static, Result<Answer, Failure>>;

/// What the upstream does with one try.
enum Does {
    Answers(u16, &'static [(&'static str, &'static str)]),
    Fails(FailureKind),
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    asker: Arc<Registered>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

const ORIGIN: &str = "http://up:80";

/// An upstream that does what the script says, reads each request to its end first, and answers 200 once the script has ended.
fn world(script: Vec<Does>) -> World {
    world_with(script, |settings| settings)
}

fn world_with(script: Vec<Does>, change: impl Fn(Settings) -> Settings) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["retry"]);
    let settings = change(Settings {
        tries_max: TRIES_MAX,
        harmless: Harmless::Idempotent,
        histories: Arc::default(),
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (script, log) = (Mutex::new(VecDeque::from(script)), seen.clone());
    let does = move |admitted: Admitted| -> Doing {
        let next = script.lock().unwrap().pop_front();
        let log = log.clone();
        Box::pin(async move {
            let (call, _scope) = admitted.into_parts();
            let request = call.payload.into_http()?;
            let mut body = request.into_body();
            let mut whole = Vec::new();
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                whole.extend_from_slice(&frame.into_data().unwrap());
            }
            log.lock().unwrap().push(whole);
            match next {
                None => Ok(answer(200, text("hello"))),
                Some(Does::Fails(kind)) => Err(Failure::new(kind, "scripted")),
                Some(Does::Answers(status, headers)) => {
                    let mut response = http::Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(*name, *value);
                    }
                    Ok(Answer::Http(response.body(text("no")).unwrap()))
                }
            }
        })
    };
    register(
        &pipeline,
        &upstream(ORIGIN),
        holdfast_call::Settings::default().with(settings),
        does,
    );
    let asker = register(&pipeline, &service("asks"), Default::default(), hello);
    World {
        bench,
        pipeline,
        asker,
        seen,
    }
}

impl World {
    fn call(&self, method: &str, body: &'static str) -> Call {
        let mut call = self.bench.nested(&self.asker, &[], &upstream(ORIGIN));
        let body = if body.is_empty() {
            Body::empty()
        } else {
            text(body)
        };
        let request = Request::builder().method(method).uri("http://up/");
        call.payload = Payload::Http(request.body(body).unwrap());
        call
    }

    /// Runs a call to its end, the clock moved whenever it waits; says how long it waited too.
    fn ask(&self, method: &str, body: &'static str) -> (Reply, Duration) {
        self.end(self.call(method, body))
    }

    fn end(&self, call: Call) -> (Reply, Duration) {
        let began = self.bench.now();
        let mut reply = self.pipeline.run(call);
        for _ in 0..100_000 {
            match poll(&mut reply) {
                Poll::Ready(reply) => return (reply, self.bench.now().since(began)),
                Poll::Pending => self.bench.clock.advance(Duration::from_millis(1)),
            }
        }
        panic!("it waits for ever");
    }

    fn tries(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn status(reply: &Reply) -> u16 {
    reply.as_ref().unwrap().status().unwrap()
}

#[test]
fn a_call_that_fails_twice_is_answered_by_its_third_try() {
    let unreachable = || Does::Fails(FailureKind::UpstreamUnreachable);
    let world = world(vec![unreachable(), unreachable()]);
    let (reply, waited) = world.ask("POST", "pay");
    assert_eq!((status(&reply), world.tries()), (200, 3));
    assert!(waited <= decide::BASE * 3, "{waited:?}");
    assert_eq!(*world.seen.lock().unwrap(), [b"pay"; 3]);
}

#[test]
fn after_three_tries_the_caller_gets_the_last_answer_as_it_is() {
    let no = || Does::Answers(503, &[]);
    let world = world(vec![no(), no(), no(), no()]);
    let (reply, _) = world.ask("GET", "");
    assert_eq!((status(&reply), world.tries()), (503, 3));
}

#[test]
fn after_three_tries_the_operator_reads_why_there_was_no_other() {
    let late = || Does::Fails(FailureKind::UpstreamTimeout);
    let world = world(vec![late(), late(), late()]);
    let (reply, _) = world.ask("GET", "");
    let fault = fault(reply);
    assert_eq!(fault.host_code(), Some(HostCode::UpstreamTimeout));
    let evidence = &fault.verdict().evidence;
    assert!(
        evidence.contains(&("no_other", "attempts".to_owned())),
        "{evidence:?}"
    );
}

#[test]
fn what_may_have_taken_effect_is_not_done_again() {
    for does in [
        Does::Fails(FailureKind::UpstreamTimeout),
        Does::Fails(FailureKind::UpstreamFault),
        Does::Answers(500, &[]),
        Does::Answers(502, &[]),
        Does::Answers(503, &[("retry-after", "0")]),
    ] {
        let world = world(vec![does]);
        drop(world.ask("POST", "pay"));
        assert_eq!(world.tries(), 1);
    }
}

#[test]
fn what_is_harmless_everywhere_is_done_again() {
    let all = |settings| Settings {
        harmless: Harmless::All,
        ..settings
    };
    let world = world_with(vec![Does::Fails(FailureKind::UpstreamTimeout)], all);
    let (reply, _) = world.ask("POST", "think");
    assert_eq!((status(&reply), world.tries()), (200, 2));
}

#[test]
fn what_will_fail_the_same_way_is_not_tried_again() {
    for does in [
        Does::Answers(404, &[]),
        Does::Answers(501, &[]),
        Does::Answers(500, &[("x-should-retry", "false")]),
        Does::Fails(FailureKind::UpstreamUntrusted),
        Does::Fails(FailureKind::UpstreamTooLarge),
        Does::Fails(FailureKind::InvalidInput),
        Does::Fails(FailureKind::CallerCut),
        Does::Fails(FailureKind::Denied {
            change: "policy".into(),
        }),
    ] {
        let world = world(vec![does]);
        drop(world.ask("GET", ""));
        assert_eq!(world.tries(), 1);
    }
}

#[test]
fn an_upstream_is_left_alone_as_long_as_it_says() {
    let later = Does::Answers(429, &[("retry-after", "7")]);
    let world = world(vec![later]);
    let (reply, waited) = world.ask("POST", "pay");
    assert_eq!((status(&reply), world.tries()), (200, 2));
    let seven = Duration::from_secs(7);
    assert!(
        waited >= seven && waited <= seven + decide::BASE_THROTTLED,
        "{waited:?}"
    );
}

#[test]
fn a_wait_for_which_there_is_no_time_is_the_caller_s_to_make() {
    // Nested calls of the bench have thirty seconds.
    let world = world(vec![Does::Answers(429, &[("retry-after", "31")])]);
    let (reply, waited) = world.ask("GET", "");
    assert_eq!((status(&reply), world.tries()), (429, 1));
    assert_eq!(waited, Duration::ZERO);
    let (_, headers) = reply.as_ref().unwrap().head().unwrap();
    assert_eq!(headers["retry-after"], "31");
}

#[test]
fn who_comes_to_it_too_late_has_no_try() {
    let world = world(vec![Does::Answers(200, &[])]);
    let mut call = world.call("GET", "");
    call.deadline = world.bench.now();
    let (reply, _) = world.end(call);
    assert_eq!((code(reply), world.tries()), ("deadline-exceeded", 0));
}

#[test]
fn no_try_begins_after_the_deadline() {
    let late = || Does::Fails(FailureKind::UpstreamTimeout);
    let world = world(vec![late(), late()]);
    let mut call = world.call("GET", "");
    call.deadline = world.bench.now().after(Duration::from_millis(1));
    let (reply, waited) = world.end(call);
    assert_eq!((world.tries(), waited), (1, Duration::ZERO));
    let evidence = fault(reply).verdict().evidence.clone();
    assert!(
        evidence.contains(&("no_other", "no-time".to_owned())),
        "{evidence:?}"
    );
}

#[test]
fn who_has_less_time_than_the_upstream_ever_takes_does_not_ask() {
    let world = world(Vec::new());
    for _ in 0..10 {
        let call = world.call("GET", "");
        let mut reply = world.pipeline.run(call);
        // It is asked, and takes no time at all: as fast as it can be.
        assert!(poll(&mut reply).is_ready());
    }
    let settings = world.pipeline.registry().get(&upstream(ORIGIN)).unwrap();
    let histories = &settings.settings.get::<Settings>().unwrap().histories;
    histories.of(&"asks".into(), |history| {
        (0..32).for_each(|_| history.latency.note(Duration::from_secs(2)));
    });
    let mut call = world.call("GET", "");
    call.deadline = world.bench.now().after(Duration::from_millis(1_999));
    let before = world.tries();
    let fault = fault(world.end(call).0);
    assert_eq!(fault.host_code(), Some(HostCode::DeadlineExceeded));
    assert_eq!(
        fault.verdict().evidence[1],
        ("fastest_ms", "2000".to_owned())
    );
    assert_eq!(world.tries(), before, "nothing was spent on it");
    let mut call = world.call("GET", "");
    call.deadline = world.bench.now().after(Duration::from_secs(2));
    assert_eq!(status(&world.end(call).0), 200);
}

#[test]
fn a_budget_keeps_an_upstream_that_fails_from_three_times_the_load() {
    let no = || Does::Answers(500, &[]);
    let world = world((0..1_000).map(|_| no()).collect());
    for _ in 0..100 {
        drop(world.ask("GET", ""));
    }
    let waited = world.bench.now().since(Moment::START).as_secs() - 100;
    let most = 100 + 20 + 10 + usize::try_from(waited).unwrap();
    assert!(world.tries() <= most, "{} of {most}", world.tries());
    assert!(world.tries() > 100);
}

#[test]
fn one_service_does_not_use_up_another_s_budget() {
    let no = || Does::Answers(500, &[]);
    let world = world((0..1_000).map(|_| no()).collect());
    for _ in 0..30 {
        drop(world.ask("GET", ""));
    }
    let before = world.tries();
    let mut call = world.call("GET", "");
    call.asker = Some(register(
        &world.pipeline,
        &service("other"),
        Default::default(),
        hello,
    ));
    drop(world.end(call));
    assert_eq!(world.tries(), before + 3);
}

#[test]
fn a_caller_who_goes_away_while_it_waits_is_tried_no_more() {
    let world = world(vec![Does::Answers(429, &[("retry-after", "5")])]);
    let mut reply = world.pipeline.run(world.call("GET", ""));
    assert!(poll(&mut reply).is_pending());
    drop(reply);
    world.bench.clock.advance(Duration::from_secs(10));
    assert_eq!(world.tries(), 1);
}

#[test]
fn every_try_is_counted_for_the_call() {
    let world = world(vec![Does::Answers(503, &[]), Does::Answers(503, &[])]);
    let call = world.call("GET", "");
    let meter = call.meter.clone();
    drop(world.end(call));
    assert_eq!(meter.read().attempts, 3);
}

#[test]
fn a_body_that_its_sender_cuts_is_not_sent_again() {
    let world = world(vec![Does::Fails(FailureKind::CallerCut)]);
    let (feed, body) = fed();
    drop(feed);
    let mut call = world.call("PUT", "");
    call.payload = Payload::Http(Request::put("http://up/").body(body).unwrap());
    let (reply, _) = world.end(call);
    assert_eq!((code(reply), world.tries()), ("cancelled", 1));
}
