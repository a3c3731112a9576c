//! The tests of `authorize`: who may, who may not, and what the one who may not is told.

use super::*;
use crate::testing::*;
use holdfast_call::{AccessScope, Caller, Entry, Link, Pipeline, Principal, Settings};

const API: &str = "https://api.example.com:443";

fn names(upstreams: &[&str], services: &[&str]) -> Names {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Names {
        upstreams: set(upstreams),
        services: set(services),
        ..Names::default()
    }
}

#[test]
fn a_secret_is_used_only_for_what_it_is_there_for() {
    let uses = Uses {
        secret: "hook".to_owned(),
        operations: vec!["verify"],
    };
    assert!(uses.check("verify").is_ok());
    let refused = uses.check("sign").unwrap_err();
    assert_eq!(refused.host_code(), Some(HostCode::CapabilityDenied));
    assert!(refused.verdict().next.contains("[secrets.hook]"));
}

fn grants(asked: &Names, allowed: &Names) -> Grants {
    let upstreams = BTreeMap::from([
        ("api".to_owned(), API.to_owned()),
        (
            "other".to_owned(),
            "http://other.example.com:8080".to_owned(),
        ),
    ]);
    Grants::new(&"front".into(), asked, allowed, &upstreams)
}

#[test]
fn a_bucket_is_granted_by_both_owners_and_told_with_the_missing_line() {
    let kv = |names: &[&str]| Names {
        kv: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Names::default()
    };
    let grants = grants(&kv(&["default", "carts"]), &kv(&["default"]));
    assert!(grants.bucket("default").is_ok());
    let refused = grants.bucket("carts").unwrap_err();
    assert_eq!(refused.host_code(), Some(HostCode::CapabilityDenied));
    assert!(
        refused
            .verdict()
            .next
            .contains("kv = [\"carts\"] under [services.front]")
    );
    assert!(grants.bucket("secrets").is_err());
    // Leases and sequences come with a bucket, whichever it is.
    assert!(grants.keeps().is_ok());
    let none = self::grants(&kv(&["carts"]), &kv(&["default"]));
    let refused = none.keeps().unwrap_err();
    assert!(refused.verdict().next.contains("kv = [\"default\"]"));
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    asker: Arc<Registered>,
}

/// A service that asks, and everything it could ask for.
fn world(settings: Settings) -> World {
    let bench = Bench::new();
    let pipeline = bench.only(&["authorize"]);
    let asker = register(&pipeline, &service("front"), settings, hello);
    for target in [
        service("notes"),
        upstream(API),
        upstream("http://other.example.com:8080"),
        upstream("https://unknown.example.com:443"),
    ] {
        register(&pipeline, &target, Settings::default(), hello);
    }
    World {
        bench,
        pipeline,
        asker,
    }
}

impl World {
    fn asks(&self, target: &Target) -> Reply {
        run(&self.pipeline, self.bench.nested(&self.asker, &[], target))
    }

    fn denied(&self, target: &Target) -> (String, String) {
        let fault = fault(self.asks(target));
        assert_eq!(fault.host_code(), Some(HostCode::CapabilityDenied));
        assert_eq!(fault.detail(), "This is not allowed.");
        let verdict = fault.verdict();
        let limit = verdict.evidence.iter().find(|(key, _)| *key == "limit");
        (limit.unwrap().1.clone(), verdict.next.clone())
    }
}

#[test]
fn what_both_owners_name_is_allowed() {
    let both = names(&["api"], &["notes"]);
    let world = world(Settings::default().with(grants(&both, &both)));
    assert!(world.asks(&upstream(API)).is_ok());
    assert!(world.asks(&service("notes")).is_ok());
}

#[test]
fn nothing_is_granted_by_default() {
    let without = world(Settings::default());
    let empty = world(Settings::default().with(grants(&Names::default(), &Names::default())));
    for world in [without, empty] {
        for target in [
            upstream(API),
            service("notes"),
            service("front"),
            service("nobody"),
            Target::Capability {
                name: "kv",
                resource: "x".into(),
            },
        ] {
            assert_eq!(code(world.asks(&target)), "capability-denied", "{target}");
        }
    }
}

