//! Nobody spends more than he may, and what was spent is on record.
//!
//! 1. The naive snippet: fetch, from a provider who bills each request.
//! 2. The missing rule: a loop, a crowd or a mistake spends in an hour what was meant for a year, and the invoice tells it a month later.
//! 3. The tax: a counter that is read and then written, so that all who read it at once are let through; prices that nobody knows count
//!    for nothing; and after a crash it says something else than the invoice.
//! 4. The snippet again, unchanged. The operator writes prices and budgets into the policy.
//! 5. The pipeline: the worst case of each try is reserved in the ledger under every budget it counts for, or it is not sent; what it came
//!    to is settled, and what nobody knows is entered in full and called unconfirmed.
//! 6. The checklist is below.

mod degraded;
mod kept;
mod units;

use super::two;
use crate::harness::{Answer, Chaos, Does, Guest, Host, Setup, closed_port, encoded, until};
use serde_json::Value;

/// 0.0004 USD.
const PRICE: u64 = 400_000;

/// A host whose naive service asks an upstream that costs something, under these further lines of the policy.
fn paying(url: &str, more: &str) -> Host {
    setup(url, more).start()
}

fn setup(url: &str, more: &str) -> Setup {
    Setup::new()
        .policy(more)
        .naive(
            "api",
            url,
            "first_byte = \"300ms\"\noverride_floor = true\nattempts = 1\nbreaker = false\nplaces = 300",
        )
        .policy("[upstreams.api.price]\nrequest = \"0.0004 USD\"\nversion = \"2026-11\"")
}

