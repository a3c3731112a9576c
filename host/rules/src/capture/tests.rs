//! A captured call is the call that it would be, and runs again from what is kept of it.

use super::*;
use crate::testing::{Bench, answer, code, register, service, text, upstream};
use holdfast_call::{
    Admitted, Asked, Body, Failure, FailureKind, Payload, Pipeline, Registered, Scope,
};
use std::sync::mpsc::{Receiver, sync_channel};

/// A guest that asks for these paths of an upstream, one after the other, and answers with what it was told.
fn guest(
    paths: &'static [&'static str],
) -> impl Fn(Admitted) -> BoxFuture<'static, std::result::Result<Answer, Failure>> + Send + Sync {
    move |admitted| {
        Box::pin(async move {
            let (_call, scope) = admitted.into_parts();
            let mut told = format!("{:02x?}", scope.journal().map(|journal| journal.seed()[0]));
            for path in paths {
                told.push_str(&ask(&scope, path).await);
            }
            Ok(answer(200, Body::whole(told.into())))
        })
    }
}

/// Asks for one, and stands still until it is told.
async fn ask(scope: &Scope, path: &str) -> String {
    let request = http::Request::builder().uri(format!("https://up.example{path}"));
    let request = request.header("authorization", "very-secret");
    let payload = Payload::Http(request.body(Body::empty()).unwrap());
    let target = upstream("https://up.example:443");
    let Asked { reply, seat, .. } = scope.ask(target, format!("GET {path}").into(), None, payload);
    let waiting = tokio::spawn(reply);
    while !waiting.is_finished() {
        if let Some(journal) = scope.journal() {
            journal.idle();
        }
        tokio::task::yield_now().await;
    }
    drop(seat);
    match waiting.await.unwrap() {
        Ok(Answer::Http(response)) => {
            let body = response.body().as_whole().cloned().unwrap_or_default();
            format!("[{} {}]", response.status(), String::from_utf8_lossy(&body))
        }
        Ok(other) => format!("{other:?}"),
        Err(fault) => fault.code().to_string(),
    }
}

/// A pipeline that captures, with a guest and the upstream that it asks.
fn capturing(
    bench: &Bench,
    keeps: Keeps,
    does: impl Fn(Admitted) -> BoxFuture<'static, std::result::Result<Answer, Failure>>
    + Send
    + Sync
    + 'static,
) -> (Arc<Pipeline>, Receiver<Captive>) {
    let pipeline = bench.only(&["journal", "capture"]);
    let captured = Captured {
        keeps,
        gaps: Vec::new(),
    };
    let settings = Settings::default().with(captured);
    register(&pipeline, &service("asks"), settings, does);
    let up = upstream("https://up.example:443");
    register(&pipeline, &up, Settings::default(), |admitted| {
        let operation = admitted.call().operation.clone();
        Box::pin(async move {
            match &*operation {
                "GET /fails" => Err(Failure::new(FailureKind::UpstreamUnreachable, "test")),
                "GET /long" => Ok(answer(200, Body::whole(vec![b'x'; BYTES_MAX + 1].into()))),
                "GET /much" => Ok(answer(200, Body::whole(vec![b'x'; BYTES_MAX].into()))),
                _ => Ok(answer(200, text("told"))),
            }
        })
    });
    let (line, kept) = sync_channel(8);
    bench.parts.captures.put(Some(line));
    (pipeline, kept)
}

async fn call(bench: &Bench, pipeline: &Arc<Pipeline>) -> Reply {
    pipeline.run(bench.call(&service("asks"))).await
}

/// Runs what was captured again, with this guest.
async fn again(
    bench: &Bench,
    record: Record,
    does: impl Fn(Admitted) -> BoxFuture<'static, std::result::Result<Answer, Failure>>
    + Send
    + Sync
    + 'static,
) -> Replayed {
    let pipeline = crate::replaying(&bench.parts).unwrap();
    let registered: Arc<Registered> =
        register(&pipeline, &service("asks"), Settings::default(), does);
    // The disk, and back.
    let written = serde_json::to_string(&record).unwrap();
    let read: Record = serde_json::from_str(&written).unwrap();
    replay(&pipeline, registered, Arc::new(read)).await.unwrap()
}

#[tokio::test]
async fn it_comes_to_the_same_and_asks_nobody() {
    let bench = Bench::new();
    let paths = &["/a", "/fails", "/b"];
    let (pipeline, kept) = capturing(&bench, Keeps::All, guest(paths));
    call(&bench, &pipeline).await.unwrap();
    let record = kept.try_recv().unwrap().record;
    assert_eq!((record.steps.len(), record.gaps.len()), (3, 0));
    assert!(
        !serde_json::to_string(&record)
            .unwrap()
            .contains("very-secret")
    );
    let replayed = again(&bench, record, guest(paths)).await;
    assert_eq!((replayed.ended, replayed.told), (Ended::Same, 3));
}