#[test]
fn each_missing_half_is_told_with_the_line_that_would_change_it() {
    let none = names(&[], &[]);
    let both = names(&["api"], &["notes"]);
    let in_policy = "run `holdfast allow front`, or write";
    for (asked, allowed, says, change) in [
        (
            &none,
            &both,
            "the policy allows it, but front.toml does not name",
            "in front.toml",
        ),
        (
            &both,
            &none,
            "front.toml names it, but the policy does not allow",
            in_policy,
        ),
        (
            &none,
            &none,
            "neither front.toml nor the policy names",
            "in front.toml, then run `holdfast allow front`",
        ),
    ] {
        let world = world(Settings::default().with(grants(asked, allowed)));
        for (target, line) in [
            (upstream(API), "upstreams = [\"api\"]"),
            (service("notes"), "services = [\"notes\"]"),
        ] {
            let (limit, next) = world.denied(&target);
            assert!(limit.starts_with(says), "{limit}");
            assert!(next.contains(change) && next.contains(line), "{next}");
        }
    }
}

#[test]
fn an_origin_that_no_upstream_has_is_told_with_the_nearest_one() {
    let both = names(&["api"], &[]);
    let world = world(Settings::default().with(grants(&both, &both)));
    for origin in ["http://api.example.com:80", "https://api.example.com:8443"] {
        let (limit, next) = world.denied(&upstream(origin));
        assert!(
            limit.contains(API) && limit.contains("the upstream api"),
            "{limit}"
        );
        assert!(next.contains(origin), "{next}");
    }
    let (limit, _) = world.denied(&upstream("https://unknown.example.com:443"));
    assert_eq!(limit, "no upstream of the policy has this origin");
    // A name that only ends the same, or hides the host in its user part, is another host.
    for origin in [
        "https://api.example.com.evil.org:443",
        "https://api.example.com@evil.org:443",
    ] {
        let (limit, _) = world.denied(&upstream(origin));
        assert_eq!(limit, "no upstream of the policy has this origin");
    }
}

#[test]
fn a_denied_call_never_reaches_its_target() {
    let bench = Bench::new();
    let pipeline = bench.only(&["authorize"]);
    let asker = register(&pipeline, &service("front"), Settings::default(), hello);
    register(&pipeline, &upstream(API), Settings::default(), |_| {
        panic!("reached")
    });
    assert_eq!(
        code(run(&pipeline, bench.nested(&asker, &[], &upstream(API)))),
        "capability-denied"
    );
}

fn access(anonymous: Anonymous, callers: Callers) -> Settings {
    Settings::default().with(Access { anonymous, callers })
}

