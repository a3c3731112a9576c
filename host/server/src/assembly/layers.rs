//! From effective settings to what each layer needs to know about a target.

use super::{Host, queues, rates};
use crate::settings::{
    Anonymous, Breaker, Callers, Capture, Effective, Fuel, Idempotency, LentSecret, Policy, Repeat,
    Upstream,
};
use holdfast_call::{Priority, Settings, Target};
use holdfast_capabilities::ids;
use holdfast_capabilities::kv;
use holdfast_capabilities::queue;
use holdfast_capabilities::secrets::WEBHOOK;
use holdfast_rules::budget::{self, Tariff};
use holdfast_rules::contract::openapi::About;
use holdfast_rules::contract::pages::Shown;
use holdfast_rules::contract::safe::Safe;
use holdfast_rules::journal::{Durable, Names, Repeatable};
use holdfast_rules::rate::flow;
use holdfast_rules::{
    admit, attempt, authorize, breaker, contract, deadline, once, quarantine, record, retry,
};
use holdfast_store::kv::Quota;
use holdfast_store::queue::Room;
use holdfast_wasm::engine::Metering;
use holdfast_wasm::limits::Limits;
use holdfast_wasm::service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The layers' settings for a service.
///
/// Its calls take their slots from the pool that `made` says.
pub(super) fn service(
    host: &Host,
    target: &Target,
    effective: &Effective,
    made: &Service,
    safe: Safe,
) -> Settings {
    let limits = &effective.limits;
    let anonymous = match effective.anonymous {
        Anonymous::Allow => authorize::Anonymous::Allow,
        Anonymous::Deny => authorize::Anonymous::Deny,
    };
    let callers = match &effective.callers {
        Callers::Known => authorize::Callers::Known,
        Callers::Named(names) => {
            authorize::Callers::Named(names.iter().map(ToString::to_string).collect())
        }
    };
    let places = admit::Limits {
        places: count(limits.places),
        streams: count(limits.open_streams),
    };
    let room = host.sharing.room(host.workshop.engines(), made.kind());
    if let Some(room) = room.clone() {
        let idle = host.workshop.idle();
        idle.free_by(made.kind(), move || room.free());
    }
    let settings = match &*made.contract().exports {
        [] => Settings::default(),
        _ => Settings::default().with(contract::Settings {
            contract: made.contract().clone(),
            safe,
            shown: Arc::new(Shown::new(about(effective))),
            front: if made.serves_http() {
                contract::Front::Own
            } else {
                contract::Front::None
            },
        }),
    };
    let settings = lasts(takes(settings, effective, made), effective);
    spends(settings, effective)
        .with(record::Settings {
            series: host.metrics.series(target),
        })
        .with(deadline::Settings {
            head: limits.deadline,
            idle: limits.idle,
            stream: limits.stream,
        })
        .with(authorize::Access { anonymous, callers })
        .with(authorize::Public(effective.public.clone()))
        .with(once::Settings {
            keys: match effective.idempotency {
                Idempotency::Accept => once::Keys::Accepted,
                Idempotency::Require => once::Keys::Required,
            },
        })
        .with(quarantine::Settings {
            // Anew for each version and each policy: a larger limit may be all that was missing.
            starts: Arc::default(),
        })
        .with(grants(effective))
        .with(Quota {
            bytes: limits.kv_bytes,
            keys: limits.kv_keys,
        })
        .with(rates::of(host, effective, made))
        .with(admit::Settings {
            places: host.sharing.places(target, places),
            each: None,
            priority: effective.priority,
            room,
            slots: made.slots(),
            calls_max: count(limits.calls),
        })
}

/// With how much its queue may have, and what takes messages from it, if the service has that.
fn takes(settings: Settings, effective: &Effective, made: &Service) -> Settings {
    let limits = &effective.limits;
    let settings = settings.with(Room {
        messages: limits.queue_messages,
        bytes: limits.queue_bytes,
    });
    // What waits for a place of the service itself would only be shed.
    let places = limits.queue_places.min(limits.places);
    let schedules = &effective.schedules;
    match queues::consumer(made, schedules, places, limits.queue_deliveries) {
        Some(consumer) => settings.with(consumer),
        None => settings,
    }
}

