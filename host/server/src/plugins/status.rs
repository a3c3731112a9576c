//! What is said of a service: in `holdfast ls`, on the admin page, to whoever waits for a change.

use crate::plugins::service::Doing;
use holdfast_call::WallTime;
use serde_json::{Value, json};
use std::sync::Arc;

/// One service as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// What it is doing.
    pub doing: Doing,
    /// The digest of what serves.
    pub digest: Option<Arc<str>>,
    /// Its routes.
    pub routes: Vec<String>,
    /// Since when what serves serves.
    pub since: Option<WallTime>,
    /// Why the last load failed.
    pub error: Option<String>,
}

impl ServiceStatus {
    /// The same as JSON: `name, state, digest, routes, since_ms, error`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "name": &*self.name,
            "state": self.doing.as_str(),
            "digest": self.digest.as_deref(),
            "routes": self.routes,
            "since_ms": self.since.map(WallTime::millis),
            "error": self.error,
        })
    }
}
