//! The layer over a real ledger: who is served, who is refused, and what is paid for what came of it.

use super::price::{HostPrice, PriceList};
use super::*;
use crate::testing::{Bench, answer, fault, fed, frame, register, service, text, upstream};
use holdfast_call::{
    Failure, FailureKind, HostCode, Payload, Pipeline, Registered, Settings as All,
};
use holdfast_store::db::{Database, Place};
use holdfast_store::executions;
use holdfast_store::ledger::{self, Sums};
use std::time::Duration;

const PRICE: NanoUsd = NanoUsd(400_000);

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    folder: tempfile::TempDir,
    database: Database,
}

async fn world() -> World {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let database = Database::open(Place::File(file)).await.unwrap();
    let (holder, _) = executions::begin(&database, "a").await.unwrap();
    let (clock, log) = (bench.parts.sources.clock.clone(), bench.log.clone());
    let ledger = &bench.parts.ledger;
    ledger.keep_in(database.clone(), holder, clock, log);
    let pipeline = bench.only(&["budget"]);
    World {
        bench,
        pipeline,
        folder,
        database,
    }
}

mod cached;

/// What the host's budget leaves room for, so that the ledger has sums to compare.
const LIMITS: Limits = Limits {
    host: Some(Limit {
        amount: NanoUsd(10 * PRICE.0),
        span: Span::Month,
    }),
    caller: None,
    execution: None,
    soft: 80,
};

fn costs(limits: Limits, budget: Option<Limit>) -> All {
    All::default().with(Settings {
        tariff: Tariff::Upstream {
            name: "api".into(),
            list: Arc::new(PriceList {
                request: PRICE,
                ..PriceList::default()
            }),
            budget,
        },
        limits,
    })
}

fn dear(times: u64) -> Option<Limit> {
    Some(Limit {
        amount: NanoUsd(times * PRICE.0),
        span: Span::Month,
    })
}

impl World {
    /// Registers an upstream that costs something and answers like this.
    fn sells(
        &self,
        settings: All,
        reply: impl Fn() -> Result<Answer, Failure> + Send + Sync + 'static,
    ) -> Target {
        let target = upstream("http://up:80");
        register(&self.pipeline, &target, settings, move |_| {
            let reply = reply();
            Box::pin(async move { reply })
        });
        target
    }

    async fn asks(&self, target: &Target) -> Reply {
        self.pipeline.run(self.bench.call(target)).await
    }

    async fn sums(&self) -> Sums {
        self.bench.parts.ledger.settled().await;
        ledger::sums(&self.database).await.unwrap()
    }

    fn said(&self) -> Vec<String> {
        self.bench.log.hosts.lock().unwrap().clone()
    }
}

fn ok() -> Result<Answer, Failure> {
    Ok(answer(200, text("sold")))
}

#[tokio::test]
async fn of_many_at_once_as_many_are_sent_as_the_budget_pays_for() {
    let world = world().await;
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = sent.clone();
    let target = world.sells(costs(LIMITS, None), move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        ok()
    });
    let calls = (0..256).map(|_| world.pipeline.run(world.bench.call(&target)));
    let mut all = tokio::task::JoinSet::new();
    calls.for_each(|call| {
        all.spawn(call);
    });
    let replies = all.join_all().await;
    let paid = replies.iter().filter(|reply| reply.is_ok()).count();
    assert_eq!(
        (paid, sent.load(std::sync::atomic::Ordering::SeqCst)),
        (10, 10)
    );
    for refused in replies.into_iter().filter_map(Result::err) {
        assert_eq!(refused.host_code(), Some(HostCode::BudgetExhausted));
        assert!(refused.wait().is_some());
        assert!(!refused.detail().contains("USD"));
        assert_eq!(
            refused.verdict().next,
            "host under [budget] in holdfast.toml"
        );
    }
    let sums = world.sums().await;
    assert_eq!(
        (sums.entries, sums.reserved),
        (NanoUsd(10 * PRICE.0), NanoUsd(0))
    );
    let warned = world.said();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].starts_with("the budget of the host is nearly spent: 0.00"),
        "{warned:?}"
    );
}

#[tokio::test]
async fn what_was_never_sent_is_given_back_and_what_may_have_been_is_not() {
    let world = world().await;
    let limits = LIMITS;
    for (kind, paid, certain) in [
        (FailureKind::UpstreamUnreachable, 0, true),
        (FailureKind::UpstreamTimeout, 1, false),
        (FailureKind::UpstreamFault, 2, false),
    ] {
        let target = world.sells(costs(limits, None), move || {
            Err(Failure::new(kind.clone(), ""))
        });
        let call = world.bench.call(&target);
        let meter = call.meter.clone();
        assert!(world.pipeline.run(call).await.is_err());
        let sums = world.sums().await;
        assert_eq!(
            (sums.entries, sums.open),
            (NanoUsd(paid * PRICE.0), NanoUsd(0))
        );
        assert_eq!(meter.read().cost, if certain { NanoUsd(0) } else { PRICE });
    }
}

