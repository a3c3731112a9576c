//! The description of a plain service: from the documents that its manifest names to what the `contract` layer checks by.
//!
//! YAML is read with a budget, so that no alias makes a small document large.

use crate::plugins::{Documents, LoadError};
use crate::settings::{Bodies, Checks, DescribedBy, Description};
use holdfast_rules::contract::described::{self, Described, Route};
use holdfast_rules::contract::plain::{Checked, Settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most values of a document, what aliases repeat included.
const VALUES_MAX: usize = 262_144;
/// How deep a document may be nested.
const DEPTH_MAX: usize = 100;

/// What describes a service, ready to check by.
///
/// # Errors
/// A document is none; where, and what to change.
pub(crate) fn described(
    description: &Description,
    documents: &Documents,
) -> Result<Settings, LoadError> {
    let described = match &description.by {
        DescribedBy::OpenApi(name) => text(name, documents).and_then(|text| open_api(name, text)),
        DescribedBy::Routes(routes) => by_routes(routes, documents),
    };
    Ok(Settings {
        described: Arc::new(described.map_err(LoadError::Manifest)?),
        checked: match description.checks {
            Checks::Requests => Checked::Requests,
            Checks::Both => Checked::Both,
        },
    })
}

/// What an OpenAPI document says; its name says whether it is JSON or YAML.
///
/// # Errors
/// It is none; where, and what to change, on one line.
pub fn open_api(name: &str, text: &str) -> Result<Described, String> {
    let document = read(name, text)?;
    Described::openapi(name, &document).map_err(|wrong| wrong.to_string())
}

fn by_routes(
    routes: &BTreeMap<String, Bodies>,
    documents: &Documents,
) -> Result<Described, String> {
    let bodies = routes.values();
    let named = bodies.flat_map(|bodies| [&bodies.request, &bodies.answer]);
    let mut schemas = BTreeMap::new();
    for name in named.flatten() {
        if !schemas.contains_key(name.as_str()) {
            let text = text(name, documents)?;
            schemas.insert(name.as_str(), read(name, text)?);
        }
    }
    let schema = |name: &'_ Option<String>| {
        let (name, schema) = schemas.get_key_value(name.as_deref()?)?;
        Some((*name, schema))
    };
    let routes = routes.iter().map(|(name, bodies)| Route {
        name,
        request: schema(&bodies.request),
        answer: schema(&bodies.answer),
    });
    let routes: Vec<_> = routes.collect();
    Described::routes(&routes).map_err(|wrong| wrong.to_string())
}

fn text<'a>(name: &str, documents: &'a Documents) -> Result<&'a str, String> {
    let text = documents.get(name);
    text.ok_or_else(|| format!("{name}: is not there"))
}

/// The tree of a document.
fn read(name: &str, text: &str) -> Result<Value, String> {
    let clean = |line: String| line.replace(char::is_control, "\u{fffd}");
    if name.ends_with(".json") {
        let read = described::json(text.as_bytes());
        return read.map_err(|no| clean(format!("{name}, at `{}`: {}", no.pointer, no.why)));
    }
    yaml(text).map_err(|why| clean(format!("{name}: is not YAML that is taken here: {why}")))
}

/// YAML 1.2, one document.
fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: VALUES_MAX,
            max_nodes: VALUES_MAX,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        // Words such as `no` and `on` are texts, as in YAML 1.2.
        strict_booleans: true,
    };
    // The first line says what is wrong and where; the rest shows the text.
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_read_as_what_it_means() {
        let text = "openapi: 3.1.0\nlist: [1, 2.5, true, null, '1', 2020-01-01]\na: &a {x: 1}\nb: *a\n200: status\nno: yes\n";
        assert_eq!(
            yaml(text).unwrap(),
            json!({
                "openapi": "3.1.0", "list": [1, 2.5, true, null, "1", "2020-01-01"],
                "a": { "x": 1 }, "b": { "x": 1 }, "200": "status", "no": "yes",
            })
        );
    }

    #[test]
    fn what_is_no_yaml_or_too_much_of_it_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in [
            "a: [",
            "a: 1\na: 2",
            "a: *b",
            "a: 1\n---\nb: 1",
            &bomb,
            &deep,
        ] {
            let said = yaml(text).unwrap_err();
            assert!(!said.is_empty() && said.lines().count() == 1, "{said}");
        }
    }
}
