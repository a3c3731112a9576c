//! A secret is in the host, and nowhere else.
//!
//! 1. The naive snippet: call an upstream that wants a key, without one.
//! 2. The missing rule: where the key is. In each service's environment it is in every child, every crash dump, every page that shows the
//!    environment.
//! 3. The tax: a secret store's client in each service, and a rule for each of the places where a key must not go.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the host puts the key into the request when the guest has done with it. What the host was given in its environment it
//!    takes out of it, by starting itself again without it, and its memory is dumped for nobody.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Upstream, encoded};

const CANARY: &str = "CANARY-of-the-environment";

fn host(upstream: &Upstream) -> Host {
    two("upstreams = [\"api\"]")
        .environment("HOLDFAST_TEST_KEY", CANARY)
        .environment("HOLDFAST_TEST_OTHER", "of no interest to anybody")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .policy("[upstreams.api.credential]\nheader = \"x-key\"\nenv = \"HOLDFAST_TEST_KEY\"")
        .start()
}

/// What the upstream was sent last as its key.
fn sent(host: &Host, upstream: &Upstream) -> String {
    let answer = host.get(&format!("/two/fetch?url={}", encoded(&upstream.url("/ok"))));
    assert!(answer.text().starts_with("status 200"), "{}", answer.text());
    let seen = upstream.seen();
    let head = seen.last().unwrap().head.clone();
    let key = head.lines().find_map(|line| line.strip_prefix("x-key: "));
    key.unwrap_or_default().to_owned()
}

fn of_the_process(host: &Host, file: &str) -> String {
    let path = format!("/proc/{}/{file}", host.pid().as_raw_nonzero());
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

#[test]
fn what_the_environment_had_is_gone_from_it_and_still_used() {
    let upstream = Upstream::start();
    let host = host(&upstream);
    assert_eq!(sent(&host, &upstream), CANARY.to_lowercase());
    let environment = of_the_process(&host, "environ");
    assert!(!environment.contains("CANARY"), "{environment}");
    assert!(
        environment.contains("HOLDFAST_TEST_OTHER=of no interest"),
        "{environment}"
    );
    assert!(!of_the_process(&host, "cmdline").contains("CANARY"));
    // A policy that comes into force finds it where it is now.
    host.hang_up();
    host.said("is in force");
    assert_eq!(sent(&host, &upstream), CANARY.to_lowercase());
    assert!(!host.log_text().contains("CANARY") && !host.stderr().contains("CANARY"));
}

#[test]
fn a_variable_that_nothing_named_at_the_start_is_not_read_later() {
    let upstream = Upstream::start();
    let host = host(&upstream);
    let url = upstream.url("");
    host.set_policy(&format!(
        "[services.two]\nupstreams = [\"api\"]\n[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n\
         [upstreams.api.credential]\nheader = \"x-key\"\nenv = \"HOLDFAST_TEST_OTHER\""
    ));
    host.hang_up();
    host.said("had no readable variable HOLDFAST_TEST_OTHER when the host started");
    // And the policy that was in force stays.
    assert_eq!(sent(&host, &upstream), CANARY.to_lowercase());
}

#[test]
fn the_memory_of_the_host_is_dumped_for_nobody() {
    let upstream = Upstream::start();
    let host = host(&upstream);
    let limits = of_the_process(&host, "limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().filter(|word| *word == "0").count(),
        2,
        "{core}"
    );
}
