//! What exists is tested: every case of a guest, every fault code, every key of the settings.

use super::{files, outside_tests, read};
use crate::harness::root;

#[test]
fn every_guest_case_is_used_by_a_test() {
    let tests = outside_tests();
    for crate_name in ["wasi02", "wasi03"] {
        let table = read(&root().join(format!("guests/cases/{crate_name}/src/lib.rs")));
        let paths = table.lines().filter_map(|line| line.split('"').nth(1));
        for path in paths.filter(|path| path.starts_with('/')) {
            // A path is used as `/a/path`, with the name under which the case is served before it.
            let used = ["?", "\"", "{"]
                .iter()
                .any(|end| tests.contains(&format!("/{}{path}{end}", short(crate_name))));
            assert!(used, "no test uses {path} of guests/cases/{crate_name}");
        }
    }
}

/// The name under which the tests serve a case.
fn short(crate_name: &str) -> &str {
    match crate_name {
        "wasi02" => "two",
        "wasi03" => "three",
        other => other,
    }
}

#[test]
fn every_guest_in_text_form_is_used_by_a_test() {
    let tests = outside_tests();
    for path in files("guests/cases", "wat") {
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(wat::parse_file(&path).is_ok(), "{name} does not parse");
        assert!(
            tests.contains(&format!("\"{name}\"")),
            "no test uses guests/cases/{name}.wat"
        );
    }
}

#[test]
fn every_service_is_used_by_a_test() {
    let tests = outside_tests();
    for entry in std::fs::read_dir(root().join("guests/services")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            assert!(
                tests.contains(&format!("Service(\"{name}\")")),
                "no test uses guests/services/{name}"
            );
        }
    }
}

#[test]
fn every_fault_code_is_produced_by_a_test() {
    let tests = outside_tests();
    let registry = read(&root().join("host/call/fault-codes.txt"));
    for line in registry.lines().filter(|line| !line.starts_with('#')) {
        let code = line.split(' ').next().unwrap();
        let named = tests.contains(&format!("\"{code}\""));
        assert!(named, "no test produces {code}");
    }
}

#[test]
fn every_key_of_the_settings_is_named_by_a_test() {
    let tests = outside_tests();
    let example = read(&root().join("holdfast.example.toml"));
    for key in keys(&example) {
        assert!(
            tests.contains(&format!("{key} = ")) || tests.contains(&format!("{key}]")),
            "no test sets `{key}`"
        );
    }
}

/// Every key and table of the example, which has them all, commented or not.
fn keys(example: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in example.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        let key = line.split('=').next().unwrap_or_default().trim();
        let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if plain && line.contains(" = ") {
            found.push(key.to_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}
