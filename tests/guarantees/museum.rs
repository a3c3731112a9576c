//! A service that was built for an earlier host goes on serving, as a file that nobody touches.
//!
//! 1. The naive snippet: `cp service.wasm plugins/`, once.
//! 2. The missing rule: what a host offers, it offers for ever; a field that is added to a record breaks every component that was built
//!    with it, and nobody sees it in the source, which is built anew each day.
//! 3. The tax: keeping the source and the tools of everything that still runs.
//! 4. The snippet again, unchanged.
//! 5. The pieces: components built on their day and committed ([list](../museum/pieces.toml)), and the host's own interfaces as they were
//!    released ([texts](../museum/released)). An interface only grows.
//! 6. The checklist is below.

use super::contracts::{given, post};
use crate::harness::{Guest, Setup, Upstream, dummy_of, keep_private, put, root, until};
use serde_json::json;
use std::fs;

#[test]
fn pieces_that_answer_over_http_still_do() {
    let upstream = Upstream::start();
    let url = upstream.url("");
    let asks_out = format!("upstreams = [\"api\"]\n[config]\nupstream = \"{url}\"");
    let host = Setup::new()
        .service("hello", Guest::Museum("2026-11-hello"), "")
        .service("notes", Guest::Museum("2026-11-notes"), "")
        .service("proxy", Guest::Museum("2026-11-proxy"), &asks_out)
        .service(
            "three",
            Guest::Museum("2026-11-wasi03"),
            "upstreams = [\"api\"]",
        )
        .service("kv", Guest::Museum("2026-11-kv"), "kv = [\"default\"]")
        .service(
            "queues",
            Guest::Museum("2026-11-queues"),
            "queues = [\"queues\"]",
        )
        .policy("[services.kv]\nkv = [\"default\"]\n[services.queues]\nqueues = [\"queues\"]")
        .policy("[services.proxy]\nupstreams = [\"api\"]\n[services.three]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    assert_eq!(host.get("/hello/").text(), "Hello from holdfast\n");
    let count = host.get("/notes/count?n=3").text();
    assert_eq!(count, "note 1\nnote 2\nnote 3\n");
    let upper = host.ask("POST", "/notes/upper").body("quiet please");
    assert_eq!(upper.send().text(), "QUIET PLEASE");
    for (path, expected) in [
        ("/kv/set?key=k&value=v", "set"),
        ("/kv/get-many?keys=k,none", "v none"),
        ("/kv/add?key=n", "1"),
        ("/kv/number?key=n", "1"),
        (
            "/kv/lease?key=l&after=v&end=release",
            "1: nothing, set, released",
        ),
    ] {
        assert_eq!(host.get(path).text(), expected, "{path}");
    }
    let sent = host.ask("POST", "/queues/?text=hello").send();
    assert_eq!(sent.status, 200, "{}", sent.text());
    host.said(&format!("took {} 1 hello", sent.text()));
    assert_eq!(host.get("/proxy/here").status, 200);
    let fetched = host.get(&format!("/three/fetch?url={}", upstream.url("/there")));
    assert_eq!(fetched.status, 200, "{}", fetched.text());
    for path in ["/here", "/there"] {
        let asked = format!("get {path} ");
        let seen = upstream.seen();
        assert!(
            seen.iter().any(|seen| seen.head.starts_with(&asked)),
            "{path}"
        );
    }
}

#[test]
fn pieces_that_are_functions_still_are_and_find_each_other() {
    let upstream = Upstream::start();
    let host = Setup::new()
        .service("tasks", Guest::Museum("2026-11-tasks"), "")
        .service(
            "digest",
            Guest::Museum("2026-11-digest"),
            "services = [\"tasks\", \"proxy\"]",
        )
        .service("typed", Guest::Museum("2026-11-typed"), "")
        .service(
            "asks",
            Guest::Museum("2026-11-asks"),
            "services = [\"typed\"]",
        )
        .policy("[services.digest]\nservices = [\"tasks\", \"proxy\"]")
        .policy("[services.asks]\nservices = [\"typed\"]")
        .naive("proxy", &upstream.url(""), "")
        .start();
    let today = json!({ "year": 2026, "month": 12, "day": 1 });
    let asked = json!({ "lines": ["rest #home"], "today": today });
    let report = given(&post(&host, "/digest/daily/from-lines", &asked));
    assert_eq!(report["summary"]["open"], 1, "{report}");
    let asked = json!({ "path": "/list", "today": today });
    let page = given(&post(&host, "/digest/daily/from-page", &asked));
    assert!(page["summary"]["open"].is_number(), "{page}");
    let asked = json!({ "a": 6, "b": 2 });
    assert_eq!(given(&post(&host, "/asks/asks/divide", &asked)), 3);
    // What another one could not serve is its declared error, of the record as it was.
    host.remove("typed");
    until("it to be gone", || {
        host.listed("typed").is_none().then_some(())
    });
    post(&host, "/asks/asks/divide", &asked).fault("no-such-service");
}

#[test]
fn a_piece_that_uses_a_secret_still_does() {
    let setup = Setup::new().service(
        "two",
        Guest::Museum("2026-11-wasi02"),
        "secrets = [\"hook\"]",
    );
    let file = setup.dir.path().join("hook.secret");
    keep_private(&file, "canary-key-0123456789");
    let file = file.display();
    let host = setup
        .policy("[services.two]\nsecrets = [\"hook\"]")
        .policy(&format!(
            "[secrets.hook]\nuses = [\"sign\", \"verify\"]\nfile = \"{file}\""
        ))
        .start();
    let signed = host.get("/two/sign?name=hook&message=hello").text();
    assert_eq!(signed.len(), 64, "{signed}");
    let verify = format!("/two/verify?name=hook&message=hello&code={signed}");
    assert_eq!(host.get(&verify).text(), "true");
}

/// A component that needs all of one interface of the host, by the text with which it was released.
fn whole(interface: &str, released: &str) -> Vec<u8> {
    let (name, version) = interface.split_once('@').unwrap();
    // An interface of types alone is needed by whoever has one of them in a function.
    let uses = match name {
        "faults" => "use holdfast:host/faults@VERSION.{fault}; try: func() -> result<_, fault>;",
        _ => "try: func();",
    };
    let world = "package test:piece@1.0.0; interface piece { USES } world all { import holdfast:host/NAME@VERSION; export piece; }"
        .replace("USES", uses)
        .replace("NAME", name)
        .replace("VERSION", version);
    dummy_of(&[released, &world])
}

#[test]
fn every_interface_of_the_host_is_offered_as_it_was_released() {
    let host = Setup::new().start();
    for entry in fs::read_dir(root().join("tests/museum/released")).unwrap() {
        let file = entry.unwrap().path();
        let interface = file.file_stem().unwrap().to_string_lossy().into_owned();
        let component = whole(&interface, &fs::read_to_string(&file).unwrap());
        let (name, version) = interface.split_once('@').unwrap();
        let imported = format!("holdfast:host/{name}@{version}");
        assert!(
            component
                .windows(imported.len())
                .any(|part| part == imported.as_bytes()),
            "the piece does not import {imported}"
        );
        put(&host.plugins(), name, &component, "");
        until(&format!("{imported} to be offered"), || {
            let listed = host.listed(name)?;
            assert!(listed["error"].is_null(), "{listed}");
            (listed["state"] == "serving").then_some(())
        });
    }
}

#[test]
fn an_interface_that_was_changed_would_be_seen() {
    let file = root().join("tests/museum/released/secrets@0.1.0.wit");
    let released = fs::read_to_string(file).unwrap();
    for (from, to) in [
        (
            "message: list<u8>) -> result<list<u8>",
            "message: string) -> result<list<u8>",
        ),
        ("        detail: string,\n", ""),
        ("resource secret {", "names: func();\n    resource secret {"),
    ] {
        assert!(released.contains(from), "{from}");
        let host = Setup::new().start();
        let component = whole("secrets@0.1.0", &released.replace(from, to));
        put(&host.plugins(), "other", &component, "");
        until("the refusal", || {
            host.listed("other")?["error"].as_str().map(drop)
        });
    }
}
