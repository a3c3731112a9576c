//! What an upstream costs is known, call by call.
//!
//! 1. The naive snippet: fetch.
//! 2. The missing rule: each try is billed, also the one whose answer was lost and the one that was made again.
//! 3. The tax: a counter in each service, which counts calls and not tries, and an invoice that nobody can check.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the operator writes the price beside the upstream's URL; each try that may have come to it is counted where tries are made.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Chaos, Does, Host, closed_port, encoded};

const PRICE: u64 = 400_000;

fn host(url: &str) -> Host {
    two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nfirst_byte = \"300ms\"\noverride_floor = true\n\
             [upstreams.api.price]\nrequest = \"0.0004 USD\""
        ))
        .start()
}

/// What the guest's call cost, by its closing line, and the guest's own call.
fn cost(host: &Host, url: &str, method: &str) -> (u64, String) {
    let answer = host.get(&format!(
        "/two/fetch?url={}&method={method}&body=x",
        encoded(url)
    ));
    let line = host.children(answer.call(), 1)[0].clone();
    let cost = line
        .get("cost_nanousd")
        .map_or(0, |cost| cost.as_u64().unwrap());
    (cost, answer.call().to_owned())
}

#[test]
fn every_try_that_came_to_the_upstream_is_counted_and_none_else() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos.url(""));
    let mut all = 0;
    for (does, method, tries) in [
        (&[][..], "GET", 1),
        (&[Does::Resets], "GET", 2),
        (&[Does::Answers(503, "retry-after: 0\r\n"); 2], "PUT", 3),
        (&[Does::Hangs], "POST", 1),
    ] {
        chaos.taken();
        chaos.next(does);
        let (cost, call) = cost(&host, &chaos.url("/pay"), method);
        assert_eq!(chaos.taken().len(), tries, "{does:?}");
        assert_eq!(cost, PRICE * tries as u64, "{does:?}");
        all += cost;
        host.closing(&call);
        let said = host.command(&["explain", &call]).out;
        let sum = format!("cost      0.{:04} USD", 4 * tries);
        assert!(said.contains(&sum), "{said}");
    }
    let counted = host.metric("holdfast_cost_nanousd_total", "upstream:api");
    assert_eq!(counted, all as f64);
}

#[test]
fn what_was_never_sent_costs_nothing() {
    let url = format!("http://{}", closed_port());
    let host = host(&url);
    let (cost, call) = cost(&host, &format!("{url}/pay"), "GET");
    assert_eq!(cost, 0);
    host.closing(&call);
    let said = host.command(&["explain", &call]).out;
    assert!(said.contains("upstream-unreachable"), "{said}");
    assert!(!said.contains("cost "), "{said}");
    assert_eq!(host.metric("holdfast_cost_nanousd_total", ""), 0.0);
}
