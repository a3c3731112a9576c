//! The layer, in the pipeline: who is counted, what he is told, and what he gets back.

use super::*;
use holdfast_call::{Boundary, Caller, Link};

const FIVE: Written<'_> = Written {
    caller: "5/m",
    here: "",
    calls: "",
    operations: &[],
};

fn dimension(reply: Reply) -> String {
    let fault = fault(reply);
    assert_eq!(fault.host_code(), Some(HostCode::RateLimited));
    assert_eq!(fault.verdict().boundary, Boundary::Policy);
    let mut evidence = fault.verdict().evidence.iter();
    let (_, dimension) = evidence.find(|(key, _)| *key == "dimension").unwrap();
    dimension.clone()
}

#[test]
fn each_caller_has_his_own_at_all_services_together() {
    let world = World::new();
    world.serve("a", FIVE);
    world.serve("b", FIVE);
    assert_eq!(world.through(1, "a", 3), 3);
    assert_eq!(world.through(1, "b", 9), 2);
    assert_eq!(dimension(world.asks(1, "a", "/")), "caller");
    assert_eq!(world.through(2, "a", 9), 5);
    world.bench.clock.advance(Duration::from_secs(12));
    assert_eq!(world.through(1, "b", 9), 1);
}

#[test]
fn each_dimension_bites_and_says_which_line_would_change_it() {
    let names = [("POST /login", "2/m")];
    let none = Written::default();
    for (written, method, dimension, detail, next) in [
        (
            Written {
                caller: "2/m",
                ..none
            },
            "GET",
            "caller",
            "You have made too many requests.",
            "caller under [rate] in holdfast.toml",
        ),
        (
            Written {
                here: "2/m",
                ..none
            },
            "GET",
            "caller-here",
            "You have made too many requests.",
            "caller under [services.a.rate] in holdfast.toml",
        ),
        (
            Written {
                calls: "2/m",
                ..none
            },
            "GET",
            "service",
            "There are too many requests for this.",
            "calls under [services.a.rate] in holdfast.toml",
        ),
        (
            Written {
                operations: &names,
                ..none
            },
            "POST",
            "operation",
            "There are too many requests for this.",
            "\"POST /login\" under [services.a.rate.operations] in holdfast.toml",
        ),
    ] {
        let world = World::new();
        world.serve("a", written);
        let ask = || run(&world.pipeline, world.from(1, "a", method, "/login"));
        assert!(ask().is_ok() && ask().is_ok());
        let fault = fault(ask());
        assert_eq!(fault.detail(), detail);
        assert_eq!(fault.verdict().next, next);
        assert_eq!(fault.wait(), Some(Duration::from_secs(30)));
        assert_eq!(super::layer::dimension(ask()), dimension);
        let counted = format!("{{target=\"service:a\",dimension=\"{dimension}\"}} 2");
        assert!(world.bench.metrics().render().contains(&counted));
        world.bench.clock.advance(Duration::from_secs(30));
        assert!(ask().is_ok() && ask().is_err());
    }
}

#[test]
fn nobody_is_told_to_come_before_he_is_let_in() {
    for written in ["7/s", "3/m burst 2", "999983/h burst 1"] {
        let world = World::new();
        world.serve(
            "a",
            Written {
                calls: written,
                ..Written::default()
            },
        );
        while world.asks(1, "a", "/").is_ok() {}
        let fault = fault(world.asks(1, "a", "/"));
        let wait = fault.wait().unwrap();
        assert_eq!(wait.subsec_nanos() % 1_000_000, 0, "{written}");
        world.bench.clock.advance(wait);
        assert!(world.asks(1, "a", "/").is_ok(), "{written}");
    }
}

#[test]
fn the_operator_and_nested_calls_count_for_the_service_and_for_no_caller() {
    let world = World::new();
    let all = Written {
        caller: "1/d",
        here: "1/d",
        calls: "4/d",
        operations: &[],
    };
    let asker = world.serve("a", all);
    assert_eq!(world.through(1, "a", 2), 1);
    let operator = || {
        let mut call = world.bench.call(&service("a"));
        call.caller = Caller::outside(Link::Operator { uid: 0 });
        run(&world.pipeline, call)
    };
    assert!(operator().is_ok() && operator().is_ok());
    let nested = || {
        run(
            &world.pipeline,
            world.bench.nested(&asker, &[], &service("a")),
        )
    };
    assert!(nested().is_ok());
    assert_eq!(dimension(nested()), "service");
    assert_eq!(dimension(operator()), "service");
}

#[test]
fn those_of_whom_nothing_is_known_share_one() {
    let world = World::new();
    world.serve("a", FIVE);
    let unknown = || run(&world.pipeline, world.bench.call(&service("a")));
    assert_eq!((0..9).filter(|_| unknown().is_ok()).count(), 5);
    assert_eq!(dimension(unknown()), "caller");
    assert_eq!(
        world.through(0, "a", 9),
        5,
        "whose number is nought is known"
    );
}

