//! What is said of a service: in `holdfast ls`, on the admin page, to whoever waits for a change.

use crate::plugins::service::Doing;
use holdfast_call::{Moment, WallTime};
use holdfast_rules::quarantine::state::Standing;
use holdfast_rules::trial::canary::Share;
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
    /// Why something else serves than what lies in the directory.
    pub held: Option<String>,
    /// The new version that has a share of the callers, and the share.
    pub canary: Option<(Arc<str>, Share)>,
}

impl ServiceStatus {
    /// The same as JSON: `name, state, digest, routes, since_ms, error, held, canary`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "name": &*self.name,
            "state": self.doing.as_str(),
            "digest": self.digest.as_deref(),
            "routes": self.routes,
            "since_ms": self.since.map(WallTime::millis),
            "error": self.error,
            "held": self.held,
            "canary": self.canary.as_ref().map(|(digest, share)| json!({
                "digest": &**digest,
                "share": share.to_string(),
            })),
        })
    }
}

/// A service that serves, but does not start, as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined {
    failures: u32,
    since_ms: u64,
    next_probe_ms: u64,
}

impl Quarantined {
    /// How it stands `now`.
    #[must_use]
    pub fn at(standing: Standing, now: Moment) -> Self {
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            failures: standing.failures,
            since_ms: millis(now.since(standing.since)),
            next_probe_ms: millis(standing.probe.since(now)),
        }
    }

    /// Writes it into the row of the service: its state, and `quarantine` with spans from now in milliseconds.
    pub fn mark(self, row: &mut Value) {
        if let Value::Object(row) = row {
            row.insert("state".to_owned(), json!("quarantined"));
            let quarantine = json!({
                "failures": self.failures,
                "since_ms": self.since_ms,
                "next_probe_ms": self.next_probe_ms,
            });
            row.insert("quarantine".to_owned(), quarantine);
        }
    }
}
