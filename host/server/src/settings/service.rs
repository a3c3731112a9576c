//! `[services.NAME]` of the policy: what one service is allowed, but for what its own table of a kind says in a file of its own.

use crate::settings::budget;
use crate::settings::callers::Callers;
use crate::settings::capture::Capture;
use crate::settings::degrade;
use crate::settings::effects;
use crate::settings::host::{Anonymous, Idempotency, parse_canary, parse_priority};
use crate::settings::limits::{Limit, SetLimits};
use crate::settings::name::Name;
use crate::settings::public;
use crate::settings::rate::{self, ServiceRate};
use crate::settings::reader::Reader;
use crate::settings::webhooks::{self, Webhooks};
use crate::settings::written::WrittenService;
use holdfast_call::Priority;
use holdfast_rules::budget::{Degrade, Limit as Budget};
use holdfast_rules::effects::Undeclared;
use holdfast_rules::method_path::MethodPath;
use holdfast_rules::trial::canary::Share;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the policy allows one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePolicy {
    /// The upstreams it may use.
    pub upstreams: BTreeSet<Name>,
    /// The services it may call.
    pub services: BTreeSet<Name>,
    /// The secrets it may use.
    pub secrets: BTreeSet<Name>,
    /// The buckets of its own that it may keep keys in.
    pub kv: BTreeSet<Name>,
    /// The services to whose queues it may send.
    pub queues: BTreeSet<Name>,
    /// The folders it may have.
    pub files: BTreeSet<Name>,
    /// Whether it serves callers whom nobody vouches for, where that differs from the host.
    pub anonymous: Option<Anonymous>,
    /// The principals that may call it, where that differs from the host.
    pub callers: Option<Callers>,
    /// The routes that may be open to everybody, whatever holds for the rest.
    pub public_routes: Vec<MethodPath>,
    /// Of what class it may be, where that is not the default.
    pub priority: Option<Priority>,
    /// Whether what changes something must carry a key.
    pub idempotency: Idempotency,
    /// Which of its calls are kept so that they can be run again.
    pub capture: Capture,
    /// What happens to an operation that changes something and is not declared, where that differs from the host.
    pub undeclared: Option<Undeclared>,
    /// The share of the callers that a new version of it gets first, where that is not all of them.
    pub canary: Option<Share>,
    /// How many calls of it may come.
    pub rate: ServiceRate,
    /// How much it may spend.
    pub budget: Option<Budget>,
    /// What is answered in its place once a budget is nearly spent.
    pub degrade: Option<Arc<Degrade>>,
    /// Whether it runs on the metered engine, where that differs from the host.
    pub fuel: Option<bool>,
    /// Where it takes signed requests alone.
    pub webhooks: Webhooks,
    /// Its limits, before the ones of all services.
    pub limits: SetLimits,
}

/// Reads `[services]`.
pub(super) fn check_all(
    written: BTreeMap<String, WrittenService>,
    reader: &mut Reader<'_>,
) -> BTreeMap<Name, ServicePolicy> {
    let mut services = BTreeMap::new();
    for (name, written) in written {
        let (path, name) = reader.named("services", &name);
        let service = check(written, &path, reader);
        if let Some(name) = name {
            services.insert(name, service);
        }
    }
    services
}

fn check(written: WrittenService, path: &str, reader: &mut Reader<'_>) -> ServicePolicy {
    let key = |name: &str| format!("{path}.{name}");
    let (source, problems) = (reader.source, &mut reader.problems);
    let limits = SetLimits::check(written.limits, &key("limits"), source, problems);
    if written.fuel == Some(false) && limits.get(Limit::Fuel).is_some() {
        reader.wrong(
            &key("fuel"),
            "is false, but a limit of fuel is set: one of them must go",
        );
    }
    let services = reader.names(&key("services"), &written.services);
    ServicePolicy {
        upstreams: reader.names(&key("upstreams"), &written.upstreams),
        secrets: reader.names(&key("secrets"), &written.secrets),
        kv: reader.names(&key("kv"), &written.kv),
        queues: reader.names(&key("queues"), &written.queues),
        files: reader.names(&key("files"), &written.files),
        anonymous: written
            .anonymous
            .as_deref()
            .and_then(|text| reader.take(&key("anonymous"), Anonymous::parse(text))),
        callers: written
            .callers
            .map(|written| Callers::check(&written, &key("callers"), reader)),
        public_routes: public::check(&written.public_routes, &key("public_routes"), reader),
        priority: written
            .priority
            .as_deref()
            .and_then(|text| reader.take(&key("priority"), parse_priority(text))),
        canary: written
            .canary
            .as_deref()
            .and_then(|text| reader.take(&key("canary"), parse_canary(text))),
        rate: rate::check_service(&written.rate, &key("rate"), reader),
        budget: budget::limit(written.budget.as_deref(), &key("budget"), reader),
        degrade: written
            .degrade
            .and_then(|written| degrade::check(written, &services, &key("degrade"), reader)),
        services,
        idempotency: written
            .idempotency
            .as_deref()
            .and_then(|text| reader.take(&key("idempotency"), Idempotency::parse(text)))
            .unwrap_or_default(),
        capture: written
            .capture
            .as_deref()
            .and_then(|text| reader.take(&key("capture"), Capture::parse(text)))
            .unwrap_or_default(),
        undeclared: written
            .undeclared
            .as_deref()
            .and_then(|text| reader.take(&key("undeclared"), effects::undeclared(text))),
        fuel: written.fuel,
        webhooks: webhooks::check(written.webhooks, &key("webhooks"), reader),
        limits,
    }
}