#[test]
fn what_is_shed_further_in_is_given_back_and_what_went_further_is_not() {
    let world = World::new();
    world.serve(
        "a",
        Written {
            calls: "3/d",
            ..FIVE
        },
    );
    let closed = admit::Limits {
        places: 0,
        streams: 0,
    };
    world.places.set(closed);
    for _ in 0..9 {
        assert_eq!(code(world.asks(1, "a", "/")), "overloaded");
    }
    world.places.set(admit::Limits {
        places: 9,
        streams: 9,
    });
    assert_eq!(world.through(1, "a", 9), 3);

    let world = World::new();
    world.serve("a", FIVE);
    world.bench.host().start_draining();
    for _ in 0..9 {
        assert_eq!(code(world.asks(1, "a", "/")), "draining");
    }
    let left = told(&world.asks(1, "a", "/"), "ratelimit");
    assert_eq!(left.as_deref(), Some("\"caller\";r=4;t=48"));
}

/// A field of what a reply tells.
fn told(reply: &Reply, name: &str) -> Option<String> {
    let value = match reply {
        Ok(answer) => answer.head()?.1.get(name)?,
        Err(fault) => &fault.told().iter().find(|(known, _)| known == name)?.1,
    };
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn a_caller_is_told_of_his_own_limits_and_of_nobody_else_s() {
    let world = World::new();
    let all = Written {
        caller: "5/m",
        here: "100/h burst 2",
        calls: "1/s",
        operations: &[],
    };
    let asker = world.serve("a", all);
    let policy = "\"caller\";q=5;w=60, \"caller-here\";q=100;w=3600";
    let first = world.asks(1, "a", "/");
    assert!(first.is_ok());
    assert_eq!(told(&first, "ratelimit-policy").as_deref(), Some(policy));
    let left = "\"caller\";r=4;t=48, \"caller-here\";r=1;t=36";
    assert_eq!(told(&first, "ratelimit").as_deref(), Some(left));
    // The service's own limit refuses: he is told when to come, and of no window that ends later.
    let second = world.asks(1, "a", "/");
    let left = "\"caller\";r=4;t=1, \"caller-here\";r=1;t=1";
    assert_eq!(told(&second, "ratelimit").as_deref(), Some(left));
    assert_eq!(fault(second).wait(), Some(Duration::from_secs(1)));
    world.bench.clock.advance(Duration::from_secs(1));
    let nested = run(
        &world.pipeline,
        world.bench.nested(&asker, &[], &service("a")),
    );
    assert!(nested.is_ok());
    assert_eq!(told(&nested, "ratelimit"), None);
}

#[test]
fn what_a_service_says_under_that_name_is_not_passed_on_beside_it() {
    let world = World::new();
    let settings = holdfast_call::Settings::default().with(world.settings("a", FIVE));
    register(&world.pipeline, &service("a"), settings, |_| {
        let mut answer = answer(200, text("mine"));
        if let Answer::Http(response) = &mut answer {
            for _ in 0..2 {
                let value = http::HeaderValue::from_static("\"mine\";r=1000000");
                response.headers_mut().append("ratelimit", value);
            }
        }
        Box::pin(async move { Ok(answer) })
    });
    let reply = world.asks(1, "a", "/").unwrap();
    let said = reply.head().unwrap().1.get_all("ratelimit");
    let said: Vec<_> = said.iter().collect();
    assert_eq!(said, ["\"caller\";r=4;t=48"]);
}

#[test]
fn another_policy_keeps_what_it_says_alike() {
    let world = World::new();
    let other = |calls| Written { calls, ..FIVE };
    world.serve("a", other("100/s"));
    assert_eq!(world.through(1, "a", 4), 4);
    world.serve("a", other("100/m"));
    assert_eq!(world.through(1, "a", 9), 1, "the caller's is as it was");
    world.serve(
        "a",
        Written {
            caller: "6/m",
            ..other("100/m")
        },
    );
    assert_eq!(world.through(1, "a", 9), 6);
}

#[test]
fn a_service_without_limits_does_not_cross_the_layer() {
    let world = World::new();
    let none = world.serve("a", Written::default());
    assert_eq!(world.pipeline.crossed(&none), ["admit", "attempt"]);
    let some = world.serve("b", FIVE);
    assert_eq!(world.pipeline.crossed(&some), ["rate", "admit", "attempt"]);
}

#[test]
fn of_a_burst_that_comes_at_once_exactly_that_many_pass() {
    let world = World::new();
    let all = Written {
        caller: "1000/d burst 40",
        here: "1000/d burst 60",
        calls: "1000/d burst 90",
        operations: &[("GET /", "1000/d burst 100")],
    };
    world.serve("a", all);
    let passed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (world, passed) = (&world, &passed);
            scope.spawn(move || {
                let count = world.through(thread % 2, "a", 100);
                passed.fetch_add(count, std::sync::atomic::Ordering::SeqCst);
            });
        }
    });
    assert_eq!(passed.into_inner(), 80, "forty of each of the two");
    assert_eq!(
        world.through(2, "a", 100),
        10,
        "up to what the service takes"
    );
}
