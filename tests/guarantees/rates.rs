//! Nobody gets more calls in his time than the policy says.
//!
//! 1. The naive snippet: a service that answers whoever asks, as often as he asks.
//! 2. The missing rule: how often that may be. One script in a loop is load for everybody, and a form for passwords is tried out by night.
//! 3. The tax: counters in each service, which the next process does not share; a path written in another way goes round them; a window
//!    that begins anew lets twice as many through; and nobody is told when to come again.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: `caller = "100/m"`, `calls`, `"POST /login" = "5/m"`. A call is counted by all of its limits or by none, whatever it is
//!    written as and whoever makes it; who comes too soon is told when to come again, and who finds no place has not come at all.
//! 6. The checklist is below.

mod operations;

use super::two;
use crate::harness::{Answer, Guest, Host, Setup, until};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Loopback is a proxy whose word is taken, so that a test can be many callers.
const PROXY: &str = "trusted_proxies = [\"127.0.0.1/32\"]";

/// Asks as the caller at the address 192.0.2.`caller`.
fn ask(host: &Host, caller: u8, method: &str, path: &str) -> Answer {
    let address = format!("192.0.2.{caller}");
    let ask = host.ask(method, path);
    ask.header("x-forwarded-for", &address).send()
}

/// Asserts that nobody may come now, and that the operator is told which line says so.
#[track_caller]
fn refused(host: &Host, answer: &Answer, change: &str) {
    let problem = answer.fault("rate-limited");
    let wait = answer.header("retry-after").expect("a time to come again");
    let wait: u64 = wait.parse().unwrap();
    let exact = problem["retry"]["after_ms"].as_u64().unwrap();
    assert!((1..=wait * 1_000).contains(&exact), "{exact} ms, {wait} s");
    assert!(
        !answer.text().contains("holdfast.toml"),
        "{}",
        answer.text()
    );
    let line = host.closing(answer.call());
    assert_eq!(line["boundary"], "policy", "{line}");
    assert!(line.to_string().contains(change), "{change}: {line}");
}

#[test]
fn each_caller_gets_so_many_calls_whatever_he_calls_and_is_told_what_is_left() {
    let host = two("")
        .service("beside", Guest::Case("wasi02"), "")
        .policy(PROXY)
        .policy("[rate]\ncaller = \"1000/d burst 6\"")
        .start();
    for (left, (method, path)) in [
        ("GET", "/two/ok"),
        ("GET", "/beside/ok"),
        ("HEAD", "/two/ok"),
        ("GET", "/two/ok?again=1"),
        ("GET", "/two//ok"),
        ("POST", "/beside/%6fk"),
    ]
    .into_iter()
    .rev()
    .enumerate()
    .rev()
    {
        let answer = ask(&host, 1, method, path);
        assert_ne!(answer.status, 429, "{path}");
        let policy = answer.header("ratelimit-policy");
        assert_eq!(policy, Some("\"caller\";q=1000;w=86400"));
        let told = answer.header("ratelimit").unwrap();
        assert!(
            told.starts_with(&format!("\"caller\";r={left};t=")),
            "{told}"
        );
    }
    for path in ["/two/ok", "/beside/ok"] {
        let answer = ask(&host, 1, "GET", path);
        refused(&host, &answer, "caller under [rate] in holdfast.toml");
        let told = answer.header("ratelimit").unwrap();
        assert!(told.starts_with("\"caller\";r=0;t="), "{told}");
    }
    assert_eq!(ask(&host, 2, "GET", "/two/ok").text(), "ok\n");
    let counted = |label: &str| host.metric("holdfast_rate_limited_total", label);
    assert_eq!(counted("target=\"service:two\",dimension=\"caller\""), 1.0);
    assert_eq!(counted(""), 2.0);
}

#[test]
fn an_address_that_a_stranger_makes_up_is_not_his() {
    let host = two("").policy("[rate]\ncaller = \"3/d\"").start();
    for caller in 0..3 {
        assert_eq!(ask(&host, caller, "GET", "/two/ok").text(), "ok\n");
    }
    ask(&host, 9, "GET", "/two/ok").fault("rate-limited");
}

