//! The queues of services: as targets of the pipeline, and as what is delivered from.

use super::{Host, layers};
use crate::queues::{Consumer, Parts, Queues};
use crate::settings::{Limit, Policy};
use holdfast_call::{Pipeline, Registered, Target};
use holdfast_capabilities::queue::{self, Queue, Rooms};
use holdfast_rules::schedule::Schedule;
use holdfast_store::queue::Room;
use holdfast_wasm::service::Service;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every queue that the policy allows some service to send to. That its service is not there, or takes no messages yet, is no reason to
/// refuse them: they wait.
pub(super) fn make(host: &Host, policy: &Policy) -> Vec<Arc<Registered>> {
    let services = policy.services.values();
    let names = services.flat_map(|service| &service.queues);
    let rooms: BTreeMap<Arc<str>, Room> = names
        .map(|name| {
            let own = policy.services.get(name).map(|service| &service.limits);
            let amount = |limit: Limit| {
                own.and_then(|limits| limits.get(limit))
                    .or_else(|| policy.limits.get(limit))
                    .unwrap_or(limit.default_amount())
            };
            let room = Room {
                messages: amount(Limit::QueueMessages),
                bytes: amount(Limit::QueueBytes),
            };
            (name.shared(), room)
        })
        .collect();
    let names: Vec<_> = rooms.keys().cloned().collect();
    let rooms = ByService {
        pipeline: host.pipeline.clone(),
        without: rooms,
    };
    let (gauge, rooms) = (host.executions.gauge(), Arc::new(rooms));
    let one = |name: Arc<str>| {
        let kept = Queue {
            database: host.database.clone(),
            name: name.clone(),
            gauge: gauge.clone(),
            rooms: rooms.clone(),
            bell: host.executions.bell().clone(),
        };
        let settings = layers::queue(host, &name);
        Registered::new(
            &host.pipeline,
            queue::target(name),
            None,
            settings,
            Arc::new(kept),
        )
    };
    names.into_iter().map(one).collect()
}

/// How much each queue may have: as much as both files of its service say, or the policy alone where that is not loaded.
struct ByService {
    pipeline: Arc<Pipeline>,
    without: BTreeMap<Arc<str>, Room>,
}

impl Rooms for ByService {
    fn of(&self, queue: &Arc<str>) -> Room {
        let target = Target::Service(queue.clone());
        let registered = self.pipeline.registry().get(&target);
        let own = registered.and_then(|known| known.settings.get::<Room>().copied());
        let nothing = Room {
            messages: 0,
            bytes: 0,
        };
        own.or_else(|| self.without.get(queue).copied())
            .unwrap_or(nothing)
    }
}

/// What the host needs to know of a service that takes messages, or has something on its schedule.
pub(super) fn consumer(
    made: &Service,
    schedules: &[Schedule],
    places: u64,
    deliveries: u64,
) -> Option<Consumer> {
    let operation = made.contract().consumer().map(|(operation, _)| operation);
    (operation.is_some() || !schedules.is_empty()).then(|| Consumer {
        operation,
        places: usize::try_from(places).unwrap_or(usize::MAX),
        deliveries,
    })
}

impl Host {
    /// What delivers messages on this host.
    #[must_use]
    pub fn queues(&self) -> Arc<Queues> {
        Queues::new(Parts {
            pipeline: self.pipeline.clone(),
            database: self.database.clone(),
            holder: self.executions.holder(),
            bell: self.executions.bell().clone(),
            log: self.log.clone(),
            notices: self.notices.clone(),
        })
    }
}
