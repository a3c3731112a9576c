//! What is no description is refused with its place, and with what to write instead.

use super::super::{Route, Wrong};
use super::*;

fn refused(document: &Value) -> Wrong {
    Described::openapi("shop.openapi.json", document).unwrap_err()
}

/// A document whose only operation is this one, at `/`.
fn operation(operation: &Value) -> Value {
    json!({ "openapi": "3.1.0", "paths": { "/": { "post": operation } } })
}

fn of(schema: &Value) -> Value {
    operation(&body(schema))
}

const SCHEMA: &str = "/paths/~1/post/requestBody/content/application~1json/schema";

#[test]
fn what_is_no_document_that_is_read_says_where_and_what_to_write() {
    told(&[
        (json!([]), "", "must be an object"),
        (
            json!({ "swagger": "2.0" }),
            "/swagger",
            "convert it to OpenAPI 3.1",
        ),
        (json!({ "paths": {} }), "/openapi", "\"3.1.0\""),
        (
            json!({ "openapi": 3.1, "paths": {} }),
            "/openapi",
            "in quotes",
        ),
        (
            json!({ "openapi": "4.0.0", "paths": {} }),
            "/openapi",
            "3.0 or 3.1",
        ),
        (json!({ "openapi": "3.1.0" }), "/paths", "is required"),
        (
            json!({ "openapi": "3.1.0", "jsonSchemaDialect": "https://json-schema.org/draft-07/schema", "paths": {} }),
            "/jsonSchemaDialect",
            "leave it out",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "orders": {} } }),
            "/paths/orders",
            "begins with `/`",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/{": {} } }),
            "/paths/~1{",
            "without its `}`",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/{a}{b}": {} } }),
            "/paths/~1{a}{b}",
            "one parameter at most",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/{a}": { "parameters": [path("a")] }, "/{b}": { "parameters": [path("b")] } } }),
            "/paths/~1{b}",
            "stands there already",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/": { "$ref": "other.yaml" } } }),
            "/paths/~1/$ref",
            "put it here",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/": { "fetch": {} } } }),
            "/paths/~1/fetch",
            "is no method",
        ),
        (
            json!({ "openapi": "3.1.0", "paths": { "/{id}": { "get": {} } } }),
            "/paths/~1{id}/get",
            "add one with `in: path`",
        ),
    ]);
}

#[test]
fn what_is_no_operation_says_where_and_what_to_write() {
    told(&[
        (
            operation(&json!({ "parameters": [path("id")] })),
            "/paths/~1/post/parameters/0",
            "no `{id}` in the path",
        ),
        (
            operation(&json!({ "parameters": [{ "in": "query" }] })),
            "/paths/~1/post/parameters/0/name",
            "is required",
        ),
        (
            operation(&json!({ "parameters": [{ "name": "a", "in": "body" }] })),
            "/paths/~1/post/parameters/0/in",
            "must be path, query",
        ),
        (
            operation(&json!({ "parameters": [{ "name": "a", "in": "query" }] })),
            "/paths/~1/post/parameters/0",
            "either `schema` or `content`",
        ),
        (
            operation(
                &json!({ "parameters": [{ "name": "a", "in": "query", "style": "deepObject", "schema": {} }] }),
            ),
            "/paths/~1/post/parameters/0/style",
            "is `form` in query",
        ),
        (
            operation(
                &json!({ "parameters": [{ "name": "a", "in": "query", "schema": { "type": "object" } }] }),
            ),
            "/paths/~1/post/parameters/0",
            "is an object",
        ),
        (
            operation(&json!({ "parameters": [{ "$ref": "#/components/parameters/no" }] })),
            "/paths/~1/post/parameters/0/$ref",
            "leads to nothing",
        ),
        (
            operation(&json!({ "requestBody": { "content": {} } })),
            "/paths/~1/post/requestBody/content",
            "must name a content type",
        ),
        (
            operation(&json!({ "requestBody": { "content": { "json": {} } } })),
            "/paths/~1/post/requestBody/content/json",
            "no content type",
        ),
        (
            operation(&json!({ "responses": { "20": {} } })),
            "/paths/~1/post/responses/20",
            "is no status",
        ),
    ]);
}