/// With how far its durable executions may go, if it has some.
fn lasts(settings: Settings, effective: &Effective) -> Settings {
    match effective.durable.is_empty() {
        true => settings,
        false => settings.with(Durable {
            steps: count(effective.limits.durable_steps),
        }),
    }
}

/// With what a service may spend, and what it costs to use the host.
fn spends(settings: Settings, effective: &Effective) -> Settings {
    let limits = &effective.limits;
    let settings = settings.with(effective.purse.clone());
    match effective.price.of(limits.cpu, limits.response_bytes) {
        Some(price) => settings.with(budget::Settings {
            tariff: Tariff::Host(price),
            limits: effective.purse.limits,
        }),
        None => settings,
    }
}

/// With what an upstream costs, if it does.
fn sells(settings: Settings, policy: &Policy, upstream: &Upstream) -> Settings {
    match &upstream.price {
        Some(list) => settings.with(budget::Settings {
            tariff: Tariff::Upstream {
                name: upstream.name.shared(),
                list: Arc::new(list.clone()),
                budget: upstream.budget,
            },
            limits: policy.budget,
        }),
        None => settings,
    }
}

/// What a service says of itself beside its contract.
fn about(effective: &Effective) -> About {
    let routes = effective.routes.iter();
    let own: BTreeSet<_> = routes
        .map(|route| match &route.host {
            Some(host) => format!("//{host}"),
            None => "/".to_owned(),
        })
        .collect();
    About {
        name: effective.name.shared(),
        purpose: effective.purpose.clone(),
        servers: match own.is_empty() {
            // What it is found under is taken off the path; what it names itself is not.
            true => vec![format!("/{}", effective.name)],
            false => own.into_iter().collect(),
        },
    }
}

/// The layers' settings for a request that finds no target: it is recorded like any other, and never waits for a place.
pub(super) fn nowhere() -> Settings {
    Settings::default().with(authorize::Access {
        anonymous: authorize::Anonymous::Allow,
        callers: authorize::Callers::Known,
    })
}

fn grants(effective: &Effective) -> authorize::Grants {
    let grants = &effective.grants;
    let asked = authorize::Names {
        upstreams: plain(&grants.upstreams_asked),
        services: plain(&grants.services_asked),
        secrets: plain(&grants.secrets_asked),
        kv: plain(&grants.kv_asked),
        queues: plain(&grants.queues_asked),
    };
    let allowed = authorize::Names {
        upstreams: plain(&grants.upstreams_allowed),
        services: plain(&grants.services_allowed),
        secrets: plain(&grants.secrets_allowed),
        kv: plain(&grants.kv_allowed),
        queues: plain(&grants.queues_allowed),
    };
    let known: BTreeMap<_, _> = grants
        .upstreams_known
        .iter()
        .map(|(name, origin)| (name.to_string(), origin.to_string()))
        .collect();
    let name: Arc<str> = effective.name.shared();
    authorize::Grants::new(&name, &asked, &allowed, &known)
}

/// The layers' settings for an upstream.
pub(super) fn upstream(
    host: &Host,
    policy: &Policy,
    target: &Target,
    upstream: &Upstream,
) -> Settings {
    let services = policy.services.values();
    let services = services.filter(|service| service.upstreams.contains(&upstream.name));
    let services = services.count();
    // Who is alone has all of them, and need not stand in a line of its own.
    let each = (services > 1).then(|| host.sharing.each(target, upstream.places));
    // An upstream's answers keep their places, so it has no streams of its own.
    let places = admit::Limits {
        places: upstream.places,
        streams: 0,
    };
    let way = host.sharing.way(target);
    let settings = Settings::default()
        .with(record::Settings {
            // By its name: an address is not for whoever may read the metrics.
            series: host.metrics.named(&format!("upstream:{}", upstream.name)),
        })
        .with(deadline::Settings {
            // The way out knows whose pause it is, and holds connect and first_byte itself; a long upload is nobody's fault.
            head: STREAM_MAX,
            idle: upstream.between_bytes,
            stream: STREAM_MAX,
        })
        .with(admit::Settings {
            places: host.sharing.places(target, places),
            each,
            priority: Priority::Default,
            room: None,
            slots: 0,
            calls_max: 0,
        })
        .with(authorize::Operations {
            upstream: upstream.name.to_string(),
            methods: upstream.methods.clone(),
            paths: upstream.paths.clone(),
        })
        .with(retry::Settings {
            tries_max: upstream.again.attempts,
            harmless: match (upstream.again.repeat, &upstream.again.header) {
                (Repeat::Idempotent, None) => retry::Harmless::Idempotent,
                // What has no method that says so carries a key.
                (Repeat::All, _) | (Repeat::Idempotent, Some(_)) => retry::Harmless::All,
            },
            histories: way.histories,
        });
    let settings = match &upstream.again.header {
        Some(header) => settings.with(Names(header.clone())),
        None => settings,
    };
    let settings = sells(settings, policy, upstream);
    let settings = match upstream.per_second {
        Some(per_second) => settings.with(attempt::Settings {
            quota: flow::Quota::per_second(per_second),
            rate: way.rate,
        }),
        None => settings,
    };
    match upstream.again.breaker {
        Breaker::On => settings.with(breaker::Settings {
            known: way.breakers,
        }),
        Breaker::Off => settings,
    }
}

