//! JSON Schema (draft 7, which editors of TOML read) of both settings files, so that an editor completes keys and marks mistakes.
//!
//! One source: the keys are those that the files may have, sentences and defaults are those of the commented example files, limits are
//! the table of limits. What a key takes is seen from its example, or said in [`shapes`] where an example cannot show it. A schema says
//! less than the program does: what it refuses is refused there too, never the other way round.

mod example;
mod shapes;

use self::example::{Example, examples};
use self::shapes::{Shape, shape};
use crate::settings::unknown::{Kind, known_keys};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schema of one of the files.
#[must_use]
pub fn schema(kind: Kind) -> Value {
    let examples = examples(kind);
    let mut root = Node::default();
    for key in known_keys(kind) {
        root.put(&key, &key, &examples);
    }
    let (title, text) = match kind {
        Kind::Policy => (
            "holdfast.toml",
            "The policy of a holdfast host: the operator's file.",
        ),
        Kind::Manifest => ("NAME.toml", "The manifest of a service: its author's file."),
    };
    let mut schema = root.schema();
    // The one table in whose place its most important value may stand alone.
    if let Some(listen) = schema.pointer_mut("/properties/listen") {
        let address = shape("listen.address", None).schema();
        *listen = json!({ "anyOf": [address, listen.take()], "description": "Where the gateway is found." });
    }
    if let Value::Object(map) = &mut schema {
        map.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        map.insert("title".to_owned(), json!(title));
        map.insert("description".to_owned(), json!(text));
    }
    schema
}

/// A table of the file, or a value.
#[derive(Default)]
struct Node {
    /// What stands below a key; `*` for any name.
    below: BTreeMap<String, Node>,
    leaf: Option<Value>,
    text: Option<String>,
}

impl Node {
    fn put(&mut self, rest: &str, key: &str, examples: &BTreeMap<String, Example>) {
        let Some((first, rest)) = rest.split_once('.') else {
            let node = self.below.entry(rest.to_owned()).or_default();
            node.leaf = Some(leaf(key, examples.get(key)));
            return;
        };
        let node = self.below.entry(first.to_owned()).or_default();
        let table = key.strip_suffix(rest).unwrap_or(key).trim_end_matches('.');
        if let Some(example) = examples.get(table) {
            node.text = Some(example.text.clone());
        }
        node.put(rest, key, examples);
    }

    fn schema(&self) -> Value {
        if let Some(leaf) = &self.leaf {
            return leaf.clone();
        }
        let mut properties = Map::new();
        for (name, node) in self.below.iter().filter(|(name, _)| *name != "*") {
            properties.insert(name.clone(), node.schema());
        }
        let mut table = json!({ "type": "object" });
        if let Value::Object(map) = &mut table {
            match self.below.get("*") {
                Some(any) => map.insert("additionalProperties".to_owned(), any.schema()),
                None => map.insert("additionalProperties".to_owned(), json!(false)),
            };
            if !properties.is_empty() {
                map.insert("properties".to_owned(), Value::Object(properties));
            }
            if let Some(text) = &self.text {
                map.insert("description".to_owned(), json!(text));
            }
        }
        table
    }
}

/// The schema of one value.
fn leaf(key: &str, example: Option<&Example>) -> Value {
    let shape = shape(key, example.map(|example| &example.value));
    let mut value = shape.schema();
    let Value::Object(map) = &mut value else {
        return value;
    };
    let last = key.rsplit('.').next().unwrap_or(key);
    let limit = key
        .contains("limits.")
        .then(|| shapes::limit(last))
        .flatten();
    let text = match (limit, example) {
        (Some(limit), _) => limit.doc().to_owned(),
        (None, Some(example)) => example.text.clone(),
        (None, None) => String::new(),
    };
    let unit = match &shape {
        Shape::Duration => " A text with a unit: \"250ms\", \"30s\", \"15m\", \"1h\".",
        Shape::Size { .. } => " A text with a unit (\"64KiB\", \"128MiB\") or a number of bytes.",
        Shape::Flag
        | Shape::Count { .. }
        | Shape::Text { .. }
        | Shape::Words(_)
        | Shape::Command
        | Shape::List(_) => "",
    };
    map.insert(
        "description".to_owned(),
        json!(format!("{text}{unit}").trim()),
    );
    match (limit, example) {
        (Some(limit), _) if limit.default_amount() != crate::settings::limits::UNBOUNDED => {
            let amount = limit.default_amount();
            let told = match shape {
                Shape::Count { .. } => json!(amount),
                _ => json!(limit.text(amount)),
            };
            map.insert("default".to_owned(), told);
        }
        (None, Some(example)) if example.is_default(key) => {
            map.insert("default".to_owned(), example.value.clone());
        }
        (_, Some(example)) => {
            map.insert("examples".to_owned(), json!([example.value]));
        }
        (_, None) => {}
    }
    value
}