#[tokio::test]
async fn who_gives_up_waiting_pays_and_what_has_no_price_is_free() {
    let world = world().await;
    let target = upstream("http://up:80");
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    register(&world.pipeline, &target, costs(LIMITS, None), move |_| {
        begun.send(()).unwrap();
        Box::pin(std::future::pending())
    });
    let waits = tokio::spawn(world.pipeline.run(world.bench.call(&target)));
    begins.recv().await.unwrap();
    let sums = world.sums().await;
    assert_eq!((sums.entries, sums.open), (NanoUsd(0), PRICE));
    waits.abort();
    assert!(waits.await.is_err());
    let sums = world.sums().await;
    assert_eq!((sums.entries, sums.open), (PRICE, NanoUsd(0)));
    let free = world.sells(All::default(), ok);
    assert!(world.asks(&free).await.is_ok());
    assert_eq!(world.sums().await.entries, PRICE);
}

#[tokio::test]
async fn each_level_has_a_budget_of_its_own() {
    let world = world().await;
    let own = |budget| costs(LIMITS, budget);
    // The upstream's.
    let target = world.sells(own(dear(1)), ok);
    assert!(world.asks(&target).await.is_ok());
    let refused = fault(world.asks(&target).await);
    assert_eq!(
        refused.verdict().next,
        "budget under [upstreams.api] in holdfast.toml"
    );
    // The asking service's.
    let target = world.sells(own(None), ok);
    let purse = All::default().with(Purse {
        budget: dear(2),
        upstreams: Vec::new(),
        limits: LIMITS,
        degrade: None,
    });
    let asker = register(
        &world.pipeline,
        &service("shop"),
        purse,
        crate::testing::hello,
    );
    let asks = |asker: &Arc<Registered>| {
        let call = world.bench.nested(asker, &[], &target);
        world.pipeline.run(call)
    };
    for _ in 0..2 {
        assert!(asks(&asker).await.is_ok());
    }
    let refused = fault(asks(&asker).await);
    assert_eq!(
        refused.verdict().next,
        "budget under [services.shop] in holdfast.toml"
    );
    // The caller's.
    let limits = Limits {
        caller: dear(4),
        ..LIMITS
    };
    let target = world.sells(costs(limits, None), ok);
    for _ in 0..4 {
        assert!(world.asks(&target).await.is_ok());
    }
    let refused = fault(world.asks(&target).await);
    assert_eq!(
        refused.verdict().next,
        "caller under [budget] in holdfast.toml"
    );
    assert!(
        refused
            .verdict()
            .evidence
            .contains(&("level", "caller".to_owned()))
    );
}

#[tokio::test]
async fn one_tree_of_calls_has_a_budget_of_its_own() {
    let world = world().await;
    let limits = Limits {
        execution: Some(NanoUsd(2 * PRICE.0)),
        ..LIMITS
    };
    let target = world.sells(costs(limits, None), ok);
    let first = world.bench.call(&target);
    let tree = first.tree.clone();
    let below = || {
        let mut call = world.bench.call(&target);
        call.tree = tree.clone();
        world.pipeline.run(call)
    };
    assert!(world.pipeline.run(first).await.is_ok());
    assert!(below().await.is_ok());
    let refused = fault(below().await);
    assert_eq!(refused.host_code(), Some(HostCode::BudgetExhausted));
    assert_eq!(
        (refused.wait(), refused.reached()),
        (None, Reached::Nothing)
    );
    assert!(world.asks(&target).await.is_ok());
    // What is not sent is not counted for the tree either.
    let failing = world.sells(costs(limits, None), || {
        Err(Failure::new(FailureKind::UpstreamUnreachable, ""))
    });
    let again = world.bench.call(&failing);
    let tree = again.tree.clone();
    assert!(world.pipeline.run(again).await.is_err());
    assert_eq!(
        tree.set_aside(NanoUsd(2 * PRICE.0), NanoUsd(2 * PRICE.0)),
        Ok(())
    );
}

