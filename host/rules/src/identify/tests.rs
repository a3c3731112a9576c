//! The layer among its neighbours: whose a call is, what goes further, and what is refused.

use super::*;
use crate::testing::{Bench, code, fault, hello, register, run, service};
use holdfast_call::{Pipeline, Settings};
use keys::stored;
use std::sync::Mutex;

/// The caller that the service saw, and what it was sent of his `Authorization`.
type Seen = (String, Option<HeaderValue>);

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn world() -> World {
    let bench = Bench::new();
    bench
        .parts
        .keys
        .put(vec![stored("a1", "s3cret")], bench.now());
    let pipeline = bench.only(&["record", "identify"]);
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = seen.clone();
    register(
        &pipeline,
        &service("hello"),
        Settings::default(),
        move |admitted| {
            let headers = match &admitted.call().payload {
                Payload::Http(request) => request.headers().get(header::AUTHORIZATION).cloned(),
                Payload::Values(..) => None,
            };
            let caller = admitted.call().caller.to_string();
            kept.lock().unwrap().push((caller, headers));
            hello(admitted)
        },
    );
    World {
        bench,
        pipeline,
        seen,
    }
}

impl World {
    fn call(&self, authorization: &[&str]) -> Call {
        let mut call = self.bench.call(&service("hello"));
        if let Payload::Http(request) = &mut call.payload {
            for value in authorization {
                let value = HeaderValue::from_str(value).unwrap();
                request.headers_mut().append(header::AUTHORIZATION, value);
            }
        }
        call
    }

    fn last(&self) -> (String, Option<HeaderValue>) {
        self.seen.lock().unwrap().pop().unwrap()
    }
}

#[test]
fn a_key_makes_a_known_caller_and_goes_no_further() {
    let world = world();
    for value in ["Bearer hf_a1_s3cret", "bearer  hf_a1_s3cret "] {
        assert!(
            run(&world.pipeline, world.call(&[value])).is_ok(),
            "{value}"
        );
        assert_eq!(world.last(), ("principal:ann".to_owned(), None));
    }
    let closings = world.bench.log.closings.lock().unwrap();
    assert_eq!(closings[0].caller.to_string(), "principal:ann");
}

#[test]
fn what_is_no_key_of_ours_is_the_services_business() {
    let world = world();
    for value in [
        "Bearer eyJhbGciOi",
        "Basic aGZfYTFfczNjcmV0",
        "hf_a1_s3cret",
    ] {
        assert!(
            run(&world.pipeline, world.call(&[value])).is_ok(),
            "{value}"
        );
        let (caller, sent) = world.last();
        assert_eq!(caller, "anonymous");
        assert_eq!(sent.unwrap(), value);
    }
}

#[test]
fn a_key_that_is_wrong_is_refused_and_told_from_the_store_that_is_silent() {
    let world = world();
    for brought in [
        &["Bearer hf_a1_wrong"][..],
        &["Bearer hf_zz_s3cret"],
        &["Bearer hf_a1_s3cret", "Bearer hf_a1_s3cret"],
        &["Basic YTpi", "Bearer hf_a1_s3cret"],
    ] {
        let refused = fault(run(&world.pipeline, world.call(brought)));
        assert_eq!(refused.host_code(), Some(HostCode::Unauthenticated));
        let told = format!("{:?}", refused.verdict());
        assert!(!told.contains("s3cret"), "{told}");
    }
    world.bench.clock.advance(keys::STALE_MAX * 2);
    let late = run(&world.pipeline, world.call(&["Bearer hf_a1_s3cret"]));
    assert_eq!(code(late), "storage-unavailable");
    assert!(run(&world.pipeline, world.call(&[])).is_ok());
}

#[test]
fn what_a_service_sends_to_another_is_not_looked_at() {
    let world = world();
    let asker = register(
        &world.pipeline,
        &service("front"),
        Settings::default(),
        hello,
    );
    let mut nested = world.bench.nested(&asker, &[], &service("hello"));
    nested.payload = world.call(&["Bearer hf_a1_s3cret"]).payload;
    assert!(run(&world.pipeline, nested).is_ok());
    assert_eq!(world.last().0, "anonymous > service:front");
}
