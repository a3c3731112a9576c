//! The layer over a real database: who runs, who waits, who is answered what was answered before.

mod approval;
mod patience;

use super::*;
use crate::testing::{Bench, answer, fault, register, service, text, upstream};
use holdfast_call::{Answer, Body, Pipeline, Settings as All, Value, Values};
use holdfast_store::db::{Database, Place};
use holdfast_store::executions;
use http::HeaderValue;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    folder: tempfile::TempDir,
    database: Database,
    ran: Arc<AtomicUsize>,
}

/// A host whose services are behind `once`, with its rows in a file.
async fn world() -> World {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = Database::open(Place::File(file)).await.unwrap();
    let (holder, _) = executions::begin(&database, "a").await.unwrap();
    bench
        .parts
        .executions
        .keep_in(database.clone(), holder, KEEP_MIN, Arc::default());
    let pipeline = bench.only(&["once"]);
    World {
        bench,
        pipeline,
        folder,
        database,
        ran: Arc::default(),
    }
}

impl World {
    /// Has `orders` answer with this, and counts how often it does.
    fn serves(&self, does: impl Fn() -> Reply + Send + Sync + 'static) {
        let ran = self.ran.clone();
        register(
            &self.pipeline,
            &service("orders"),
            All::default(),
            move |_| {
                ran.fetch_add(1, SeqCst);
                let reply = does();
                Box::pin(async move {
                    reply.map_err(|fault| {
                        holdfast_call::Failure::new(holdfast_call::FailureKind::Passed(fault), "")
                    })
                })
            },
        );
    }

    fn call(&self, key: Option<&str>, method: &str, body: &'static str) -> Call {
        let mut call = self.bench.call(&service("orders"));
        call.operation = format!("{method} /").into();
        call.key = key.map(Into::into);
        let request = http::Request::builder().method(method);
        let request = request.uri("http://orders.internal/");
        call.payload = Payload::Http(request.body(text(body)).unwrap());
        call
    }

    async fn ask(&self, key: &str, body: &'static str) -> Reply {
        self.pipeline.run(self.call(Some(key), "POST", body)).await
    }

    fn ran(&self) -> usize {
        self.ran.load(SeqCst)
    }
}

fn created() -> Reply {
    let mut answer = answer(201, text("order 7"));
    if let Answer::Http(response) = &mut answer {
        let headers = response.headers_mut();
        headers.append("x-part", HeaderValue::from_static("one"));
        headers.append("x-part", HeaderValue::from_static("two"));
    }
    Ok(answer)
}

/// The status, the headers and the body of an answer.
fn seen(reply: Reply) -> (u16, Vec<(String, Vec<u8>)>, bytes::Bytes) {
    let Ok(Answer::Http(response)) = reply else {
        panic!("{reply:?}")
    };
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (
        response.status().as_u16(),
        headers.collect(),
        response.body().as_whole().unwrap().clone(),
    )
}

#[tokio::test]
async fn the_same_key_runs_once_and_is_answered_the_same_to_the_byte() {
    let world = world().await;
    world.serves(created);
    let first = seen(world.ask("k", "a book").await);
    let mut second = seen(world.ask("\"k\"", "a book").await);
    let mark = second.1.pop().unwrap();
    assert_eq!(mark, ("idempotency-replayed".to_owned(), b"true".to_vec()));
    assert_eq!(first, second);
    assert_eq!(world.ran(), 1);
    assert_eq!(seen(world.ask("other", "a book").await).0, 201);
    assert_eq!(world.ran(), 2);
}

#[tokio::test]
async fn another_request_under_a_key_is_refused_and_another_caller_has_keys_of_his_own() {
    let world = world().await;
    world.serves(created);
    assert!(world.ask("k", "a book").await.is_ok());
    let reused = fault(world.ask("k", "two books").await);
    assert_eq!(reused.host_code(), Some(HostCode::KeyReused));
    let mut other = world.call(Some("k"), "POST", "two books");
    other.caller = holdfast_call::Caller::outside(holdfast_call::Link::Operator { uid: 1 });
    assert!(world.pipeline.run(other).await.is_ok());
    // Another operation is another call.
    assert!(
        world
            .pipeline
            .run(world.call(Some("k"), "PUT", "x"))
            .await
            .is_ok()
    );
    assert_eq!(world.ran(), 3);
}