/// Each document is refused at its place, with words that hold these.
fn told(cases: &[(Value, &str, &str)]) {
    for (document, at, why) in cases {
        let said = refused(document);
        assert_eq!(said.at, *at, "{said}");
        assert!(said.why.contains(why), "{said}");
        assert!(
            said.to_string().starts_with("shop.openapi.json, at `"),
            "{said}"
        );
    }
}

#[test]
fn what_is_no_schema_that_is_read_says_where_and_what_to_write() {
    schemas(&[
        (json!(7), "", "must be a schema"),
        (
            json!({ "type": "strin" }),
            "/type",
            "is not what JSON Schema 2020-12 has there",
        ),
        (
            json!({ "minimum": "1" }),
            "/minimum",
            "is not what JSON Schema 2020-12 has there",
        ),
        (
            json!({ "properties": [] }),
            "/properties",
            "must be an object",
        ),
        (json!({ "allOf": {} }), "/allOf", "must be an array"),
        (json!({ "anyOf": [] }), "/anyOf", "must have an item"),
        (json!({ "required": "a" }), "/required", "must be an array"),
        (
            json!({ "required": [1] }),
            "/required/0",
            "must be a string",
        ),
        (json!({ "items": [{}] }), "/items", "write prefixItems"),
        (
            json!({ "minContains": -1, "contains": {} }),
            "/minContains",
            "whole number",
        ),
        (json!({ "nullable": true }), "/nullable", "\"null\"]"),
        (
            json!({ "requird": ["a"] }),
            "/requird",
            "is no keyword that is known",
        ),
        (json!({ "$id": "a" }), "/$id", "pointers into the document"),
        (
            json!({ "$dynamicRef": "#a" }),
            "/$dynamicRef",
            "pointers into the document",
        ),
        (
            json!({ "dependencies": {} }),
            "/dependencies",
            "dependentRequired",
        ),
    ]);
}

#[test]
fn what_leads_elsewhere_or_is_no_pattern_says_where_and_what_to_write() {
    schemas(&[
        (
            json!({ "$ref": "other.json#/a" }),
            "/$ref",
            "put what it means into this file",
        ),
        (
            json!({ "$ref": "https://example.com/a" }),
            "/$ref",
            "put what it means into this file",
        ),
        (json!({ "$ref": "#/paths" }), "/$ref", "`#/components/…`"),
        (json!({ "$ref": "#a" }), "/$ref", "`#/components/…`"),
        (json!({ "$ref": 1 }), "/$ref", "must be a string"),
        (
            json!({ "pattern": "(" }),
            "/pattern",
            "is no pattern that is taken here",
        ),
        (json!({ "pattern": "(?=a)b" }), "/pattern", "no look-around"),
        (
            json!({ "pattern": "(a)\\1" }),
            "/pattern",
            "no back references",
        ),
        (
            json!({ "pattern": "(.{1,1000}){1,1000}" }),
            "/pattern",
            "not large",
        ),
        (
            json!({ "patternProperties": { "(": {} } }),
            "/patternProperties/(/pattern",
            "is no pattern",
        ),
        (
            json!({ "properties": { "a/b": { "items": { "type": 1 } } } }),
            "/properties/a~1b/items/type",
            "is not what",
        ),
    ]);
}

/// Each schema is refused at its place, with words that hold these.
fn schemas(cases: &[(Value, &str, &str)]) {
    for (schema, at, why) in cases {
        let said = refused(&of(schema));
        assert_eq!(said.at, format!("{SCHEMA}{at}"), "{said}");
        assert!(said.why.contains(why), "{said}");
    }
}

