//! The JSON Schemas: they have every key with its sentence and its default, take what the program takes, and refuse unknown keys and units.

use super::example::{MANIFEST, POLICY, uncommented};
use super::policy;
use crate::harness::{root, run};
use holdfast_server::settings::schema::schema;
use holdfast_server::settings::show::host_rows;
use holdfast_server::settings::unknown::Kind;
use holdfast_server::settings::{Manifest, Name, Policy, known_keys};
use regex_lite::Regex;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What a schema says of a value, for the words of JSON Schema that ours use; any other word is a mistake of this test.
fn objections(schema: &Value, value: &Value, at: &str, said: &mut Vec<String>) {
    let empty = Map::new();
    let rules = schema.as_object().unwrap();
    let table = value.as_object();
    let properties = rules
        .get("properties")
        .map_or(&empty, |all| all.as_object().unwrap());
    for (word, rule) in rules {
        let holds = match word.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "properties" => true,
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("a type {other}"),
            },
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items
                    .iter()
                    .enumerate()
                    .all(|(at, item)| !items[..at].contains(item))
            }),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    objections(rule, item, at, said);
                }
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|way| {
                let mut none = Vec::new();
                objections(way, value, at, &mut none);
                none.is_empty()
            }),
            "additionalProperties" => {
                for (key, inner) in table.into_iter().flatten() {
                    let path = format!("{at}.{key}");
                    match (properties.get(key), rule) {
                        (Some(schema), _) => objections(schema, inner, &path, said),
                        (None, Value::Bool(false)) => said.push(format!("{path}: unknown")),
                        (None, schema) => objections(schema, inner, &path, said),
                    }
                }
                true
            }
            other => panic!("a word that this test does not know: {other}"),
        };
        if !holds {
            said.push(format!("{at}: {word} {rule}"));
        }
    }
}

/// What the schema of a file says of a text.
fn said(kind: Kind, text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap();
    let mut said = Vec::new();
    let value = serde_json::to_value(table).unwrap();
    objections(&schema(kind), &value, "", &mut said);
    said
}

/// The schema of one key.
fn of(schema: &Value, key: &str) -> Option<Value> {
    key.split('.').try_fold(schema.clone(), |node, part| {
        // A table that may be a single value instead.
        let ways = node.get("anyOf").and_then(Value::as_array);
        let table = ways.and_then(|ways| ways.iter().find(|way| way["type"] == "object"));
        let node = table.unwrap_or(&node);
        let below = match part {
            "*" => node.get("additionalProperties"),
            name => node.get("properties").and_then(|all| all.get(name)),
        };
        below.cloned()
    })
}

#[test]
fn every_key_has_a_type_and_a_sentence() {
    for kind in [Kind::Policy, Kind::Manifest] {
        let schema = schema(kind);
        for key in known_keys(kind) {
            let one = of(&schema, &key).unwrap_or_else(|| panic!("no schema for {key}"));
            assert!(
                one.get("type").or(one.get("anyOf")).is_some(),
                "{key}: {one}"
            );
            let values = ["files.*", "env.*", "config.*"];
            let repeated = values.contains(&key.as_str()) || key.contains("credential");
            let text = one["description"].as_str().unwrap_or_default();
            assert!(repeated || text.len() > 10, "{key}: {one}");
        }
    }
}

#[test]
fn the_example_files_are_what_the_schemas_take() {
    for (kind, text) in [(Kind::Policy, POLICY), (Kind::Manifest, MANIFEST)] {
        assert_eq!(said(kind, text), [""; 0]);
        assert_eq!(said(kind, &uncommented(text)), [""; 0]);
    }
}

#[test]
fn the_defaults_of_the_schema_are_the_defaults() {
    let schema = schema(Kind::Policy);
    let mut told = 0;
    for row in host_rows(&policy("")) {
        let Some(default) = of(&schema, &row.key).unwrap().get("default").cloned() else {
            continue;
        };
        let default = default.as_str().map_or(default.to_string(), str::to_owned);
        assert_eq!(default, row.value, "{}", row.key);
        told += 1;
    }
    assert!(told >= 7, "only {told} keys tell their default");
    assert_eq!(of(&schema, "limits.cpu").unwrap()["default"], json!("1s"));
    assert_eq!(of(&schema, "limits.places").unwrap()["default"], json!(64));
    assert_eq!(of(&schema, "upstreams.*.url").unwrap().get("default"), None);
}