#[tokio::test]
async fn what_only_looks_and_what_has_no_key_is_run_each_time() {
    let world = world().await;
    world.serves(created);
    for (key, method) in [(Some("k"), "GET"), (Some("k"), "HEAD"), (None, "POST")] {
        for _ in 0..2 {
            assert!(
                world
                    .pipeline
                    .run(world.call(key, method, ""))
                    .await
                    .is_ok()
            );
        }
    }
    assert_eq!(world.ran(), 6);
    for key in ["", "a b", "a, b"] {
        let refused = fault(world.ask(key, "").await);
        assert_eq!(refused.host_code(), Some(HostCode::InvalidInput), "{key}");
    }
}

#[tokio::test]
async fn where_the_policy_wants_a_key_nothing_is_changed_without_one() {
    let world = world().await;
    let settings = All::default().with(Settings {
        keys: Keys::Required,
    });
    register(
        &world.pipeline,
        &service("orders"),
        settings,
        crate::testing::hello,
    );
    let refused = fault(world.pipeline.run(world.call(None, "POST", "")).await);
    assert!(refused.verdict().next.contains("idempotency"));
    assert!(
        world
            .pipeline
            .run(world.call(None, "GET", ""))
            .await
            .is_ok()
    );
    assert!(world.ask("k", "").await.is_ok());
}

#[tokio::test]
async fn of_many_at_once_one_runs_and_the_others_are_told_to_wait() {
    let world = Arc::new(world().await);
    let (feeds, mut taken) = crate::testing::streaming();
    let ran = world.ran.clone();
    register(
        &world.pipeline,
        &service("orders"),
        All::default(),
        move |admitted| {
            ran.fetch_add(1, SeqCst);
            feeds(admitted)
        },
    );
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.ask("k", "").await.map(|answer| answer.status()) }
    });
    let feed = taken.recv().await.unwrap();
    for _ in 0..8 {
        let told = fault(world.ask("k", "").await);
        assert_eq!(told.host_code(), Some(HostCode::InProgress));
        assert!(
            told.wait()
                .is_some_and(|wait| wait <= Duration::from_secs(2))
        );
    }
    feed.send(Ok("done")).unwrap();
    drop(feed);
    assert_eq!(first.await.unwrap().unwrap(), Some(200));
    assert_eq!(&seen(world.ask("k", "").await).2[..], b"done");
    assert_eq!(world.ran(), 1);
}

#[tokio::test]
async fn a_fault_of_the_service_is_kept_and_what_did_not_run_is_not() {
    let world = world().await;
    let kept = fault_of(HostCode::ServiceFault);
    world.serves(move || Err(kept.clone()));
    let first = fault(world.ask("k", "").await);
    let second = fault(world.ask("k", "").await);
    assert_eq!(first.host_code(), second.host_code());
    assert_eq!(first.detail(), second.detail());
    assert!(second.instance().is_some());
    assert_eq!(world.ran(), 1);

    let full = fault_of(HostCode::Overloaded);
    world.serves(move || Err(full.clone()));
    assert_eq!(
        fault(world.ask("other", "").await).host_code(),
        Some(HostCode::Overloaded)
    );
    world.serves(created);
    assert!(world.ask("other", "").await.is_ok());
}

fn fault_of(code: HostCode) -> Fault {
    let verdict = holdfast_call::Verdict {
        boundary: code.meaning().boundary,
        stage: "test",
        cause: "a test".to_owned(),
        evidence: Vec::new(),
        next: String::new(),
    };
    Fault::host(code, "It went wrong.", verdict)
}

