//! A name is followed where it leads, and nobody waits for who cannot say.
//!
//! 1. The naive snippet: fetch a URL with a name in it.
//! 2. The missing rule: how long an answer holds. Asked for each connection, the nameserver is one more thing that must be up; asked once,
//!    the service talks to an address that was given to somebody else last week.
//! 3. The tax: a cache with a clock, a lock and a bound in each service, a pool that forgets, and a list of addresses to try in turn.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a name is looked up once for all who ask, for as long as the answer says. Kept connections follow it, a dead address
//!    costs once, the guard sees each new answer, and where none can be had the last one serves on.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Nameserver, Says, Setup, Upstream, encoded, until};
use serde_json::Value;
use std::net::Ipv4Addr;

const NAME: &str = "api.example.com";
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

fn url(upstream: &Upstream) -> String {
    format!("http://{NAME}:{}", upstream.port())
}

/// A host that asks `nameserver` where `upstream` is.
fn asking(nameserver: &Nameserver, upstream: &Upstream, lines: &str) -> Setup {
    let allowed = "[services.two]\nupstreams = [\"api\"]";
    let setup = two("upstreams = [\"api\"]").policy(&nameserver.line());
    setup.policy(allowed).policy(&format!(
        "[upstreams.api]\nurl = \"{}\"\nattempts = 1\nbreaker = false\n{lines}",
        url(upstream)
    ))
}

/// Both addresses of this machine are allowed.
const LOCAL: &str = "allow_private = [\"127.0.0.0/8\"]";

/// What a guest is told, and the closing line of its request.
fn fetched(host: &Host, upstream: &Upstream) -> (String, Value) {
    let url = encoded(&format!("{}/ok", url(upstream)));
    let answer = host.get(&format!("/two/fetch?url={url}"));
    let child = host.children(answer.call(), 1)[0].clone();
    (answer.text(), child)
}

fn served(host: &Host, upstream: &Upstream) {
    let (text, child) = fetched(host, upstream);
    assert!(text.starts_with("status 200"), "{text}: {child}");
}

#[test]
fn a_name_is_looked_up_once_while_its_answer_holds() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let nameserver = Nameserver::start(Says::Leads(&[HERE], 300));
    let host = two("upstreams = [\"api\", \"other\"]")
        .policy(&nameserver.line())
        .policy("[services.two]\nupstreams = [\"api\", \"other\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{}\"\n{LOCAL}\n[upstreams.other]\nurl = \"{}\"\n{LOCAL}",
            url(&upstream),
            url(&other)
        ))
        .start();
    served(&host, &upstream);
    // Once, or once more where the answer took so long that the question was sent again.
    let asked = nameserver.asked(NAME);
    for _ in 0..3 {
        served(&host, &upstream);
        served(&host, &other);
    }
    assert_eq!((upstream.connections(), other.connections()), (1, 1));
    assert_eq!(nameserver.asked(NAME), asked);
}

#[test]
fn a_name_that_moves_is_followed_once_its_answer_has_run_out() {
    let here = Upstream::start();
    let there = Upstream::on((THERE, here.port()).into());
    let nameserver = Nameserver::start(Says::Leads(&[HERE], 1));
    let host = asking(&nameserver, &here, LOCAL).start();
    served(&host, &here);
    nameserver.says(Says::Leads(&[THERE], 1));
    until("the new address to be asked", || {
        served(&host, &here);
        (!there.seen().is_empty()).then_some(())
    });
    // The connection that was kept is up, and is not used.
    let before = here.seen().len();
    for _ in 0..3 {
        served(&host, &here);
    }
    assert_eq!((here.seen().len(), here.connections()), (before, 1));
}

#[test]
fn where_the_nameserver_fails_the_last_answer_serves_on_and_the_log_says_so() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Leads(&[HERE], 1));
    let host = asking(&nameserver, &upstream, LOCAL).start();
    served(&host, &upstream);
    for says in [Says::Fails, Says::Nothing] {
        let kept = |host: &Host| host.log_text().matches("used on, for an hour").count();
        let back = |host: &Host| host.log_text().matches("is answered for again").count();
        let before = (kept(&host), back(&host));
        nameserver.says(says);
        until("the log to say that the old answer is used", || {
            served(&host, &upstream);
            (kept(&host) > before.0).then_some(())
        });
        nameserver.says(Says::Leads(&[HERE], 1));
        until("the log to say that this is over", || {
            served(&host, &upstream);
            (back(&host) > before.1).then_some(())
        });
        assert_eq!(kept(&host), before.0 + 1);
    }
}

