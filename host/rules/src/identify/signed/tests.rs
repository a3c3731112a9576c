//! The layer at a webhook's path: who gets through, with what, and what is kept of whom.

use super::*;
use crate::authorize::{Access, Anonymous, Callers};
use crate::testing::{
    Bench, Feed, answer, code, done, fault, fed, poll, register, run, service, text,
};
use crate::{deadline, testing};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_call::{Pipeline, Registered, Reply, Settings, Target};
use sha2::Sha256;
use std::sync::Mutex;
use std::task::Poll;
use zeroize::Zeroizing;

const KEY: &str = "a key of the shop's own";
const PATH: &str = "/hook";

/// What the service was sent.
#[derive(Debug)]
struct Seen {
    caller: String,
    told: Option<HeaderValue>,
    key: Vec<HeaderValue>,
    body: Vec<u8>,
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    registered: Arc<Registered>,
    seen: Arc<Mutex<Vec<Seen>>>,
    keys: Arc<Mutex<Vec<&'static str>>>,
}

fn declared(path: &str, keys: &Arc<Mutex<Vec<&'static str>>>) -> Declared {
    let keys = keys.clone();
    let shared = |key: &&str| Key::Shared(Zeroizing::new(key.as_bytes().to_vec()));
    Declared {
        accept: Accept::Service,
        path: path.to_owned(),
        provider: Provider::GitHub,
        body_bytes_max: 100,
        secrets: "gh-2026".to_owned(),
        keys: Arc::new(move |_| keys.lock().unwrap().iter().map(shared).collect()),
    }
}

/// A service with a webhook, which serves strangers or nobody else.
fn world(anonymous: Anonymous) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["record", "deadline", "identify", "authorize"]);
    let keys = Arc::new(Mutex::new(vec![KEY]));
    let hooks = Webhooks::new("shop", vec![declared(PATH, &keys)]).unwrap();
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = seen.clone();
    let settings = Settings::default()
        .with(hooks)
        .with(deadline::Settings::default())
        .with(Access {
            anonymous,
            callers: Callers::Named([].into()),
        });
    let registered = register(&pipeline, &service("shop"), settings, move |admitted| {
        let (call, _) = admitted.into_parts();
        let caller = call.caller.to_string();
        let Payload::Http(request) = call.payload else {
            unreachable!()
        };
        let headers = request.headers();
        let (told, key) = (
            headers.get("holdfast-caller"),
            headers.get_all(IDEMPOTENCY_KEY),
        );
        kept.lock().unwrap().push(Seen {
            caller,
            told: told.cloned(),
            key: key.iter().cloned().collect(),
            body: request.body().as_whole().unwrap().to_vec(),
        });
        Box::pin(async { Ok(answer(200, text("taken"))) })
    });
    World {
        bench,
        pipeline,
        registered,
        seen,
        keys,
    }
}

fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// A signed request, with this body in its place.
fn signed(body: &str, sent: Body) -> Request<Body> {
    let request = Request::post(format!("http://shop.internal{PATH}"))
        .header("x-hub-signature-256", signature(KEY, body))
        .header("x-github-delivery", "d-1")
        .header(IDEMPOTENCY_KEY, "mine")
        .header(IDEMPOTENCY_KEY, "and another");
    request.body(sent).unwrap()
}

fn whole_body(body: &str) -> Body {
    Body::whole(body.to_owned().into())
}

impl World {
    fn call(&self, request: Request<Body>) -> Call {
        Call {
            payload: Payload::Http(request),
            ..self.bench.call(&service("shop"))
        }
    }

    fn run(&self, request: Request<Body>) -> Reply {
        run(&self.pipeline, self.call(request))
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().pop().unwrap()
    }

