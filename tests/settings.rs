//! The settings: both files, what follows from them, and the commands that show and change them.

mod allow;
mod budgets;
mod check;
mod doctor;
mod effective;
mod effects;
mod example;
mod jwt;
mod manifest;
mod notify;
mod policy;
mod public;
mod rates;
mod routes;
mod schema;
mod secrets;
mod units;
mod upstreams;
mod webhooks;

use holdfast_server::settings::{Manifest, Name, Policy, SettingsError};
use std::path::Path;

/// A manifest of the service `notes`, which must be valid.
fn manifest(text: &str) -> Manifest {
    Manifest::parse(Name::parse("notes").unwrap(), "notes.toml", text).unwrap()
}

/// A policy, which must be valid.
fn policy(text: &str) -> Policy {
    read(text).unwrap()
}

fn read(text: &str) -> Result<Policy, SettingsError> {
    Policy::parse(Path::new("holdfast.toml"), text)
}

/// What is said about a policy that is refused.
fn refusal(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}