#[tokio::test]
async fn an_answer_that_is_too_long_goes_through_and_only_its_head_is_kept() {
    let world = world().await;
    let piece: &'static str = Box::leak("x".repeat(5 << 20).into_boxed_str());
    let (feeds, mut taken) = crate::testing::streaming();
    register(&world.pipeline, &service("orders"), All::default(), feeds);
    let ask = world.ask("k", "");
    let fed = async {
        let feed = taken.recv().await.unwrap();
        for _ in 0..3 {
            feed.send(Ok(piece)).unwrap();
        }
    };
    let (reply, ()) = tokio::join!(ask, fed);
    let body = crate::testing::body(reply);
    let read = whole(body, 64 << 20).await.ok().unwrap();
    assert_eq!(read.bytes.len(), 15 << 20);
    let (status, headers, body) = seen(world.ask("k", "").await);
    assert_eq!((status, body.len()), (200, 0));
    assert!(headers.contains(&("idempotency-replayed".to_owned(), b"summary".to_vec())));
}

#[tokio::test]
async fn values_are_answered_as_they_were() {
    let world = world().await;
    let ran = world.ran.clone();
    register(
        &world.pipeline,
        &service("orders"),
        All::default(),
        move |_| {
            let count = ran.fetch_add(1, SeqCst) as u64;
            let given = Values::new(vec![Value::F64(0.1), Value::U64(u64::MAX - count)]);
            Box::pin(async move { Ok(Answer::Values(given)) })
        },
    );
    let ask = |argument: u8| {
        let mut call = world.call(Some("k"), "POST", "");
        call.payload = Payload::Values("orders/add".into(), vec![Value::U8(argument)]);
        world.pipeline.run(call)
    };
    for _ in 0..2 {
        let Ok(Answer::Values(values)) = ask(1).await else {
            panic!()
        };
        assert_eq!(values.into_list(), [Value::F64(0.1), Value::U64(u64::MAX)]);
    }
    assert_eq!(fault(ask(2).await).host_code(), Some(HostCode::KeyReused));
}

#[tokio::test]
async fn the_first_change_outside_is_on_record_before_it_is_made() {
    let world = world().await;
    let (pipeline, database) = (world.pipeline.clone(), world.database.clone());
    let seen: Arc<std::sync::Mutex<Vec<i64>>> = Arc::default();
    let (kept, asked) = (seen.clone(), database.clone());
    // The upstream looks into the database: what it finds was on record before it was asked.
    register(
        &pipeline,
        &upstream("http://a.b:80"),
        All::default(),
        move |_| {
            let (kept, asked) = (kept.clone(), asked.clone());
            Box::pin(async move {
                let marks = asked.read((), |(), tx| {
                    Box::pin(async move {
                        let rows = tx.query("SELECT effects FROM executions", &[]).await?;
                        rows.iter()
                            .map(|row| row.integer(0))
                            .collect::<Result<Vec<_>, _>>()
                    })
                });
                let marks = marks.await.unwrap();
                kept.lock().unwrap().extend(marks);
                Ok(answer(200, text("")))
            })
        },
    );
    let methods = ["GET", "POST", "POST"];
    register(
        &pipeline,
        &service("orders"),
        All::default(),
        move |admitted| {
            let (_, scope) = admitted.into_parts();
            Box::pin(async move {
                for method in methods {
                    let request = http::Request::builder().method(method).uri("http://a.b/");
                    let payload = Payload::Http(request.body(Body::empty()).unwrap());
                    let target = upstream("http://a.b:80");
                    scope
                        .ask(target, method.into(), None, payload)
                        .reply
                        .await
                        .unwrap()
                        .close();
                }
                Ok(answer(200, text("")))
            })
        },
    );
    assert!(world.ask("k", "").await.is_ok());
    assert_eq!(*seen.lock().unwrap(), [0, 1, 1]);
}