#[test]
fn whatever_the_program_takes_the_schema_takes() {
    let mut taken = 0;
    for (kind, folder) in [(Kind::Policy, "policy"), (Kind::Manifest, "manifest")] {
        for entry in std::fs::read_dir(root().join("tests/fuzz/corpus").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let read = match kind {
                Kind::Policy => Policy::parse(Path::new("p"), &text).is_ok(),
                Kind::Manifest => {
                    Manifest::parse(Name::parse("n").unwrap(), "n.toml", &text).is_ok()
                }
            };
            if read {
                assert_eq!(said(kind, &text), [""; 0], "{}", path.display());
                taken += 1;
            }
        }
    }
    assert!(taken > 10, "only {taken} of the corpus are valid");
}

#[test]
fn what_an_editor_can_see_is_marked() {
    for (kind, text) in [
        (Kind::Policy, "listn = \"127.0.0.1:80\""),
        (Kind::Policy, "listen = \"127.0.0.1\""),
        (Kind::Policy, "log = \"xml\""),
        (Kind::Policy, "fuel = \"yes\""),
        (Kind::Policy, "slots = 0"),
        (Kind::Policy, "memory = \"many\""),
        (Kind::Policy, "trusted_proxies = [\"everybody\"]"),
        (Kind::Policy, "nameservers = [\"dns.example\"]"),
        (Kind::Policy, "[rate]\ncaller = \"100\""),
        (Kind::Policy, "[services.a.rate]\ncalls = \"5/w\""),
        (
            Kind::Policy,
            "[services.a.rate.operations]\n\"GET /\" = \"5\"",
        ),
        (Kind::Policy, "[limits]\ncpu = 5"),
        (Kind::Policy, "[limits]\ncpu = \"5 seconds\""),
        (Kind::Policy, "[limits]\nmemory = \"64MB\""),
        (Kind::Policy, "[limits]\nplaces = \"many\""),
        (Kind::Policy, "[limits]\nplaces = 0"),
        (Kind::Policy, "[limits]\nspace = 1"),
        (Kind::Policy, "[services.a]\nupstream = [\"b\"]"),
        (Kind::Policy, "[services.a]\nupstreams = [\"B\"]"),
        (Kind::Policy, "[upstreams.a]\nurl = \"a.example\""),
        (
            Kind::Policy,
            "[upstreams.a]\nurl = \"https://a\"\nfirst_byte = \"10\"",
        ),
        (Kind::Policy, "[upstreams.a.credential]\nsecret = \"x\""),
        (Kind::Manifest, "purpos = \"x\""),
        (Kind::Manifest, "routes = [\"notes\"]"),
        (Kind::Manifest, "upstreams = [\"a\", \"a\"]"),
        (Kind::Manifest, "[limits]\ndeadline = \"10\""),
        (Kind::Manifest, "[env]\na = 1"),
    ] {
        assert!(!said(kind, text).is_empty(), "{text}");
        // A schema that refused more than the program does would be in the way.
        let refused = match kind {
            Kind::Policy => Policy::parse(Path::new("p"), text).is_err(),
            Kind::Manifest => Manifest::parse(Name::parse("n").unwrap(), "n", text).is_err(),
        };
        assert!(refused, "the program takes it: {text}");
    }
}

#[test]
fn the_command_prints_both() {
    for (file, kind) in [("policy", Kind::Policy), ("manifest", Kind::Manifest)] {
        let printed = run(&["schema", file]);
        assert_eq!(printed.code, Some(0), "{}", printed.err);
        assert_eq!(
            serde_json::from_str::<Value>(&printed.out).unwrap(),
            schema(kind)
        );
    }
    assert_eq!(run(&["schema", "other"]).code, Some(2));
}

#[test]
fn completions_know_every_command() {
    let help = run(&["help"]).out;
    let commands: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 11, "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.err);
        for command in &commands {
            assert!(
                script.out.contains(command),
                "{shell} does not know {command}"
            );
        }
        assert!(script.out.contains("plugins"), "{shell} knows no options");
    }
    assert_eq!(run(&["completions", "csh"]).code, Some(2));
}
