//! The layer with issuers: whose a token is, when it waits for keys, and what is said where nobody knows them.

use super::super::token::testing::{ISSUER, Signer, claims, set};
use super::*;
use crate::testing::{Bench, code, done, fault, hello, poll, register, run, service};
use holdfast_call::{BoxFuture, Call, Payload, Pipeline, Reply, Settings as LayerSettings};
use http::{HeaderValue, header};
use serde_json::{Value, json};
use std::sync::Mutex;

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    issuer: Arc<Issuer>,
    seen: Arc<Mutex<Vec<(String, usize)>>>,
}

fn settings() -> Settings {
    let scope = |text: &str| AccessScope::parse(text).unwrap();
    Settings {
        name: "corp".to_owned(),
        issuer: ISSUER.to_owned(),
        algorithms: Algorithm::DEFAULT.to_vec(),
        wanted: Wanted {
            audience: vec!["holdfast".to_owned()],
            subject: "sub".to_owned(),
            rights: "scope".to_owned(),
        },
        scopes: vec![scope("hello:GET")],
        grants: BTreeMap::from([("notes.read".to_owned(), vec![scope("notes:GET")])]),
        keys_every: FRESH,
        keys_from: "a test".to_owned(),
    }
}

/// A host whose issuer's keys are not read yet.
fn world() -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["record", "identify"]);
    let issuer = Issuer::new(settings(), bench.now());
    bench.parts.issuers.put(vec![issuer.clone()]);
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = seen.clone();
    register(
        &pipeline,
        &service("hello"),
        LayerSettings::default(),
        move |admitted| {
            let headers = match &admitted.call().payload {
                Payload::Http(request) => request
                    .headers()
                    .get_all(header::AUTHORIZATION)
                    .iter()
                    .count(),
                Payload::Values(..) => 0,
            };
            let caller = admitted.call().caller.to_string();
            kept.lock().unwrap().push((caller, headers));
            hello(admitted)
        },
    );
    World {
        bench,
        pipeline,
        issuer,
        seen,
    }
}

impl World {
    fn call(&self, authorization: &[&str]) -> Call {
        let mut call = self.bench.call(&service("hello"));
        if let Payload::Http(request) = &mut call.payload {
            for value in authorization {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                request.headers_mut().append(header::AUTHORIZATION, value);
            }
        }
        call
    }

    fn bring(&self, token: &str) -> Reply {
        run(&self.pipeline, self.call(&[&format!("Bearer {token}")]))
    }

    /// What a reading comes to.
    fn read(&self, keys: Option<&[Value]>) {
        let clock = self.bench.parts.sources.clock.clone();
        let mut due: BoxFuture<'_, ()> = Box::pin(self.issuer.due(&*clock));
        // Where it is not due, it comes unasked.
        let _ = poll(&mut due);
        self.issuer.end(keys.map(set), self.bench.now());
    }
}

/// Claims that hold at the beginning of the clock of a test.
fn now() -> Value {
    let mut claims = claims();
    claims["exp"] = json!(10_000);
    claims
}

#[test]
fn a_token_makes_a_known_caller_and_goes_no_further() {
    let world = world();
    let signer = Signer::numbered(1);
    world.read(Some(&[signer.key(Some("one"))]));
    assert!(world.bring(&signer.token(Some("one"), &now())).is_ok());
    assert_eq!(
        world.seen.lock().unwrap().pop().unwrap(),
        ("principal:corp:alice".to_owned(), 0)
    );
    let closing = world.bench.only_closing();
    assert_eq!(closing.caller.to_string(), "principal:corp:alice");
}