    fn served(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

#[test]
fn a_signed_request_is_its_providers_and_comes_with_its_very_bytes() {
    for anonymous in [Anonymous::Deny, Anonymous::Allow] {
        let world = world(anonymous);
        let body = "{ \"zen\" :  1 }\n";
        assert!(world.run(signed(body, whole_body(body))).is_ok());
        let seen = world.last();
        assert_eq!(seen.caller, "principal:webhook:github");
        assert_eq!(seen.told.unwrap(), "principal:webhook:github");
        assert_eq!(seen.key, ["\"github:d-1\""]);
        assert_eq!(seen.body, body.as_bytes());
        let closing = world.bench.only_closing();
        assert_eq!(closing.caller.to_string(), "principal:webhook:github");
    }
}

#[test]
fn whatever_is_not_signed_is_refused_there_although_strangers_are_served() {
    let world = world(Anonymous::Allow);
    let plain = |method: Method, path: &str| {
        let request = Request::builder().method(method);
        let request = request.uri(format!("http://shop.internal{path}"));
        request.body(Body::empty()).unwrap()
    };
    for (method, path) in [
        (Method::POST, "/hook"),
        (Method::GET, "/hook"),
        (Method::HEAD, "/hook"),
        (Method::OPTIONS, "/hook"),
        (Method::POST, "/hook?x=1"),
        (Method::POST, "/hook/"),
        (Method::GET, "/Hook"),
        (Method::POST, "/%68ook"),
        (Method::POST, "//hook"),
        (Method::POST, "/./hook"),
        (Method::POST, "/hook;x"),
    ] {
        let shown = format!("{method} {path}");
        let refused = fault(world.run(plain(method, path)));
        assert_eq!(
            refused.host_code(),
            Some(HostCode::Unauthenticated),
            "{shown}"
        );
        let next = &refused.verdict().next;
        assert!(
            next.contains("[services.shop.webhooks.\"/hook\"]"),
            "{next}"
        );
    }
    assert_eq!(world.served(), 0);
    for path in ["/", "/hooks", "/hook/deliveries"] {
        let served = world.run(plain(Method::GET, path));
        assert!(served.is_ok(), "{path}");
        assert_eq!(world.last().caller, "anonymous");
    }
}

#[test]
fn signed_otherwise_is_not_signed() {
    let world = world(Anonymous::Allow);
    let body = "hello";
    let other_body = signed(body, whole_body("hello "));
    let mut with_key = signed(body, whole_body(body));
    let bearer = HeaderValue::from_static("Bearer hf_a1_secret");
    with_key.headers_mut().insert("authorization", bearer);
    let mut as_get = signed(body, whole_body(body));
    *as_get.method_mut() = Method::GET;
    let mut elsewhere = signed(body, whole_body(body));
    *elsewhere.uri_mut() = "http://shop.internal/HOOK".parse().unwrap();
    for request in [other_body, with_key, as_get, elsewhere] {
        let shown = format!("{request:?}");
        let refused = fault(world.run(request));
        assert_eq!(
            refused.host_code(),
            Some(HostCode::Unauthenticated),
            "{shown}"
        );
        let told = format!("{} {:?}", refused.detail(), refused.verdict());
        let right = signature(KEY, "hello ");
        assert!(!told.contains(&right) && !told.contains(KEY), "{told}");
    }
    assert_eq!(world.served(), 0);
    // A token of the service's own is the service's business.
    let mut with_token = signed(body, whole_body(body));
    let basic = HeaderValue::from_static("Basic YTpi");
    with_token.headers_mut().insert("authorization", basic);
    assert!(world.run(with_token).is_ok());
}

#[test]
fn keys_are_exchanged_without_a_gap() {
    let world = world(Anonymous::Deny);
    let by = |key: &str| {
        let mut request = signed("hello", whole_body("hello"));
        let code = HeaderValue::try_from(signature(key, "hello")).unwrap();
        request.headers_mut().insert("x-hub-signature-256", code);
        world.run(request).is_ok()
    };
    let new = "the key of the year after";
    assert_eq!((by(KEY), by(new)), (true, false));
    *world.keys.lock().unwrap() = vec![new, KEY];
    assert_eq!((by(KEY), by(new)), (true, true));
    *world.keys.lock().unwrap() = vec![new];
    assert_eq!((by(KEY), by(new)), (false, true));
}

#[test]
fn whoever_is_vouched_for_is_let_in_by_that_webhook_alone() {
    let world = world(Anonymous::Deny);
    let hooks = Webhooks::new("shop", vec![declared(PATH, &world.keys)]).unwrap();
    // Somebody of the same name whom no webhook of this service has made.
    let forged = hooks.0[0].principal.clone();
    assert!(hooks.vouched_for(&forged));
    let request = Request::get("http://shop.internal/other");
    let mut call = world.call(request.body(Body::empty()).unwrap());
    call.caller = Caller::outside(Link::Principal(forged));
    assert_eq!(code(run(&world.pipeline, call)), "forbidden");
}

#[test]
fn another_service_cannot_make_up_what_a_provider_says_and_may_hand_it_on() {
    let world = world(Anonymous::Deny);
    let settings = granted();
    let front = register(&world.pipeline, &service("front"), settings, testing::hello);
    let nested = |request| {
        let mut call = world.bench.nested(&front, &[], &service("shop"));
        call.payload = Payload::Http(request);
        run(&world.pipeline, call)
    };
    let mut forged = signed("hello", whole_body("hello"));
    forged.headers_mut().remove("x-hub-signature-256");
    assert_eq!(code(nested(forged)), "unauthenticated");
    assert!(nested(signed("hello", whole_body("hello"))).is_ok());
    let seen = world.last();
    assert_eq!(seen.caller, "anonymous > service:front");
    assert_eq!(seen.key, ["\"github:d-1\""]);
}

/// A service that may call the shop.
fn granted() -> Settings {
    use crate::authorize::{Grants, Names};
    let names = Names {
        services: ["shop".to_owned()].into(),
        ..Names::default()
    };
    Settings::default().with(Grants::new(&"front".into(), &names, &names, &[].into()))
}

#[test]
fn the_owner_of_the_keys_need_not_sign() {
    let world = world(Anonymous::Deny);
    let request = Request::post("http://shop.internal/hook");
    let mut call = world.call(request.body(Body::empty()).unwrap());
    call.entry = Entry::Command;
    call.caller = Caller::outside(Link::Operator { uid: 7 });
    assert!(run(&world.pipeline, call).is_ok());
    assert_eq!(world.last().caller, "operator:7");
}

#[test]
fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let world = world(Anonymous::Deny);
    let long = "x".repeat(101);
    let refused = fault(world.run(signed(&long, whole_body(&long))));
    assert_eq!(refused.host_code(), Some(HostCode::PayloadTooLarge));
    // And where nothing announces it.
    let (feed, body) = fed();
    let mut running = world.pipeline.run(world.call(signed("", body)));
    assert!(poll(&mut running).is_pending());
    for piece in ["x", Box::leak(long.into_boxed_str())] {
        feed.send(Ok(piece)).unwrap();
    }
    assert_eq!(code(done(&mut running)), "payload-too-large");
    let most = "y".repeat(100);
    assert!(world.run(signed(&most, whole_body(&most))).is_ok());
}

#[test]
fn a_body_that_does_not_come_is_its_senders_fault() {
    let world = world(Anonymous::Deny);
    let (feed, body) = fed();
    let mut running = world.pipeline.run(world.call(signed("hello", body)));
    feed.send(Ok("hel")).unwrap();
    assert!(poll(&mut running).is_pending());
    world
        .bench
        .clock
        .advance(deadline::Settings::default().head);
    let late = fault(done(&mut running));
    assert_eq!(late.host_code(), Some(HostCode::DeadlineExceeded));
    assert_eq!(late.verdict().boundary, Boundary::Caller);
    assert_eq!(late.verdict().stage, "identify");
}

#[test]
fn a_body_in_pieces_arrives_as_it_was_signed() {
    let world = world(Anonymous::Deny);
    let (feed, body) = fed();
    for piece in ["he", "", "llo"] {
        feed.send(Ok(piece)).unwrap();
    }
    drop(feed);
    assert!(world.run(signed("hello", body)).is_ok());
    assert_eq!(world.last().body, b"hello");
}

#[test]
fn what_cannot_be_verified_is_refused_before_anybody_waits_for_it() {
    let world = world(Anonymous::Deny);
    let (_feed, body) = fed();
    let mut request = signed("hello", body);
    request.headers_mut().remove("x-github-delivery");
    assert_eq!(code(world.run(request)), "unauthenticated");
}

/// A request whose body is `bytes` long and never ends.
fn unfinished(taker: &Taker, hook: &Arc<Webhook>, bytes: usize) -> (Feed, Running) {
    let (feed, body) = fed();
    let text: &'static str = Box::leak("x".repeat(bytes).into_boxed_str());
    feed.send(Ok(text)).unwrap();
    let bench = Bench::new();
    let call = Box::new(Call {
        payload: Payload::Http(signed("", body)),
        ..bench.call(&Target::Service("shop".into()))
    });
    let taker = Taker {
        sources: taker.sources.clone(),
        bodies: taker.bodies.clone(),
    };
    let hook = hook.clone();
    let running = Box::pin(async move { taker.take(call, &hook).await.map(drop) });
    (feed, running)
}

type Running = holdfast_call::BoxFuture<'static, Result<(), Fault>>;

#[test]
fn strangers_cannot_fill_the_memory() {
    let bench = Bench::new();
    let taker = Taker {
        sources: bench.parts.sources.clone(),
        bodies: Arc::default(),
    };
    let large = Declared {
        body_bytes_max: BODY_BYTES_MAX,
        ..declared(PATH, &Arc::default())
    };
    let hooks = Webhooks::new("shop", vec![large]).unwrap();
    let start = |bytes| unfinished(&taker, &hooks.0[0], bytes);
    let quarter = keep::BYTES_MAX / 4;
    let mut waiting: Vec<_> = (0..4).map(|_| start(quarter)).collect();
    for (_, running) in &mut waiting {
        assert!(poll(running).is_pending());
    }
    assert_eq!(taker.bodies.held(), keep::BYTES_MAX);
    let (_feed, mut more) = start(1);
    let Poll::Ready(Err(refused)) = poll(&mut more) else {
        unreachable!()
    };
    assert_eq!(refused.host_code(), Some(HostCode::Overloaded));
    assert_eq!(refused.verdict().boundary, Boundary::Platform);
    assert!(refused.wait().is_some() && refused.shed().is_some());
    // Whoever goes away leaves his room, and whoever is refused has none.
    drop(waiting.pop());
    assert_eq!(taker.bodies.held(), keep::BYTES_MAX - quarter);
    let (feed, mut next) = start(1);
    drop(feed);
    let Poll::Ready(Err(refused)) = poll(&mut next) else {
        unreachable!()
    };
    assert_eq!(refused.host_code(), Some(HostCode::Unauthenticated));
    drop(waiting);
    assert_eq!(taker.bodies.held(), 0);
}

#[test]
fn a_path_that_could_be_read_in_two_ways_is_no_webhooks() {
    let keys = Arc::default();
    for path in ["/a/../b", "/a//b", "/a;b", "/a%41", "/a?b", "/a b"] {
        let refused = Webhooks::new("shop", vec![declared(path, &keys)]);
        assert!(refused.is_err(), "{path}");
    }
    assert!(same("/a", "/A/") && !same("/a", "/b"));
}

#[test]
fn what_else_was_registered_has_no_webhooks() {
    let world = world(Anonymous::Allow);
    assert!(world.registered.settings.get::<Webhooks>().is_some());
    let other = register(
        &world.pipeline,
        &service("other"),
        Settings::default().with(Access {
            anonymous: Anonymous::Allow,
            callers: Callers::Known,
        }),
        testing::hello,
    );
    let mut call = world.call(
        Request::get("http://other.internal/hook")
            .body(Body::empty())
            .unwrap(),
    );
    call.target = other.target.clone();
    assert!(run(&world.pipeline, call).is_ok());
}
