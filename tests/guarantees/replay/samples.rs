//! Every sample service: its calls, captured and run again, come to the same status, headers, body and sequence of what was asked.

use super::{captured, lines, listed};
use crate::harness::{Ask, Guest, Host, Setup, Upstream, encoded, scaled};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many calls of each.
fn count() -> usize {
    scaled(4, 100)
}

/// Has the services served, with all of their calls captured.
fn serving(upstream: &Upstream, services: &[&'static str]) -> Host {
    let url = upstream.url("");
    let mut setup = Setup::new();
    for name in services {
        let (manifest, more) = match *name {
            "digest" => (
                "services = [\"tasks\", \"proxy\"]\n[contract]\nsafe = [\"daily/from-lines\"]"
                    .to_owned(),
                "services = [\"tasks\", \"proxy\"]\n",
            ),
            "tasks" => (
                "[contract]\nsafe = [\"todo/parse\", \"todo/order\", \"todo/count\"]".to_owned(),
                "",
            ),
            "front" => (
                "services = [\"notes\"]".to_owned(),
                "services = [\"notes\"]\n",
            ),
            "proxy" => (
                format!("upstreams = [\"up\"]\n[config]\nupstream = \"{url}\""),
                "upstreams = [\"up\"]\n",
            ),
            _ => (String::new(), ""),
        };
        setup = setup
            .service(name, Guest::Service(name), &manifest)
            .policy(&captured(name, "all", more));
    }
    setup.upstream("up", upstream).start()
}

/// The `n`th call of a service.
fn call(host: &Host, service: &str, n: usize) -> Ask {
    let lines = format!(
        "[\"( ) water plants {n}\", \"(x) 2026-11-0{} post letter\", \"?\"]",
        n % 9 + 1
    );
    let today = "{\"year\": 2026, \"month\": 11, \"day\": 20}";
    let json = |ask: Ask, body: &str| ask.header("content-type", "application/json").body(body);
    match service {
        "notes" | "front" => host.ask("GET", &format!("/{service}/count?n={}", n % 7 + 1)),
        "proxy" => match n % 3 {
            0 => host.ask("GET", "/proxy/status/404"),
            1 => host.ask("GET", &format!("/proxy/echo?n={n}")),
            _ => host.ask("GET", "/proxy/ok"),
        },
        "tasks" => json(
            host.ask("POST", "/tasks/todo/parse"),
            &format!("{{\"lines\": {lines}}}"),
        ),
        "digest" => match n % 2 {
            0 => json(
                host.ask("POST", "/digest/daily/from-lines"),
                &format!("{{\"lines\": {lines}, \"today\": {today}}}"),
            ),
            _ => json(
                host.ask("POST", "/digest/daily/from-page"),
                &format!("{{\"path\": \"/ok\", \"today\": {today}}}"),
            ),
        },
        _ => host.ask(
            "GET",
            &format!("/{service}/{}", encoded(&format!("you {n}"))),
        ),
    }
}

/// Has each of them called so many times, runs every call again, and says how many of each came to the same.
fn same(services: &[&'static str], each: usize) -> BTreeMap<String, usize> {
    let upstream = Upstream::start();
    let host = serving(&upstream, services);
    for service in services {
        for n in 0..each {
            let answer = call(&host, service, n).send();
            assert!(
                answer.status < 500,
                "{service} {n}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    let all = settled(&host);
    let seen = upstream.seen().len();
    for one in &all {
        assert_eq!(one["complete"], true, "{one:#}");
    }
    let said = host.command(&["replay", "--all", "--json"]);
    let mut counts = BTreeMap::new();
    for line in lines(&said) {
        assert_eq!(line["verdict"], "same", "{line:#}");
        *counts
            .entry(line["service"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert_eq!(said.code, Some(0));
    assert_eq!(upstream.seen().len(), seen, "nothing is asked again");
    assert_eq!(counts.values().sum::<usize>(), all.len());
    counts
}

/// All that was captured, once no more comes.
fn settled(host: &Host) -> Vec<Value> {
    let mut before = Vec::new();
    loop {
        let all = lines(&host.command(&["replay", "--json"]));
        if !all.is_empty() && all.len() == before.len() {
            return listed(host, all.len());
        }
        before = all;
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn every_sample_service_in_rust() {
    let services = ["hello", "notes", "front", "proxy", "tasks", "digest"];
    let counts = same(&services, count());
    for service in services {
        assert!(counts[service] >= count(), "{counts:?}");
    }
}

#[test]
fn a_sample_service_in_javascript() {
    assert_eq!(same(&["hello-js"], count())["hello-js"], count());
}

#[test]
fn a_sample_service_in_python() {
    assert_eq!(same(&["hello-python"], count())["hello-python"], count());
}