#[test]
fn what_a_token_is_good_for_is_what_the_policy_makes_of_its_words() {
    let world = world();
    let signer = Signer::numbered(1);
    world.read(Some(&[signer.key(None)]));
    let clock = world.bench.parts.sources.clock.clone();
    let scopes = |scope: Value| {
        let mut claims = now();
        claims["scope"] = scope;
        let text = signer.token(None, &claims);
        let issuers = &world.bench.parts.issuers;
        let mut found: BoxFuture<'_, _> = Box::pin(issuers.principal(&text, &*clock, Moment::FAR));
        let principal: Arc<Principal> = done(&mut found).unwrap();
        assert_eq!(&*principal.proof, "jwt:corp");
        principal
            .scopes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(scopes(json!("notes.read")), ["hello:GET", "notes:GET"]);
    assert_eq!(scopes(json!(["*", "notes.write", "notes"])), ["hello:GET"]);
}

#[test]
fn whatever_is_brought_as_a_token_is_one_or_is_refused() {
    let world = world();
    let signer = Signer::numbered(1);
    world.read(Some(&[signer.key(None)]));
    let good = format!("Bearer {}", signer.token(None, &now()));
    for brought in [&["Bearer"][..], &["Basic YTpi"], &["Token abc"]] {
        // No bearer: the service's business, as it was.
        assert!(
            run(&world.pipeline, world.call(brought)).is_ok(),
            "{brought:?}"
        );
    }
    for brought in [
        &["Bearer abc"][..],
        &["bearer a.b.c"],
        &["Bearer caf\u{e9}"],
        &[&good, &good],
        &[&good, "Basic YTpi"],
        &["Bearer hf_a1_wrong", &good],
    ] {
        let refused = fault(run(&world.pipeline, world.call(brought)));
        assert_eq!(
            refused.host_code(),
            Some(HostCode::Unauthenticated),
            "{brought:?}"
        );
    }
    let mut other = now();
    other["iss"] = json!("https://login.example.com");
    let mut old = now();
    old["exp"] = json!(1);
    for (claims, detail) in [(&other, DETAIL), (&old, "The token has expired.")] {
        let token = signer.token(None, claims);
        let refused = fault(world.bring(&token));
        assert_eq!((refused.status(), refused.detail()), (401, detail));
        let told = format!("{:?}", refused.verdict());
        assert!(!told.contains(&token) && !told.contains("alice"), "{told}");
    }
    let not_allowed = signer.sign("{\"alg\":\"RS512\"}", &now().to_string());
    let refused = fault(world.bring(&not_allowed));
    assert!(format!("{:?}", refused.verdict()).contains("RS512"));
}

#[test]
fn a_token_whose_key_is_not_known_yet_waits_for_one_reading() {
    let world = world();
    let (old, new) = (Signer::numbered(1), Signer::numbered(2));
    world.read(Some(&[old.key(Some("old"))]));
    let token = format!("Bearer {}", new.token(Some("new"), &now()));
    let mut waiting: Vec<_> = (0..3)
        .map(|_| world.pipeline.run(world.call(&[&token])))
        .collect();
    for one in &mut waiting {
        assert!(poll(one).is_pending());
    }
    // The one reading that they ask for answers all of them.
    world.read(Some(&[old.key(Some("old")), new.key(Some("new"))]));
    for one in &mut waiting {
        assert!(done(one).is_ok());
    }
    // Of others that ask soon after, nobody waits, and nothing is read.
    for key in ["a", "b", "c"] {
        assert_eq!(
            code(world.bring(&new.token(Some(key), &now()))),
            "unauthenticated"
        );
    }
    assert!(world.bring(&old.token(Some("old"), &now())).is_ok());
    world.bench.clock.advance(ASKED_EVERY);
    let mut later = world.pipeline.run(world.call(&[&token]));
    assert!(done(&mut later).is_ok());
    let unknown = format!("Bearer {}", new.token(Some("d"), &now()));
    let mut asks = world.pipeline.run(world.call(&[&unknown]));
    assert!(poll(&mut asks).is_pending());
}

#[test]
fn where_nobody_can_say_what_the_keys_are_it_is_no_fault_of_the_caller() {
    let world = world();
    let signer = Signer::numbered(1);
    let token = signer.token(Some("one"), &now());
    // They were never read: he waits, but not for ever.
    let mut waiting = world
        .pipeline
        .run(world.call(&[&format!("Bearer {token}")]));
    assert!(poll(&mut waiting).is_pending());
    world.bench.clock.advance(WAIT_MAX);
    let refused = fault(done(&mut waiting));
    assert_eq!(refused.host_code(), Some(HostCode::UpstreamUnreachable));
    assert_eq!(refused.verdict().boundary, Boundary::Upstream);
    assert_eq!(refused.wait(), Some(FAILED_EVERY));
    // Those that were read once are good for an hour.
    world.read(Some(&[signer.key(Some("one"))]));
    world.bench.clock.advance(STALE_MAX);
    world.read(None);
    assert!(world.bring(&token).is_ok());
    // A key that is not among them may have been published since.
    let mut asks = world
        .pipeline
        .run(world.call(&[&format!("Bearer {}", signer.token(Some("two"), &now()))]));
    assert!(poll(&mut asks).is_pending());
    world.read(None);
    assert_eq!(code(done(&mut asks)), "upstream-unreachable");
    world.bench.clock.advance(std::time::Duration::from_secs(1));
    world.read(None);
    assert_eq!(code(world.bring(&token)), "upstream-unreachable");
    // And it goes on by itself.
    world.bench.clock.advance(FAILED_EVERY);
    world.read(Some(&[signer.key(Some("one"))]));
    assert!(world.bring(&token).is_ok());
}
