//! No way round the pipeline: every import that the linker offers is an effect, which makes a child call, or ambient with its reason.
//!
//! A linker cannot be listed. But it refuses a name that is taken, so it is asked about every function of every interface that WASI has
//! (`wit/deps`) and of the few drafts that have no package there.

use holdfast_wasm::engine::{EngineKind, EngineSettings, Engines, Metering, Tasks};
use holdfast_wasm::imports::{FAMILIES, Kind, kind_of, offers};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use wit_parser::Resolve;

const TASKS: EngineKind = EngineKind::new(Metering::Plain, Tasks::Many);

/// The imports that change or ask something outside: exactly these.
const EFFECTS: [&str; 9] = [
    "holdfast:host/ids@0.1.0",
    "holdfast:host/leases@0.1.0",
    "holdfast:host/queue@0.1.0",
    "holdfast:host/secrets@0.1.0",
    "wasi:http/client@0.3.0",
    "wasi:http/outgoing-handler@0.2.12",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
    "wasi:keyvalue/store@0.2.0-draft2",
];

/// Interfaces of proposals that never had a published package.
const DRAFTS: [(&str, &str); 1] = [("wasi:logging/logging@0.1.0-draft", "log")];

struct Silent;

impl holdfast_call::Log for Silent {
    fn closing(&self, _: holdfast_call::Closing) {}
    fn guest(&self, _: holdfast_call::GuestLine) {}
    fn host(&self, _: holdfast_call::Level, _: String) {}
}

/// Every function of every interface in `wit`, as the linker names them.
fn universe() -> BTreeMap<String, BTreeSet<String>> {
    let wit = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let ours = std::fs::read_dir(&wit).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        (path.extension()? == "wit").then_some(path)
    });
    let deps = ["wasi-0.2", "wasi-0.3", "wasi-config", "wasi-keyvalue"]
        .map(|name| wit.join("deps").join(name));
    for text in deps.into_iter().chain(ours) {
        let mut resolve = Resolve {
            all_features: true,
            ..Resolve::default()
        };
        resolve.push_path(text).unwrap();
        for (id, interface) in resolve.interfaces.iter() {
            let Some(name) = resolve.id_of(id) else {
                continue;
            };
            functions
                .entry(name)
                .or_default()
                .extend(interface.functions.keys().cloned());
        }
    }
    for (interface, function) in DRAFTS {
        functions
            .entry(interface.to_owned())
            .or_default()
            .insert(function.to_owned());
    }
    functions
}

#[test]
fn every_import_that_is_offered_is_an_effect_or_ambient_with_its_reason() {
    let engines = Engines::new(
        EngineSettings {
            slots: 10,
            ..EngineSettings::default()
        },
        Arc::new(Silent),
    )
    .unwrap();
    let universe = universe();
    assert!(
        universe.len() > 40,
        "wit/deps is read: {} interfaces",
        universe.len()
    );

    let mut effects = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (interface, functions) in &universe {
        for function in functions {
            if !offers(engines.get(TASKS).unwrap(), interface, function).unwrap() {
                continue;
            }
            match kind_of(interface) {
                Some(Kind::Effect) => drop(effects.insert(interface.clone())),
                Some(Kind::Ambient(reason)) => {
                    assert!(!reason.is_empty(), "{interface} gives no reason")
                }
                None => panic!(
                    "{interface}#{function} is offered and stands on no list in host/wasm/src/imports.rs"
                ),
            }
            used.insert(interface.clone());
        }
    }
    assert_eq!(
        effects.iter().map(String::as_str).collect::<Vec<_>>(),
        EFFECTS,
        "the effects are exactly these"
    );
    for family in FAMILIES {
        assert!(
            used.iter().any(|name| name.starts_with(family.prefix)),
            "{} is on the list and not offered",
            family.prefix
        );
    }
}

#[test]
fn the_list_shown_to_people_is_what_the_linker_offers() {
    let engines = Engines::new(
        EngineSettings {
            slots: 10,
            ..EngineSettings::default()
        },
        Arc::new(Silent),
    )
    .unwrap();
    let mut linked = BTreeSet::new();
    for (interface, functions) in universe() {
        if functions
            .iter()
            .any(|function| offers(engines.get(TASKS).unwrap(), &interface, function).unwrap())
        {
            linked.insert(interface);
        }
    }
    let offered: BTreeSet<String> = holdfast_wasm::offers::offered()
        .iter()
        .map(ToString::to_string)
        .collect();
    let unknown: Vec<_> = linked.difference(&offered).collect();
    assert!(
        unknown.is_empty(),
        "the linker offers what offers.rs does not list: {unknown:?}"
    );
}