#[tokio::test]
async fn nothing_is_sent_that_cannot_be_put_on_record() {
    let world = world().await;
    let target = world.sells(costs(LIMITS, None), || panic!("it was sent"));
    let file = world.folder.path().join("test.db");
    std::fs::rename(&file, world.folder.path().join("elsewhere.db")).unwrap();
    let refused = fault(world.asks(&target).await);
    assert_eq!(refused.host_code(), Some(HostCode::StorageUnavailable));
    assert_eq!(refused.reached(), Reached::Nothing);
}

#[tokio::test]
async fn what_a_service_uses_of_the_host_is_counted_when_its_answer_has_ended() {
    let world = world().await;
    let settings = All::default().with(Settings {
        tariff: Tariff::Host(HostPrice {
            cpu_second: NanoUsd(1_000_000_000),
            gib_out: NanoUsd(1 << 30),
            cpu_max: Duration::from_micros(100),
            bytes_max: 1_000,
            version: "7".to_owned(),
        }),
        limits: LIMITS,
    });
    let (feeds, mut fed_by) = tokio::sync::mpsc::unbounded_channel();
    register(
        &world.pipeline,
        &service("shop"),
        settings,
        move |admitted| {
            let (feed, body) = fed();
            feeds.send(feed).unwrap();
            admitted.call().meter.add_cpu(Duration::from_micros(3));
            Box::pin(async move { Ok(answer(200, body)) })
        },
    );
    let reply = world.asks(&service("shop")).await;
    let feed = fed_by.recv().await.unwrap();
    let mut body = crate::testing::body(reply);
    // Its worst case is what its limits allow.
    assert_eq!(world.sums().await.open, NanoUsd(100_000 + 1_000));
    feed.send(Ok("12345")).unwrap();
    assert!(frame(&mut body).is_ready());
    drop(feed);
    assert!(frame(&mut body).is_ready());
    let sums = world.sums().await;
    assert_eq!((sums.entries, sums.open), (NanoUsd(3_000 + 5), NanoUsd(0)));
}

/// A service that is asked through the layer, with this in its place once its budget is nearly spent.
fn degrades(degrade: Degrade) -> All {
    All::default().with(Purse {
        budget: dear(4),
        upstreams: vec![("api".into(), dear(5).unwrap())],
        limits: LIMITS,
        degrade: Some(Arc::new(degrade)),
    })
}

#[tokio::test]
async fn a_service_whose_budget_is_nearly_spent_is_answered_for() {
    let world = world().await;
    let target = world.sells(costs(LIMITS, dear(5)), ok);
    let shop = degrades(Degrade {
        cached: None,
        instead: Some(Instead::Answer {
            status: http::StatusCode::ACCEPTED,
            content_type: http::HeaderValue::from_static("text/plain"),
            body: bytes::Bytes::from_static(b"later"),
        }),
    });
    let asker = register(
        &world.pipeline,
        &service("shop"),
        shop,
        crate::testing::hello,
    );
    let status = async || {
        let reply = world.asks(&service("shop")).await;
        let answer = reply.unwrap_or_else(|fault| panic!("{fault:?}"));
        let (status, headers) = answer.head().unwrap();
        (status.as_u16(), headers.contains_key(DEGRADED))
    };
    for _ in 0..3 {
        assert_eq!(status().await, (200, false));
        let asked = world.bench.nested(&asker, &[], &target);
        assert!(world.pipeline.run(asked).await.is_ok());
    }
    assert_eq!(status().await, (200, false));
    // The fourth of five: the upstream's budget is at 80 %, though the service's own is spent.
    let asked = world.bench.nested(&asker, &[], &target);
    assert!(world.pipeline.run(asked).await.is_ok());
    assert_eq!(status().await, (202, true));
    // Who asks for values cannot be answered with a page: the service is asked, which here knows no values.
    let mut call = world.bench.call(&service("shop"));
    call.payload = Payload::Values("f".into(), Vec::new());
    let asked = fault(world.pipeline.run(call).await);
    assert_eq!(asked.host_code(), Some(HostCode::BadResponse));
    // Another service may be asked in its place, by it.
    let asker = register(
        &world.pipeline,
        &service("shop"),
        degrades(Degrade {
            cached: None,
            instead: Some(Instead::Service("lite".into())),
        }),
        crate::testing::hello,
    );
    let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
    register(
        &world.pipeline,
        &service("lite"),
        All::default(),
        move |admitted| {
            let call = admitted.call();
            told.send((call.caller.to_string(), call.nested())).unwrap();
            Box::pin(async { Ok(answer(203, text("little"))) })
        },
    );
    assert_eq!(status().await, (203, true));
    assert_eq!(
        asked.recv().await.unwrap(),
        ("anonymous > service:shop".to_owned(), true)
    );
    drop(asker);
}
