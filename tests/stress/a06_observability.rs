//! The assumption: what happened can be found out. So: no call without a closing line, a why and an id, whatever it died of.

use crate::harness::{Guest, Host, Setup, Upstream, encoded, scaled, until};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Mutex;

/// Every way to end that a guest has by itself.
const DEATHS: &[&str] = &[
    "/two/ok",
    "/two/trap-before",
    "/two/trap-after-headers",
    "/two/trap-mid-body",
    "/two/panic",
    "/two/no-answer",
    "/two/twice",
    "/two/unfinished",
    "/two/short-body",
    "/two/stack-trace",
    "/two/status?code=101",
    "/two/loop",
    "/two/grow",
    "/two/recurse",
    "/two/handles",
    "/two/never",
    "/two/after-answer",
    "/two/flood-log?n=2000",
    "/two/flood-headers?n=500",
    "/two/flood-body?bytes=3000000",
    "/three/ok",
    "/three/trap-mid-body",
    "/three/error-mid-body",
    "/three/never",
    "/three/loop",
    "/nobody/here",
];

const LIMITS: &str = "[limits]\ndeadline = \"500ms\"\ncpu = \"100ms\"\nmemory = \"16MiB\"\nresponse_bytes = \"1MiB\"";

#[test]
fn no_call_ends_without_its_line_whatever_it_died_of() {
    let upstream = Upstream::start();
    let host = Setup::new()
        .service(
            "two",
            Guest::Case("wasi02"),
            &format!("purpose = \"die\"\nupstreams = [\"api\"]\n{LIMITS}"),
        )
        .service(
            "three",
            Guest::Case("wasi03"),
            &format!("purpose = \"die\"\n{LIMITS}"),
        )
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let ids = Mutex::new(HashSet::new());
    let fetch = format!("/two/fetch?url={}", encoded(&upstream.url("/reset")));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (host, ids, fetch) = (&host, &ids, &fetch);
            scope.spawn(move || {
                for round in 0..scaled(1, 40) {
                    for nth in 0..DEATHS.len() {
                        let path = DEATHS[(nth + worker + round) % DEATHS.len()];
                        let answer = host.get(path);
                        assert!(
                            ids.lock().unwrap().insert(answer.call().to_owned()),
                            "an id twice"
                        );
                    }
                    ids.lock()
                        .unwrap()
                        .insert(host.get(fetch).call().to_owned());
                    ids.lock().unwrap().insert(leave(host));
                }
            });
        }
    });
    let ids = ids.into_inner().unwrap();
    until("every call to have its line", || {
        let closed: HashSet<String> = outer(&host).iter().map(id).collect();
        ids.is_subset(&closed).then_some(())
    });
    let lines = host.closings();
    let closed: HashSet<String> = lines.iter().map(id).collect();
    assert_eq!(closed.len(), lines.len(), "no call has two closing lines");
    for line in &lines {
        assert!(
            line["why"].as_str().is_some_and(|why| !why.is_empty()),
            "{line}"
        );
        let code = line["code"].is_string() && line["boundary"].is_string();
        assert!(line["outcome"] != "fault" || code, "{line}");
    }
    assert_eq!(host.metric("holdfast_log_dropped_total", ""), 0.0);
}

/// Asks, and goes away: once before the answer, which may be before there is a call, and once in its middle. The id of that one.
fn leave(host: &Host) -> String {
    drop(host.ask("GET", "/two/never").write());
    let mut flow = host.ask("GET", "/two/drip?ms=50").open();
    flow.next().expect("the beginning of an answer");
    flow.header("holdfast-call").expect("an id").to_owned()
}

fn outer(host: &Host) -> Vec<Value> {
    let mut lines = host.closings();
    lines.retain(|line| line["parent"].is_null());
    lines
}

fn id(line: &Value) -> String {
    line["call"].as_str().expect("an id").to_owned()
}
