//! What each layer costs: a measurement for `make bench`, not a test. It asserts nothing, so it is left out unless asked for.
//!
//! A call that is answered at once crosses all layers, and all but one; the difference is the price of that one, here without its waits
//! and without what lies behind the log. Medians of interleaved rounds, because the machine does other things too.

use crate::admit::{self, HostGate, Places, Room};
use crate::clock::{HostClock, HostRandom};
use crate::rate::flow::Quota;
use crate::rate::limit::{Limits, Whose};
use crate::testing::{Bench, hello, register, run, service};
use crate::{Parts, authorize, budget, built, deadline, quarantine, rate, record, trial};
use holdfast_call::{
    Closing, GuestLine, Level, Log, Notice, Notices, Pipeline, Priority, Settings, Sources, Target,
};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

const ROUNDS: usize = 41;
const CALLS: u32 = 5_000;

/// Keeps nothing.
struct Nowhere;

impl Log for Nowhere {
    fn closing(&self, _closing: Closing) {}
    fn guest(&self, _line: GuestLine) {}
    fn host(&self, _level: Level, _text: String) {}
}

impl Notices for Nowhere {
    fn tell(&self, _notice: Notice) {}
}

#[test]
#[ignore = "a measurement: make bench prints it"]
fn of_each_layer() {
    let mut bench = Bench::new();
    bench.parts = Parts {
        sources: Sources {
            clock: Arc::new(HostClock::start()),
            random: Arc::new(HostRandom),
        },
        log: Arc::new(Nowhere),
        notices: Arc::new(Nowhere),
        metrics: Arc::default(),
        host: Arc::new(HostGate::default()),
        keys: Arc::default(),
        issuers: Arc::default(),
        executions: Arc::default(),
        trail: Arc::default(),
        ledger: Arc::default(),
        captures: Arc::default(),
    };
    let target = service("hello");
    let names = built();
    let whole = serving(&bench, &names, &target);
    let layers = names.iter().filter(|name| **name != "attempt");
    let without: Vec<_> = layers
        .map(|left_out| {
            let mut rest = names.clone();
            rest.retain(|name| name != left_out);
            (*left_out, serving(&bench, &rest, &target))
        })
        .collect();
    let mut prices = vec![Vec::new(); without.len()];
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let with = nanos(&bench, &whole, &target);
        all.push(with);
        for ((_, pipeline), prices) in without.iter().zip(&mut prices) {
            prices.push(with - nanos(&bench, pipeline, &target));
        }
    }
    let mut table = format!(
        "a call that is answered at once: {:.0} ns\n",
        median(&mut all)
    );
    for ((name, _), prices) in without.iter().zip(&mut prices) {
        writeln!(table, "layer {name:<12} {:>6.0} ns", median(prices)).unwrap();
    }
    std::io::stdout().write_all(table.as_bytes()).unwrap();
}

/// A pipeline of these layers in front of a service that answers at once, with the settings that each layer wants to see.
fn serving(bench: &Bench, names: &[&'static str], target: &Target) -> Arc<Pipeline> {
    let pipeline = bench.only(names);
    let settings = Settings::default()
        .with(record::Settings {
            series: bench.metrics().series(target),
        })
        .with(trial::Settings {
            version: trial::Version::new(bench.metrics().series(target)),
        })
        .with(quarantine::Settings {
            starts: Arc::default(),
        })
        .with(budget::Purse {
            budget: None,
            upstreams: Vec::new(),
            limits: budget::Limits {
                host: None,
                caller: None,
                execution: None,
                soft: 80,
            },
            degrade: Some(Arc::new(budget::Degrade {
                cached: None,
                instead: Some(budget::Instead::Service("other".into())),
            })),
        })
        .with(deadline::Settings::default())
        .with(authorize::Access {
            anonymous: authorize::Anonymous::Allow,
            callers: authorize::Callers::Known,
        })
        .with(rate::Settings {
            caller: Some(often(Whose::Caller)),
            calls: Some(often(Whose::Service("hello".into()))),
            ..rate::Settings::default()
        })
        .with(admit::Settings {
            places: Places::new(
                admit::Limits {
                    places: 64,
                    streams: 64,
                },
                bench.parts.sources.clock.clone(),
            ),
            each: None,
            priority: Priority::Default,
            room: Some(Room::new(1_000)),
            slots: 1,
            calls_max: admit::CALLS_MAX,
        });
    register(&pipeline, target, settings, hello);
    pipeline
}

/// A limit that nobody runs against.
fn often(whose: Whose) -> Arc<rate::limit::Limit> {
    Limits::default().limit(whose, Quota::per_second(u32::MAX))
}

/// Nanoseconds of one call, the mean of many.
fn nanos(bench: &Bench, pipeline: &Arc<Pipeline>, target: &Target) -> f64 {
    let clock = &bench.parts.sources.clock;
    let began = clock.now();
    for _ in 0..CALLS {
        drop(run(pipeline, bench.call(target)));
    }
    clock.now().since(began).as_nanos() as f64 / f64::from(CALLS)
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