#[test]
fn a_service_gets_so_many_calls_whoever_makes_them() {
    let host = Setup::new()
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service("notes", Guest::Service("notes"), "")
        .policy(PROXY)
        .policy("[services.front]\nservices = [\"notes\"]\n[services.front.rate]\ncaller = \"6/d\"")
        .policy("[services.notes.rate]\ncaller = \"1/d\"\ncalls = \"4/d\"")
        .start();
    // A call that a service makes counts for the one it calls, and not once more for who called first.
    for _ in 0..3 {
        assert_eq!(ask(&host, 1, "GET", "/front/count?n=1").text(), "note 1\n");
    }
    assert_eq!(ask(&host, 2, "GET", "/notes/count?n=1").text(), "note 1\n");
    let answer = ask(&host, 3, "GET", "/notes/count?n=1");
    refused(&host, &answer, "calls under [services.notes.rate]");
    // He has nothing of his own used up: what is everybody's was.
    let left = answer.header("ratelimit").unwrap();
    assert!(left.starts_with("\"caller-here\";r=1;t="), "{left}");
    let outer = ask(&host, 4, "GET", "/front/count?n=1");
    let inner = &host.children(outer.call(), 1)[0];
    assert_eq!(inner["code"], "rate-limited", "{inner}");
    let told = outer.header("ratelimit").unwrap();
    assert!(told.starts_with("\"caller-here\";r=5;t="), "{told}");
}

#[test]
fn of_a_burst_that_comes_at_once_exactly_that_many_pass() {
    let host = two("[limits]\nplaces = 64")
        .policy("[services.two.rate]\ncalls = \"100/d burst 40\"")
        .start();
    let (passed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..15 {
                    let counter = match host.get("/two/ok").status {
                        200 => &passed,
                        429 => &refused,
                        other => panic!("{other}"),
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((passed.into_inner(), refused.into_inner()), (40, 80));
}

#[test]
fn who_finds_no_place_has_not_come_at_all() {
    let host = two("[limits]\nplaces = 1")
        .policy("[services.two.rate]\ncaller = \"9/d\"")
        .start();
    let held = host.ask("GET", "/two/never").write();
    until("a call to be in flight", || {
        (host.metric("holdfast_in_flight", "two") > 0.0).then_some(())
    });
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| host.get("/two/ok").fault("overloaded"));
            }
        });
    }
    drop(held);
    until("the place to be free", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    for _ in 0..7 {
        assert_eq!(host.get("/two/ok").text(), "ok\n");
    }
    host.get("/two/ok").fault("rate-limited");
}

#[test]
fn the_operator_counts_for_the_service_and_for_no_caller() {
    let host = two("")
        .policy("[rate]\ncaller = \"1/d\"\n[services.two.rate]\ncalls = \"3/d\"")
        .start();
    for _ in 0..3 {
        let said = host.command(&["call", "two", "/ok"]);
        assert_eq!(said.out, "ok\n", "{}", said.err);
    }
    let said = host.command(&["call", "two", "/ok"]);
    let all = said.out + &said.err;
    assert!(all.contains("rate-limited"), "{all}");
    let answer = host.get("/two/ok");
    refused(&host, &answer, "calls under [services.two.rate]");
}

#[test]
fn another_policy_takes_effect_and_keeps_what_was_counted_for_what_it_says_alike() {
    let beside = "[services.beside.rate]\ncaller";
    let host = two("")
        .service("beside", Guest::Case("wasi02"), "")
        .policy("[services.two.rate]\ncalls = \"3/d\"")
        .start();
    for _ in 0..2 {
        assert_eq!(host.get("/two/ok").text(), "ok\n");
    }
    let in_force = |policy: &str, told: &str| {
        host.set_policy(policy);
        host.hang_up();
        until("the policy to be in force", || {
            let answer = host.get("/beside/ok");
            (answer.header("ratelimit-policy") == Some(told)).then_some(())
        });
    };
    let policy = format!("[services.two.rate]\ncalls = \"3/d\"\n{beside} = \"100000/d\"");
    in_force(&policy, "\"caller-here\";q=100000;w=86400");
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    host.get("/two/ok").fault("rate-limited");
    let policy = format!("[services.two.rate]\ncalls = \"2/d\"\n{beside} = \"200000/d\"");
    in_force(&policy, "\"caller-here\";q=200000;w=86400");
    for _ in 0..2 {
        assert_eq!(host.get("/two/ok").text(), "ok\n");
    }
    host.get("/two/ok").fault("rate-limited");
    let said = host.offline(&["policy", "two"]);
    let row = said.out.lines().find(|line| line.contains("rate.calls"));
    assert!(row.unwrap().contains("2/d"), "{}", said.out);
}

#[test]
fn a_new_version_gives_nobody_what_he_has_had() {
    let host = two("")
        .policy("[services.two.rate]\ncaller = \"2/d\"\ncalls = \"100/d\"")
        .start();
    for _ in 0..2 {
        assert_eq!(host.get("/two/ok").text(), "ok\n");
    }
    let version = || host.listed("two").unwrap()["digest"].clone();
    let before = version();
    host.drop_in("two", Guest::Case("wasi02"), "purpose = \"another\"");
    until("the new version", || (version() != before).then_some(()));
    host.get("/two/ok").fault("rate-limited");
}
