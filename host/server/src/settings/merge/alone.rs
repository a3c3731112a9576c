//! What only one of the two files may say: it holds as it is written there.

use super::Merge;
use crate::settings::budget;
use crate::settings::callers::Callers;
use crate::settings::capture::Capture;
use crate::settings::degrade;
use crate::settings::described::DescribedBy;
use crate::settings::effects;
use crate::settings::host::Idempotency;
use crate::settings::rate::ServiceRate;
use holdfast_rules::budget::Purse;
use holdfast_rules::effects::{Declared, Undeclared};
use holdfast_rules::rate::flow::Quota;
use holdfast_rules::trial::canary::Share;

impl Merge<'_> {
    // === The policy's ===

    /// The policy alone says who may call; what the manifest wishes is to be open to everybody.
    pub(super) fn callers(&mut self) -> Callers {
        let own = self.own("callers");
        let (key, callers) = match &self.allowed.callers {
            Some(callers) => (own.as_str(), callers),
            None => ("callers", &self.policy.callers),
        };
        self.row("callers", callers.to_string(), self.policy.origin(key));
        callers.clone()
    }

    /// The policy alone says how a new version comes to the callers.
    pub(super) fn canary(&mut self) -> Share {
        let share = self.allowed.canary.unwrap_or(Share::ALL);
        let origin = self.policy.origin(&self.own("canary"));
        self.row("canary", share.to_string(), origin);
        share
    }

    /// The policy alone says whether a key is wanted.
    pub(super) fn idempotency(&mut self) -> Idempotency {
        let wanted = self.allowed.idempotency;
        let origin = self.policy.origin(&self.own("idempotency"));
        self.row("idempotency", wanted.as_str(), origin);
        wanted
    }

    /// The policy alone says what is kept of people's calls.
    pub(super) fn capture(&mut self) -> Capture {
        let wanted = self.allowed.capture;
        let origin = self.policy.origin(&self.own("capture"));
        self.row("capture", wanted.as_str(), origin);
        wanted
    }

    /// What its operations do, its author alone can say; what happens to those of which he says nothing, the policy.
    pub(super) fn effects(&mut self) -> Undeclared {
        for (operation, declared) in &self.manifest.effects {
            let (key, value) = match declared {
                Declared::Idempotent => ("effects.idempotent".to_owned(), operation.clone()),
                Declared::Irreversible => ("effects.irreversible".to_owned(), operation.clone()),
                Declared::Undo(undo) => (format!("effects.undo.{operation}"), undo.to_string()),
            };
            let origin = self.of_manifest(&key);
            self.row(key, value, origin);
        }
        let own = self.own("undeclared");
        let (key, undeclared) = match self.allowed.undeclared {
            Some(undeclared) => (own.as_str(), undeclared),
            None => ("undeclared", self.policy.undeclared),
        };
        let origin = self.policy.origin(key);
        self.row("undeclared", effects::shown(undeclared), origin);
        undeclared
    }

    /// The policy alone says how many calls may come.
    pub(super) fn rate(&mut self) -> ServiceRate {
        let shown = |quota: &Option<Quota>| {
            quota.map_or_else(|| "none".to_owned(), |quota| quota.to_string())
        };
        let rate = self.allowed.rate.clone();
        for (key, quota) in [("rate.caller", &rate.caller), ("rate.calls", &rate.calls)] {
            let origin = self.policy.origin(&self.own(key));
            self.row(key, shown(quota), origin);
        }
        for (operation, quota) in &rate.operations {
            let key = format!("rate.operations.{operation}");
            let origin = self.policy.origin(&self.own(&key));
            self.row(key, quota.to_string(), origin);
        }
        if let Some(quota) = self.policy.caller_rate {
            let value = format!("{quota} at all services together");
            self.row("rate.caller", value, self.policy.origin("rate.caller"));
        }
        rate
    }

    /// The policy alone says how much may be spent.
    pub(super) fn purse(&mut self) -> Purse {
        let (policy, allowed) = (self.policy, self.allowed);
        let degrade = allowed.degrade.clone();
        for (key, value) in [
            ("budget", budget::shown(allowed.budget)),
            ("degrade", degrade::shown(degrade.as_deref())),
        ] {
            self.row(key, value, policy.origin(&self.own(key)));
        }
        let asked = self.manifest.upstreams.intersection(&allowed.upstreams);
        let limited = asked.filter_map(|name| {
            let budget = policy.upstreams.get(name)?.budget?;
            Some((name.shared(), budget))
        });
        Purse {
            budget: allowed.budget,
            upstreams: limited.collect(),
            limits: policy.budget,
            degrade,
        }
    }

    // === The manifest's ===

    /// What describes a service is its author's to say.
    pub(super) fn described(&mut self) {
        let Some(description) = &self.manifest.description else {
            return;
        };
        let key = "contract.check";
        self.row(key, description.checks.as_str(), self.of_manifest(key));
        match &description.by {
            DescribedBy::OpenApi(name) => {
                let key = "contract.openapi";
                self.row(key, name.clone(), self.of_manifest(key));
            }
            DescribedBy::Routes(routes) => {
                for (route, bodies) in routes {
                    let named = [&bodies.request, &bodies.answer].into_iter().flatten();
                    let named: Vec<_> = named.map(String::as_str).collect();
                    let key = format!("contract.routes.{route}");
                    let origin = self.of_manifest(&key);
                    self.row(key, named.join(", "), origin);
                }
            }
        }
    }

    /// What only looks, its author alone can say.
    pub(super) fn safe(&mut self) {
        if !self.manifest.safe.is_empty() {
            let safe = self.manifest.safe.join(", ");
            self.row("contract.safe", safe, self.of_manifest("contract.safe"));
        }
    }

    pub(super) fn values(&mut self) {
        let manifest = self.manifest;
        for (table, values) in [("env", &manifest.env), ("config", &manifest.config)] {
            for (name, value) in values {
                let key = format!("{table}.{name}");
                let origin = self.of_manifest(&key);
                self.row(key, value.clone(), origin);
            }
        }
    }
}
