//! The shape of the source itself, read as text: edges between crates, sizes, names, and that nothing is built without a test.

mod coverage;
mod edges;
mod museum;
mod sizes;

use crate::harness::root;
use std::path::{Path, PathBuf};

/// Every file below `dir` (relative to the root) with this extension, without what was built.
fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root().join(dir), extension, &mut found);
    found.sort();
    found
}

fn walk(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let built = ["target", "build", "node_modules", ".venv", ".git", "tools"]
                .iter()
                .any(|built| name == *built);
            if !built {
                walk(&path, extension, found);
            }
        } else if path.extension().is_some_and(|have| have == extension) {
            found.push(path);
        }
    }
}

/// Every Rust file that is ours.
fn sources() -> Vec<PathBuf> {
    let mut all = files("host", "rs");
    all.extend(files("tests", "rs"));
    all.extend(files("guests", "rs"));
    all
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path as it is named in the repository.
fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The text of every test that sees the host from outside, without the tests of the structure.
fn outside_tests() -> String {
    files("tests", "rs")
        .iter()
        .filter(|path| !name(path).contains("structure"))
        .map(|path| read(path))
        .collect()
}
