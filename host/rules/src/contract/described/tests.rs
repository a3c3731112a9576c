//! The tests of descriptions: what is read, what is refused, what is found in a request, and that any schema answers.

mod answers;
mod documents;
mod generated;
mod limits;
mod requests;
mod schemas;

use super::{Described, Found, Wanted};
use http::{Method, Request};
use serde_json::{Value, json};

/// What a document of these paths says.
fn described(paths: &Value) -> Described {
    with(paths, &json!({}))
}

fn with(paths: &Value, components: &Value) -> Described {
    let document = json!({ "openapi": "3.1.0", "paths": paths, "components": components });
    Described::openapi("shop.openapi.json", &document).unwrap()
}

/// `POST /` with a body of this schema.
fn posting(schema: &Value) -> Described {
    described(&json!({ "/": { "post": body(schema) } }))
}

fn body(schema: &Value) -> Value {
    json!({ "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } } })
}

/// What is found wrong with a request, as `pointer reason`.
fn found(described: &Described, request: &Request<&str>) -> Vec<String> {
    let (head, body) = request.clone().into_parts();
    let Found::Operation(meant) = described.find(&head.method, head.uri.path()) else {
        panic!("no operation: {} {}", head.method, head.uri);
    };
    let looked = match meant.wanted(&head) {
        Wanted::Whole(looked) => Some((looked, body.as_bytes())),
        Wanted::Passed | Wanted::Nothing => None,
    };
    let violations = meant.check(&head, looked).into_iter();
    violations
        .map(|one| format!("{} {}", one.pointer, one.reason))
        .collect()
}

fn get(uri: &str) -> Request<&'static str> {
    Request::get(uri).body("").unwrap()
}

/// What is wrong with a body of JSON.
fn wrong(described: &Described, body: &str) -> Vec<String> {
    let request = Request::post("/").header("content-type", "application/json");
    found(described, &request.body(body).unwrap())
}

/// What is wrong with a value, of this schema.
fn unfit(schema: &Value, value: &Value) -> Vec<String> {
    wrong(&posting(schema), &value.to_string())
}

#[test]
fn a_path_means_the_operation_that_is_nearest() {
    let paths = json!({
        "/orders/{id}": { "get": { "parameters": [path("id")] }, "delete": { "parameters": [path("id")] } },
        "/orders/new": { "get": {} },
        "/orders/{id}.json": { "get": { "parameters": [path("id")] } },
        "/{any}/new": { "get": { "parameters": [path("any")] } },
        "/": { "post": {} },
    });
    let described = described(&paths);
    let name = |method: Method, path: &str| match described.find(&method, path) {
        Found::Operation(meant) => meant.operation().name().to_owned(),
        Found::Method(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            methods.join(" ")
        }
        Found::Nothing => "nothing".to_owned(),
    };
    for (method, path, means) in [
        (Method::GET, "/orders/7", "GET /orders/{id}"),
        (Method::HEAD, "/orders/7", "GET /orders/{id}"),
        (Method::GET, "/orders/new", "GET /orders/new"),
        (Method::GET, "/orders/ne%77", "GET /orders/new"),
        (Method::GET, "/orders/7.json", "GET /orders/{id}.json"),
        (Method::GET, "/other/new", "GET /{any}/new"),
        (Method::DELETE, "/orders/a%2Fb", "DELETE /orders/{id}"),
        (Method::POST, "/", "POST /"),
        (Method::PUT, "/orders/7", "DELETE GET HEAD"),
        (Method::DELETE, "/orders/new", "GET HEAD"),
        (Method::OPTIONS, "/", "POST"),
        (Method::GET, "/orders", "nothing"),
        (Method::GET, "/orders/", "nothing"),
        (Method::GET, "/orders/7/", "nothing"),
        (Method::GET, "//orders/7", "nothing"),
        (Method::GET, "", "nothing"),
    ] {
        assert_eq!(name(method, path), means, "{path}");
    }
}

fn path(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}