#[test]
fn a_schema_that_applies_itself_to_the_same_value_is_none() {
    for schemas in [
        json!({ "a": { "$ref": "#/components/schemas/a" } }),
        json!({ "a": { "$ref": "#/components/schemas/b" }, "b": { "allOf": [{ "$ref": "#/components/schemas/a" }] } }),
        json!({ "a": { "not": { "anyOf": [{ "$ref": "#/components/schemas/a" }] } } }),
        json!({ "a": { "if": true, "then": { "$ref": "#/components/schemas/a" } } }),
        json!({ "a": { "dependentSchemas": { "x": { "$ref": "#/components/schemas/a" } } } }),
    ] {
        let mut document = of(&json!({ "$ref": "#/components/schemas/a" }));
        document["components"] = json!({ "schemas": schemas });
        let said = refused(&document);
        assert!(said.why.contains("without going into it"), "{said}");
        assert!(!said.at.is_empty(), "{said}");
    }
    // Two references to one schema are no circle.
    let leaf = json!({ "$ref": "#/components/schemas/leaf" });
    let paths =
        json!({ "/": { "post": body(&json!({ "allOf": [leaf, { "allOf": [leaf] }, leaf] })) } });
    let fine = with(
        &paths,
        &json!({ "schemas": { "leaf": { "type": "integer" } } }),
    );
    assert_eq!(wrong(&fine, "1"), [""; 0]);
}

#[test]
fn routes_that_are_none_say_so() {
    let schema = json!({ "type": "strin" });
    let old = json!({ "$schema": "http://json-schema.org/draft-07/schema#" });
    let route = |name, request| Route {
        name,
        request,
        answer: None,
    };
    for (routes, said) in [
        (
            vec![route("/orders", None)],
            "a route is a method and a path",
        ),
        (vec![route("post /orders", None)], "`post` is no method"),
        (vec![route("POST orders", None)], "begins with `/`"),
        (
            vec![route("GET /{a}", None), route("GET /{b}", None)],
            "stands there already",
        ),
        (
            vec![route("POST /", Some(("order.json", &schema)))],
            "order.json, at `/type`",
        ),
        (
            vec![route("POST /", Some(("order.json", &old)))],
            "no other JSON Schema is read",
        ),
    ] {
        let error = Described::routes(&routes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn an_older_document_means_the_same_in_its_own_words() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": { "type": "integer", "nullable": true, "minimum": 1, "exclusiveMinimum": true, "example": 3 },
            "b": { "type": "number", "maximum": 2, "exclusiveMaximum": false },
            "c": { "$ref": "#/components/schemas/c", "description": "beside a reference nothing counts", "type": "object" },
            "d": { "allOf": [{ "$ref": "#/components/schemas/c" }], "nullable": true },
        },
    });
    let document = json!({
        "openapi": "3.0.3",
        "paths": { "/": { "post": body(&schema) } },
        "components": { "schemas": { "c": { "type": "string", "xml": { "name": "c" } } } },
    });
    let shop = Described::openapi("old.yaml", &document).unwrap();
    assert_eq!(wrong(&shop, "{\"a\":null,\"b\":2,\"c\":\"x\"}"), [""; 0]);
    assert_eq!(
        wrong(&shop, "{\"a\":1,\"b\":2.5,\"c\":{}}"),
        [
            "/a must be more than 1",
            "/b must be at most 2",
            "/c must be a string"
        ]
    );
    for (schema, at) in [
        (json!({ "type": ["string", "null"] }), "/type"),
        (json!({ "exclusiveMinimum": 1 }), "/exclusiveMinimum"),
        (json!({ "nullable": "yes" }), "/nullable"),
    ] {
        let document = json!({ "openapi": "3.0.0", "paths": { "/": { "post": body(&schema) } } });
        assert_eq!(refused(&document).at, format!("{SCHEMA}{at}"));
    }
}