#[test]
fn a_name_that_never_was_found_says_why_and_nothing_is_sent() {
    for (says, why) in [
        (Says::Fails, "Server Failure"),
        (Says::Nowhere(60), "Non-Existent Domain"),
        (Says::Leads(&[], 60), "knows no address of it"),
    ] {
        let upstream = Upstream::start();
        let nameserver = Nameserver::start(says);
        let host = asking(&nameserver, &upstream, LOCAL).start();
        let (text, child) = fetched(&host, &upstream);
        assert!(text.starts_with("error "), "{text}");
        assert_eq!(child["code"], "upstream-unreachable", "{child}");
        let line = child.to_string();
        assert!(
            line.contains("the name could not be resolved") && line.contains(why),
            "{line}"
        );
        assert_eq!(upstream.connections(), 0);
    }
}

#[test]
fn that_a_name_is_not_there_holds_as_long_as_its_zone_says() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Nowhere(20));
    let host = asking(&nameserver, &upstream, LOCAL).start();
    fetched(&host, &upstream);
    let asked = nameserver.asked(NAME);
    for _ in 0..3 {
        fetched(&host, &upstream);
    }
    assert_eq!(nameserver.asked(NAME), asked);
}

#[test]
fn a_nameserver_that_is_silent_costs_no_more_than_a_connection_may() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Nothing);
    let lines = format!("{LOCAL}\nconnect = \"300ms\"");
    let host = asking(&nameserver, &upstream, &lines).start();
    let (text, child) = fetched(&host, &upstream);
    assert!(text.starts_with("error "), "{text}");
    assert_eq!(child["code"], "upstream-unreachable", "{child}");
    // Not the resolver has given up, but who waited for it.
    let line = child.to_string();
    assert!(
        line.contains("no connection within the time allowed") && line.contains("resolve"),
        "{line}"
    );
}

#[test]
fn a_name_that_comes_to_lead_inside_is_refused_on_the_connection_that_is_kept_too() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Leads(&[HERE], 1));
    // The one address stands for a public one; nothing else is allowed.
    let lines = "allow_private = [\"127.0.0.1/32\"]";
    let host = asking(&nameserver, &upstream, lines).start();
    served(&host, &upstream);
    for inside in [Says::Leads(&[THERE], 1), Says::Leads(&[METADATA], 1)] {
        nameserver.says(inside);
        let child = until("the new answer to be refused", || {
            let (text, child) = fetched(&host, &upstream);
            (text == "error HttpRequestDenied\n").then_some(child)
        });
        assert_eq!(child["code"], "capability-denied", "{child}");
        assert!(child.to_string().contains("allow_private"), "{child}");
        nameserver.says(Says::Leads(&[HERE], 1));
        until("the name to lead back", || {
            fetched(&host, &upstream)
                .0
                .starts_with("status 200")
                .then_some(())
        });
    }
}

#[test]
fn an_address_that_is_dead_is_passed_over() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Leads(&[THERE, HERE], 300));
    let host = asking(&nameserver, &upstream, LOCAL).start();
    served(&host, &upstream);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn other_nameservers_are_asked_at_once_where_the_policy_names_them() {
    let here = Upstream::start();
    let there = Upstream::on((THERE, here.port()).into());
    let (one, other) = (
        Nameserver::start(Says::Leads(&[HERE], 300)),
        Nameserver::start(Says::Leads(&[THERE], 300)),
    );
    let host = asking(&one, &here, LOCAL).start();
    served(&host, &here);
    let policy = std::fs::read_to_string(host.config()).unwrap();
    host.set_policy(&policy.replace(&one.line(), &other.line()));
    until("the other nameserver's answer to be used", || {
        served(&host, &here);
        (!there.seen().is_empty()).then_some(())
    });
}

#[test]
fn the_doctor_asks_whom_the_host_asks() {
    let upstream = Upstream::start();
    let nameserver = Nameserver::start(Says::Leads(&[HERE], 300));
    let host = asking(&nameserver, &upstream, LOCAL).start();
    let doctor = |host: &Host| host.offline(&["doctor"]).out;
    let said = doctor(&host);
    let reached = format!("api: connected to {HERE}:{}", upstream.port());
    assert!(said.contains(&reached), "{said}");
    nameserver.says(Says::Nowhere(1));
    let said = doctor(&host);
    assert!(said.contains("could not be resolved"), "{said}");
}
