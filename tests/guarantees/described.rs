//! A plain service says what it takes in a document, and gets nothing else; what it promises to answer is held too, if its author says so.
//!
//! 1. The naive snippet: a handler that reads `body.items[0].price`.
//! 2. The missing rule: what a request must be. It stands in a document that nothing holds anybody to.
//! 3. The tax: a validator in each language, wired into each route, with errors that each invents for itself.
//! 4. The snippet again, unchanged, and the document beside it.
//! 5. The pipeline: `[contract] openapi = "NAME.openapi.yaml"` in the manifest. What does not fit is told with its place before the guest
//!    runs; with `check = "both"` a wrong answer is a fault of the service, and nobody reads it.
//! 6. The checklist is below.

mod documents;

use super::two;
use crate::harness::{Answer, Guest, Host, Setup, until};
use serde_json::{Value, json};
use std::path::Path;

const BY: &str = "[contract]\nopenapi = \"two.openapi.yaml\"";
const BOTH: &str = "[contract]\nopenapi = \"two.openapi.yaml\"\ncheck = \"both\"";

/// What `two` says of itself: orders that come back as they were sent, and what it shows of a request.
const SHOP: &str = r##"
openapi: 3.1.0
info: {title: A shop, version: "1"}
paths:
  /body:
    post:
      parameters:
        - {name: code, in: query, schema: {type: integer}}
        - {name: kind, in: query, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: "#/components/schemas/Order"}}
          text/plain: {}
      responses:
        "200": {content: {application/json: {schema: {$ref: "#/components/schemas/Receipt"}}}}
        "4XX": {content: {application/json: {schema: {type: string}}}}
  /echo:
    post: {requestBody: {content: {text/plain: {}}}}
  /request:
    get:
      parameters:
        - {name: limit, in: query, required: true, schema: {type: integer, maximum: 100}}
        - {name: x-shop, in: header, schema: {type: string, pattern: "^(a+)+$"}}
  /{kind}:
    get:
      parameters: [{name: kind, in: path, required: true, schema: {enum: [ok]}}]
components:
  schemas:
    Order:
      type: object
      required: [items]
      properties:
        items: {type: array, minItems: 1, items: {$ref: "#/components/schemas/Item"}}
        total: {type: number}
        within: {$ref: "#/components/schemas/Order"}
    Item:
      type: object
      required: [sku, price]
      additionalProperties: false
      properties:
        sku: {type: string, maxLength: 8}
        price: {type: number, exclusiveMinimum: 0}
    Receipt:
      allOf: [{$ref: "#/components/schemas/Order"}, {required: [total]}]
"##;

