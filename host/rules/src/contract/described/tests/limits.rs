//! Every limit bites: of a document, and of what is looked at for one request.

use super::super::{build, check, openapi, path as paths};
use super::*;

fn refused(document: &Value) -> String {
    Described::openapi("shop.yaml", document).unwrap_err().why
}

fn document(paths: &Value, schemas: &Value) -> Value {
    json!({ "openapi": "3.1.0", "paths": paths, "components": { "schemas": schemas } })
}

#[test]
fn a_document_has_a_size_in_each_direction() {
    let many = |count: usize, item: &dyn Fn(usize) -> (String, Value)| {
        Value::Object((0..count).map(item).collect())
    };
    let paths = many(openapi::OPERATIONS_MAX + 1, &|n| {
        (format!("/{n}"), json!({ "get": {} }))
    });
    assert!(refused(&document(&paths, &json!({}))).contains("operations"));

    let long = format!("/{}", "x".repeat(paths::TEMPLATE_BYTES_MAX));
    assert!(refused(&document(&json!({ long: {} }), &json!({}))).contains("1024 bytes"));

    let parameters: Vec<_> = (0..=openapi::PARAMETERS_MAX)
        .map(|n| json!({ "name": n.to_string(), "in": "query", "schema": true }))
        .collect();
    let paths = json!({ "/": { "get": { "parameters": parameters } } });
    assert!(refused(&document(&paths, &json!({}))).contains("64 parameters"));

    let properties = many(build::SCHEMAS_MAX, &|n| (n.to_string(), json!(true)));
    let schema = json!({ "properties": properties });
    let paths = json!({ "/": { "post": body(&schema) } });
    assert!(refused(&document(&paths, &json!({}))).contains("10000 schemas"));

    let patterns = many(build::PATTERNS_MAX + 1, &|n| {
        (n.to_string(), json!({ "pattern": format!("^{n}$") }))
    });
    let paths = json!({ "/": { "post": body(&json!({ "properties": patterns })) } });
    assert!(refused(&document(&paths, &json!({}))).contains("different patterns"));

    let long = json!({ "pattern": "a".repeat(1025) });
    let paths = json!({ "/": { "post": body(&long) } });
    assert!(refused(&document(&paths, &json!({}))).contains("1024 bytes"));

    let of = |n: usize| json!({ "$ref": format!("#/components/schemas/{n}") });
    let chain = many(build::CHAIN_MAX + 1, &|n| {
        let next = if n == 0 {
            json!({ "type": "null" })
        } else {
            json!({ "allOf": [of(n - 1)] })
        };
        (n.to_string(), next)
    });
    let paths = json!({ "/": { "post": body(&of(build::CHAIN_MAX)) } });
    assert!(refused(&document(&paths, &chain)).contains("more than 64 schemas"));
}

#[test]
fn a_text_has_so_many_objects_and_no_more() {
    let shop = posting(&json!({ "items": { "type": "object" } }));
    let of = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
    let most = super::super::text::OBJECTS_MAX;
    assert_eq!(wrong(&shop, &of(most)), [""; 0]);
    assert!(wrong(&shop, &of(most + 1))[0].contains("more than 65536 objects"));
}

#[test]
fn a_pointer_that_is_too_long_leads_to_what_encloses_its_place() {
    let shop = posting(&json!({ "additionalProperties": { "items": { "type": "null" } } }));
    let name = |length: usize| "x".repeat(length);
    let most = check::POINTER_BYTES_MAX - "//0".len();
    let found = wrong(&shop, &json!({ name(most): [1] }).to_string());
    assert_eq!(found, [format!("/{}/0 must be null", name(most))]);
    let found = wrong(&shop, &json!({ name(most + 1): [1] }).to_string());
    assert_eq!(found, [format!("/{} must be null", name(most + 1))]);
    let found = wrong(&shop, &json!({ name(1 << 20): [1, 2] }).to_string());
    assert_eq!(found, [" must be null", " must be null"]);
}

/// With time that doubles with each letter this would never end.
#[test]
fn a_pattern_takes_time_by_the_length_of_the_text_alone() {
    let shop = posting(&json!({ "pattern": "^(a+)+$" }));
    let text = format!("{}b", "a".repeat(1 << 20));
    assert_eq!(wrong(&shop, &json!(text).to_string()).len(), 1);
}

/// A form that is asked twice at every level, so that the work doubles with each.
fn doubling() -> Described {
    let again = || json!({ "properties": { "a": { "$ref": "#/components/schemas/twice" } } });
    let twice = json!({ "anyOf": [
        { "allOf": [again()], "required": ["b"] },
        { "allOf": [again()], "required": ["c"] },
        { "type": "integer" },
    ] });
    let paths = json!({ "/": { "post": body(&json!({ "$ref": "#/components/schemas/twice" })) } });
    with(&paths, &json!({ "schemas": { "twice": twice } }))
}

#[test]
fn what_takes_too_many_steps_is_refused() {
    let shop = doubling();
    let depth = 60;
    let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let found = wrong(&shop, &text);
    assert!(
        found[0].contains("more steps to check than are taken"),
        "{found:?}"
    );
}

#[test]
fn the_deepest_text_and_the_longest_chain_fit_the_stack_of_a_worker() {
    let of = |n: usize| json!({ "$ref": format!("#/components/schemas/{n}") });
    let mut schemas = serde_json::Map::new();
    schemas.insert("0".to_owned(), json!({ "items": of(8) }));
    for n in 1..=8 {
        schemas.insert(n.to_string(), json!({ "anyOf": [of(n - 1)] }));
    }
    let paths = json!({ "/": { "post": body(&of(8)) } });
    let shop = with(&paths, &json!({ "schemas": schemas }));
    let text = format!("{}{}", "[".repeat(126), "]".repeat(126));
    // A worker of the host has 2 MiB, of which this may take a half.
    let asked = std::thread::Builder::new().stack_size(1 << 20);
    let found = asked
        .spawn(move || wrong(&shop, &text))
        .unwrap()
        .join()
        .unwrap();
    assert!(
        found[0].contains("nested deeper than is checked"),
        "{found:?}"
    );
    assert_eq!(check::DEPTH_MAX, 1024);
}
