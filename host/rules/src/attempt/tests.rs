//! The tests of `attempt`: every kind of failure, and that none of its words gets out.

use super::*;
use crate::testing::*;
use holdfast_call::{Boundary, Pipeline, Settings};
use std::sync::Arc;

const CANARY: &str = "CANARY-7f3a";

fn world() -> (Bench, Arc<Pipeline>) {
    let bench = Bench::new();
    let pipeline = bench.only(&[]);
    (bench, pipeline)
}

/// Everything of a fault that a stranger reads.
fn public(fault: &Fault) -> String {
    let id = CallId::parse("00000000-0000-7000-8000-000000000000").unwrap();
    let response = holdfast_call::problem::response(fault, id);
    let text = holdfast_call::problem::json(fault, id);
    format!("{:?} {text} {fault}", response.headers())
}

fn failing(kind: FailureKind, target: &Target) -> Fault {
    let (bench, pipeline) = world();
    register(&pipeline, target, Settings::default(), move |_| {
        let failure = Failure::new(kind.clone(), format!("{CANARY} at /secret/path"));
        Box::pin(async move { Err(failure.with("upstream_body", CANARY)) })
    });
    fault(run(&pipeline, bench.call(target)))
}

fn kinds() -> Vec<(FailureKind, &'static str, Boundary)> {
    use Boundary::{Application, Caller, Platform, Policy, Routing, Upstream};
    let denied = FailureKind::Denied {
        change: format!("allow_private, {CANARY}"),
    };
    vec![
        (FailureKind::Trapped, "service-fault", Application),
        (FailureKind::CpuExhausted, "cpu-exhausted", Application),
        (
            FailureKind::MemoryExhausted,
            "memory-exhausted",
            Application,
        ),
        (FailureKind::HostMemoryExhausted, "overloaded", Platform),
        (FailureKind::PoolExhausted, "overloaded", Platform),
        (FailureKind::BadResponse, "bad-response", Application),
        (
            FailureKind::DeadlineExceeded,
            "deadline-exceeded",
            Application,
        ),
        (FailureKind::NoSuchOperation, "no-such-operation", Routing),
        (FailureKind::InvalidInput, "invalid-input", Caller),
        (denied, "capability-denied", Policy),
        (
            FailureKind::UpstreamUnreachable,
            "upstream-unreachable",
            Upstream,
        ),
        (
            FailureKind::UpstreamNotSent,
            "upstream-unreachable",
            Upstream,
        ),
        (FailureKind::UpstreamTimeout, "upstream-timeout", Upstream),
        (FailureKind::UpstreamFault, "upstream-fault", Upstream),
        (
            FailureKind::UpstreamTooLarge,
            "upstream-too-large",
            Upstream,
        ),
        (
            FailureKind::UpstreamUntrusted,
            "upstream-untrusted",
            Upstream,
        ),
        (FailureKind::CallerCut, "cancelled", Caller),
        (FailureKind::Internal, "internal", Platform),
    ]
}

#[test]
fn every_failure_becomes_its_code_and_tells_a_stranger_nothing_else() {
    for (kind, code, boundary) in kinds() {
        for target in [service("hello"), upstream("http://canary-7f3a:80")] {
            let fault = failing(kind.clone(), &target);
            if !matches!(
                (&kind, &target),
                (FailureKind::DeadlineExceeded, Target::Capability { .. })
            ) {
                assert_eq!(fault.host_code().unwrap().as_str(), code);
                assert_eq!(fault.verdict().boundary, boundary, "{code}");
            }
            let text = public(&fault).to_lowercase();
            assert!(
                !text.contains("canary") && !text.contains("secret"),
                "{text}"
            );
            // The operator sees all of it.
            assert!(fault.verdict().cause.contains(CANARY));
            assert!(
                fault
                    .verdict()
                    .evidence
                    .contains(&("upstream_body", CANARY.to_owned()))
            );
            assert!(!fault.verdict().next.is_empty());
            assert_eq!(fault.wait().is_some(), code == "overloaded");
            assert_eq!(fault.shed().is_some(), code == "overloaded");
        }
    }
}

#[test]
fn an_upstream_that_is_late_is_not_the_services_fault() {
    let fault = failing(FailureKind::DeadlineExceeded, &upstream("http://up:80"));
    assert_eq!(fault.host_code(), Some(HostCode::UpstreamTimeout));
    assert_eq!(fault.verdict().boundary, Boundary::Upstream);
}

#[test]
fn a_childs_fault_passes_as_it_is() {
    let (bench, pipeline) = world();
    let child = failing(FailureKind::UpstreamUnreachable, &upstream("http://up:80"));
    let passed = child.clone();
    register(
        &pipeline,
        &service("front"),
        Settings::default(),
        move |_| {
            let kind = FailureKind::Passed(passed.clone());
            Box::pin(async move { Err(Failure::new(kind, "passed")) })
        },
    );
    let fault = fault(run(&pipeline, bench.call(&service("front"))));
    assert_eq!(public(&fault), public(&child));
    assert_eq!(fault.verdict().cause, child.verdict().cause);
}

