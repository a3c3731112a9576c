//! The trail over a real log: what is on the disk when something is done, when somebody is told, and when it cannot be.

use super::*;
use crate::testing::{Bench, answer, code, fed, register, service, text, upstream};
use holdfast_call::{Failure, FailureKind, Pipeline, Target};
use holdfast_store::audit::{Setup, Since, directory, read};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    folder: tempfile::TempDir,
    audit: Audit,
}

fn world(kept: Kept) -> World {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let setup = Setup {
        data: folder.path().to_owned(),
        copy: None,
        budget_bytes: u64::MAX,
        keep_days: u64::MAX,
        clock: bench.parts.sources.clock.clone(),
        tell: Arc::new(|_| ()),
    };
    let audit = Audit::open(setup, || [7; 32]).unwrap();
    let clock = bench.parts.sources.clock.clone();
    bench.parts.trail = Arc::new(Trail::new(audit.clone(), &[1; 32], kept, clock));
    World {
        pipeline: bench.only(&["record", "once"]),
        bench,
        folder,
        audit,
    }
}

/// The records of calls in a log.
fn records(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    read(&directory(folder), Since::Beginning, |line| {
        all.push(serde_json::from_str::<Value>(line.text).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    all.retain(|record| record["kind"] != "segment");
    all
}

fn kinds(records: &[Value]) -> Vec<&str> {
    let kinds = records.iter().map(|record| record["kind"].as_str());
    kinds.map(Option::unwrap).collect()
}

impl World {
    fn call(&self, target: &Target, method: &str) -> Call {
        let mut call = self.bench.call(target);
        call.operation = format!("{method} /orders").into();
        let request = http::Request::builder().method(method);
        let request = request.uri("http://orders.internal/orders?card=CANARY");
        call.payload = Payload::Http(request.body(text("CANARY")).unwrap());
        call
    }

    /// Writes what is still to be written.
    fn all(self) -> Vec<Value> {
        self.audit.close();
        records(self.folder.path())
    }
}

#[tokio::test]
async fn what_changes_something_is_on_record_before_and_what_came_of_it_before_anybody_is_told() {
    for target in [service("orders"), upstream("http://bank.example:80")] {
        let world = world(Kept::All);
        let folder = world.folder.path().to_owned();
        register(
            &world.pipeline,
            &target,
            holdfast_call::Settings::default(),
            move |_| {
                let before = records(&folder);
                assert_eq!(kinds(&before), ["intent"]);
                Box::pin(async { Ok(answer(201, text("order 7"))) })
            },
        );
        let reply = world.pipeline.run(world.call(&target, "POST")).await;
        let told = records(world.folder.path());
        assert_eq!(kinds(&told), ["intent", "outcome"]);
        let (intent, outcome) = (&told[0], &told[1]);
        assert_eq!(outcome["intent"], intent["seq"]);
        assert_eq!(outcome["call"], intent["call"]);
        assert_eq!(outcome["status"], 201);
        assert_eq!(outcome["bytes_out"], 7);
        assert_eq!(outcome["outcome"], "ok");
        for (name, value) in [
            ("operation", "POST /orders"),
            ("caller", "anonymous"),
            ("why", "undeclared"),
            ("lane", "claimed"),
            ("digest", "digest"),
        ] {
            assert_eq!(intent[name], value, "{name}");
        }
        assert_eq!(intent["args"].as_str().unwrap().len(), 2 * HASH_BYTES);
        drop(reply);
        let all = world.all();
        // It was dropped unread: what was told does not cover that.
        assert_eq!(kinds(&all), ["intent", "outcome", "end"]);
        assert_eq!(all[2]["outcome"], "cancelled");
        assert!(!format!("{all:?}").contains("CANARY"));
    }
}

#[tokio::test]
async fn the_same_arguments_have_the_same_hash_and_others_another() {
    let world = world(Kept::All);
    let target = service("orders");
    let to = world.bench.parts.trail.to.as_ref().unwrap();
    let hash = |body: &'static str, query: &str| {
        let mut call = world.call(&target, "POST");
        let request = http::Request::builder().uri(format!("http://orders.internal/?{query}"));
        call.payload = Payload::Http(request.body(text(body)).unwrap());
        to.args(&call)
    };
    assert_eq!(hash("a", "b"), hash("a", "b"));
    for (body, query) in [("a", "c"), ("b", "b"), ("", "ba"), ("ba", "")] {
        assert_ne!(hash("a", "b"), hash(body, query));
    }
    let clock = world.bench.parts.sources.clock.clone();
    let other = Trail::new(world.audit.clone(), &[2; 32], Kept::All, clock);
    let call = world.call(&target, "POST");
    assert_ne!(other.to.unwrap().args(&call), to.args(&call));
}

#[tokio::test]
async fn what_changes_nothing_has_one_record_or_none_if_the_operator_says_so() {
    for (kept, expected) in [(Kept::All, vec!["call"]), (Kept::Changes, vec![])] {
        let world = world(kept);
        let target = service("orders");
        register(
            &world.pipeline,
            &target,
            holdfast_call::Settings::default(),
            |_| Box::pin(async { Ok(answer(200, text("hello"))) }),
        );
        let reply = world.pipeline.run(world.call(&target, "GET")).await;
        reply.unwrap().close();
        let all = world.all();
        assert_eq!(kinds(&all), expected);
        if let [call] = &all[..] {
            assert_eq!(
                (&call["status"], &call["outcome"]),
                (&200.into(), &"ok".into())
            );
            assert_eq!(call["service"], "orders");
            assert!(call["args"].is_string() && !call.to_string().contains("CANARY"));
        }
    }
}

#[tokio::test]
async fn an_answer_that_goes_on_has_a_record_of_its_end() {
    let world = world(Kept::All);
    let target = service("orders");
    let (feed, body) = fed();
    let body = std::sync::Mutex::new(Some(body));
    register(
        &world.pipeline,
        &target,
        holdfast_call::Settings::default(),
        move |_| {
            let body = body.lock().unwrap().take().unwrap();
            Box::pin(async { Ok(answer(200, body)) })
        },
    );
    let reply = world.pipeline.run(world.call(&target, "POST")).await;
    let mut body = crate::testing::body(reply);
    feed.send(Ok("half")).unwrap();
    assert!(crate::testing::frame(&mut body).is_ready());
    drop(feed);
    assert!(crate::testing::frame(&mut body).is_ready());
    let all = world.all();
    assert_eq!(kinds(&all), ["intent", "outcome", "end"]);
    assert_eq!(all[1]["outcome"], "streams");
    assert_eq!(
        (&all[2]["outcome"], &all[2]["bytes_out"]),
        (&"ok".into(), &4.into())
    );
    assert_eq!(all[2]["call"], all[0]["call"]);
}

#[tokio::test]
async fn a_call_that_is_dropped_or_fails_says_so() {
    let world = world(Kept::All);
    let (fails, hangs) = (service("fails"), service("hangs"));
    register(
        &world.pipeline,
        &fails,
        holdfast_call::Settings::default(),
        |_| Box::pin(async { Err(Failure::new(FailureKind::Trapped, "unreachable at CANARY")) }),
    );
    register(
        &world.pipeline,
        &hangs,
        holdfast_call::Settings::default(),
        crate::testing::never,
    );
    let reply = world.pipeline.run(world.call(&fails, "POST")).await;
    assert_eq!(code(reply), "service-fault");
    let call = world.call(&hangs, "POST");
    let meter = call.meter.clone();
    let mut hanging = world.pipeline.run(call);
    while meter.read().intent.is_none() {
        assert!(crate::testing::poll(&mut hanging).is_pending());
        tokio::task::yield_now().await;
    }
    drop(hanging);
    let all = world.all();
    assert_eq!(kinds(&all), ["intent", "outcome", "intent", "outcome"]);
    let failed = &all[1];
    assert_eq!(
        (&failed["code"], &failed["boundary"]),
        (&"service-fault".into(), &"application".into())
    );
    assert_eq!(failed["stage"], "guest");
    assert_eq!(
        (&all[3]["outcome"], &all[3]["code"]),
        (&"cancelled".into(), &"cancelled".into())
    );
}

#[tokio::test]
async fn where_nothing_can_be_put_on_record_nothing_is_changed_and_nobody_is_let_believe_so() {
    let target = service("orders");
    let mut bench = Bench::new();
    let clock = bench.parts.sources.clock.clone();
    let audit = Audit::refusing(AuditError::Full);
    bench.parts.trail = Arc::new(Trail::new(audit, &[1; 32], Kept::All, clock));
    let pipeline = bench.only(&["record", "once"]);
    register(
        &pipeline,
        &target,
        holdfast_call::Settings::default(),
        |admitted| {
            assert_eq!(&*admitted.call().operation, "GET /orders");
            Box::pin(async { Ok(answer(200, text("hello"))) })
        },
    );
    for method in ["POST", "DELETE", "GET"] {
        let mut call = bench.call(&target);
        call.operation = format!("{method} /orders").into();
        let request = http::Request::builder()
            .method(method)
            .uri("http://orders.internal/orders");
        call.payload = Payload::Http(request.body(text("")).unwrap());
        let fault = crate::testing::fault(pipeline.run(call).await);
        assert_eq!(
            fault.host_code(),
            Some(HostCode::StorageUnavailable),
            "{method}"
        );
        assert!(fault.verdict().cause.contains("full"), "{fault:?}");
        assert!(fault.wait().is_some());
    }
}

#[tokio::test]
async fn callers_who_are_turned_away_do_not_wash_the_others_out() {
    let world = world(Kept::All);
    let nobody = service("nobody");
    for _ in 0..1_000 {
        let reply = world.pipeline.run(world.call(&nobody, "GET")).await;
        assert_eq!(code(reply), "no-such-service");
    }
    world.bench.clock.advance(Duration::from_secs(1));
    let reply = world.pipeline.run(world.call(&nobody, "GET")).await;
    assert_eq!(code(reply), "no-such-service");
    let all = world.all();
    let named = kinds(&all).iter().filter(|kind| **kind == "call").count();
    let counted = all.iter().find(|record| record["kind"] == "turned-away");
    let counted = counted.unwrap()["calls"].as_u64().unwrap();
    assert_eq!(named as u64 + counted, 1_001);
    assert!(named < 150, "{named}");
}

#[tokio::test]
async fn where_what_came_of_it_cannot_be_put_on_record_nobody_is_told_that_it_was_done() {
    let world = world(Kept::All);
    let target = service("orders");
    let log = directory(world.folder.path());
    register(
        &world.pipeline,
        &target,
        holdfast_call::Settings::default(),
        move |_| {
            std::fs::remove_dir_all(&log).unwrap();
            Box::pin(async { Ok(answer(201, text("order 7"))) })
        },
    );
    let reply = world.pipeline.run(world.call(&target, "POST")).await;
    let fault = crate::testing::fault(reply);
    assert_eq!(fault.host_code(), Some(HostCode::StorageUnavailable));
    assert!(fault.detail().contains("may have been done"), "{fault:?}");
    let closing = world.bench.only_closing();
    assert_eq!(closing.outcome.as_str(), "fault");
    assert_eq!(closing.status, Some(503));
}

#[tokio::test]
async fn whatever_a_guest_says_as_it_fails_its_failure_is_on_record() {
    let world = world(Kept::All);
    let target = service("orders");
    register(
        &world.pipeline,
        &target,
        holdfast_call::Settings::default(),
        |_| {
            let endless = "\u{1}\u{1b}\u{9b}".repeat(50_000);
            let failure = Failure::new(FailureKind::Trapped, endless.clone());
            let failure = (0..50).fold(failure, |failure, _| failure.with("said", &endless));
            Box::pin(async { Err(failure) })
        },
    );
    let mut call = world.call(&target, "POST");
    call.operation = format!("POST /{}", "\u{1}".repeat(4_000)).into();
    let reply = world.pipeline.run(call).await;
    assert_eq!(code(reply), "service-fault");
    let all = world.all();
    assert_eq!(kinds(&all), ["intent", "outcome"]);
    assert_eq!(all[1]["boundary"], "application");
}
