//! What the fuzzer runs: the checks of the ordinary tests, which run over its corpus; see `tests/parsers`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a panic is how a check says no"
)]

#[path = "../parsers/mod.rs"]
mod parsers;

/// Runs the check of a target; what does not hold is a panic.
pub fn check(target: &str, bytes: &[u8]) {
    let found = parsers::ALL.iter().find(|(name, _)| *name == target);
    found.unwrap().1(bytes);
}