/// The layers' settings for a secret that services use.
pub(super) fn lent(host: &Host, secret: &LentSecret) -> Settings {
    Settings::default()
        .with(record::Settings {
            series: host.metrics.named(&format!("secret:{}", secret.name)),
        })
        .with(authorize::Uses {
            secret: secret.name.to_string(),
            operations: operations(secret),
        })
}

/// The layers' settings for a bucket.
pub(super) fn bucket(host: &Host, name: &str) -> Settings {
    Settings::default()
        .with(record::Settings {
            series: host.metrics.named(&format!("kv:{name}")),
        })
        .with(once::Changes(kv::CHANGES))
        .with(Repeatable(kv::REPEATABLE))
}

/// The layers' settings for the queue of a service.
pub(super) fn queue(host: &Host, name: &str) -> Settings {
    Settings::default()
        .with(record::Settings {
            series: host.metrics.named(&format!("queue:{name}")),
        })
        .with(once::Changes(queue::CHANGES))
}

/// The layers' settings for the leases of services.
pub(super) fn leases(host: &Host) -> Settings {
    Settings::default().with(record::Settings {
        series: host.metrics.named("leases"),
    })
}

/// The layers' settings for their sequences.
pub(super) fn ids(host: &Host) -> Settings {
    Settings::default()
        .with(record::Settings {
            series: host.metrics.named("ids"),
        })
        .with(once::Changes(ids::CHANGES))
}

/// What services may do with it: to check webhooks is the host's.
fn operations(secret: &LentSecret) -> Vec<&'static str> {
    let uses = secret.uses.iter().copied();
    uses.filter(|one| *one != WEBHOOK).collect()
}

/// The longest stream from an upstream: as long as the longest answer of a service (design: defaults).
const STREAM_MAX: Duration = Duration::from_secs(15 * 60);

/// Which engine a service runs on.
pub(super) fn metering(effective: &Effective) -> Metering {
    match effective.fuel {
        // What is to be the same each time runs on the engine on which it is.
        Fuel::Off if effective.durable.is_empty() && effective.capture == Capture::Off => {
            Metering::Plain
        }
        Fuel::Off | Fuel::Metered { .. } => Metering::Metered,
    }
}

/// What one guest may use.
pub(super) fn guest(effective: &Effective) -> Limits {
    let limits = &effective.limits;
    Limits {
        cpu: limits.cpu,
        fuel: match effective.fuel {
            Fuel::Off => None,
            Fuel::Metered { units } => Some(units),
        },
        memory: limits.memory,
        memories: count(limits.memories),
        tables: count(limits.tables),
        table_elements: count(limits.table_elements),
        instances: count(limits.instances),
        handles: count(limits.handles),
        resources: count(limits.resources),
        header_bytes: limits.header_bytes,
        hostcall_bytes: limits.hostcall_bytes,
        random_bytes: limits.random_bytes,
        calls: count(limits.calls),
        log_lines: count(limits.log_lines),
        log_bytes: limits.log_bytes,
        response_bytes: limits.response_bytes,
        reuse: count(limits.reuse),
    }
}

/// A count of the settings, which allow no more than this anyway.
fn count(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

/// Names of the settings as the rules take them.
fn plain(names: &BTreeSet<Arc<str>>) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}
