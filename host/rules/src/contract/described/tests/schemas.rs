//! Keywords, one by one, and what is said where they do not hold.

use super::*;

#[test]
fn each_keyword_says_what_is_wrong_and_nothing_of_what_was_sent() {
    say(&[
        (json!({ "type": "string" }), json!(1), " must be a string"),
        (
            json!({ "type": ["integer", "null"] }),
            json!("secret"),
            " must be a whole number or null",
        ),
        (
            json!({ "type": ["integer", "number"] }),
            json!(true),
            " must be a number",
        ),
        (
            json!({ "const": { "a": 1 } }),
            json!("secret"),
            " must be `{\"a\":1}`",
        ),
        (
            json!({ "enum": [1, 2, 3, 4, 5, 6, 7, 8, 9] }),
            json!(0),
            " must be one of `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, …",
        ),
        (json!({ "minimum": 2 }), json!(1), " must be at least 2"),
        (json!({ "maximum": 2 }), json!(3), " must be at most 2"),
        (
            json!({ "exclusiveMaximum": 2 }),
            json!(2),
            " must be less than 2",
        ),
        (
            json!({ "multipleOf": 0.1 }),
            json!(0.25),
            " must be a multiple of 0.1",
        ),
        (
            json!({ "minLength": 2 }),
            json!("\u{1f600}"),
            " must have at least 2 characters",
        ),
        (
            json!({ "pattern": "^a$" }),
            json!("secret"),
            " must match `^a$`",
        ),
        (
            json!({ "format": "date-time" }),
            json!("secret"),
            " must be a text of the format `date-time`",
        ),
        (
            json!({ "format": "uuid" }),
            json!("secret"),
            " must be a text of the format `uuid`",
        ),
    ]);
}

#[test]
fn members_and_items_are_told_with_their_place() {
    say(&[
        (
            json!({ "minItems": 1 }),
            json!([]),
            " must have at least 1 items",
        ),
        (
            json!({ "uniqueItems": true }),
            json!([1, 1.0]),
            " must not have the same item twice",
        ),
        (
            json!({ "minProperties": 1 }),
            json!({}),
            " must have at least 1 members",
        ),
        (
            json!({ "maxProperties": 0 }),
            json!({ "a": 1 }),
            " must have at most 0 members",
        ),
        (
            json!({ "dependentRequired": { "a": ["b"] } }),
            json!({ "a": 1 }),
            " must have `\"b\"` too",
        ),
        (
            json!({ "dependentSchemas": { "a": { "maxProperties": 1 } } }),
            json!({ "a": 1, "b": 1 }),
            " must have at most 1 members",
        ),
        (
            json!({ "propertyNames": { "maxLength": 1 } }),
            json!({ "ab": 1 }),
            "/ab is no name that is taken here",
        ),
        (
            json!({ "patternProperties": { "^x": { "type": "null" } } }),
            json!({ "xa": 1 }),
            "/xa must be null",
        ),
        (
            json!({ "additionalProperties": { "type": "null" }, "properties": { "a": true } }),
            json!({ "a": 1, "b": 1 }),
            "/b must be null",
        ),
        (
            json!({ "prefixItems": [{ "type": "null" }], "items": false }),
            json!([null, 1]),
            "/1 is not known here",
        ),
    ]);
}

#[test]
fn what_several_schemas_say_together_is_told_by_the_one_that_is_meant() {
    say(&[
        (
            json!({ "contains": { "type": "null" } }),
            json!([1]),
            " does not have the items that it must have",
        ),
        (
            json!({ "contains": { "type": "null" }, "maxContains": 1 }),
            json!([null, null]),
            " does not have the items that it must have",
        ),
        (
            json!({ "not": { "type": "null" } }),
            json!(null),
            " is of the form that is excluded here",
        ),
        (
            json!({ "oneOf": [{ "type": "integer" }, { "minimum": 0 }] }),
            json!(1),
            " fits several of the forms of which it must fit one",
        ),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
            json!("secret"),
            " must be a whole number or null",
        ),
        (
            json!({ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({}),
            " fits none of the 2 forms that are described",
        ),
        (
            json!({ "anyOf": [{ "type": "object", "required": ["a"] }, { "type": "null" }] }),
            json!({}),
            "/a is required",
        ),
    ]);
}

#[test]
fn what_depends_on_another_schema_is_told_where_it_does_not_hold() {
    say(&[
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "else": false }),
            json!({ "a": 1 }),
            "/b is required",
        ),
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "else": false }),
            json!({}),
            " is not known here",
        ),
        (
            json!({ "allOf": [{ "properties": { "a": true } }], "unevaluatedProperties": false }),
            json!({ "a": 1, "b": 1 }),
            "/b is not known here",
        ),
        (
            json!({ "anyOf": [{ "prefixItems": [{ "type": "null" }] }, true], "unevaluatedItems": false }),
            json!([null, 1]),
            "/1 is not known here",
        ),
    ]);
}

/// Of each schema and value this is said, and nothing else.
fn say(cases: &[(Value, Value, &str)]) {
    for (schema, value, said) in cases {
        let found = unfit(schema, value);
        assert_eq!(found, [*said], "{schema} {value}");
    }
}

#[test]
fn what_the_words_leave_open_is_taken() {
    for (schema, value) in [
        (json!(true), json!({ "a": [1] })),
        (json!({}), json!(null)),
        (json!({ "format": "of-my-own" }), json!("x")),
        (json!({ "format": "int32" }), json!(1e300)),
        (json!({ "type": "integer" }), json!(1.0)),
        (json!({ "type": "number" }), json!(18446744073709551615u64)),
        (json!({ "minContains": 0, "contains": false }), json!([1])),
        (
            json!({ "x-of-my-own": 1, "description": "any", "deprecated": true }),
            json!(1),
        ),
        (
            json!({ "unevaluatedProperties": false, "if": { "properties": { "a": true } }, "then": { "properties": { "b": true } } }),
            json!({ "a": 1, "b": 1 }),
        ),
        (
            json!({ "unevaluatedItems": false, "contains": { "type": "null" } }),
            json!([null]),
        ),
    ] {
        assert_eq!(unfit(&schema, &value), [""; 0], "{schema} {value}");
    }
}

#[test]
fn a_schema_may_go_on_in_itself() {
    let tree = json!({
        "type": "object",
        "required": ["value"],
        "properties": {
            "value": { "type": "integer" },
            "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } },
        },
        "additionalProperties": false,
    });
    let paths = json!({ "/": { "post": body(&json!({ "$ref": "#/components/schemas/Tree" })) } });
    let shop = with(&paths, &json!({ "schemas": { "Tree": tree } }));
    let mut value = json!({ "value": "leaf" });
    let mut pointer = String::new();
    for _ in 0..60 {
        value = json!({ "value": 1, "children": [{ "value": 2 }, value] });
        pointer.push_str("/children/1");
    }
    let found = wrong(&shop, &value.to_string());
    assert_eq!(found, [format!("{pointer}/value must be a whole number")]);
    // Deeper than the parser goes is no JSON that is taken.
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(wrong(&shop, &deep)[0].contains("recursion limit"));
}
