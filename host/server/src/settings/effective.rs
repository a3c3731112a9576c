//! What holds for one service: every value complete, typed and plain, with the place it came from. Made by `merge` alone.

use crate::settings::callers::Callers;
use crate::settings::capture::Capture;
use crate::settings::excess::Refused;
use crate::settings::host::{Anonymous, Idempotency};
use crate::settings::limits::Limits;
use crate::settings::manifest::Manifest;
use crate::settings::merge::merge;
use crate::settings::name::Name;
use crate::settings::policy::Policy;
use crate::settings::price::HostPrices;
use crate::settings::rate::ServiceRate;
use crate::settings::routes::Route;
use crate::settings::source::Origin;
use crate::settings::webhooks::SignedPath;
use holdfast_call::Priority;
use holdfast_rules::budget::Purse;
use holdfast_rules::effects::{Declared, Undeclared};
use holdfast_rules::method_path::MethodPath;
use holdfast_rules::rate::flow::Quota;
use holdfast_rules::schedule::Schedule;
use holdfast_rules::trial::canary::Share;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Whether a service's guests are metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuel {
    /// They run on the plain engine.
    Off,
    /// They run on the metered engine.
    Metered {
        /// Units of one call; `u64::MAX` counts without a bound.
        units: u64,
    },
}

/// What a service may reach: what its manifest asks for, what the policy allows it, and what there is. A thing is granted where both
/// sets hold it; they are kept apart so that a denial can say which of the two lines is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Upstreams that the manifest names.
    pub upstreams_asked: BTreeSet<Arc<str>>,
    /// Upstreams that the policy allows this service.
    pub upstreams_allowed: BTreeSet<Arc<str>>,
    /// Every upstream of the policy and its origin.
    pub upstreams_known: BTreeMap<Arc<str>, Arc<str>>,
    /// Services that the manifest names.
    pub services_asked: BTreeSet<Arc<str>>,
    /// Services that the policy allows this service to call.
    pub services_allowed: BTreeSet<Arc<str>>,
    /// Secrets that the manifest names.
    pub secrets_asked: BTreeSet<Arc<str>>,
    /// Secrets that the policy allows this service to use.
    pub secrets_allowed: BTreeSet<Arc<str>>,
    /// Buckets that the manifest names.
    pub kv_asked: BTreeSet<Arc<str>>,
    /// Buckets that the policy allows this service.
    pub kv_allowed: BTreeSet<Arc<str>>,
    /// The services to whose queues the manifest asks to send.
    pub queues_asked: BTreeSet<Arc<str>>,
    /// The services to whose queues the policy allows it to send.
    pub queues_allowed: BTreeSet<Arc<str>>,
}

/// A folder that a guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the guest sees it.
    pub guest: String,
    /// Where it is on the host.
    pub host: PathBuf,
    /// Whether the guest may change it.
    pub writable: bool,
}

/// One line of `holdfast policy NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key, dotted.
    pub key: String,
    /// The value, as one would write it in a file.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// What holds for one service.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The service.
    pub name: Name,
    /// What it is for; the reason of calls that give none.
    pub purpose: Option<Arc<str>>,
    /// Where it is found; empty means `/NAME/…` with the prefix removed.
    pub routes: Vec<Route>,
    /// Whether it serves callers whom nobody vouches for.
    pub anonymous: Anonymous,
    /// The routes that are open to everybody although the rest is not.
    pub public: Vec<MethodPath>,
    /// The principals that may call it.
    pub callers: Callers,
    /// Of what class its calls from outside are.
    pub priority: Priority,
    /// Whether what changes something must carry a key.
    pub idempotency: Idempotency,
    /// Which of its calls are kept so that they can be run again.
    pub capture: Capture,
    /// What its operations do when they change something.
    pub effects: BTreeMap<String, Declared>,
    /// Which of them are durable.
    pub durable: Vec<String>,
    /// What the host asks of it by itself, and when.
    pub schedules: Vec<Schedule>,
    /// What happens to one that is not declared.
    pub undeclared: Undeclared,
    /// The share of the callers that a new version gets first.
    pub canary: Share,
    /// How many calls of it may come.
    pub rate: ServiceRate,
    /// How many calls each caller may make, to all services together.
    pub caller_rate: Option<Quota>,
    /// How much it may spend, and what is answered in its place once that is nearly spent.
    pub purse: Purse,
    /// What it costs to use the host.
    pub price: HostPrices,
    /// Its limits.
    pub limits: Limits,
    /// Whether it is metered.
    pub fuel: Fuel,
    /// What it may reach.
    pub grants: Grants,
    /// Where it takes signed requests alone.
    pub webhooks: Vec<SignedPath>,
    /// The functions of its contract that only look, as `INTERFACE/FUNCTION`.
    pub safe: Vec<String>,
    /// The folders that its guests see.
    pub mounts: Vec<Mount>,
    /// What its guests read as their environment.
    pub env: Vec<(String, String)>,
    /// What its guests read through `wasi:config`.
    pub config: Vec<(String, String)>,
    /// What an operator should know at load: wishes that were not granted, a purpose that is missing.
    pub notes: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Effective {
    /// What both files allow, for a service that is about to be loaded.
    ///
    /// # Errors
    /// The manifest asks for more than the policy allows; everything that it asks too much, with both lines.
    pub fn of(manifest: &Manifest, policy: &Policy) -> Result<Self, Refused> {
        let merged = merge(manifest, policy);
        if merged.excess.is_empty() {
            return Ok(merged.effective);
        }
        Err(Refused {
            name: manifest.name.clone(),
            excess: merged.excess,
        })
    }

    /// Every value, and where it came from.
    #[must_use]
    pub fn table(&self) -> &[Row] {
        &self.rows
    }
}
