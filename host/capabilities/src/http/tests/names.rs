//! Names that change, fail and come back, under the connections that were made by them.

use super::support::*;
use super::tls::{multiplexing, secured};
use crate::http::names::Names;
use crate::http::{Counts, Found, Resolve, Unresolved, Upstream};
use holdfast_call::{BoxFuture, FailureKind, Moment};
use http::Request;
use http_body::Frame;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// A resolver that answers what the test says, once it says something, and counts who asks.
#[derive(Default)]
struct Told {
    answer: Mutex<Option<Result<Found, Unresolved>>>,
    told: Notify,
    asked: AtomicUsize,
}

impl Told {
    fn leading(addresses: &[&str]) -> Arc<Self> {
        let this = Arc::new(Self::default());
        this.lead(addresses);
        this
    }

    fn lead(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let ttl = TTL;
        self.tell(Some(Ok(Found { addresses, ttl })));
    }

    fn fail(&self) {
        let cause = "it is on fire".to_owned();
        self.tell(Some(Err(Unresolved::Failed { cause })));
    }

    fn tell(&self, answer: Option<Result<Found, Unresolved>>) {
        *self.answer.lock().unwrap() = answer;
        self.told.notify_waiters();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct Asking(Arc<Told>);

impl Resolve for Asking {
    fn resolve(&self, _host: &str) -> BoxFuture<'static, Result<Found, Unresolved>> {
        let told = self.0.clone();
        told.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            loop {
                let mut next = std::pin::pin!(told.told.notified());
                next.as_mut().enable();
                if let Some(answer) = told.answer.lock().unwrap().clone() {
                    return answer;
                }
                next.await;
            }
        })
    }
}

const TTL: Duration = Duration::from_secs(5);
const URL: &str = "http://api.example.com";

fn named(server: &Server, told: &Arc<Told>) -> (World, String) {
    let url = format!("{URL}:{}", server.address.port());
    let world = World::resolving(upstream(&url), Arc::new(Asking(told.clone())));
    (world, url)
}

async fn ask(world: &World, url: &str) -> String {
    text(world.call(get(url)).await.unwrap()).await.unwrap()
}

async fn settled(world: &World, open: usize, idle: usize) {
    let wanted = Counts { open, idle };
    while world.out.counts() != wanted {
        tokio::task::yield_now().await;
    }
}

fn lines(world: &World) -> Vec<String> {
    world.log.0.lock().unwrap().clone()
}

#[tokio::test]
async fn however_many_ask_one_looks_up() {
    let server = Server::answering(OK).await;
    let told = Arc::new(Told::default());
    let (world, url) = named(&server, &told);
    let calls: Vec<_> = (0..5).map(|_| world.spawn(get(&url))).collect();
    world.clock.await_timer(CONNECT).await;
    told.lead(&["127.0.0.1"]);
    for call in calls {
        assert_eq!(text(call.await.unwrap().unwrap()).await.unwrap(), "ok");
    }
    assert_eq!(told.asked(), 1);
}

#[tokio::test]
async fn each_waits_no_longer_than_its_own_time_and_the_lookup_goes_on() {
    let server = Server::answering(OK).await;
    let told = Arc::new(Told::default());
    let (world, url) = named(&server, &told);
    let call = world.spawn(get(&url));
    world.clock.ring(CONNECT).await;
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!(evidence(&failure, "stage"), "resolve");
    told.lead(&["127.0.0.1"]);
    assert_eq!(ask(&world, &url).await, "ok");
    assert_eq!(told.asked(), 1);
}

#[tokio::test]
async fn a_failure_says_what_the_resolver_said() {
    let server = Server::answering(OK).await;
    let told = Arc::new(Told::default());
    told.fail();
    let (world, url) = named(&server, &told);
    for _ in 0..3 {
        let failure = world.call(get(&url)).await.unwrap_err();
        let kind = &failure.kind;
        assert!(
            matches!(kind, FailureKind::UpstreamUnreachable),
            "{failure:?}"
        );
        assert_eq!(
            failure.cause,
            "the name could not be resolved: it is on fire"
        );
    }
    assert_eq!(told.asked(), 1, "a failure is remembered");
}

