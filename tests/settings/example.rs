//! The commented example files: they are valid, they know every key, and the defaults they tell are the defaults.

use super::{manifest, policy};
use holdfast_server::settings::show::host_rows;
use holdfast_server::settings::unknown::Kind;
use holdfast_server::settings::{Effective, Limit, known_keys};
use std::collections::BTreeSet;
use toml::Value;

pub(super) const POLICY: &str = include_str!("../../holdfast.example.toml");
pub(super) const MANIFEST: &str = include_str!("../../service.example.toml");

/// A line that begins with `#` and no space is a setting.
pub(super) fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The manifest's example in each of the two ways that exclude each other: with a document, and with routes.
fn ways() -> [String; 2] {
    let without = |heads: &[&str]| {
        let text = uncommented(MANIFEST);
        let left = text.lines();
        let left = left.filter(|line| !heads.iter().any(|head| line.starts_with(head)));
        left.collect::<Vec<_>>().join("\n")
    };
    [
        without(&["[contract.routes", "request = ", "answer = "]),
        without(&["openapi = "]),
    ]
}

/// The keys of a file, with `*` where the known keys have it.
fn keys(text: &str, kind: Kind) -> BTreeSet<String> {
    let known = known_keys(kind);
    let mut paths = Vec::new();
    leaves(
        &text.parse::<toml::Table>().unwrap().into(),
        &mut Vec::new(),
        &mut paths,
    );
    let fits = |known: &str, path: &[String]| {
        let known: Vec<_> = known.split('.').collect();
        known.len() == path.len()
            && known
                .iter()
                .zip(path)
                .all(|(known, part)| *known == "*" || known == part)
    };
    paths
        .iter()
        .map(|path| {
            let found = known.iter().find(|known| fits(known, path));
            found
                .unwrap_or_else(|| panic!("{path:?} is no known key"))
                .clone()
        })
        .collect()
}

fn leaves(value: &Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                path.push(key.clone());
                leaves(value, path, paths);
                path.pop();
            }
        }
        _ => paths.push(path.clone()),
    }
}

#[test]
fn the_policys_example_is_valid_and_has_every_key() {
    let text = uncommented(POLICY);
    policy(&text);
    assert_eq!(keys(&text, Kind::Policy), known_keys(Kind::Policy));
}

#[test]
fn the_manifests_example_is_valid_and_has_every_key() {
    for text in ways() {
        manifest(&text);
    }
    let text = uncommented(MANIFEST);
    assert_eq!(keys(&text, Kind::Manifest), known_keys(Kind::Manifest));
}

#[test]
fn both_examples_as_they_are_change_nothing() {
    let (empty, example) = (policy(""), policy(POLICY));
    assert_eq!(host_rows(&empty), host_rows(&example));
    assert!(
        example.upstreams.is_empty() && example.services.is_empty() && example.files.is_empty()
    );
    assert!(manifest(MANIFEST).routes.is_empty());
}

#[test]
fn the_manifest_of_the_example_loads_under_the_policy_of_the_example() {
    for text in ways() {
        let effective = Effective::of(&manifest(&text), &policy(&uncommented(POLICY)));
        if let Err(refused) = effective {
            panic!("{refused}");
        }
    }
}

#[test]
fn the_defaults_that_the_example_tells_are_the_defaults() {
    let (empty, example) = (policy(""), policy(&uncommented(POLICY)));
    for (default, told) in host_rows(&empty).iter().zip(host_rows(&example)) {
        // These show what a value looks like; their default is nothing.
        if ![
            "log_file",
            "callers",
            "trusted_proxies",
            "nameservers",
            "rate.caller",
            "budget.host",
            "budget.caller",
            "budget.execution",
            "price.cpu_second",
            "price.gib_out",
            "price.version",
            "audit.copy",
            "notify.url",
            "notify.secret",
            "notify.command",
            "store.url",
            "store.password",
            "listen.tls.cert",
            "listen.tls.key",
        ]
        .contains(&default.key.as_str())
        {
            assert_eq!(default.value, told.value, "{}", default.key);
        }
    }
    for limit in Limit::ALL.iter().filter(|limit| **limit != Limit::Fuel) {
        assert_eq!(
            example.limits.get(*limit),
            Some(limit.default_amount()),
            "{limit}"
        );
    }
    let bare = policy("[upstreams.api]\nurl = \"https://api.example.com\"");
    let (bare, told) = (&bare.upstreams["api"], &example.upstreams["api"]);
    assert_eq!(
        (bare.class, bare.connect, bare.first_byte),
        (told.class, told.connect, told.first_byte)
    );
    assert_eq!(
        (bare.between_bytes, bare.response_bytes, bare.places),
        (told.between_bytes, told.response_bytes, told.places)
    );
    assert_eq!(
        (bare.again.attempts, bare.again.repeat, bare.again.breaker),
        (told.again.attempts, told.again.repeat, told.again.breaker)
    );
}

#[test]
fn every_setting_has_a_sentence_above_it() {
    for text in [POLICY, MANIFEST] {
        let mut explained = false;
        let mut listed = false;
        for line in text.lines() {
            if line.starts_with("# ") {
                explained = true;
                // A table that repeats known keys is explained as a whole.
                listed = line.contains("same keys")
                    || line.contains("Units and meanings")
                    || line.contains("A second upstream");
            } else if line.is_empty() {
                explained = false;
                listed = false;
            } else if line.starts_with('#') && !line.starts_with("#[") {
                assert!(explained || listed, "`{line}` is not explained");
                explained = listed;
            }
        }
    }
}
