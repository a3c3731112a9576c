//! What a service answered before is answered again once a budget is nearly spent: to whom, and to whom not.

use super::super::shelf::{KEPT_BYTES_MAX, SHELF_BYTES_MAX};
use super::*;
use crate::testing::register_version;
use holdfast_call::{Body, Caller, Degraded, Link, Value, Values};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, Request, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(60);

/// A service whose upstream is at its soft limit once it is told so, and which counts its runs.
struct Shop {
    world: World,
    target: Target,
    asker: Arc<Registered>,
    sold: Target,
    ran: Arc<AtomicUsize>,
}

async fn shop(
    digest: &'static str,
    reply: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> Shop {
    let world = world().await;
    let sold = world.sells(costs(LIMITS, dear(5)), ok);
    let ran = Arc::new(AtomicUsize::new(0));
    let target = service("shop");
    let asker = opened(&world, digest, &ran, reply);
    Shop {
        world,
        target,
        asker,
        sold,
        ran,
    }
}

/// Registers a version of it.
fn opened(
    world: &World,
    digest: &'static str,
    ran: &Arc<AtomicUsize>,
    reply: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> Arc<Registered> {
    let settings = degrades(Degrade {
        cached: Some(AGE),
        instead: None,
    });
    let ran = ran.clone();
    register_version(
        &world.pipeline,
        &service("shop"),
        digest,
        settings,
        move |_| {
            let answer = reply(ran.fetch_add(1, Ordering::SeqCst) + 1);
            Box::pin(async { Ok(answer) })
        },
    )
}

impl Shop {
    /// Spends until its upstream's budget is nearly spent.
    async fn spend(&self) {
        for _ in 0..4 {
            let asked = self.world.bench.nested(&self.asker, &[], &self.sold);
            assert!(self.world.pipeline.run(asked).await.is_ok());
        }
    }

    async fn run(&self, call: Call) -> (Reply, Option<Degraded>) {
        let meter = call.meter.clone();
        (self.world.pipeline.run(call).await, meter.degraded())
    }

    fn call(&self, request: http::request::Builder) -> Call {
        let mut call = self.world.bench.call(&self.target);
        call.payload = Payload::Http(request.body(Body::empty()).unwrap());
        call
    }

    /// What is answered, read to its end.
    async fn says(&self, request: http::request::Builder) -> (String, HeaderMap, bool) {
        let (reply, degraded) = self.run(self.call(request)).await;
        let Ok(Answer::Http(response)) = reply else {
            panic!("{reply:?}");
        };
        let (head, mut body) = response.into_parts();
        let mut read = String::new();
        while let Poll::Ready(Some(frame)) = frame(&mut body) {
            read.push_str(std::str::from_utf8(&frame.unwrap()).unwrap());
        }
        assert_eq!(head.headers.contains_key(DEGRADED), degraded.is_some());
        (read, head.headers, degraded == Some(Degraded::Cached))
    }

    fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://shop.internal{path}"))
}

/// An answer that says which run it is of, in a body that comes in pieces.
fn numbered(nth: usize) -> Answer {
    let (feed, body) = fed();
    feed.send(Ok("run ")).unwrap();
    feed.send(Ok(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][nth]))
        .unwrap();
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("flavour", "plain".parse().unwrap());
    Answer::Http(response)
}

#[tokio::test]
async fn the_same_request_of_the_same_caller_is_given_what_it_was_answered_before() {
    let shop = shop("one", numbered).await;
    let (first, _, again) = shop.says(get("/list?page=1")).await;
    assert_eq!((first.as_str(), again), ("run 1", false));
    let (second, ..) = shop
        .says(get("/list?page=1").header("traceparent", "00-1"))
        .await;
    assert_eq!(second, "run 2");
    shop.spend().await;
    shop.world.bench.clock.advance(Duration::from_secs(7));
    let (cached, headers, again) = shop
        .says(get("/list?page=1").header("traceparent", "00-2"))
        .await;
    assert_eq!((cached.as_str(), again), ("run 2", true));
    assert_eq!(
        (&headers["flavour"], &headers["age"]),
        (&"plain".parse().unwrap(), &7.into())
    );
    // All others are served, since nothing else is declared.
    for other in [
        get("/list?page=2"),
        get("/list?page=1").header(COOKIE, "me"),
        get("/list?page=1").header(CACHE_CONTROL, "no-store"),
        get("/list?page=1").method("HEAD"),
        get("/list?page=1").method("POST"),
    ] {
        let ran = shop.ran();
        assert!(!shop.says(other).await.2);
        assert_eq!(shop.ran(), ran + 1);
    }
    let mut call = shop.call(get("/list?page=1"));
    call.caller = Caller::outside(Link::Operator { uid: 7 });
    let (reply, degraded) = shop.run(call).await;
    assert!(reply.is_ok() && degraded.is_none());
}

#[tokio::test]
async fn an_answer_that_is_too_old_or_of_another_version_is_none() {
    let shop = shop("one", numbered).await;
    shop.says(get("/")).await;
    shop.spend().await;
    assert!(shop.says(get("/")).await.2);
    shop.world.bench.clock.advance(AGE + Duration::from_secs(1));
    let (fresh, _, again) = shop.says(get("/")).await;
    assert_eq!((fresh.as_str(), again), ("run 2", false));
    // And that one is kept in its turn.
    assert_eq!(shop.says(get("/")).await.0, "run 2");
    let _two = opened(&shop.world, "two", &shop.ran, numbered);
    assert!(!shop.says(get("/")).await.2);
}

#[tokio::test]
async fn what_failed_or_is_not_to_be_kept_or_is_too_long_or_was_cut_is_not_kept() {
    type Made = fn(usize) -> Answer;
    fn with(name: HeaderName, value: &'static str) -> Answer {
        let mut response = Response::new(text("private"));
        response.headers_mut().insert(name, value.parse().unwrap());
        Answer::Http(response)
    }
    let made: [Made; 5] = [
        |_| answer(404, text("none")),
        |_| with(SET_COOKIE, "id=1"),
        |_| with(CACHE_CONTROL, "private, No-Store"),
        |_| {
            let long = vec![b'x'; KEPT_BYTES_MAX + 1];
            answer(200, Body::whole(long.into()))
        },
        |_| {
            let (feed, body) = fed();
            feed.send(Ok("half")).unwrap();
            feed.send(Err(refusals::nowhere())).unwrap();
            answer(200, body)
        },
    ];
    for (nth, made) in made.into_iter().enumerate() {
        let shop = shop("one", made).await;
        let ask = async || {
            let (reply, degraded) = shop.run(shop.call(get("/"))).await;
            let Ok(Answer::Http(response)) = reply else {
                panic!("{reply:?}");
            };
            let mut body = response.into_body();
            while let Poll::Ready(Some(Ok(_))) = frame(&mut body) {}
            degraded
        };
        ask().await;
        shop.spend().await;
        assert_eq!(ask().await, None, "{nth}");
        assert_eq!(shop.ran(), 2, "{nth}");
    }
}

#[tokio::test]
async fn no_more_is_kept_of_a_service_than_its_shelf_holds() {
    let shop = shop("one", |_| {
        answer(200, Body::whole(vec![b'x'; KEPT_BYTES_MAX].into()))
    })
    .await;
    let paths: Vec<_> = (0..40).map(|nth| format!("/{nth}")).collect();
    for path in &paths {
        shop.says(get(path)).await;
    }
    shop.spend().await;
    let mut kept = Vec::new();
    // The last ones first: to look for one that is gone keeps it again, in the place of another.
    for path in paths.iter().rev() {
        let call = shop.call(get(path));
        let meter = call.meter.clone();
        assert!(shop.world.pipeline.run(call).await.is_ok());
        if meter.degraded().is_none() {
            break;
        }
        kept.push(path);
    }
    let room = usize::try_from(SHELF_BYTES_MAX).unwrap() / KEPT_BYTES_MAX;
    // Each takes a little more than its bytes.
    assert!((room / 2..room).contains(&kept.len()), "{kept:?}");
}

#[tokio::test]
async fn values_of_a_function_that_may_change_something_are_not_kept() {
    let shop = shop("one", |nth| {
        Answer::Values(Values::new(vec![Value::U64(nth as u64)]))
    })
    .await;
    let values = async |word: &str| {
        let mut call = shop.world.bench.call(&shop.target);
        let word = Value::Text(word.into());
        call.payload = Payload::Values("list".into(), vec![word]);
        let (reply, degraded) = shop.run(call).await;
        let Ok(Answer::Values(values)) = reply else {
            panic!("{reply:?}");
        };
        (values.into_list(), degraded)
    };
    // Without a contract that says so, no function only looks.
    values("a").await;
    shop.spend().await;
    assert_eq!(values("a").await, (vec![Value::U64(2)], None));
}