#[tokio::test]
async fn the_first_difference_is_shown() {
    let bench = Bench::new();
    let (pipeline, kept) = capturing(&bench, Keeps::All, guest(&["/a", "/b"]));
    call(&bench, &pipeline).await.unwrap();
    let record = kept.try_recv().unwrap().record;
    for (paths, said) in [
        (&["/a", "/c"][..], "entry 2"),
        (&["/a", "/b", "/c"], "step 3"),
        (&["/a"], "entry 2"),
    ] {
        let paths: &'static [&'static str] = paths;
        match again(&bench, record.clone(), guest(paths)).await.ended {
            Ended::Differs(lines) => assert!(lines[0].contains(said), "{lines:?}"),
            other => panic!("{other:?}"),
        }
    }
    let other = |admitted: Admitted| -> BoxFuture<'static, std::result::Result<Answer, Failure>> {
        let does = guest(&["/a", "/b"])(admitted);
        Box::pin(async move {
            does.await?;
            Ok(answer(404, text("nothing")))
        })
    };
    match again(&bench, record, other).await.ended {
        Ended::Differs(lines) => assert!(
            lines[0].contains("the status was 200, and is 404"),
            "{lines:?}"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_what_failed_is_kept_where_that_is_wanted() {
    let bench = Bench::new();
    let (pipeline, kept) = capturing(&bench, Keeps::Faults, guest(&["/a"]));
    call(&bench, &pipeline).await.unwrap();
    assert!(kept.try_recv().is_err());
    let (pipeline, kept) = capturing(&bench, Keeps::Faults, |_| {
        Box::pin(async { Err(Failure::new(FailureKind::Trapped, "test")) })
    });
    assert_eq!(code(call(&bench, &pipeline).await), "service-fault");
    let record = kept.try_recv().unwrap().record;
    assert!(record.outcome.is_some());
    // One that is cut is kept too, as far as it came.
    let (pipeline, kept) = capturing(&bench, Keeps::Faults, |_| Box::pin(std::future::pending()));
    let mut cut = Box::pin(call(&bench, &pipeline));
    assert!(futures_poll(&mut cut).is_pending());
    drop(cut);
    assert!(kept.try_recv().unwrap().record.outcome.is_none());
}

fn futures_poll<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> std::task::Poll<T> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut cx)
}

#[tokio::test]
async fn what_is_too_long_is_handed_on_and_not_kept() {
    let bench = Bench::new();
    let (pipeline, kept) = capturing(&bench, Keeps::All, guest(&["/a", "/long", "/b"]));
    let reply = call(&bench, &pipeline).await;
    assert!(reply.is_ok());
    let record = kept.try_recv().unwrap().record;
    assert_eq!(record.steps.len(), 3);
    assert_eq!(record.gaps[0].at, At::Step(2));
    assert!(record.bytes() < 10_000);
    // And of many that are not too long only the first, as far as there is room.
    let paths = &["/much", "/much", "/much", "/much", "/much"];
    let (pipeline, kept) = capturing(&bench, Keeps::All, guest(paths));
    call(&bench, &pipeline).await.unwrap();
    let record = kept.try_recv().unwrap().record;
    assert!(record.bytes() <= CALL_BYTES_MAX, "{}", record.bytes());
    assert!(record.gaps.iter().any(|gap| gap.at == At::Steps));
}

#[test]
fn what_finds_no_place_is_counted_and_holds_nobody_up() {
    let captures = Captures::default();
    let record = record_of(1);
    captures.keep(record.clone());
    assert_eq!(captures.lost(), 1, "there is nobody who keeps it");
    let (line, kept) = sync_channel(2);
    captures.put(Some(line));
    for _ in 0..3 {
        captures.keep(record.clone());
    }
    assert_eq!(captures.lost(), 2);
    drop(kept.try_recv().unwrap());
    captures.keep(record_of(WAITING_BYTES_MAX));
    assert_eq!(captures.lost(), 3);
}

/// A record of so many bytes.
fn record_of(bytes: usize) -> Record {
    Record {
        form: FORM,
        kind: Kind::Call,
        call: String::new(),
        service: String::new(),
        digest: String::new(),
        caller: String::new(),
        operation: String::new(),
        began_ns: 0,
        seed: String::new(),
        world: serde_json::Value::Null,
        asked: Kept::Text("x".repeat(bytes)),
        steps: Vec::new(),
        outcome: None,
        gaps: Vec::new(),
        stand_ins: Vec::new(),
    }
}