/// Writes a document as a careful person would: whole, by a rename.
fn document(plugins: &Path, name: &str, text: &str) {
    let new = plugins.join(".document.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, plugins.join(name)).unwrap();
}

fn shop(manifest: &str) -> Setup {
    let setup = two(manifest);
    document(&setup.plugins(), "two.openapi.yaml", SHOP);
    setup
}

fn post(host: &Host, path: &str, body: &str) -> Answer {
    let ask = host.ask("POST", path);
    ask.header("content-type", "application/json")
        .body(body)
        .send()
}

/// What is told to be wrong, as `pointer reason`.
fn wrong(answer: &Answer) -> Vec<String> {
    answer.fault("invalid-input");
    let problem: Value = serde_json::from_str(&answer.text()).unwrap();
    let violations = problem["violations"].as_array().unwrap().iter();
    let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    violations
        .map(|one| format!("{} {}", word(one, "pointer"), word(one, "reason")))
        .collect()
}

const ORDER: &str = "{ \"items\" : [ {\"sku\":\"a\",\"price\":1.50} ], \"total\": 1e0 }";

#[test]
fn what_fits_reaches_the_guest_byte_for_byte() {
    let host = shop(BY).start();
    let answer = post(&host, "/two/body?kind=application/json", ORDER);
    assert_eq!((answer.status, answer.text().as_str()), (200, ORDER));
    // In pieces too, and with what comes behind it.
    let ask = host.ask("POST", "/two/body");
    let ask = ask.header("content-type", "application/json;charset=utf-8");
    let answer = ask
        .chunks(&[&ORDER[..9], &ORDER[9..]], &[("x-end", "1")])
        .send();
    assert_eq!((answer.status, answer.text().as_str()), (200, ORDER));
    // What is no JSON is let pass as it comes.
    for path in ["/two/echo", "/two/body"] {
        let ask = host.ask("POST", path).header("content-type", "text/plain");
        assert_eq!(ask.body("{ not json").send().text(), "{ not json", "{path}");
    }
    let answer = host.get("/two/request?limit=5&more=1");
    assert!(
        answer.text().contains("path: /request?limit=5&more=1"),
        "{}",
        answer.text()
    );
    assert_eq!(host.get("/two/ok").status, 200);
    let head = host.ask("HEAD", "/two/ok").send();
    assert_eq!(head.status, 200);
}

#[test]
fn what_does_not_fit_is_told_with_its_place_and_no_guest_runs() {
    let host = shop(BY).start();
    let order = json!({
        "items": [{ "sku": "far-too-long", "price": 0 }, { "sku": "a", "more": 1 }],
        "within": { "items": [] },
    });
    let answer = post(&host, "/two/body?code=x", &order.to_string());
    assert_eq!(
        wrong(&answer),
        [
            "query/code must be a whole number",
            "/items/0/price must be more than 0",
            "/items/0/sku must have at most 8 characters",
            "/items/1/price is required",
            "/items/1/more is not known here",
            "/within/items must have at least 1 items",
        ]
    );
    let line = host.closing(answer.call());
    assert_eq!(
        (&line["cpu_us"], &line["boundary"]),
        (&0.into(), &"caller".into()),
        "{line}"
    );
    assert!(!answer.text().contains("far-too-long"), "{}", answer.text());
    assert_eq!(
        wrong(&post(&host, "/two/body", "")),
        [" is required: the request must have a body"]
    );
    assert!(wrong(&post(&host, "/two/body", "{"))[0].starts_with(" is not JSON"));
    let twice = "{\"items\":[],\"items\":[]}";
    assert_eq!(
        wrong(&post(&host, "/two/body", twice)),
        ["/items stands there twice"]
    );
    let form = host
        .ask("POST", "/two/body")
        .header("content-type", "text/html");
    assert!(wrong(&form.body("x").send())[0].contains("`application/json`, `text/plain`"));
    assert_eq!(
        wrong(&host.get("/two/request")),
        ["query/limit is required"]
    );
    assert_eq!(
        wrong(&host.get("/two/request?limit=101")),
        ["query/limit must be at most 100"]
    );
    assert_eq!(
        wrong(&host.get("/two/request?limit=1&a=%zz")),
        ["query is not percent-encoded UTF-8"]
    );
    assert_eq!(
        wrong(&host.get("/two/env")),
        ["path/kind must be one of `\"ok\"`"]
    );
    let with_body = host.ask("GET", "/two/ok").body("more than nothing").send();
    assert_eq!(
        wrong(&with_body),
        [" must not be there: this operation takes no body"]
    );
}

#[test]
fn what_is_not_described_is_not_there() {
    let host = shop(BY).start();
    for path in ["/two/", "/two/ok/more", "/two/no/such"] {
        host.get(path).fault("no-such-operation");
    }
    for (method, path, methods) in [
        ("DELETE", "/two/body", "POST"),
        ("POST", "/two/ok", "GET, HEAD"),
        ("OPTIONS", "/two/ok", "GET, HEAD"),
    ] {
        let answer = host.ask(method, path).send();
        answer.fault("method-not-allowed");
        assert_eq!(answer.header("allow"), Some(methods));
        assert_eq!(host.closing(answer.call())["cpu_us"], 0);
    }
}

#[test]
fn an_answer_that_was_not_promised_is_the_services_fault_and_reaches_nobody() {
    let host = shop(BOTH).start();
    let ask = |query: &str, body: &str| post(&host, &format!("/two/body?{query}"), body);
    let json_of = "kind=application/json";
    assert_eq!(ask(json_of, ORDER).text(), ORDER);
    // An error of its own need not be described.
    assert_eq!(ask("code=500&kind=text/plain", ORDER).status, 500);
    let without = "{\"items\":[{\"sku\":\"CANARY\",\"price\":1}]}";
    for (query, body, why) in [
        (json_of, without, "`/total` is required"),
        ("code=418&kind=application/json", ORDER, "must be a string"),
        (
            "code=202&kind=application/json",
            ORDER,
            "the status 202 is not described",
        ),
        (
            "kind=text/html",
            ORDER,
            "the content type of 200 is not described",
        ),
    ] {
        let answer = ask(query, body);
        answer.fault("bad-response");
        let text = answer.text();
        assert!(
            !text.contains("CANARY") && !text.contains("total"),
            "{text}"
        );
        let line = host.closing(answer.call());
        assert_eq!(line["boundary"], "application", "{line}");
        assert!(line.to_string().contains(why), "{line}");
    }
    // What is looked into is held, and has a size.
    let long = "x".repeat((8 << 20) + 1);
    let ask = host.ask("POST", "/two/body?kind=application/json");
    let answer = ask.header("content-type", "text/plain").body(long).send();
    answer.fault("bad-response");
    let line = host.closing(answer.call());
    assert!(
        line.to_string().contains("more than 8388608 bytes"),
        "{line}"
    );
    // Where nothing is said of the answers, they stream as ever.
    let ask = host
        .ask("POST", "/two/echo")
        .header("content-type", "text/plain");
    assert_eq!(ask.body("x").send().text(), "x");
}

#[test]
fn answers_stream_untouched_where_only_requests_are_checked() {
    let host = shop(BY).start();
    for query in [
        "kind=application/json&code=418",
        "kind=text/html",
        "code=202",
    ] {
        let answer = post(&host, &format!("/two/body?{query}"), ORDER);
        assert_eq!(answer.text(), ORDER, "{query}");
    }
}

#[test]
fn a_call_from_another_service_is_held_to_it_too() {
    let host = shop(BY)
        .service("asks", Guest::Case("wasi02"), "services = [\"two\"]")
        .policy("[services.asks]\nservices = [\"two\"]")
        .start();
    let url = |limit: &str| format!("/asks/fetch?url=http://two.internal/request%3Flimit={limit}");
    let answer = host.get(&url("5"));
    assert_eq!(host.children(answer.call(), 1)[0]["outcome"], "ok");
    let answer = host.get(&url("500"));
    let child = &host.children(answer.call(), 1)[0];
    assert_eq!(child["code"], "invalid-input", "{child}");
    assert_eq!(child["cpu_us"], 0, "{child}");
}

#[test]
fn routes_may_have_a_schema_each() {
    let manifest = "[contract]\ncheck = \"both\"\n[contract.routes.\"POST /body\"]\nrequest = \"schemas/order.schema.json\"\nanswer = \"receipt.yml\"\n[contract.routes.\"GET /{any}\"]";
    let setup = two(manifest);
    let order = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["n"],
        "properties": { "n": { "type": "integer" }, "next": { "$ref": "#" } },
    });
    std::fs::create_dir(setup.plugins().join("schemas")).unwrap();
    document(
        &setup.plugins(),
        "schemas/order.schema.json",
        &order.to_string(),
    );
    document(&setup.plugins(), "receipt.yml", "required: [total]");
    let host = setup.start();
    let ask = |body: &str| post(&host, "/two/body?kind=application/json", body);
    assert_eq!(
        wrong(&ask("{\"n\":1,\"next\":{\"n\":\"x\"}}")),
        ["/next/n must be a whole number"]
    );
    assert_eq!(ask("{\"n\":1,\"total\":1}").status, 200);
    ask("{\"n\":1}").fault("bad-response");
    // Nothing is said of the others but that they are there.
    assert_eq!(host.get("/two/ok?anything").status, 200);
    host.ask("DELETE", "/two/ok")
        .send()
        .fault("method-not-allowed");
    let said = host.offline(&["policy", "two"]);
    assert!(
        said.out.contains("contract.check") && said.out.contains("receipt.yml"),
        "{}",
        said.out
    );
    assert!(!host.stderr().contains("is ignored"), "{}", host.stderr());
}

#[test]
fn every_limit_of_a_request_bites() {
    let host = shop(BY).start();
    // A pattern that other machines take for ever for.
    let ask = host.ask("GET", "/two/request?limit=1");
    let began = tokio::time::Instant::now();
    let answer = ask
        .header("x-shop", &format!("{}b", "a".repeat(4000)))
        .send();
    assert!(wrong(&answer)[0].starts_with("header/x-shop must match"));
    assert!(began.elapsed().as_secs() < 5);
    // Bytes, depth and values are those of any JSON.
    let long = format!("{{\"items\":[],\"more\":\"{}\"}}", "x".repeat(8 << 20));
    post(&host, "/two/body", &long).fault("payload-too-large");
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    assert!(wrong(&post(&host, "/two/body", &deep))[0].contains("recursion limit"));
    let many = format!("[0{}]", ",0".repeat(300_000));
    assert!(wrong(&post(&host, "/two/body", &many))[0].contains("more than 262144 values"));
    let items = json!({ "items": vec![0; 100] }).to_string();
    assert_eq!(wrong(&post(&host, "/two/body", &items)).len(), 20);
    until("the host to be as before", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
}
