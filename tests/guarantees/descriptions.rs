//! What a typed service takes and gives is told to people and programs, as it is checked and as its author says it.
//!
//! 1. The naive snippet: an interface in WIT, with a comment above each function.
//! 2. The missing rule: what is told is what is done. A description that somebody keeps by hand is of another version.
//! 3. The tax: a second description in another language, a page that shows it, a check that both agree, and examples that rot.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: `GET /NAME/openapi.json` is made of the contract that the calls are checked against; the comments travel in the
//!    component. The admin page `/services` and `holdfast call NAME` show the same.
//! 6. The checklist is below.

mod comments;

use super::contracts::{everything, given, post};
use crate::harness::{Guest, Host, Setup, dummy, put, until};
use jsonschema::Validator;
use serde_json::{Value, json};

const SAFE: &str = "purpose = \"echoes\"\n[contract]\nsafe = [\"shapes/add\", \"shapes/next\"]";

pub(super) fn typed() -> Host {
    let setup = Setup::new();
    setup.service("typed", Guest::Case("typed"), SAFE).start()
}

pub(super) fn document(host: &Host) -> Value {
    let answer = host.get("/typed/openapi.json");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(&answer.text()).unwrap()
}

/// What the document says at a place, with all that it refers to.
fn says(document: &Value, pointer: &str) -> Validator {
    let mut schema = document.pointer(pointer).expect(pointer).clone();
    schema["components"] = document["components"].clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn the_document_says_what_is_taken_and_given() {
    let host = typed();
    let document = document(&host);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"], json!([{ "url": "/typed" }]));
    assert_eq!(
        document["info"],
        json!({ "title": "typed", "version": "1.2.0", "description": "echoes" })
    );
    let echo = "/paths/~1shapes~1echo/post";
    let json = "content/application~1json/schema";
    let takes = says(&document, &format!("{echo}/requestBody/{json}"));
    let gives = says(&document, &format!("{echo}/responses/200/{json}"));
    let whole = everything();
    let answer = given(&post(
        &host,
        "/typed/shapes/echo",
        &json!({ "value": whole }),
    ));
    assert!(takes.is_valid(&json!({ "value": whole })) && gives.is_valid(&answer));
    for (field, wrong) in [
        ("small", json!(256)),
        ("large", json!("18446744073709551616")),
        ("double", json!("nan")),
        ("letter", json!("ab")),
        ("bytes", json!("AB==")),
        ("nested", json!(7)),
        ("pair", json!([1])),
        ("shape", json!({ "dot": null })),
        ("perms", json!(["read", "read"])),
        ("outcome", json!({})),
        ("more", json!(1)),
    ] {
        let mut value = everything();
        value[field] = wrong;
        let body = json!({ "value": value });
        assert!(!takes.is_valid(&body), "{field}");
        post(&host, "/typed/shapes/echo", &body).fault("invalid-input");
    }
    let quiet = &document["paths"]["/shapes/quiet"]["post"];
    assert!(quiet["responses"]["204"].is_object());
    assert!(document["paths"]["/shapes/echo"]["get"].is_null());
    let get = &document["paths"]["/shapes/next"]["get"]["parameters"][0];
    assert!(get["content"]["application/json"]["schema"].is_object());
}

#[test]
fn the_document_says_how_it_can_go_wrong() {
    let host = typed();
    let document = document(&host);
    let answers = "/paths/~1shapes~1divide/post/responses";
    let problem = "content/application~1problem+json/schema";
    let body = json!({ "a": 1, "b": 0 });
    let answer = post(&host, "/typed/shapes/divide", &body);
    let said: Value = serde_json::from_str(&answer.text()).unwrap();
    let declared = says(&document, &format!("{answers}/422/{problem}"));
    assert!(answer.status == 422 && declared.is_valid(&said), "{said}");
    let other = json!({ "b": 0, "a": "x" });
    for (path, body, code) in [
        ("divide", &other, "invalid-input"),
        ("trap", &json!({}), "service-fault"),
        ("spin", &json!({}), "cpu-exhausted"),
        ("many", &json!({ "bytes": 10_000_000 }), "memory-exhausted"),
    ] {
        let answer = post(&host, &format!("/typed/shapes/{path}"), body);
        let said = answer.fault(code);
        let to = format!("/paths/~1shapes~1{path}/post/responses/{}", answer.status);
        let to = document.pointer(&to).unwrap()["$ref"].as_str().unwrap();
        let fault = says(
            &document,
            &format!("{}/{problem}", to.trim_start_matches('#')),
        );
        assert!(fault.is_valid(&said), "{said}");
    }
}

#[test]
fn a_service_is_found_where_the_document_says() {
    let manifest = format!("routes = [\"shapes.example/...\", \"/shapes/...\"]\n{SAFE}");
    let host = Setup::new()
        .service("typed", Guest::Case("typed"), &manifest)
        .start();
    let ask = host.ask("GET", "/openapi.json");
    let answer = ask.header("host", "shapes.example").send();
    let document: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(
        document["servers"],
        json!([{ "url": "/" }, { "url": "//shapes.example" }])
    );
    assert_eq!(given(&host.get("/shapes/add?a=1&b=1")), 2);
    let there = host.ask("GET", "/shapes/add?a=1&b=1");
    assert_eq!(given(&there.header("host", "shapes.example").send()), 2);
}

#[test]
fn who_answers_http_by_himself_is_not_described_for() {
    let host = Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .start();
    let answer = host.get("/hello/openapi.json");
    assert!(!answer.text().contains("openapi\":"), "{}", answer.text());
    assert!(host.listed("hello").unwrap()["typed"].is_null());
}

#[test]
fn a_description_that_would_be_too_long_is_refused_and_the_service_serves() {
    let fields: String = (0..3_000)
        .map(|n| format!("a-long-name-{n}: u8, "))
        .collect();
    let functions: String = (0..30)
        .map(|n| format!("op{n}: func(value: r);\n"))
        .collect();
    let wit = format!(
        "package test:long@1.0.0;\ninterface long {{\n record r {{ {fields} }}\n {functions} }}\nworld w {{ export long; }}"
    );
    let host = Setup::new().start();
    put(&host.plugins(), "long", &dummy(&wit), "");
    until("it to serve", || {
        (host.get("/long/wit").status == 200).then_some(())
    });
    let fault = host.get("/long/openapi.json").fault("no-such-operation");
    assert!(
        fault["detail"].as_str().unwrap().contains("4194304 bytes"),
        "{fault}"
    );
    post(&host, "/long/long/op1", &json!({})).fault("invalid-input");
}

#[test]
fn the_admin_page_says_what_there_is_and_where_it_is_described() {
    let host = typed();
    let row = host.listed("typed").unwrap();
    let typed = &row["typed"];
    assert_eq!(typed["interfaces"], json!(["test:shapes/shapes@1.2.0"]));
    for page in ["wit", "openapi"] {
        assert_eq!(host.get(typed[page].as_str().unwrap()).status, 200);
    }
    let operations = typed["operations"].as_array().unwrap();
    assert_eq!(typed["operations_total"], operations.len());
    let add = operations.iter().find(|one| one["path"] == "/shapes/add");
    assert_eq!(
        *add.unwrap(),
        json!({
            "operation": "test:shapes/shapes@1.2.0#add", "path": "/shapes/add", "safe": true, "summary": null,
        })
    );
    let functions: String = (0..300).map(|n| format!("op{n}: func();\n")).collect();
    let wit = format!(
        "package test:many@1.0.0;\ninterface many {{ {functions} }}\nworld w {{ export many; }}"
    );
    put(&host.plugins(), "many", &dummy(&wit), "");
    let many = until("it to serve", || {
        let typed = host.listed("many")?["typed"].clone();
        (!typed.is_null()).then_some(typed)
    });
    let shown = many["operations"].as_array().unwrap().len();
    assert_eq!((shown, &many["operations_total"]), (256, &json!(300)));
}

#[test]
fn the_terminal_lists_what_can_be_called_and_says_what_was_meant() {
    let host = typed();
    let said = host.command(&["call", "typed"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for words in [
        "test:shapes/shapes@1.2.0\n",
        "  shapes/add (safe)\n      func(a: u32, b: u32) -> u32\n",
        "  shapes/quiet\n      func()\n",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let said = host.command(&["call", "typed", "shapes/ad", "{}"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("did you mean `shapes/add`?"),
        "{}",
        said.err
    );
    let said = host.command(&["call", "typed", "other/thing", "{}"]);
    assert!(
        said.err.contains("`holdfast call typed` lists"),
        "{}",
        said.err
    );
}