#[tokio::test]
async fn who_has_lost_his_row_changes_nothing_and_is_not_believed() {
    let world = world().await;
    let pipeline = world.pipeline.clone();
    let reached = world.ran.clone();
    register(
        &pipeline,
        &upstream("http://a.b:80"),
        All::default(),
        move |_| {
            reached.fetch_add(1, SeqCst);
            Box::pin(async { Ok(answer(200, text(""))) })
        },
    );
    let database = world.database.clone();
    register(
        &pipeline,
        &service("orders"),
        All::default(),
        move |admitted| {
            let (_, scope) = admitted.into_parts();
            let database = database.clone();
            Box::pin(async move {
                // Somebody thought that this host was dead.
                let other = database.run((), |(), tx| {
                    tx.execute("UPDATE executions SET fence = fence + 1", &[])
                });
                other.await.unwrap();
                let request = http::Request::builder().method("POST").uri("http://a.b/");
                let payload = Payload::Http(request.body(Body::empty()).unwrap());
                let target = upstream("http://a.b:80");
                let refused = scope
                    .ask(target, "POST /".into(), None, payload)
                    .reply
                    .await;
                assert_eq!(fault(refused).host_code(), Some(HostCode::InProgress));
                created().map_err(|_| unreachable!())
            })
        },
    );
    let told = fault(world.ask("k", "").await);
    assert_eq!(told.host_code(), Some(HostCode::InProgress));
    assert_eq!(world.ran(), 0);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_run_and_what_cannot_be_answered_is_kept_later() {
    let world = world().await;
    world.serves(created);
    let (file, away) = (
        world.folder.path().join("test.db"),
        world.folder.path().join("away.db"),
    );
    std::fs::rename(&file, &away).unwrap();
    let refused = fault(world.ask("k", "").await);
    assert_eq!(refused.host_code(), Some(HostCode::StorageUnavailable));
    assert_eq!(world.ran(), 0);
    std::fs::rename(&away, &file).unwrap();
    assert!(world.ask("k", "").await.is_ok());
}

#[tokio::test]
async fn a_call_that_is_dropped_is_forgotten_or_ends_as_its_deadline_says() {
    let world = world().await;
    register(
        &world.pipeline,
        &service("orders"),
        All::default(),
        crate::testing::never,
    );
    let asked = tokio::spawn({
        let call = world.call(Some("k"), "POST", "");
        let pipeline = world.pipeline.clone();
        async move { pipeline.run(call).await.is_ok() }
    });
    let open = || executions::open(&world.database);
    while open().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    asked.abort();
    while !open().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    world.serves(created);
    assert!(world.ask("k", "").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_at_any_moment_leaves_no_row_behind() {
    let world = world().await;
    register(
        &world.pipeline,
        &service("orders"),
        All::default(),
        crate::testing::never,
    );
    for pause in 0..200 {
        let call = world.call(Some("k"), "POST", "");
        let pipeline = world.pipeline.clone();
        let asked = tokio::spawn(async move { pipeline.run(call).await.is_ok() });
        for _ in 0..pause % 50 {
            tokio::task::yield_now().await;
        }
        asked.abort();
        let _ = asked.await;
    }
    world.serves(created);
    // The last claims may still be on their way.
    while let Err(fault) = world.ask("k", "").await {
        assert_eq!(fault.host_code(), Some(HostCode::InProgress));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_capability_changes_something_only_by_the_operations_that_it_names() {
    let world = world().await;
    let bucket = Target::Capability {
        name: "kv",
        resource: "default".into(),
    };
    let changes = |settings: All, operation: &str| {
        let mut call = world.bench.call(&bucket);
        let does =
            |_| -> holdfast_call::BoxFuture<'static, _> { Box::pin(async { unreachable!() }) };
        call.registered = Some(register(&world.pipeline, &bucket, settings, does));
        call.payload = Payload::Values(operation.into(), Vec::new());
        changes(&call)
    };
    let named = || All::default().with(Changes(&["set"]));
    assert!(changes(named(), "set"));
    assert!(!changes(named(), "get"));
    assert!(!changes(All::default(), "set"));
}
