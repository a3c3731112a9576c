//! Manifest ∧ policy. Neither widens the other: a limit is the smaller of the two, a grant is what both name, and what the manifest asks
//! beyond that is listed, so that a load can be refused with both lines and the command that would allow it.
//!
//! A running service whose policy was narrowed keeps running with the narrowed values: `merge` always gives them, also where the load of
//! the same manifest would now be refused.

mod alone;

use crate::settings::effective::{Effective, Fuel, Grants, Mount, Row};
use crate::settings::excess::{Change, Excess};
use crate::settings::host::Anonymous;
use crate::settings::limits::{LLM_DEADLINE_NANOS, Limit, Limits, UNBOUNDED};
use crate::settings::manifest::Manifest;
use crate::settings::name::Name;
use crate::settings::policy::Policy;
use crate::settings::reuse;
use crate::settings::service::ServicePolicy;
use crate::settings::source::Origin;
use crate::settings::upstream::Class;
use holdfast_call::Priority;
use std::collections::BTreeSet;
use std::sync::Arc;

mod kept;
mod public;
mod schedules;
mod webhooks;

/// What both files come to.
#[derive(Clone, Debug)]
pub struct Merged {
    /// What holds: never more than the policy allows.
    pub effective: Effective,
    /// What the manifest asks beyond that and may not go without.
    pub excess: Vec<Excess>,
    /// Wishes beyond that, which it can go without: to be open to everybody, or in part.
    pub wishes: Vec<Excess>,
}

/// Puts the two files together.
#[must_use]
pub fn merge(manifest: &Manifest, policy: &Policy) -> Merged {
    let none = ServicePolicy::default();
    let allowed = policy.services.get(&manifest.name).unwrap_or(&none);
    let mut merge = Merge {
        manifest,
        policy,
        allowed,
        rows: Vec::new(),
        excess: Vec::new(),
        notes: Vec::new(),
    };
    merge.describe();
    let (anonymous, wish) = merge.anonymous();
    let (public, closed) = merge.public(anonymous);
    let callers = merge.callers();
    let grants = merge.grants();
    let mounts = merge.mounts();
    let limits = merge.limits();
    let fuel = merge.fuel(&limits);
    let priority = merge.priority();
    let canary = merge.canary();
    let idempotency = merge.idempotency();
    let capture = merge.capture();
    let undeclared = merge.effects();
    let rate = merge.rate();
    let purse = merge.purse();
    let webhooks = merge.webhooks();
    merge.safe();
    merge.schedules();
    merge.described();
    merge.values();
    let effective = Effective {
        name: manifest.name.clone(),
        purpose: manifest.purpose.as_deref().map(Arc::from),
        routes: manifest.routes.clone(),
        anonymous,
        public,
        callers,
        priority,
        canary,
        idempotency,
        capture,
        effects: manifest.effects.clone(),
        durable: manifest.durable.clone(),
        schedules: manifest.schedules.clone(),
        undeclared,
        rate,
        caller_rate: policy.caller_rate,
        purse,
        price: policy.price.clone(),
        limits,
        fuel,
        grants,
        webhooks,
        safe: manifest.safe.clone(),
        mounts,
        env: manifest.env.clone().into_iter().collect(),
        config: manifest.config.clone().into_iter().collect(),
        notes: merge.notes,
        rows: merge.rows,
    };
    Merged {
        effective,
        excess: merge.excess,
        wishes: wish.into_iter().chain(closed).collect(),
    }
}

struct Merge<'a> {
    manifest: &'a Manifest,
    policy: &'a Policy,
    allowed: &'a ServicePolicy,
    rows: Vec<Row>,
    excess: Vec<Excess>,
    notes: Vec<String>,
}

