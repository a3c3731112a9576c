//! Any schema and any value: nothing panics, everything ends, and what is found is what the library itself finds.

use super::*;
use proptest::prelude::*;
use serde_json::Map;

/// Keywords with something that may or may not belong there.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        Just(json!({})),
        any_type().prop_map(|ty| json!({ "type": ty })),
        (0..4u8).prop_map(|n| json!({ "minimum": n })),
        (0..4u8).prop_map(|n| json!({ "maxLength": n, "maxItems": n, "maxProperties": n })),
        Just(json!({ "required": ["a"] })),
        Just(json!({ "pattern": "^a" })),
        Just(json!({ "uniqueItems": true })),
        any_value().prop_map(|value| json!({ "const": value })),
        Just(json!({ "dependentRequired": { "a": ["b"] } })),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..3);
        let by_name = || prop::collection::hash_map("[abc]", inner.clone(), 1..3);
        prop_oneof![
            list().prop_map(|list| json!({ "allOf": list })),
            list().prop_map(|list| json!({ "anyOf": list })),
            list().prop_map(|list| json!({ "oneOf": list })),
            inner.clone().prop_map(|one| json!({ "not": one })),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(if_, then, else_)| json!({ "if": if_, "then": then, "else": else_ })),
            (by_name(), inner.clone())
                .prop_map(|(some, rest)| json!({ "properties": some, "additionalProperties": rest })),
            (by_name(), inner.clone())
                .prop_map(|(some, rest)| json!({ "patternProperties": some, "unevaluatedProperties": rest })),
            (inner.clone(), list(), inner.clone())
                .prop_map(|(one, all, rest)| json!({ "anyOf": [one], "allOf": all, "unevaluatedProperties": rest, "unevaluatedItems": rest })),
            (list(), inner.clone())
                .prop_map(|(first, rest)| json!({ "prefixItems": first, "items": rest })),
            (list(), inner.clone())
                .prop_map(|(first, rest)| json!({ "prefixItems": first, "unevaluatedItems": rest })),
            (inner.clone(), 0..3u8)
                .prop_map(|(one, n)| json!({ "contains": one, "minContains": n, "maxContains": n + 1 })),
            inner.clone().prop_map(|one| json!({ "propertyNames": one })),
            by_name().prop_map(|some| json!({ "dependentSchemas": some })),
            inner.prop_map(|one| json!({ "properties": { "a": one, "b": { "$ref": HEAD } } })),
        ]
    })
}

/// Where the schema of a test stands.
const HEAD: &str = "#/components/schemas/head";

fn any_type() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "null", "boolean", "integer", "number", "string", "array", "object",
        ][..],
    )
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2..6i8).prop_map(|n| json!(n)),
        (-4..4i8).prop_map(|n| json!(f64::from(n) / 2.0)),
        "[abc]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

/// Anything, said of any keyword.
fn any_nonsense() -> impl Strategy<Value = Value> {
    let keywords = [super::super::dialect::APPLY, super::super::dialect::ASSERT].concat();
    let keyword = prop::sample::select(keywords);
    prop::collection::vec((keyword, prop_oneof![any_value(), any_schema()]), 0..4)
        .prop_map(|said| Value::Object(said.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_fits_is_what_the_library_says_fits(schema in any_schema(), value in any_value()) {
        let paths = json!({ "/": { "post": body(&json!({ "$ref": HEAD })) } });
        let components = json!({ "schemas": { "head": schema } });
        let document = json!({ "openapi": "3.1.0", "paths": paths, "components": components });
        let shop = Described::openapi("shop.json", &document).unwrap();
        let whole = json!({ "$ref": HEAD, "components": components });
        let library = jsonschema::draft202012::options().build(&whole).unwrap();
        let found = wrong(&shop, &value.to_string());
        prop_assert_eq!(found.is_empty(), library.is_valid(&value), "{:?}", found);
        prop_assert!(found.len() <= 20);
    }

    #[test]
    fn nonsense_is_refused_or_answers(schema in any_nonsense(), value in any_value(), old in any::<bool>()) {
        let version = if old { "3.0.0" } else { "3.1.0" };
        let document = json!({ "openapi": version, "paths": { "/": { "post": body(&schema) } } });
        match Described::openapi("shop.json", &document) {
            Ok(shop) => drop(wrong(&shop, &value.to_string())),
            Err(wrong) => prop_assert!(!wrong.why.is_empty()),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,64}", query in "[ -~]{0,64}") {
        let shop = posting(&json!({ "type": "object" }));
        drop(wrong(&shop, &text));
        drop(super::super::parameter::query(&query));
        drop(super::super::path::Template::parse(&text));
        drop(crate::percent::decoded(&query));
    }
}
