//! A service is an interface: what goes in and what comes out is what its WIT says, whoever asks.
//!
//! 1. The naive snippet: a function of an interface, and another service that calls it as one.
//! 2. The missing rule: what is checked between the two. A field that is missing shows up three calls later, as a wrong number.
//! 3. The tax: a schema, a client and a server for each pair, versions of all three, and errors that each invents for itself.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a call of an imported function is a call like any other, with its caller, its deadline, its limits and its line; people
//!    ask the same function in JSON. What does not fit is told with its place before anything runs.
//! 6. The checklist is below.

mod broken;
mod safe;
mod versions;

use crate::harness::{Answer, Guest, Host, Setup, dummy, put, root, until};
use serde_json::{Value, json};

const LINKED: &str = "services = [\"typed\"]";

fn both() -> Setup {
    typed()
        .service("asks", Guest::Case("asks"), LINKED)
        .policy("[services.asks]\nservices = [\"typed\"]")
}

fn typed() -> Setup {
    Setup::new().service("typed", Guest::Case("typed"), "")
}

pub(crate) fn post(host: &Host, path: &str, body: &Value) -> Answer {
    let ask = host.ask("POST", path);
    let ask = ask.header("content-type", "application/json");
    ask.body(body.to_string()).send()
}

/// What was answered, where it was no fault.
pub(crate) fn given(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

pub(crate) fn everything() -> Value {
    json!({
        "truth": true, "small": 255, "large": "18446744073709551615", "signed": -32768,
        "single": 0.1, "double": "NaN", "letter": "\u{1f600}", "text": "\u{0}\"\u{2028}",
        "bytes": "AP8=", "maybe": null, "nested": { "some": null }, "pair": [7, "x"],
        "shape": { "poly": [{ "x": 1, "y": -1 }] }, "colour": "dark-blue", "perms": ["read", "run"],
        "outcome": { "error": 9 }, "points": [],
    })
}

fn pointers(answer: &Answer) -> Vec<String> {
    answer.fault("invalid-input");
    let problem: Value = serde_json::from_str(&answer.text()).unwrap();
    let violations = problem["violations"].as_array().unwrap();
    let pointer = |one: &Value| one["pointer"].as_str().unwrap().to_owned();
    violations.iter().map(pointer).collect()
}

#[test]
fn people_ask_a_function_in_json_and_every_form_comes_back_as_it_was() {
    let host = both().start();
    let sum = post(&host, "/typed/shapes/add", &json!({ "a": 40, "b": 2 }));
    assert_eq!(given(&sum), 42);
    let line = host.closing(sum.call());
    assert_eq!(
        (&line["operation"], &line["outcome"]),
        (&"POST /shapes/add".into(), &"ok".into())
    );
    let value = json!({ "value": everything() });
    for path in [
        "/typed/shapes/echo",
        "/typed/shapes@1.2.0/echo",
        "/asks/asks/echo",
    ] {
        assert_eq!(given(&post(&host, path, &value)), everything(), "{path}");
    }
    let quiet = host.ask("POST", "/typed/shapes/quiet").send();
    assert_eq!((quiet.status, quiet.text()), (204, String::new()));
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_no_guest_runs() {
    let host = typed().start();
    let mut wrong = everything();
    wrong["small"] = 256.into();
    wrong["shape"] = json!({ "poly": [{ "x": 1 }] });
    wrong["more"] = 1.into();
    let answer = post(&host, "/typed/shapes/echo", &json!({ "value": wrong }));
    assert_eq!(
        pointers(&answer),
        ["/value/more", "/value/small", "/value/shape/poly/0/y"]
    );
    let line = host.closing(answer.call());
    assert_eq!(
        (&line["cpu_us"], &line["boundary"]),
        (&0.into(), &"caller".into()),
        "{line}"
    );
    for body in [
        "",
        "{",
        "[]",
        "{\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":1}",
        "{\"a\":1.5,\"b\":2}",
        "nul",
        "\u{feff}{}",
    ] {
        let ask = host.ask("POST", "/typed/shapes/add");
        let answer = ask
            .header("content-type", "application/json")
            .body(body)
            .send();
        assert!(!pointers(&answer).is_empty(), "{body}");
    }
    // What a page of another site may send on its own is not taken.
    let form = host
        .ask("POST", "/typed/shapes/add")
        .header("content-type", "text/plain");
    assert_eq!(pointers(&form.body("{\"a\":1,\"b\":2}").send()), [""]);
    for path in [
        "/typed/",
        "/typed/shapes/",
        "/typed/shapes/subtract",
        "/typed/shapes@2.0.0/add",
    ] {
        post(&host, path, &json!({})).fault("no-such-operation");
    }
    host.get("/typed/shapes/add").fault("method-not-allowed");
}

#[test]
fn an_error_of_the_contract_is_the_services_own_and_a_trap_is_masked() {
    let host = both().start();
    for (name, path) in [
        ("typed", "/typed/shapes/divide"),
        ("asks", "/asks/asks/divide"),
    ] {
        let half = post(&host, path, &json!({ "a": 8, "b": 2 }));
        assert_eq!(given(&half), 4);
        let answer = post(&host, path, &json!({ "a": 8, "b": 0 }));
        let problem: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(answer.status, 422, "{problem}");
        assert_eq!(problem["code"], format!("{name}/by-zero"));
        let answer = post(&host, path, &json!({ "a": 4_000_000_000u32, "b": 1 }));
        let problem: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(problem["error"], json!({ "too-large": 1_000_000 }));
    }
    let answer = post(&host, "/asks/asks/trap", &json!({}));
    answer.fault("service-fault");
    assert!(
        !answer.text().contains("CANARY") && !answer.text().contains("typed"),
        "{}",
        answer.text()
    );
    let outer = host.closing(answer.call());
    let inner = &host.children(answer.call(), 1)[0];
    assert_eq!(inner["boundary"], "application", "{inner}");
    assert_eq!(inner["service"], "typed", "{inner}");
    assert_eq!(outer["boundary"], "application", "{outer}");
}

#[test]
fn a_call_of_a_function_is_a_call_like_any_other() {
    let host = both().start();
    let answer = post(&host, "/asks/asks/add", &json!({ "a": 1, "b": 2 }));
    assert_eq!(given(&answer), 3);
    let outer = host.closing(answer.call());
    let inner = host.children(answer.call(), 1).remove(0);
    assert_eq!(
        inner["operation"], "test:shapes/shapes@1.2.0#add",
        "{inner}"
    );
    assert_eq!(
        (&inner["trace"], &inner["entry"]),
        (&outer["trace"], &"import".into())
    );
    assert!(inner["caller"].to_string().contains("asks"), "{inner}");
    // And it is counted: fifty are allowed.
    assert_eq!(
        given(&post(&host, "/asks/asks/often", &json!({ "times": 50 }))),
        50
    );
    post(&host, "/asks/asks/often", &json!({ "times": 51 })).fault("calls-exhausted");
}

#[test]
fn a_fault_is_the_functions_own_error_where_its_contract_has_a_place_for_one() {
    let host = both().start();
    assert_eq!(
        given(&post(
            &host,
            "/asks/asks/divide",
            &json!({ "a": 6, "b": 2 })
        )),
        3
    );
    host.remove("typed");
    until("it to be gone", || {
        host.listed("typed").is_none().then_some(())
    });
    // It hands that on, so whoever asked is told what it was, and the log who was asked last.
    let answer = post(&host, "/asks/asks/divide", &json!({ "a": 6, "b": 2 }));
    answer.fault("no-such-service");
    assert_eq!(host.closing(answer.call())["code"], "no-such-service");
    // Where there is none, the caller is stopped, and never left with a wrong value.
    let answer = post(&host, "/asks/asks/add", &json!({ "a": 6, "b": 2 }));
    answer.fault("no-such-service");
}

fn failed(host: &Host, name: &str, words: &[&str]) {
    until(&format!("{name} to be refused for {words:?}"), || {
        let listed = host.listed(name)?.to_string();
        words.iter().all(|word| listed.contains(word)).then_some(())
    });
}

#[test]
fn who_imports_an_interface_waits_for_the_one_that_exports_it() {
    let host = Setup::new()
        .service("asks", Guest::Case("asks"), LINKED)
        .policy("[services.asks]\nservices = [\"typed\"]")
        .start();
    failed(
        &host,
        "asks",
        &["test:shapes/shapes@1.2.0", "no loaded service exports"],
    );
    host.drop_in("typed", Guest::Case("typed"), "");
    until("it to be linked", || {
        (post(&host, "/asks/asks/add", &json!({ "a": 1, "b": 1 })).status == 200).then_some(())
    });
    // Two of them are one too many for whoever is loaded from now on.
    host.drop_in("twin", Guest::Case("typed"), "");
    until("the other one", || {
        (host.get("/twin/").status == 404 && host.listed("twin").is_some()).then_some(())
    });
    assert_eq!(
        given(&post(&host, "/asks/asks/add", &json!({ "a": 1, "b": 1 }))),
        2
    );
    until("the twin to serve", || {
        (post(&host, "/twin/shapes/add", &json!({ "a": 1, "b": 1 })).status == 200).then_some(())
    });
    host.drop_in(
        "late",
        Guest::Case("asks"),
        "services = [\"typed\", \"twin\"]",
    );
    host.set_policy("[services.asks]\nservices = [\"typed\"]\n[services.late]\nservices = [\"typed\", \"twin\"]");
    failed(&host, "late", &["both `twin` and `typed` export"]);
}

#[test]
fn a_link_needs_both_owners() {
    let host = typed()
        .service("asks", Guest::Case("asks"), "")
        .policy("[services.asks]\nservices = [\"typed\"]")
        .start();
    failed(&host, "asks", &["services = [", "in asks.toml"]);
    let host = typed()
        .service("asks", Guest::Case("asks"), LINKED)
        .policy("")
        .start();
    failed(&host, "asks", &["holdfast allow asks"]);
}

/// The WIT of `typed`, with something in it replaced.
fn shapes(from: &str, to: &str) -> String {
    let file = root().join("guests/cases/typed/wit/shapes.wit");
    let wit = std::fs::read_to_string(file).unwrap();
    assert!(wit.contains(from), "{from}");
    wit.replace(from, to)
}

#[test]
fn a_version_that_breaks_a_promise_is_not_loaded_and_the_one_before_serves_on() {
    let host = both().start();
    let add = |host: &Host| given(&post(host, "/asks/asks/add", &json!({ "a": 1, "b": 1 })));
    assert_eq!(add(&host), 2);
    for (from, to, said) in [
        (
            "add: func(a: u32, b: u32) -> u32",
            "add: func(a: u64, b: u64) -> u64",
            "imported is `add: func(a: u32, b: u32) -> u32`, exported is `add: func(a: u64, b: u64) -> u64`",
        ),
        (
            "add: func(a: u32, b: u32) -> u32;",
            "",
            "exported is `nothing of that name`",
        ),
        (
            "y: s32,",
            "y: s32, z: s32,",
            "has another shape in this version",
        ),
        (
            "shapes@1.2.0;",
            "shapes@2.0.0;",
            "which this version exports no more",
        ),
    ] {
        put(&host.plugins(), "typed", &dummy(&shapes(from, to)), "");
        failed(&host, "typed", &["`asks` imports", said]);
        assert_eq!(add(&host), 2, "{from}");
    }
    // A later one of its line, with more in it, takes its place, and the caller is not linked again.
    let wider = shapes("quiet: func();", "quiet: func();\n    more: func();")
        .replace("shapes@1.2.0", "shapes@1.3.0");
    put(&host.plugins(), "typed", &dummy(&wider), "");
    until("the later version to serve", || {
        (post(&host, "/typed/shapes@1.3.0/more", &json!({})).status != 404).then_some(())
    });
    // Its functions trap, so it is reached.
    post(&host, "/asks/asks/add", &json!({ "a": 1, "b": 1 })).fault("service-fault");
}

#[test]
fn what_does_not_go_between_services_is_refused_by_name() {
    let host = typed().start();
    for (wit, said) in [
        (
            "interface files { resource file { size: func() -> u64; } open: func() -> file; } world w { export files; }",
            "only values go between services",
        ),
        (
            "interface files { resource file { size: func() -> u64; } } world w { export files; }",
            "only values go between services",
        ),
        (
            "world w { export read: func() -> list<list<u8, 4>>; }",
            "only values go between services",
        ),
    ] {
        put(
            &host.plugins(),
            "odd",
            &dummy(&format!("package test:odd@1.0.0;\n{wit}")),
            "",
        );
        failed(&host, "odd", &[said]);
    }
}

#[test]
fn a_typed_service_shows_its_contract_and_is_called_from_the_terminal() {
    let host = typed().start();
    let wit = host.get("/typed/wit").text();
    for words in [
        "interface shapes",
        "echo: func(value: everything) -> everything;",
        "export test:shapes/shapes@1.2.0;",
    ] {
        assert!(wit.contains(words), "{words}: {wit}");
    }
    assert!(!wit.contains("package wasi:"), "{wit}");
    let said = host.command(&["call", "typed", "shapes/add", "{\"a\":1,\"b\":2}"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "3"),
        "{}",
        said.err
    );
    let said = host.command(&["call", "typed", "shapes/add", "{\"a\":1}"]);
    assert!(
        said.code != Some(0) && said.out.contains("/b"),
        "{} {}",
        said.out,
        said.err
    );
}

#[test]
fn a_function_has_the_limits_of_any_call() {
    let host = both()
        .policy("[services.typed.limits]\ncpu = \"200ms\"")
        .start();
    let many = |bytes: u32| post(&host, "/typed/shapes/many", &json!({ "bytes": bytes }));
    assert_eq!(given(&many(3)), "BwcH");
    // What it gives is held by the host, and costs many times what it has in the guest.
    let answer = many(10_000_000);
    answer.fault("memory-exhausted");
    let line = host.closing(answer.call());
    assert!(line["evidence"].to_string().contains("hostcall"), "{line}");
    post(&host, "/typed/shapes/spin", &json!({})).fault("cpu-exhausted");
    // Who waits for it is told what became of it.
    let answer = post(&host, "/asks/asks/spin", &json!({}));
    answer.fault("cpu-exhausted");
    assert_eq!(host.children(answer.call(), 1)[0]["service"], "typed");
}

#[test]
fn each_call_has_an_instance_of_its_own_or_one_of_as_many_as_its_author_says() {
    let again = Guest::Case("typed");
    let host = typed().service("again", again, "reuse = 3").start();
    let count = |name: &str| {
        let answer = post(&host, &format!("/{name}/shapes/count"), &json!({}));
        given(&answer)
    };
    assert_eq!((count("typed"), count("typed")), (0.into(), 0.into()));
    let counts: Vec<_> = (0..4).map(|_| count("again")).collect();
    assert_eq!(counts, [0, 1, 2, 0]);
}

#[test]
fn a_version_that_was_refused_for_who_calls_it_is_loaded_once_nobody_does() {
    let host = both().start();
    assert_eq!(
        given(&post(&host, "/asks/asks/add", &json!({ "a": 1, "b": 1 }))),
        2
    );
    let broken = dummy(&shapes(
        "add: func(a: u32, b: u32) -> u32",
        "plus: func(a: u32, b: u32) -> u32",
    ));
    put(&host.plugins(), "typed", &broken, "");
    failed(&host, "typed", &["`asks` imports", "or is gone"]);
    host.remove("asks");
    until("the other version to serve", || {
        let reached = post(&host, "/typed/shapes/plus", &json!({ "a": 1, "b": 1 }));
        (reached.status == 500).then_some(())
    });
    post(&host, "/typed/shapes/add", &json!({ "a": 1, "b": 1 })).fault("no-such-operation");
}