impl Merge<'_> {
    fn row(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.rows.push(Row {
            key: key.into(),
            value: value.into(),
            origin,
        });
    }

    fn of_manifest(&self, key: &str) -> Origin {
        match self.manifest.source.line(key) {
            Some(line) => Origin::Manifest { line },
            None => Origin::Default,
        }
    }

    /// The key of this service's own table in the policy.
    fn own(&self, key: &str) -> String {
        format!("services.{}.{key}", self.manifest.name)
    }

    fn describe(&mut self) {
        let name = &self.manifest.name;
        match &self.manifest.purpose {
            Some(purpose) => self.row("purpose", purpose.clone(), self.of_manifest("purpose")),
            None => {
                let file = self.manifest.source.file();
                self.notes.push(format!(
                    "`{name}` declares no purpose: calls without a reason are logged as `undeclared`; add purpose = \"…\" to {file}"
                ));
                self.row("purpose", "undeclared", Origin::Default);
            }
        }
        if self.manifest.routes.is_empty() {
            self.row("routes", format!("/{name}/..."), Origin::Default);
        } else {
            let routes: Vec<_> = self
                .manifest
                .routes
                .iter()
                .map(ToString::to_string)
                .collect();
            self.row("routes", routes.join(", "), self.of_manifest("routes"));
        }
    }

    fn anonymous(&mut self) -> (Anonymous, Option<Excess>) {
        let own = self.own("anonymous");
        let key = if self.allowed.anonymous.is_some() {
            own.as_str()
        } else {
            "anonymous"
        };
        let allowed = self.allowed.anonymous.unwrap_or(self.policy.anonymous);
        match (allowed, self.manifest.public) {
            (Anonymous::Allow, Some(false)) => {
                self.row("anonymous", "deny", self.of_manifest("public"));
                (Anonymous::Deny, None)
            }
            (Anonymous::Deny, Some(true)) => {
                let wish = self.beyond(
                    "public",
                    key,
                    "callers whom nobody vouches for",
                    "anonymous = \"deny\"",
                    Change::Anonymous,
                );
                self.notes.push(format!(
                    "{wish}; they are refused until then: holdfast allow {}",
                    self.manifest.name
                ));
                self.row("anonymous", "deny", self.policy.origin(key));
                (Anonymous::Deny, Some(wish))
            }
            (allowed, _) => {
                self.row("anonymous", allowed.as_str(), self.policy.origin(key));
                (allowed, None)
            }
        }
    }

    fn beyond(
        &self,
        key: &str,
        policy_key: &str,
        asks: impl Into<String>,
        allows: impl Into<String>,
        change: Change,
    ) -> Excess {
        Excess {
            key: key.to_owned(),
            manifest_at: self.manifest.source.place(key),
            policy_at: self.policy.lines().place(policy_key),
            asks: asks.into(),
            allows: allows.into(),
            change,
            needs: None,
        }
    }

    fn grants(&mut self) -> Grants {
        let (manifest, policy, allowed) = (self.manifest, self.policy, self.allowed);
        for name in &manifest.upstreams {
            let mut excess = self.beyond(
                "upstreams",
                &self.own("upstreams"),
                format!("upstream `{name}`"),
                format!("[services.{}] does not allow it", manifest.name),
                Change::Upstream(name.clone()),
            );
            if !policy.upstreams.contains_key(name) {
                excess.allows = format!("there is no [upstreams.{name}]");
                excess.needs = Some(format!("[upstreams.{name}]\nurl = \"https://…\""));
            } else if allowed.upstreams.contains(name) {
                continue;
            }
            self.excess.push(excess);
        }
        for name in manifest.services.difference(&allowed.services) {
            let allows = format!("[services.{}] does not allow it", manifest.name);
            let asks = format!("service `{name}`");
            let excess = self.beyond(
                "services",
                &self.own("services"),
                asks,
                allows,
                Change::Service(name.clone()),
            );
            self.excess.push(excess);
        }
        self.secrets();
        self.kv();
        self.queues();
        self.granted("upstreams", &manifest.upstreams, &allowed.upstreams);
        self.granted("services", &manifest.services, &allowed.services);
        self.granted("secrets", &manifest.secrets, &allowed.secrets);
        self.granted("kv", &manifest.kv, &allowed.kv);
        self.granted("queues", &manifest.queues, &allowed.queues);
        let shared = |names: &BTreeSet<Name>| names.iter().map(Name::shared).collect();
        Grants {
            upstreams_asked: shared(&manifest.upstreams),
            upstreams_allowed: shared(&allowed.upstreams),
            upstreams_known: policy
                .upstreams
                .values()
                .map(|upstream| (upstream.name.shared(), upstream.origin.clone()))
                .collect(),
            services_asked: shared(&manifest.services),
            services_allowed: shared(&allowed.services),
            secrets_asked: shared(&manifest.secrets),
            secrets_allowed: shared(&allowed.secrets),
            kv_asked: shared(&manifest.kv),
            kv_allowed: shared(&allowed.kv),
            queues_asked: shared(&manifest.queues),
            queues_allowed: shared(&allowed.queues),
        }
    }

    fn secrets(&mut self) {
        let (manifest, policy, allowed) = (self.manifest, self.policy, self.allowed);
        for name in manifest.secrets.difference(&allowed.secrets) {
            let allows = format!("[services.{}] does not allow it", manifest.name);
            let (asks, change) = (format!("secret `{name}`"), Change::Secret(name.clone()));
            let mut excess = self.beyond("secrets", &self.own("secrets"), asks, allows, change);
            if !policy.secrets.contains_key(name) {
                excess.allows = format!("there is no [secrets.{name}]");
                excess.needs = Some(format!(
                    "[secrets.{name}]\nuses = [\"verify\"]\nfile = \"…\""
                ));
            }
            self.excess.push(excess);
        }
    }

    fn granted(&mut self, key: &str, asked: &BTreeSet<Name>, allowed: &BTreeSet<Name>) {
        let both: Vec<_> = asked.intersection(allowed).map(Name::as_str).collect();
        if both.is_empty() {
            self.row(key, "none", Origin::Default);
        } else {
            self.row(key, both.join(", "), self.policy.origin(&self.own(key)));
        }
    }

    fn mounts(&mut self) -> Vec<Mount> {
        let (manifest, policy, allowed) = (self.manifest, self.policy, self.allowed);
        let mut mounts = Vec::new();
        for (guest, name) in &manifest.files {
            let key = format!("files.{guest}");
            if let (Some(folder), true) = (policy.files.get(name), allowed.files.contains(name)) {
                let way = if folder.writable {
                    "read and write"
                } else {
                    "read only"
                };
                let value = format!("{} ({way})", folder.path.display());
                self.row(key, value, policy.origin(&format!("files.{name}.path")));
                mounts.push(Mount {
                    guest: guest.clone(),
                    host: folder.path.clone(),
                    writable: folder.writable,
                });
                continue;
            }
            let allows = format!("[services.{}] does not allow it", manifest.name);
            let change = Change::Files(name.clone());
            let mut excess = self.beyond(
                &key,
                &self.own("files"),
                format!("folder `{name}`"),
                allows,
                change,
            );
            if !policy.files.contains_key(name) {
                excess.allows = format!("there is no [files.{name}]");
                excess.needs = Some(format!("[files.{name}]\npath = \"/…\""));
            }
            self.excess.push(excess);
        }
        mounts
    }

    fn limits(&mut self) -> Limits {
        let mut amounts = Vec::with_capacity(Limit::ALL.len());
        for limit in Limit::ALL {
            amounts.push((*limit, self.limit(*limit)));
        }
        Limits::from_amounts(|wanted| {
            let found = amounts.iter().find(|(limit, _)| *limit == wanted);
            found.map_or(wanted.default_amount(), |(_, amount)| *amount)
        })
    }

    /// One limit: the ask where it fits, else the ceiling.
    fn limit(&mut self, limit: Limit) -> u64 {
        let key = format!("limits.{limit}");
        let own = self.own(&key);
        let (policy_key, ceiling) = match (
            self.allowed.limits.get(limit),
            self.policy.limits.get(limit),
        ) {
            (Some(amount), _) => (own.as_str(), amount),
            (None, Some(amount)) => (key.as_str(), amount),
            (None, None) => (key.as_str(), self.default_of(limit)),
        };
        let asked = reuse::manifest_key(limit);
        let (amount, origin) = match self.manifest.limits.get(limit) {
            Some(ask) if ask <= ceiling => (ask, self.of_manifest(&asked)),
            Some(ask) => {
                let origin = self.policy.origin(policy_key);
                let word = if origin == Origin::Default {
                    "the default"
                } else {
                    "the policy"
                };
                let allows = format!("{word} allows {}", limit.text(ceiling));
                let change = Change::Limit { limit, amount: ask };
                let excess = self.beyond(&asked, policy_key, limit.text(ask), allows, change);
                self.excess.push(excess);
                (ceiling, origin)
            }
            None if limit == Limit::Reuse => (reuse::UNASKED, Origin::Default),
            None => (ceiling, self.policy.origin(policy_key)),
        };
        self.row(key, limit.text(amount), origin);
        amount
    }

    fn default_of(&self, limit: Limit) -> u64 {
        let llm = |name: &Name| {
            let upstream = self.policy.upstreams.get(name);
            upstream.is_some_and(|upstream| upstream.class == Class::Llm)
        };
        let mut granted = self
            .manifest
            .upstreams
            .intersection(&self.allowed.upstreams);
        if limit == Limit::Deadline && granted.any(llm) {
            LLM_DEADLINE_NANOS
        } else {
            limit.default_amount()
        }
    }

    /// The policy says of what class it may be; its author may want less.
    fn priority(&mut self) -> Priority {
        let own = self.own("priority");
        let ceiling = self.allowed.priority.unwrap_or_default();
        let (class, origin) = match self.manifest.priority {
            Some(asked) if asked <= ceiling => (asked, self.of_manifest("priority")),
            Some(asked) => {
                let excess = self.beyond(
                    "priority",
                    &own,
                    format!("the class `{}`", asked.as_str()),
                    format!("it may be `{}` at most", ceiling.as_str()),
                    Change::Priority(asked),
                );
                self.excess.push(excess);
                (ceiling, self.policy.origin(&own))
            }
            None => (ceiling, self.policy.origin(&own)),
        };
        self.row("priority", class.as_str(), origin);
        class
    }

    fn fuel(&mut self, limits: &Limits) -> Fuel {
        let (asked, bound) = (self.manifest.fuel == Some(true), limits.fuel != UNBOUNDED);
        let own = self.own("fuel");
        let (metered, origin) = match self.allowed.fuel {
            Some(metered) => (metered, self.policy.origin(&own)),
            None if self.policy.fuel => (true, self.policy.origin("fuel")),
            None if asked => (true, self.of_manifest("fuel")),
            None if bound => (true, self.bound_origin()),
            None => (false, self.policy.origin("fuel")),
        };
        let asks_bound = self.manifest.limits.get(Limit::Fuel).is_some();
        if !metered && (asked || asks_bound) {
            let key = if asked { "fuel" } else { "limits.fuel" };
            let excess = self.beyond(
                key,
                &own,
                "the metered engine",
                "fuel = false",
                Change::Fuel,
            );
            self.excess.push(excess);
        }
        self.row("fuel", if metered { "true" } else { "false" }, origin);
        if metered {
            Fuel::Metered { units: limits.fuel }
        } else {
            Fuel::Off
        }
    }

    /// Whose bound it is that makes the service metered.
    fn bound_origin(&self) -> Origin {
        let row = self.rows.iter().find(|row| row.key == "limits.fuel");
        row.map_or(Origin::Default, |row| row.origin)
    }
}