fn answering(target: &Target, status: u16) -> (Bench, Reply) {
    let (bench, pipeline) = world();
    register(&pipeline, target, Settings::default(), move |_| {
        Box::pin(async move { Ok(answer(status, text(CANARY))) })
    });
    let reply = run(&pipeline, bench.call(target));
    (bench, reply)
}

#[test]
fn what_is_no_server_error_passes_as_it_is() {
    for status in [200, 204, 302, 404, 429, 499] {
        let (bench, reply) = answering(&service("hello"), status);
        assert_eq!(reply.unwrap().status(), Some(status));
        assert!(bench.log.guests.lock().unwrap().is_empty());
    }
}

#[test]
fn a_services_server_error_is_masked_and_its_text_is_a_line_of_the_call() {
    for status in [500, 503, 599] {
        let (bench, reply) = answering(&service("hello"), status);
        let fault = fault(reply);
        assert_eq!(fault.host_code(), Some(HostCode::ServiceFault));
        assert!(!public(&fault).contains(CANARY));
        assert!(
            fault
                .verdict()
                .evidence
                .contains(&("status", status.to_string()))
        );
        let lines = bench.log.guests.lock().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text, format!("answered {status}: {CANARY}"));
        assert_eq!(
            (lines[0].level, &lines[0].target),
            (Level::Warn, &service("hello"))
        );
    }
}

#[test]
fn a_status_that_is_not_final_is_no_answer() {
    for status in [100, 101, 103, 199, 600, 999] {
        let (_bench, reply) = answering(&service("hello"), status);
        assert_eq!(code(reply), "bad-response", "{status}");
    }
}

#[test]
fn an_upstreams_answer_passes_whatever_it_is() {
    for status in [200, 404, 500, 503] {
        let (_bench, reply) = answering(&upstream("http://up:80"), status);
        assert_eq!(reply.unwrap().status(), Some(status));
    }
}

#[test]
fn only_the_beginning_of_a_masked_answer_is_kept() {
    let (bench, pipeline) = world();
    register(&pipeline, &service("long"), Settings::default(), |_| {
        let body = Body::whole(vec![b'x'; 3 * MASKED_BYTES_MAX].into());
        Box::pin(async { Ok(answer(500, body)) })
    });
    assert_eq!(
        code(run(&pipeline, bench.call(&service("long")))),
        "service-fault"
    );
    let lines = bench.log.guests.lock().unwrap();
    assert_eq!(
        lines[0].text.len(),
        "answered 500: ".len() + MASKED_BYTES_MAX
    );
}

#[test]
fn a_masked_answer_that_does_not_end_is_not_waited_for() {
    let (bench, pipeline) = world();
    let (does, mut feeds) = streaming_with(500);
    register(&pipeline, &service("drips"), Settings::default(), does);
    let mut reply = pipeline.run(bench.call(&service("drips")));
    assert!(poll(&mut reply).is_pending());
    let feed = feeds.try_recv().unwrap();
    feed.send(Ok("first words")).unwrap();
    assert!(poll(&mut reply).is_pending());
    bench.clock.advance(MASKED_WAIT);
    assert_eq!(code(done(&mut reply)), "service-fault");
    assert!(feed.is_closed(), "the guest is not left to drip");
    let lines = bench.log.guests.lock().unwrap();
    assert_eq!(lines[0].text, "answered 500: first words");
}

#[test]
fn each_attempt_is_counted() {
    let (bench, pipeline) = world();
    register(&pipeline, &service("hello"), Settings::default(), hello);
    let call = bench.call(&service("hello"));
    let meter = call.meter.clone();
    assert!(run(&pipeline, call).is_ok());
    assert_eq!(meter.read().attempts, 1);
}

/// How far a try is said to have come that ends as `kind` says.
fn reached(kind: FailureKind) -> Reached {
    let (bench, pipeline) = world();
    let target = upstream("http://up:80");
    register(&pipeline, &target, Settings::default(), move |_| {
        let kind = kind.clone();
        Box::pin(async move { Err(Failure::new(kind, "")) })
    });
    fault(run(&pipeline, bench.call(&target))).reached()
}

#[test]
fn it_is_told_what_certainly_never_came_to_the_upstream() {
    const UNSENT: [&str; 5] = [
        "no-such-operation",
        "invalid-input",
        "capability-denied",
        "upstream-unreachable",
        "upstream-untrusted",
    ];
    for (kind, code, _) in kinds() {
        if matches!(
            kind,
            FailureKind::PoolExhausted | FailureKind::HostMemoryExhausted
        ) {
            // No upstream fails like this.
            continue;
        }
        let expected = if UNSENT.contains(&code) {
            Reached::Nothing
        } else {
            Reached::Perhaps
        };
        assert_eq!(reached(kind.clone()), expected, "{kind:?}");
    }
    // Whose fault is handed on never came there; whoever hands it on was asked.
    let inner: Fault = Refusal {
        code: HostCode::RateLimited,
        layer: "rate",
        detail: String::new(),
        rule: String::new(),
        seen: String::new(),
        limit: String::new(),
        change: String::new(),
        retry_after: None,
    }
    .into();
    assert_eq!(inner.reached(), Reached::Nothing);
    assert_eq!(reached(FailureKind::Passed(inner)), Reached::Perhaps);
}
