//! Which crate may depend on which: each fences off one thing of the outside world.

use super::{files, read};
use crate::harness::root;
use std::collections::BTreeSet;

/// Crate → the crates of ours that it may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("call", &[]),
    ("store", &["holdfast-call"]),
    ("rules", &["holdfast-call", "holdfast-store"]),
    ("capabilities", &["holdfast-call", "holdfast-store"]),
    ("wasm", &["holdfast-call"]),
    (
        "server",
        &[
            "holdfast-call",
            "holdfast-rules",
            "holdfast-store",
            "holdfast-capabilities",
            "holdfast-wasm",
        ],
    ),
];

/// What only the named crates may touch.
const FENCES: &[(&str, &[&str])] = &[
    ("wasmtime", &["wasm"]),
    ("wasmtime-wasi", &["wasm"]),
    ("wasmtime-wasi-http", &["wasm"]),
    ("wasmtime-wasi-config", &["wasm"]),
    ("wasmtime-wasi-io", &["wasm"]),
    ("hickory-resolver", &["capabilities"]),
    ("hyper", &["capabilities", "server"]),
    ("rustls", &["capabilities", "server"]),
    ("tokio-rustls", &["capabilities", "server"]),
    ("clap", &["server"]),
    ("rusqlite", &["store"]),
    ("tokio-postgres", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("notify", &["server"]),
    ("x509-parser", &["server"]),
    ("listenfd", &["server"]),
    ("toml", &["server"]),
];

#[test]
fn a_crate_depends_only_on_those_below_it() {
    for (name, allowed) in EDGES {
        let ours: BTreeSet<String> = dependencies(name, "dependencies")
            .into_iter()
            .filter(|dependency| dependency.starts_with("holdfast-"))
            .collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let beyond: Vec<_> = ours.difference(&allowed).collect();
        assert!(
            beyond.is_empty(),
            "host/{name} must not depend on {beyond:?}"
        );
    }
}

#[test]
fn every_crate_of_the_host_has_its_edges() {
    for manifest in files("host", "toml") {
        let crate_name = manifest
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy();
        let template = manifest
            .components()
            .any(|part| part.as_os_str() == "templates");
        if manifest.ends_with("Cargo.toml") && !template {
            assert!(
                EDGES.iter().any(|(name, _)| *name == crate_name),
                "host/{crate_name} stands in no list of edges"
            );
        }
    }
}

#[test]
fn heavy_dependencies_stay_behind_their_fence() {
    for (dependency, allowed) in FENCES {
        for (name, _) in EDGES {
            if !allowed.contains(name) {
                let has = dependencies(name, "dependencies").contains(*dependency);
                assert!(!has, "host/{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn no_test_of_the_rules_links_the_engine() {
    let all = [
        dependencies("rules", "dependencies"),
        dependencies("rules", "dev-dependencies"),
    ];
    let heavy = all
        .iter()
        .flatten()
        .find(|name| name.starts_with("wasmtime") || *name == "holdfast-wasm");
    assert_eq!(heavy, None);
}

#[test]
fn the_simulator_drives_the_store_and_the_rules_and_nothing_above_them() {
    let ours = dependencies_in("tests/simulator", "dependencies");
    let ours: Vec<_> = ours
        .iter()
        .filter(|name| name.starts_with("holdfast-"))
        .collect();
    assert_eq!(ours, ["holdfast-call", "holdfast-rules", "holdfast-store"]);
    let unsafe_word = concat!("uns", "afe {");
    let with: Vec<_> = files("tests/simulator", "rs")
        .into_iter()
        .filter(|path| read(path).contains(unsafe_word))
        .map(|path| super::name(&path))
        .collect();
    assert_eq!(with, ["tests/simulator/src/vfs.rs"]);
}

#[test]
fn unsafe_code_is_forbidden_but_in_one_named_file() {
    for (name, _) in EDGES.iter().filter(|(name, _)| *name != "wasm") {
        let lib = read(&root().join(format!("host/{name}/src/lib.rs")));
        assert!(
            lib.contains("#![forbid(unsafe_code)]"),
            "host/{name} does not forbid unsafe code"
        );
    }
    let unsafe_word = concat!("uns", "afe {");
    let with: Vec<_> = files("host", "rs")
        .into_iter()
        .filter(|path| read(path).contains(unsafe_word))
        .map(|path| super::name(&path))
        .collect();
    assert!(
        with.len() <= 1,
        "unsafe code stands in one file, not in {with:?}"
    );
}

fn dependencies(crate_name: &str, table: &str) -> BTreeSet<String> {
    dependencies_in(&format!("host/{crate_name}"), table)
}

fn dependencies_in(folder: &str, table: &str) -> BTreeSet<String> {
    let text = read(&root().join(folder).join("Cargo.toml"));
    let manifest: toml::Table = text.parse().unwrap();
    let table = manifest.get(table).and_then(|table| table.as_table());
    table
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}
