//! A new version comes to a few callers first, and to all of them only if those are served as well as before.
//!
//! 1. The naive snippet: `cp new.wasm plugins/`.
//! 2. The missing rule: how many are hit by a version that is worse before anybody knows.
//! 3. The tax: two deployments, weights in a load balancer, graphs of both, and somebody who turns the weights.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: `canary = "5%"` under `[services.NAME]`. The callers are drawn once and stay where they are; both versions are compared
//!    over the same minutes, and what is worse is gone before its fiftieth call.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Answer, Guest, Host, Setup, dummy, put, until};
use std::collections::BTreeMap;

const TENTH: &str = "[services.two]\ncanary = \"10%\"";

fn digest(host: &Host) -> String {
    let listed = host.listed("two").expect("the service is listed");
    listed["digest"].as_str().unwrap_or_default().to_owned()
}

/// Puts a version beside the one that serves, and waits until it has its share.
fn beside(host: &Host, guest: Guest, manifest: &str) -> String {
    host.drop_in("two", guest, manifest);
    until("the canary", || {
        let listed = host.listed("two")?;
        Some(listed["canary"]["digest"].as_str()?.to_owned())
    })
}

/// Asks as the caller with that key.
fn ask(host: &Host, method: &str, path: &str, key: usize) -> Answer {
    let ask = host.ask(method, path);
    ask.header("idempotency-key", &format!("key-{key}")).send()
}

#[test]
fn one_that_faults_is_put_back_within_fifty_calls_and_nobody_is_told_more_than_that() {
    let mut host = Setup::new()
        .service("two", Guest::Service("hello"), "")
        .policy(TENTH)
        .start();
    let good = digest(&host);
    let bad = beside(&host, Guest::Case("wasi02"), "");
    assert_eq!(digest(&host), good, "what serves is what served");
    assert!(host.command(&["ls"]).out.contains("has 10% of the callers"));

    let mut faults = Vec::new();
    for key in 0..1_000 {
        let answer = ask(&host, "GET", "/two/panic", key);
        if answer.status != 200 {
            answer.fault("service-fault");
            assert!(!answer.text().contains("canary"), "{}", answer.text());
            faults.push(answer.call().to_owned());
        }
    }
    assert!((1..50).contains(&faults.len()), "{} faults", faults.len());
    // The operator sees which version that was.
    let closing = host.closing(&faults[0]);
    assert!(bad.starts_with(closing["digest"].as_str().unwrap()));
    until("the canary to end", || {
        host.listed("two")?["canary"].is_null().then_some(())
    });
    let held = host.listed("two").unwrap()["held"].to_string();
    assert!(
        held.contains("put back from") && held.contains("faults"),
        "{held}"
    );
    assert_eq!(digest(&host), good);

    // It lies in the directory still, and a restart leaves it there.
    host.restart();
    assert_eq!(digest(&host), good);
    for key in 0..100 {
        assert_eq!(ask(&host, "GET", "/two/panic", key).status, 200);
    }
}

