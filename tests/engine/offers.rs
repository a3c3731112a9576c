//! The table of what is on offer is what the engine's linkers really have, and finds what is nearest.

use super::engines;
use holdfast_wasm::engine::{EngineKind, Metering, Tasks};
use holdfast_wasm::offers::{Offered, nearest, offered, offers, same_line};
use std::collections::HashSet;
use wasmtime::component::Linker;
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

const TASKS: EngineKind = EngineKind::new(Metering::Plain, Tasks::Many);

/// Only its type is needed: nothing is ever instantiated with these linkers.
struct State;

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        unreachable!("no guest runs here")
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        unreachable!("no guest runs here")
    }
}

fn config(_state: &mut State) -> WasiConfig<'_> {
    unreachable!("no guest runs here")
}

#[test]
fn everything_on_offer_is_in_the_linker() {
    let engines = engines();
    let mut linker: Linker<State> = Linker::new(engines.get(TASKS).unwrap());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
    wasmtime_wasi_http::p3::add_to_linker(&mut linker).unwrap();
    wasmtime_wasi_config::add_to_linker(&mut linker, config).unwrap();
    for offer in offered() {
        // The host's own; whoever links them tests them.
        let own = ["wasi:logging/", "wasi:keyvalue/", "holdfast:host/"];
        if own.iter().any(|prefix| offer.interface.starts_with(prefix)) {
            continue;
        }
        // A name that is taken cannot be defined again, which is the only way to ask a linker.
        let taken = linker
            .root()
            .func_wrap(&offer.to_string(), |_, (): ()| Ok(()));
        assert!(taken.is_err(), "{offer} is not in the linker");
    }
    assert!(
        linker
            .root()
            .func_wrap("wasi:io/nothing@0.2.12", |_, (): ()| Ok(()))
            .is_ok(),
        "the way of asking tells the two apart"
    );
}

#[test]
fn nothing_is_listed_twice() {
    let names: HashSet<_> = offered().iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), offered().len());
}

#[test]
fn an_older_or_newer_release_of_the_same_line_is_met() {
    let cases = [
        ("wasi:io/poll@0.2.0", Offered::Yes),
        ("wasi:io/poll@0.2.12", Offered::Yes),
        ("wasi:io/poll@0.2.99", Offered::Yes),
        ("wasi:io/poll@0.3.0", Offered::No),
        ("wasi:io/poll@0.1.0", Offered::No),
        ("wasi:io/poll@0.2.0-rc.1", Offered::No),
        ("wasi:io/poll", Offered::No),
        ("wasi:http/client@0.3.7", Offered::Yes),
        ("wasi:http/client@0.2.0", Offered::No),
        ("wasi:config/store@0.2.0-rc.1", Offered::Yes),
        ("wasi:config/store@0.2.0", Offered::No),
        ("wasi:config/store@0.2.0-draft", Offered::No),
    ];
    for (name, expected) in cases {
        assert_eq!(offers(name), expected, "{name}");
    }
}

#[test]
fn lines_are_the_linker_s() {
    let cases = [
        ("1.2.3", "1.9.0", true),
        ("1.2.3", "2.2.3", false),
        ("0.2.3", "0.2.9", true),
        ("0.0.1", "0.0.2", false),
        ("0.0.1", "0.0.1", true),
        ("0.2.0-rc.1", "0.2.0-rc.1", true),
        ("0.2.0-rc.1", "0.2.0-rc.2", false),
        ("0.2.0-rc.1", "0.2.0", false),
        ("0.2", "0.2.0", false),
        ("x", "y", false),
    ];
    for (a, b, expected) in cases {
        assert_eq!(same_line(a, b), expected, "{a} {b}");
        assert_eq!(same_line(b, a), expected, "{b} {a}");
    }
}

#[test]
fn the_nearest_is_the_same_interface_first_and_then_the_most_similar_name() {
    let cases = [
        ("wasi:htp/types@0.2.0", "wasi:http/types@0.2.12"),
        ("wasi:htp/types@0.3.0", "wasi:http/types@0.3.0"),
        ("wasi:io/poll@0.4.0", "wasi:io/poll@0.2.12"),
        (
            "wasi:config/store@0.2.0-draft",
            "wasi:config/store@0.2.0-rc.1",
        ),
        ("wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"),
        (
            "wasi:clocks/wall-clok@0.2.3",
            "wasi:clocks/wall-clock@0.2.12",
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(nearest(name).unwrap().to_string(), expected, "{name}");
    }
}
