//! A call that went wrong last Tuesday can be run again on the desk, as it was, and as it would be with the next build.
//!
//! 1. The naive snippet: take a request, ask for something, answer.
//! 2. The missing rule: what happened is known from the lines that somebody thought of logging, and cannot be had again.
//! 3. The tax: recording proxies, fixtures, frozen clocks, seeds that are passed along, mocks of everything that is asked.
//! 4. The snippet again: take a request, ask for something, answer.
//! 5. The pipeline's version: `capture` keeps what the guest was asked and told. `holdfast replay` runs it again from that, without asking
//!    anybody, and shows where it differs from then: nowhere, unless the build is another one.
//! 6. The checklist is below.

mod kept;
mod samples;

use crate::harness::{Guest, Host, Said, Setup, Upstream, encoded, until};
use serde_json::Value;

/// The lines of a policy that has the calls of a service captured.
fn captured(service: &str, what: &str, more: &str) -> String {
    format!("[services.{service}]\ncapture = \"{what}\"\n{more}")
}

/// A host with the service `wasi02`, whose calls are captured, and which may ask this upstream.
fn asking(upstream: &Upstream, what: &str, manifest: &str, more: &str) -> Host {
    let manifest = format!("upstreams = [\"up\"]\n{manifest}");
    Setup::new()
        .service("wasi02", Guest::Case("wasi02"), &manifest)
        .policy(&captured("wasi02", what, "upstreams = [\"up\"]\n"))
        .policy(&format!(
            "[upstreams.up]\nurl = \"{}\"\nallow_private = [\"127.0.0.0/8\"]\n{more}",
            upstream.url("")
        ))
        .start()
}

/// What was captured, waited for: it is written behind the answer.
fn listed(host: &Host, count: usize) -> Vec<Value> {
    until(&format!("{count} calls to be captured"), || {
        let all = lines(&host.command(&["replay", "--json"]));
        assert!(all.len() <= count, "{all:#?}");
        (all.len() == count).then_some(all)
    })
}

fn lines(said: &Said) -> Vec<Value> {
    let lines = said.out.lines();
    let lines = lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said:?}")));
    lines.collect()
}

/// Runs one again.
fn replayed(host: &Host, call: &str, more: &[&str]) -> (Value, Said) {
    let words = [&["replay", call, "--json"], more].concat();
    let said = host.command(&words);
    let mut all = lines(&said);
    assert_eq!(all.len(), 1, "{said:?}");
    (all.remove(0), said)
}

fn name(listed: &Value) -> &str {
    listed["call"].as_str().unwrap()
}