#[test]
fn one_that_serves_as_well_gets_everybody_and_each_caller_stays_where_he_is() {
    let host = two("[env]\nVERSION = \"1\"").policy(TENTH).start();
    let canary = beside(&host, Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    // Whoever has the new version keeps it.
    let mut seen = BTreeMap::new();
    let mut new = 0;
    for round in 0..80 {
        for key in 0..20 {
            let version = ask(&host, "GET", "/two/env", key).text();
            new += u32::from(version.contains('2'));
            let last = seen.insert(key, version.clone());
            let back = last.is_some_and(|last| last.contains('2')) && version.contains('1');
            assert!(!back, "caller {key} went back in round {round}");
        }
    }
    assert!(new > 0);
    until("everybody to have it", || {
        // Others come as well, so that each stage has its fifty calls.
        for key in 0..200 {
            ask(&host, "GET", "/two/env", key);
        }
        (digest(&host) == canary).then_some(())
    });
    assert!(host.listed("two").unwrap()["canary"].is_null());
    assert!(
        host.stderr().contains("has 50% of the callers"),
        "{}",
        host.stderr()
    );
    for key in 0..50 {
        assert_eq!(ask(&host, "GET", "/two/env", key).text(), "VERSION=2\n");
    }
    // What it took the place of is the version before, as ever.
    assert_eq!(host.command(&["rollback", "two"]).code, Some(0));
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
}

#[test]
fn a_host_that_dies_in_the_middle_begins_again_with_the_one_that_served() {
    let mut host = two("[env]\nVERSION = \"1\"").policy(TENTH).start();
    let good = digest(&host);
    let canary = beside(&host, Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    host.kill();
    host.again();
    let listed = until("the canary", || {
        let listed = host.listed("two")?;
        listed["canary"]["digest"].is_string().then_some(listed)
    });
    assert_eq!(listed["digest"], *good);
    assert_eq!(listed["canary"]["digest"], *canary);
    assert_eq!(listed["canary"]["share"], "10%");
    let old = (0..100).filter(|key| ask(&host, "GET", "/two/env", *key).text().contains('1'));
    assert!(old.count() > 50);
}

#[test]
fn other_settings_hold_for_both_and_an_operator_may_end_it() {
    let host = two("[env]\nVERSION = \"1\"").policy(TENTH).start();
    let good = digest(&host);
    beside(&host, Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    // Another policy: it begins anew, with what that says.
    host.set_policy("[services.two]\ncanary = \"0.5%\"\nanonymous = \"deny\"");
    until("the new policy", || {
        (host.listed("two")?["canary"]["share"] == "0.5%").then_some(())
    });
    for key in 0..300 {
        ask(&host, "GET", "/two/env", key).fault("forbidden");
    }
    let said = host.command(&["rollback", "two"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let listed = until("it to end", || {
        let listed = host.listed("two")?;
        listed["canary"].is_null().then_some(listed)
    });
    assert_eq!(listed["digest"], *good);
    assert!(listed["held"].to_string().contains("operator"), "{listed}");
}

#[test]
fn what_was_removed_is_not_brought_back_for_the_others() {
    let host = two("[env]\nVERSION = \"1\"").policy(TENTH).start();
    host.remove("two");
    until("it to be gone", || {
        host.listed("two").is_none().then_some(())
    });
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    until("it to serve", || {
        (host.get("/two/env").status == 200).then_some(())
    });
    for key in 0..50 {
        assert_eq!(ask(&host, "GET", "/two/env", key).text(), "VERSION=2\n");
    }
    assert!(host.listed("two").unwrap()["canary"].is_null());
}

#[test]
fn without_a_share_it_is_on_trial_like_any_new_version() {
    let host = Setup::new()
        .service("two", Guest::Service("hello"), "")
        .policy(TENTH)
        .start();
    let good = digest(&host);
    let bad = beside(&host, Guest::Case("wasi02"), "");
    host.set_policy("[services.two]\nanonymous = \"allow\"");
    until("everybody to have it", || {
        (digest(&host) == bad).then_some(())
    });
    until("it to be put back", || {
        host.get("/two/panic");
        (digest(&host) == good).then_some(())
    });
}

#[test]
fn what_cannot_be_loaded_ends_the_share_of_what_it_replaces() {
    let host = two("[env]\nVERSION = \"1\"").policy(TENTH).start();
    let good = digest(&host);
    beside(&host, Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    put(&host.plugins(), "two", b"no component", "");
    let listed = until("the refusal", || {
        let listed = host.listed("two")?;
        listed["error"].is_string().then_some(listed)
    });
    assert!(listed["canary"].is_null(), "{listed}");
    assert_eq!(listed["digest"], *good);
    for key in 0..100 {
        assert_eq!(ask(&host, "GET", "/two/env", key).text(), "VERSION=1\n");
    }
}

#[test]
fn a_share_is_of_calls_for_the_same_routes() {
    let mut host = two("").policy(TENTH).start();
    let good = digest(&host);
    host.drop_in("two", Guest::Case("wasi02"), "routes = [\"/elsewhere/\"]");
    let error = until("the refusal", || {
        Some(host.listed("two")?["error"].as_str()?.to_owned())
    });
    assert!(
        error.contains("its routes are /elsewhere/") && error.contains("canary"),
        "{error}"
    );
    assert_eq!(digest(&host), good);
    // After a restart the one that served is known to serve.
    host.restart();
    let listed = host.listed("two").unwrap();
    assert_eq!(
        (&listed["state"], &listed["digest"]),
        (&"serving".into(), &good.into())
    );
    assert!(
        listed["error"].to_string().contains("its routes are"),
        "{listed}"
    );
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    let (code, said) = Setup::new()
        .policy("[services.two]\ncanary = \"0%\"")
        .refused();
    assert_eq!(code, Some(1));
    assert!(said.contains("between \"0.1%\" and \"100%\""), "{said}");
}

#[test]
fn who_breaks_a_promise_must_say_so() {
    let wit = |function: &str| {
        let more = "interface a { add: func(a: u32) -> u32; }";
        let more = more.replace("add", function);
        format!("package test:b@1.0.0;\n{more}\nworld w {{ export a; }}")
    };
    let caller = "package test:c@1.0.0;\ninterface c { go: func(); }\nworld w { import test:b/a@1.0.0; export c; }";
    let caller =
        format!("{caller}\npackage test:b@1.0.0 {{ interface a {{ add: func(a: u32) -> u32; }} }}");
    let host = Setup::new()
        .policy("[services.caller]\nservices = [\"callee\"]")
        .start();
    put(&host.plugins(), "callee", &dummy(&wit("add")), "");
    put(
        &host.plugins(),
        "caller",
        &dummy(&caller),
        "services = [\"callee\"]",
    );
    let state = |name: &str| Some(host.listed(name)?["state"].as_str()?.to_owned());
    for name in ["callee", "caller"] {
        until(name, || (state(name)? == "serving").then_some(()));
    }
    put(&host.plugins(), "callee", &dummy(&wit("plus")), "");
    let error = until("the refusal", || {
        Some(host.listed("callee")?["error"].as_str()?.to_owned())
    });
    assert!(error.contains("holdfast load callee --breaking"), "{error}");
    // Asked for once more without the word, it is refused once more.
    let said = host.command(&["load", "callee"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("`caller` imports"), "{}", said.err);
    let said = host.command(&["load", "callee", "--breaking"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(host.get("/callee/wit").text().contains("plus: func"));
    assert_eq!(state("caller").unwrap(), "serving");
    let said = host.command(&["load", "nobody"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("there is no service `nobody`"),
        "{}",
        said.err
    );
}
