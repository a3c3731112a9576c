//! For whom a try is paid, and which budgets it counts for.

use super::{Limit, Purse, Settings, Tariff};
use holdfast_call::{Call, Link, NanoUsd, Target};
use holdfast_store::ledger::{Budget, Paid, ReservationId, Reserve};
use std::sync::Arc;

/// Who is paid where it is the host itself.
pub(super) const HOST: &str = "(host)";

/// What is to be reserved for a try of `call`.
pub(super) fn reserve(
    call: &Call,
    settings: &Settings,
    id: ReservationId,
    (amount, operation): (NanoUsd, String),
) -> Reserve {
    let Settings { tariff, limits } = settings;
    let service = service(call, tariff);
    let caller = caller(call);
    let (upstream, version, own) = match tariff {
        Tariff::Upstream { name, list, budget } => (&**name, &list.version, *budget),
        Tariff::Host(price) => (HOST, &price.version, None),
    };
    let budgets = [
        ("host", "", limits.host),
        ("service", &*service, purse(call, tariff)),
        ("caller", &*caller, limits.caller),
        ("upstream", upstream, own),
    ];
    let budget = |(level, name, limit): (&'static str, &str, Option<Limit>)| {
        let Limit { amount, span } = limit?;
        Some(Budget {
            level,
            name: name.to_owned(),
            span,
            limit: amount,
        })
    };
    Reserve {
        id,
        amount,
        budgets: budgets.into_iter().filter_map(budget).collect(),
        paid: Paid {
            call: call.id.to_string(),
            service: (*service).to_owned(),
            caller,
            upstream: upstream.to_owned(),
            operation,
            price_version: version.clone(),
        },
    }
}

/// The service that spends: the one that asks, or the one that uses the host.
fn service(call: &Call, tariff: &Tariff) -> Arc<str> {
    match (tariff, &call.target) {
        (Tariff::Host(_), Target::Service(name)) => name.clone(),
        (Tariff::Host(_) | Tariff::Upstream { .. }, _) => call.asking(),
    }
}

/// What that service may spend.
fn purse(call: &Call, tariff: &Tariff) -> Option<Limit> {
    let spends = match tariff {
        Tariff::Host(_) => call.registered.as_ref(),
        Tariff::Upstream { .. } => call.asker.as_ref(),
    };
    spends?.settings.get::<Purse>()?.budget
}

/// For whom it is paid: whoever asked for the first call of the tree. Strangers are one.
pub(super) fn caller(call: &Call) -> String {
    match call.caller.links().first() {
        Some(Link::Principal(principal)) => principal.name.to_string(),
        // No principal has a name in brackets.
        Some(Link::Operator { uid }) => format!("(operator {uid})"),
        Some(Link::Service(name)) => format!("(service {name})"),
        Some(Link::Host) => HOST.to_owned(),
        Some(Link::Anonymous) | None => "anonymous".to_owned(),
    }
}
