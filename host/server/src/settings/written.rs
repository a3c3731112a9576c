//! Both files as they are written: what serde fills, and nothing that the program uses. No rule is checked here but the shape.

use crate::settings::audit::WrittenAudit;
use crate::settings::budget::WrittenBudget;
use crate::settings::capture::WrittenCapture;
use crate::settings::compile::WrittenCompile;
use crate::settings::degrade::WrittenDegrade;
use crate::settings::described::WrittenContract;
use crate::settings::effects::WrittenEffects;
use crate::settings::jwt::WrittenJwt;
use crate::settings::limits::WrittenLimits;
use crate::settings::listen::WrittenListen;
use crate::settings::notify::WrittenNotify;
use crate::settings::price::{WrittenHostPrice, WrittenPrice};
use crate::settings::rate::{WrittenRate, WrittenServiceRate};
use crate::settings::schedule::WrittenSchedule;
use crate::settings::store::WrittenStore;
use crate::settings::units::Raw;
use crate::settings::webhooks::WrittenWebhook;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `NAME.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenManifest {
    pub(crate) purpose: Option<String>,
    pub(crate) routes: Vec<String>,
    pub(crate) public: Option<bool>,
    pub(crate) public_routes: Vec<String>,
    pub(crate) priority: Option<String>,
    pub(crate) fuel: Option<bool>,
    pub(crate) reuse: Option<Raw>,
    pub(crate) upstreams: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) kv: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) contract: WrittenContract,
    pub(crate) effects: WrittenEffects,
    pub(crate) schedule: BTreeMap<String, WrittenSchedule>,
    pub(crate) limits: WrittenLimits,
}

/// `holdfast.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenPolicy {
    pub(crate) listen: WrittenListen,
    pub(crate) admin: Option<String>,
    pub(crate) plugins: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) log_file: Option<String>,
    pub(crate) call_log: Option<Raw>,
    pub(crate) anonymous: Option<String>,
    pub(crate) callers: Option<Vec<String>>,
    pub(crate) drain_ms: Option<Raw>,
    pub(crate) idempotency_keep: Option<Raw>,
    pub(crate) undeclared: Option<String>,
    pub(crate) self_approve: bool,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) nameservers: Vec<String>,
    pub(crate) fuel: Option<bool>,
    pub(crate) memory: Option<Raw>,
    pub(crate) shed_memory: Option<String>,
    pub(crate) slots: Option<Raw>,
    pub(crate) pool: Option<String>,
    pub(crate) compile: WrittenCompile,
    pub(crate) store: WrittenStore,
    pub(crate) audit: WrittenAudit,
    pub(crate) capture: WrittenCapture,
    pub(crate) notify: WrittenNotify,
    pub(crate) limits: WrittenLimits,
    pub(crate) rate: WrittenRate,
    pub(crate) budget: WrittenBudget,
    pub(crate) price: WrittenHostPrice,
    pub(crate) services: BTreeMap<String, WrittenService>,
    pub(crate) upstreams: BTreeMap<String, WrittenUpstream>,
    pub(crate) secrets: BTreeMap<String, WrittenSecret>,
    pub(crate) files: BTreeMap<String, WrittenFolder>,
    pub(crate) jwt: BTreeMap<String, WrittenJwt>,
}

/// `[services.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenService {
    pub(crate) upstreams: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) kv: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) anonymous: Option<String>,
    pub(crate) callers: Option<Vec<String>>,
    pub(crate) public_routes: Vec<String>,
    pub(crate) priority: Option<String>,
    pub(crate) canary: Option<String>,
    pub(crate) idempotency: Option<String>,
    pub(crate) capture: Option<String>,
    pub(crate) undeclared: Option<String>,
    pub(crate) rate: WrittenServiceRate,
    pub(crate) budget: Option<String>,
    pub(crate) degrade: Option<WrittenDegrade>,
    pub(crate) fuel: Option<bool>,
    pub(crate) webhooks: BTreeMap<String, WrittenWebhook>,
    pub(crate) limits: WrittenLimits,
}

/// `[upstreams.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenUpstream {
    pub(crate) url: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) connect: Option<Raw>,
    pub(crate) first_byte: Option<Raw>,
    pub(crate) between_bytes: Option<Raw>,
    pub(crate) response_bytes: Option<Raw>,
    pub(crate) places: Option<Raw>,
    pub(crate) methods: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) per_second: Option<Raw>,
    pub(crate) attempts: Option<Raw>,
    pub(crate) repeat: Option<String>,
    pub(crate) idempotency_header: Option<String>,
    pub(crate) breaker: Option<bool>,
    pub(crate) allow_private: Vec<String>,
    pub(crate) ca: Option<String>,
    pub(crate) override_floor: bool,
    pub(crate) price: WrittenPrice,
    pub(crate) budget: Option<String>,
    pub(crate) credential: Option<WrittenCredential>,
}

/// `[upstreams.NAME.credential]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenCredential {
    pub(crate) header: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) systemd: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) env: Option<String>,
}

/// `[secrets.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenSecret {
    pub(crate) uses: Vec<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) systemd: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) env: Option<String>,
}

/// `[files.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WrittenFolder {
    pub(crate) path: Option<String>,
    pub(crate) write: bool,
}