#[tokio::test]
async fn an_address_needs_no_resolver() {
    let server = Server::answering(OK).await;
    let told = Arc::new(Told::default());
    let world = World::resolving(upstream(&server.url()), Arc::new(Asking(told.clone())));
    assert_eq!(ask(&world, &server.url()).await, "ok");
    assert_eq!(ask(&world, &server.url()).await, "ok");
    assert_eq!(told.asked(), 0);
}

#[tokio::test]
async fn a_kept_connection_is_used_while_its_name_leads_there() {
    let server = Server::answering(OK).await;
    let told = Told::leading(&["127.0.0.1"]);
    let (world, url) = named(&server, &told);
    for _ in 0..3 {
        assert_eq!(ask(&world, &url).await, "ok");
        settled(&world, 1, 1).await;
    }
    assert_eq!(told.asked(), 1);
    told.lead(&["127.0.0.2", "127.0.0.1"]);
    world.clock.set(TTL);
    assert_eq!(ask(&world, &url).await, "ok");
    assert_eq!((told.asked(), server.accepts()), (2, 1));
}

#[tokio::test]
async fn a_kept_connection_is_not_used_where_its_name_leads_elsewhere() {
    let mut server = Server::answering(OK).await;
    let told = Told::leading(&["127.0.0.1"]);
    let (world, url) = named(&server, &told);
    assert_eq!(ask(&world, &url).await, "ok");
    settled(&world, 1, 1).await;
    server.seen().await;
    told.lead(&["127.0.0.2"]);
    assert_eq!(ask(&world, &url).await, "ok", "the answer holds");
    server.seen().await;
    settled(&world, 1, 1).await;
    world.clock.set(TTL);
    let failure = world.call(get(&url)).await.unwrap_err();
    assert!(evidence(&failure, "address").starts_with("127.0.0.2:"));
    assert_eq!(server.seen().await, "closed");
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn a_connection_under_way_finishes_wherever_its_name_leads_by_then() {
    let release = Arc::new(Notify::new());
    let waits = release.clone();
    let mut server = Server::start(move |mut peer| {
        let waits = waits.clone();
        async move {
            peer.head().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha")
                .await;
            waits.notified().await;
            peer.write("lf").await;
            peer.rest().await;
        }
    })
    .await;
    let told = Told::leading(&["127.0.0.1"]);
    let (world, url) = named(&server, &told);
    let under_way = world.call(get(&url)).await.unwrap();
    server.seen().await;
    told.lead(&["127.0.0.2"]);
    world.clock.set(TTL);
    world.call(get(&url)).await.unwrap_err();
    release.notify_one();
    assert_eq!(text(under_way).await.unwrap(), "half");
    settled(&world, 1, 1).await;
    world.call(get(&url)).await.unwrap_err();
    assert_eq!(server.seen().await, "end: ");
}

#[tokio::test]
async fn a_shared_connection_takes_no_more_requests_where_its_name_leads_elsewhere() {
    let (mut server, settings) = secured("h2", multiplexing).await;
    let url = format!("{}/echo", settings.origin);
    let told = Told::leading(&["127.0.0.1"]);
    let world = World::resolving(settings, Arc::new(Asking(told.clone())));
    let (feed, body) = fed();
    let under_way = world.spawn(Request::post(&url).body(body).unwrap());
    feed.send(Ok(Frame::data("half".into()))).unwrap();
    server.seen().await;
    told.lead(&["127.0.0.2"]);
    world.clock.set(TTL);
    let failure = world.call(get(&url)).await.unwrap_err();
    assert!(evidence(&failure, "address").starts_with("127.0.0.2:"));
    drop(feed);
    let answer = under_way.await.unwrap().unwrap();
    assert_eq!(text(answer).await.unwrap(), "half");
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn what_a_name_led_to_is_used_while_it_cannot_be_resolved_and_the_log_says_so_once() {
    let server = Server::once(OK).await;
    let told = Told::leading(&["127.0.0.1"]);
    let (world, url) = named(&server, &told);
    assert_eq!(ask(&world, &url).await, "ok");
    told.fail();
    for seconds in [5, 6, 8, 11] {
        world.clock.set(Duration::from_secs(seconds));
        assert_eq!(ask(&world, &url).await, "ok");
        tokio::task::yield_now().await;
    }
    let said = lines(&world);
    assert!(
        said.len() == 1 && said[0].contains("api.example.com cannot be resolved (it is on fire)"),
        "{said:?}"
    );
    told.lead(&["127.0.0.1"]);
    world.clock.set(Duration::from_secs(20));
    while lines(&world).len() < 2 {
        assert_eq!(ask(&world, &url).await, "ok");
        tokio::task::yield_now().await;
    }
    assert!(lines(&world)[1].contains("answered for again"));
}

#[tokio::test]
async fn a_resolver_that_is_silent_costs_a_moment_where_something_old_is_known() {
    let server = Server::once(OK).await;
    let told = Told::leading(&["127.0.0.1"]);
    let (world, url) = named(&server, &told);
    assert_eq!(ask(&world, &url).await, "ok");
    told.tell(None);
    world.clock.set(TTL);
    let call = world.spawn(get(&url));
    world.clock.ring(TTL + Duration::from_millis(500)).await;
    assert_eq!(text(call.await.unwrap().unwrap()).await.unwrap(), "ok");
    // The next one does not wait at all.
    assert_eq!(ask(&world, &url).await, "ok");
    assert_eq!(told.asked(), 2);
}

#[tokio::test]
async fn who_has_little_time_waits_half_of_it_for_a_new_answer() {
    let told = Told::leading(&["127.0.0.1"]);
    let (clock, log) = (ManualClock::default(), Arc::new(Lines::default()));
    let resolver = Arc::new(Asking(told.clone()));
    let names = Names::new(resolver, Arc::new(clock.clone()), log);
    let at = |millis| Moment::START.after(Duration::from_millis(millis));
    let home: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(*names.find("a", at(100)).await.unwrap(), [home]);
    told.tell(None);
    clock.set(TTL);
    let finding = names.clone();
    let find = tokio::spawn(async move { finding.find("a", at(5_100)).await });
    clock.ring(TTL + Duration::from_millis(50)).await;
    assert_eq!(*find.await.unwrap().unwrap(), [home]);
}

#[tokio::test]
async fn an_address_that_did_not_connect_is_tried_last_by_the_next_call() {
    let server = Server::once(OK).await;
    let told = Told::leading(&["127.0.0.2", "127.0.0.1"]);
    let (world, url) = named(&server, &told);
    assert_eq!(ask(&world, &url).await, "ok");
    let port = server.address.port();
    let mut order =
        ["127.0.0.2", "127.0.0.1"].map(|ip| (ip.parse::<IpAddr>().unwrap(), port).into());
    world.out.health.order(&mut order, Moment::START);
    assert_eq!(order[0], server.address);
}

#[tokio::test]
async fn a_name_that_comes_to_lead_inside_is_refused_and_its_connection_not_used() {
    let server = Server::answering(OK).await;
    let told = Told::leading(&["127.0.0.1"]);
    let port = server.address.port();
    let url = format!("{URL}:{port}");
    let settings = Upstream {
        allow_private: vec!["127.0.0.1/32".parse().unwrap()],
        ..upstream(&url)
    };
    let world = World::resolving(settings, Arc::new(Asking(told.clone())));
    assert_eq!(ask(&world, &url).await, "ok");
    settled(&world, 1, 1).await;
    told.lead(&["10.0.0.1"]);
    world.clock.set(TTL);
    let failure = world.call(get(&url)).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::Denied { .. }),
        "{failure:?}"
    );
    assert_eq!(evidence(&failure, "refused"), "10.0.0.1 (private)");
}