fn named(names: &[&str]) -> Callers {
    Callers::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Somebody who proved to be `name`, with these scopes.
fn principal(name: &str, scopes: &[&str]) -> Caller {
    let scopes = scopes.iter().map(|text| AccessScope::parse(text).unwrap());
    Caller::outside(Link::Principal(Arc::new(Principal {
        name: name.into(),
        proof: "key:1".into(),
        scopes: scopes.collect(),
    })))
}

#[test]
fn who_may_call_from_outside_is_the_policys_word() {
    let allow = access(Anonymous::Allow, named(&[]));
    let deny = access(Anonymous::Deny, named(&[]));
    let some = access(Anonymous::Deny, named(&["ann"]));
    let all = access(Anonymous::Deny, Callers::Known);
    let anonymous = Caller::outside(Link::Anonymous);
    let operator = Caller::outside(Link::Operator { uid: 7 });
    let (ann, bob) = (principal("ann", &["*"]), principal("bob", &["*"]));
    for (settings, caller, refused) in [
        (&allow, &anonymous, None),
        (&allow, &principal("ann", &[]), None),
        (&deny, &anonymous, Some(HostCode::Forbidden)),
        (&deny, &ann, Some(HostCode::Forbidden)),
        (&Settings::default(), &anonymous, Some(HostCode::Forbidden)),
        (&Settings::default(), &ann, Some(HostCode::Forbidden)),
        (&deny, &operator, None),
        (&some, &ann, None),
        (&some, &bob, Some(HostCode::Forbidden)),
        (&some, &anonymous, Some(HostCode::Unauthenticated)),
        (&all, &bob, None),
        (&all, &anonymous, Some(HostCode::Unauthenticated)),
    ] {
        let world = world(settings.clone());
        let mut call = world.bench.call(&service("front"));
        call.caller = caller.clone();
        let reply = run(&world.pipeline, call);
        assert_eq!(reply.is_ok(), refused.is_none(), "{settings:?} {caller}");
        if refused.is_some() {
            let fault = fault(reply);
            assert_eq!(fault.host_code(), refused, "{settings:?} {caller}");
            assert!(fault.verdict().next.contains("[services.front]"));
            assert!(!fault.detail().contains("front"));
        }
    }
}

#[test]
fn what_was_proved_may_reach_less_than_the_policy_allows() {
    let world = world(access(Anonymous::Deny, named(&["ann"])));
    for (scopes, reached) in [
        (&["front"][..], true),
        (&["other", "front:GET"], true),
        (&["front:POST"], false),
        (&["other"], false),
        (&[], false),
    ] {
        let mut call = world.bench.call(&service("front"));
        call.caller = principal("ann", scopes);
        let reply = run(&world.pipeline, call);
        assert_eq!(reply.is_ok(), reached, "{scopes:?}");
        if !reached {
            let next = fault(reply).verdict().next.clone();
            assert_eq!(next, "holdfast keys new ann --scope front:GET");
        }
    }
}

#[test]
fn nobody_from_outside_reaches_a_capability() {
    let world = world(Settings::default());
    let reply = run(&world.pipeline, world.bench.call(&upstream(API)));
    assert_eq!(code(reply), "forbidden");
}

#[test]
fn the_host_itself_asks_other_systems_and_nothing_else_and_nobody_asks_in_its_name() {
    let world = world(Settings::default());
    let reply = |entry: Entry, caller: &Caller, target: &Target| {
        let mut call = world.bench.call(target);
        (call.entry, call.caller) = (entry, caller.clone());
        run(&world.pipeline, call)
    };
    let host = Caller::outside(Link::Host);
    assert!(reply(Entry::Host, &host, &upstream(API)).is_ok());
    let secret = Target::Capability {
        name: "secrets",
        resource: "hook".into(),
    };
    for (entry, caller, target) in [
        (Entry::Host, host.clone(), service("front")),
        (Entry::Host, host.clone(), secret),
        (Entry::Http, host.clone(), upstream(API)),
        (Entry::Host, Caller::outside(Link::Anonymous), upstream(API)),
        (Entry::Host, host.through(&"front".into()), upstream(API)),
    ] {
        let refused = reply(entry, &caller, &target);
        assert_eq!(code(refused), "forbidden", "{caller} {target}");
    }
}

#[test]
fn a_subject_of_an_issuer_is_let_in_by_his_name_or_with_all_of_them() {
    let of = |name: &str, proof: &str| {
        Caller::outside(Link::Principal(Arc::new(Principal {
            name: name.into(),
            proof: proof.into(),
            scopes: Arc::new([AccessScope::parse("*").unwrap()]),
        })))
    };
    let ann = of("corp:ann", "jwt:corp");
    for (names, caller, let_in) in [
        (&["corp:ann"][..], &ann, true),
        (&["corp:*"], &ann, true),
        (&["ann"], &ann, false),
        (&["corp"], &ann, false),
        (&["other:*"], &ann, false),
        (&["corp:*"], &of("corp", "key:1"), false),
        (&["corp:*"], &of("corp:ann", "webhook:/in"), false),
        (&["corp:*"], &of("corp:x:y", "jwt:corp"), true),
    ] {
        let world = world(access(Anonymous::Deny, named(names)));
        let mut call = world.bench.call(&service("front"));
        call.caller = caller.clone();
        let reply = run(&world.pipeline, call);
        assert_eq!(reply.is_ok(), let_in, "{names:?} {caller}");
    }
}

#[test]
fn what_is_not_there_is_not_forbidden() {
    let world = world(Settings::default());
    let reply = run(&world.pipeline, world.bench.call(&service("nobody")));
    assert_eq!(code(reply), "no-such-service");
}

#[test]
fn a_nested_call_that_nobody_asks_is_denied() {
    let world = world(Settings::default());
    let mut call = world.bench.nested(&world.asker, &[], &upstream(API));
    call.asker = None;
    assert_eq!(code(run(&world.pipeline, call)), "capability-denied");
}
