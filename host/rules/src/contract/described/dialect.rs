//! Which schema language a document is in. OpenAPI 3.0 has one of its own, which is put into JSON Schema 2020-12, word by word.

use super::document::{Document, Place, Wrong};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// A schema language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// JSON Schema 2020-12, as in OpenAPI 3.1.
    Json,
    /// That of OpenAPI 3.0.
    Old,
}

/// What a schema of 2020-12 may say here. The rest is refused: what is not understood is not checked, and nobody would know.
pub(super) const APPLY: &[&str] = &[
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "prefixItems",
    "items",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "required",
];

/// Keywords that speak of a value by itself.
pub(super) const ASSERT: &[&str] = &[
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "dependentRequired",
];

/// Keywords that check nothing.
const TELL: &[&str] = &[
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "discriminator",
    "externalDocs",
    "xml",
];

/// The only JSON Schema that is read.
const LANGUAGE: &str = "https://json-schema.org/draft/2020-12/schema";

/// What stands in the place of a keyword that is not read.
fn instead(keyword: &str) -> String {
    match keyword {
        "$id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef"
        | "$recursiveAnchor" => {
            "is not read here: references are pointers into the document (`#/…`)".to_owned()
        }
        "$schema" | "$vocabulary" => {
            "is read only at the head of a JSON Schema: all of a document is in one language"
                .to_owned()
        }
        "dependencies" => {
            "is of an older JSON Schema: write dependentRequired or dependentSchemas".to_owned()
        }
        "additionalItems" => "is of an older JSON Schema: write prefixItems and items".to_owned(),
        "nullable" => "is of OpenAPI 3.0: write `type: [\"…\", \"null\"]`".to_owned(),
        _ => {
            "is no keyword that is known: mend it, or begin it with `x-` if it is for somebody else"
                .to_owned()
        }
    }
}

/// Whether each keyword of a schema is known.
pub(super) fn known(
    schema: &Map<String, Value>,
    document: &Document<'_>,
    at: &Place,
) -> Result<(), Wrong> {
    for (keyword, value) in schema {
        if document.is_head(at) && matches!(keyword.as_str(), "$schema" | "$id") {
            if keyword == "$schema"
                && value.as_str().map(|name| name.trim_end_matches('#')) != Some(LANGUAGE)
            {
                return document.wrong(
                    &at.below(keyword),
                    format!("must be \"{LANGUAGE}\": no other JSON Schema is read"),
                );
            }
            continue;
        }
        let known = [APPLY, ASSERT, TELL]
            .iter()
            .any(|list| list.contains(&keyword.as_str()));
        if !known && !keyword.starts_with("x-") {
            return document.wrong(&at.below(keyword), instead(keyword));
        }
    }
    Ok(())
}

impl Dialect {
    /// A schema in 2020-12.
    pub(super) fn modern<'a>(
        self,
        schema: &'a Map<String, Value>,
        document: &Document<'_>,
        at: &Place,
    ) -> Result<Cow<'a, Map<String, Value>>, Wrong> {
        if self == Self::Json {
            return Ok(Cow::Borrowed(schema));
        }
        // What stands beside a reference says nothing there.
        if let Some(reference) = schema.get("$ref") {
            let alone = Map::from_iter([("$ref".to_owned(), reference.clone())]);
            return Ok(Cow::Owned(alone));
        }
        let mut modern = schema.clone();
        if let Some(Value::Array(_)) = modern.get("type") {
            return document.wrong(
                &at.below("type"),
                "is one type in OpenAPI 3.0: write `nullable: true` for null",
            );
        }
        for (exclusive, bound) in [
            ("exclusiveMaximum", "maximum"),
            ("exclusiveMinimum", "minimum"),
        ] {
            match modern.remove(exclusive) {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) => {
                    if let Some(limit) = modern.remove(bound) {
                        modern.insert(exclusive.to_owned(), limit);
                    }
                }
                Some(_) => {
                    let why = format!("is true or false in OpenAPI 3.0, beside `{bound}`");
                    return document.wrong(&at.below(exclusive), why);
                }
            }
        }
        let nullable = modern.remove("nullable");
        if document.flag(&at.below("nullable"), nullable.as_ref(), false)?
            && let Some(ty) = modern.remove("type")
        {
            modern.insert("type".to_owned(), Value::Array(vec![ty, "null".into()]));
        }
        Ok(Cow::Owned(modern))
    }
}

/// A keyword that must be a whole number, not below zero.
pub(super) fn count(
    schema: &Map<String, Value>,
    keyword: &str,
    document: &Document<'_>,
    at: &Place,
) -> Result<Option<usize>, Wrong> {
    match schema.get(keyword) {
        None => Ok(None),
        Some(value) => {
            let count = value.as_number().and_then(Number::as_u64);
            match count.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Ok(Some(count)),
                None => document.wrong(&at.below(keyword), "must be a whole number, not below 0"),
            }
        }
    }
}
