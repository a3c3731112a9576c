//! The tests of `rate`: who is counted, by all limits or none, and what is given back.

mod dimensions;
mod layer;

use super::flow::Quota;
use super::limit::{Limits, Whose};
use super::*;
use crate::admit::{self, Places};
use crate::testing::*;
use holdfast_call::{Lot, Payload, Pipeline, Priority, Registered, Tree};

/// Limits as they are written; empty where there is none.
#[derive(Clone, Copy, Default)]
struct Written<'a> {
    caller: &'a str,
    here: &'a str,
    calls: &'a str,
    operations: &'a [(&'a str, &'a str)],
}

struct World {
    bench: Bench,
    pipeline: Arc<Pipeline>,
    places: Arc<Places>,
    limits: Limits,
}

impl World {
    /// With the layers `rate` and `admit`.
    fn new() -> Self {
        let bench = Bench::new();
        let limits = admit::Limits {
            places: 1_000,
            streams: 1_000,
        };
        Self {
            pipeline: bench.only(&["rate", "admit"]),
            places: Places::new(limits, bench.parts.sources.clock.clone()),
            bench,
            limits: Limits::default(),
        }
    }

    fn settings(&self, name: &str, written: Written<'_>) -> Settings {
        let name: Arc<str> = name.into();
        let limit = |text: &str, whose: Whose| {
            (!text.is_empty()).then(|| self.limits.limit(whose, Quota::parse(text).unwrap()))
        };
        let operations = written.operations.iter().map(|(operation, text)| {
            let operation = Operation::parse(operation).unwrap();
            let whose = Whose::Operation(name.clone(), operation.text().clone());
            (operation, limit(text, whose).unwrap())
        });
        Settings {
            caller: limit(written.caller, Whose::Caller),
            caller_here: limit(written.here, Whose::CallerHere(name.clone())),
            calls: limit(written.calls, Whose::Service(name.clone())),
            operations: Operations::new(operations, None),
        }
    }

    /// Has `name` served, as a policy that says this comes into force.
    fn serve(&self, name: &str, written: Written<'_>) -> Arc<Registered> {
        let target = service(name);
        let settings = holdfast_call::Settings::default()
            .with(self.settings(name, written))
            .with(record::Settings {
                series: self.bench.metrics().series(&target),
            })
            .with(admit::Settings {
                places: self.places.clone(),
                each: None,
                priority: Priority::Default,
                room: None,
                slots: 1,
                calls_max: 1_000,
            });
        register(&self.pipeline, &target, settings, hello)
    }

    fn from(&self, caller: u64, name: &str, method: &str, path: &str) -> Call {
        let mut call = self.bench.call(&service(name));
        call.tree = Arc::new(Tree::of(Lot {
            draw: Some(caller),
            caller,
        }));
        if let Payload::Http(request) = &mut call.payload {
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = format!("http://{name}.internal{path}").parse().unwrap();
        }
        call
    }

    /// What a call of `caller` comes to.
    fn asks(&self, caller: u64, name: &str, path: &str) -> Reply {
        run(&self.pipeline, self.from(caller, name, "GET", path))
    }

    /// How many of so many calls are let through now.
    fn through(&self, caller: u64, name: &str, count: usize) -> usize {
        let asked = (0..count).map(|_| self.asks(caller, name, "/"));
        asked.filter(Result::is_ok).count()
    }
}