/// What is kept of a call.
fn record(host: &Host, call: &str) -> String {
    let file = host.dir().join(format!("data/captures/{call}.json"));
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_call_runs_again_as_it_was_and_asks_nobody() {
    let upstream = Upstream::start();
    let mut host = asking(&upstream, "all", "", "");
    let url = upstream.url("/echo");
    let answer = host.get(&format!("/wasi02/fetch?url={}", encoded(&url)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let one = listed(&host, 1).remove(0);
    assert_eq!(one["call"], answer.call());
    assert_eq!(
        (&one["service"], &one["steps"]),
        (&"wasi02".into(), &1.into())
    );
    assert_eq!(one["complete"], true, "{one:#}");
    let asked = upstream.seen().len();
    let (again, said) = replayed(&host, name(&one), &[]);
    assert_eq!(again["verdict"], "same", "{again:#}");
    assert_eq!((&again["told"], &again["kept"]), (&1.into(), &1.into()));
    assert_eq!(said.code, Some(0));
    assert_eq!(upstream.seen().len(), asked);
    let text = host.command(&["replay", name(&one)]);
    assert!(
        text.out
            .contains("the same: what it asked for, and what it came to"),
        "{text:?}"
    );
    // A host that runs is not needed.
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    let (again, _) = replayed(&host, name(&one), &[]);
    assert_eq!(again["verdict"], "same", "{again:#}");
}

#[test]
fn chance_and_time_are_those_of_then() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    for path in [
        "/random", "/clock", "/random", "/env", "/config", "/request",
    ] {
        let answer = host.get(&format!("/wasi02{path}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for one in listed(&host, 6) {
        let (again, _) = replayed(&host, name(&one), &[]);
        assert_eq!(again["verdict"], "same", "{again:#}");
    }
}

#[test]
fn another_build_shows_the_first_difference() {
    let upstream = Upstream::start();
    let setup = Setup::new()
        .service("workflow", Guest::Case("workflow"), "upstreams = [\"up\"]")
        .policy(&captured("workflow", "all", "upstreams = [\"up\"]\n"))
        .upstream("up", &upstream);
    let host = setup.start();
    let authority = upstream.url("").replace("http://", "");
    let path = format!("/workflow/steps?n=5&upstream={authority}");
    assert_eq!(host.ask("POST", &path).send().status, 200);
    let one = listed(&host, 1).remove(0);
    let (again, _) = replayed(&host, name(&one), &[]);
    assert_eq!(again["verdict"], "same", "{again:#}");

    // The same code in other bytes is the same.
    let file = host.dir().join("build.wasm");
    let build = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap();
    build(&Guest::Numbered("workflow", 7).bytes());
    let component = ["--component", file.to_str().unwrap()];
    let (again, _) = replayed(&host, name(&one), &component);
    assert_eq!(again["verdict"], "same", "{again:#}");

    // One that asks for something else.
    let other = replaced(&Guest::Case("workflow").bytes(), b"/step/", b"/stop/");
    build(&other);
    let (again, said) = replayed(&host, name(&one), &component);
    assert_eq!(again["verdict"], "differs", "{again:#}");
    assert_eq!(said.code, Some(1));
    assert_eq!(again["told"], 0, "{again:#}");
    let differences = again["differences"].to_string();
    assert!(differences.contains("entry 1"), "{differences}");
    assert!(
        differences.contains(&format!("- POST http://{authority}/step/it/1")),
        "{differences}"
    );
    assert!(
        differences.contains(&format!("+ POST http://{authority}/stop/it/1")),
        "{differences}"
    );
}

/// The bytes with one text in the place of another one of the same length, wherever it stands.
fn replaced(bytes: &[u8], text: &[u8], other: &[u8]) -> Vec<u8> {
    assert_eq!(text.len(), other.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = (0..bytes.len() - text.len())
        .filter(|place| bytes[*place..].starts_with(text))
        .collect();
    assert!(!places.is_empty(), "it is not there");
    for place in places {
        bytes[place..place + text.len()].copy_from_slice(other);
    }
    bytes
}

#[test]
fn which_of_several_came_first_is_as_it_was_then() {
    let upstream = Upstream::start();
    let setup = Setup::new()
        .service("workflow", Guest::Case("workflow"), "upstreams = [\"up\"]")
        .policy(&captured("workflow", "all", "upstreams = [\"up\"]\n"))
        .upstream("up", &upstream);
    let host = setup.start();
    let authority = upstream.url("").replace("http://", "");
    for work in ["race?n=4", "sleep?ms=50", "patience?ms=5000", "clock?"] {
        let path = format!("/workflow/{work}&upstream={authority}");
        let answer = host.ask("POST", &path).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for one in listed(&host, 4) {
        for _ in 0..3 {
            let (again, _) = replayed(&host, name(&one), &[]);
            assert_eq!(again["verdict"], "same", "{again:#}");
        }
    }
}

#[test]
fn a_durable_execution_runs_again_as_well() {
    let upstream = Upstream::start();
    let manifest = "upstreams = [\"up\"]\n[effects]\ndurable = [\"POST /steps\", \"POST /sleep\"]";
    let setup = Setup::new()
        .service("workflow", Guest::Case("workflow"), manifest)
        .policy("[services.workflow]\nupstreams = [\"up\"]\n")
        .upstream("up", &upstream);
    let host = setup.start();
    let authority = upstream.url("").replace("http://", "");
    for work in ["steps?n=4", "sleep?ms=50"] {
        let path = format!("/workflow/{work}&upstream={authority}");
        let answer = host.ask("POST", &path).header("prefer", "wait=30").send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let runs = lines(&host.command(&["run", "ls", "--json"]));
    assert_eq!(runs.len(), 2, "{runs:#?}");
    let asked = upstream.seen().len();
    for run in &runs {
        let (again, _) = replayed(&host, name(run), &[]);
        assert_eq!(
            (&again["verdict"], &again["kind"]),
            (&"same".into(), &"execution".into()),
            "{again:#}"
        );
    }
    let file = host.dir().join("build.wasm");
    let other = replaced(&Guest::Case("workflow").bytes(), b"/step/", b"/stop/");
    std::fs::write(&file, other).unwrap();
    let (again, _) = replayed(
        &host,
        name(&runs[0]),
        &["--component", file.to_str().unwrap()],
    );
    assert_eq!(again["verdict"], "differs", "{again:#}");
    assert!(
        again["differences"].to_string().contains("entry 1"),
        "{again:#}"
    );
    assert_eq!(upstream.seen().len(), asked);
}