/// What `holdfast cost` says, by these keys.
fn costs(host: &Host, by: &str) -> Vec<Value> {
    let said = host.command(&["cost", "--since", "yesterday", "--by", by, "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What was paid in all, and what of it is unconfirmed.
fn paid(host: &Host) -> (u64, u64) {
    let lines = costs(host, "upstream");
    let sum = |key: &str| lines.iter().map(|line| line[key].as_u64().unwrap()).sum();
    (sum("amount_nanousd"), sum("unconfirmed_nanousd"))
}

/// So many requests at once.
fn crowd(host: &Host, count: usize) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..count)
            .map(|_| scope.spawn(|| host.get("/api/pay")))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn of_two_hundred_and_fifty_six_at_once_exactly_those_are_sent_that_the_budget_pays_for() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(
        &chaos.url(""),
        "[budget]\nhost = \"0.004 USD / month\"\n[limits]\nplaces = 300",
    );
    let answers = crowd(&host, 256);
    assert_eq!(chaos.taken().len(), 10);
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    assert_eq!((served.len(), refused.len()), (10, 246));
    for answer in &refused {
        let problem = answer.fault("budget-exhausted");
        assert_eq!(problem["detail"], "The budget for this is spent.");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(paid(&host), (10 * PRICE, 0));
    // What the operator is told is not told to the caller.
    let call = refused[0].call();
    let line = host.children(call, 1)[0].clone();
    assert_eq!(
        (&line["code"], &line["boundary"]),
        (&"budget-exhausted".into(), &"policy".into())
    );
    let said = host.command(&["explain", call]).out;
    assert!(said.contains("0.004 USD / month"), "{said}");
    assert!(
        said.contains("host under [budget] in holdfast.toml"),
        "{said}"
    );
    host.said("the budget of the host is nearly spent");
    assert_eq!(host.log_text().matches("is nearly spent").count(), 1);
}

#[test]
fn what_was_paid_is_known_of_a_stopped_host_too() {
    let chaos = Chaos::start(Does::Serves);
    let mut host = paying(&chaos.url(""), "");
    for _ in 0..3 {
        assert_eq!(host.get("/api/pay").status, 200);
    }
    let running = costs(&host, "service,upstream");
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    assert_eq!(costs(&host, "service,upstream"), running);
    assert_eq!(paid(&host), (3 * PRICE, 0));
    let nowhere = host.dir().join("nowhere");
    let said = crate::harness::run(&["cost", "--data", nowhere.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no host answers on"), "{said:?}");
    assert!(!nowhere.exists());
}

#[test]
fn each_level_has_its_budget_and_a_larger_one_is_taken_at_once() {
    let chaos = Chaos::start(Does::Serves);
    for (lines, change) in [
        (
            "[budget]\ncaller = \"0.0008 USD / month\"",
            "caller under [budget]",
        ),
        (
            "[budget]\nexecution = \"0.0003 USD\"",
            "execution under [budget]",
        ),
    ] {
        let host = paying(&chaos.url(""), lines);
        let answers: Vec<_> = (0..3).map(|_| host.get("/api/pay")).collect();
        let last = answers.last().unwrap();
        last.fault("budget-exhausted");
        let served = answers.iter().filter(|one| one.status == 200).count();
        assert_eq!(served, if lines.contains("caller") { 2 } else { 0 });
        host.closing(last.call());
        let said = host.command(&["explain", last.call()]).out;
        assert!(said.contains(change), "{said}");
    }
    let url = chaos.url("");
    let policy = |service: &str, upstream: &str| {
        format!(
            "[services.api]\nupstreams = [\"api\"]\nbudget = \"{service} USD / month\"\n\
             [upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nbudget = \"{upstream} USD / month\"\n\
             [upstreams.api.price]\nrequest = \"0.0004 USD\""
        )
    };
    let manifest = format!("upstreams = [\"api\"]\n[config]\nupstream = \"{url}\"");
    let host = Setup::new()
        .service("api", Guest::Service("proxy"), &manifest)
        .policy(&policy("0.0004", "0.0008"))
        .start();
    assert_eq!(host.get("/api/pay").status, 200);
    let refused = host.get("/api/pay");
    refused.fault("budget-exhausted");
    host.closing(refused.call());
    let said = host.command(&["explain", refused.call()]).out;
    assert!(
        said.contains("budget under [services.api] in holdfast.toml"),
        "{said}"
    );
    host.set_policy(&policy("1", "0.0008"));
    until("the larger budget to hold", || {
        (host.get("/api/pay").status == 200).then_some(())
    });
    let refused = host.get("/api/pay");
    refused.fault("budget-exhausted");
    host.closing(refused.call());
    let said = host.command(&["explain", refused.call()]).out;
    assert!(
        said.contains("budget under [upstreams.api] in holdfast.toml"),
        "{said}"
    );
}

#[test]
fn callers_spend_their_own() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(
        &chaos.url(""),
        "callers = [\"*\"]\n[budget]\ncaller = \"0.0004 USD / month\"",
    );
    for name in ["ann", "bob"] {
        let key = host.command(&["keys", "new", name]).out;
        let ask = || {
            let asked = host.ask("GET", "/api/pay");
            asked
                .header("authorization", &format!("Bearer {}", key.trim()))
                .send()
        };
        assert_eq!(ask().status, 200);
        ask().fault("budget-exhausted");
    }
    assert_eq!(host.get("/api/pay").status, 200);
    let lines = costs(&host, "caller");
    let mut callers: Vec<_> = lines
        .iter()
        .map(|line| line["caller"].as_str().unwrap())
        .collect();
    callers.sort_unstable();
    assert_eq!(callers, ["ann", "anonymous", "bob"]);
}

#[test]
fn what_failed_is_paid_for_as_far_as_it_came() {
    let chaos = Chaos::start(Does::Serves);
    let host = paying(&chaos.url(""), "[budget]\nhost = \"1 USD / month\"");
    for (does, amount, unconfirmed) in [
        (Does::Serves, 1, 0),
        (Does::Answers(500, ""), 2, 0),
        // Nobody knows what came of these.
        (Does::Resets, 3, 1),
        (Does::Hangs, 4, 2),
    ] {
        chaos.next(&[does]);
        host.get("/api/pay");
        assert_eq!(
            paid(&host),
            (amount * PRICE, unconfirmed * PRICE),
            "{does:?}"
        );
    }
    let nowhere = paying(
        &format!("http://{}", closed_port()),
        "[budget]\nhost = \"0.0004 USD / month\"",
    );
    for _ in 0..3 {
        nowhere.get("/api/pay").fault("upstream-unreachable");
    }
    assert_eq!(paid(&nowhere), (0, 0));
}

#[test]
fn who_goes_away_has_been_served_perhaps() {
    let chaos = Chaos::start(Does::Hangs);
    let host = two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n[upstreams.api.price]\nrequest = \"0.0004 USD\"",
            chaos.url("")
        ))
        .start();
    let path = format!("/two/fetch?url={}", encoded(&chaos.url("/pay")));
    let asking = host.ask("GET", &path).begin();
    until("the upstream to be asked", || {
        (chaos.count() > 0).then_some(())
    });
    assert_eq!(paid(&host), (0, 0));
    drop(asking);
    until("it to be entered", || {
        (paid(&host) == (PRICE, PRICE)).then_some(())
    });
}

#[test]
fn what_services_use_of_the_host_is_paid_for_too() {
    let host = two("")
        .policy("[budget]\nhost = \"1 USD / month\"\n[services.two]\nbudget = \"0.03 USD / month\"")
        .policy("[price]\ncpu_second = \"0.01 USD\"\ngib_out = \"0.04 USD\"\nversion = \"7\"")
        .start();
    // A second of CPU time and a quarter of a GiB are reserved: two calls at once are too much, and one after the other are not.
    for _ in 0..3 {
        assert_eq!(host.get("/two/ok").status, 200);
    }
    let waiting = host.ask("GET", "/two/never").begin();
    until("it to run", || {
        (host.metric("holdfast_in_flight", "two") > 0.0).then_some(())
    });
    host.get("/two/ok").fault("budget-exhausted");
    drop(waiting);
    let lines = costs(&host, "service,upstream");
    assert_eq!(
        (&lines[0]["service"], &lines[0]["upstream"]),
        (&"two".into(), &"(host)".into())
    );
    let amount = lines[0]["amount_nanousd"].as_u64().unwrap();
    assert!((1..20_000_000).contains(&amount), "{lines:?}");
    assert_eq!(lines[0]["unconfirmed_nanousd"], 0);
}
