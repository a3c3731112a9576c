//! Every limit of a store bites, and says which it was.

use super::{Guest, component, engines, guest};
use holdfast_wasm::engine::{EngineKind, Metering, Tasks};
use holdfast_wasm::exhausted::{Counted, Exhausted};
use holdfast_wasm::limits::Limits;
use holdfast_wasm::load_error::{LoadError, Needs};
use holdfast_wasm::memory::HostMemory;
use wasmtime::component::{Component, Linker, ResourceTableError};

const METERED: EngineKind = EngineKind::new(Metering::Metered, Tasks::One);

const PAGE: u64 = 64 << 10;

/// Two core instances of one module: two memories of one page, two tables of one element.
const TWO_OF_EACH: &str = r#"(component
    (core module $m
        (memory 1) (table 1 funcref)
        (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))
    (core instance $a (instantiate $m))
    (core instance $b (instantiate $m))
    (func (export "memory-a") (param "n" u32) (result s32) (canon lift (core func $a "memory")))
    (func (export "memory-b") (param "n" u32) (result s32) (canon lift (core func $b "memory")))
    (func (export "table-a") (param "n" u32) (result s32) (canon lift (core func $a "table")))
    (func (export "table-b") (param "n" u32) (result s32) (canon lift (core func $b "table"))))"#;

fn ample() -> std::sync::Arc<HostMemory> {
    HostMemory::new(1 << 40)
}

async fn error_of(guest: &mut Guest, text: &str, name: &str) -> wasmtime::Error {
    let instance = guest.start(text).await.unwrap();
    guest.call(&instance, name, 0).await.unwrap_err()
}

#[tokio::test]
async fn memory_is_summed_over_all_memories_and_the_refusal_outlives_the_store() {
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        memory: 4 * PAGE,
        ..Limits::default()
    };
    let mut guest = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host);
    let instance = guest.start(TWO_OF_EACH).await.unwrap();
    assert_eq!(guest.call(&instance, "memory-a", 1).await.unwrap(), 1);
    assert_eq!(guest.call(&instance, "memory-b", 1).await.unwrap(), 1);
    assert_eq!(host.used(), 4 * PAGE);

    let error = guest.call(&instance, "memory-a", 1).await.unwrap_err();
    let expected = Exhausted::Memory {
        asked: 5 * PAGE,
        limit: 4 * PAGE,
    };
    assert_eq!(Exhausted::find(&error), Some(expected));
    let (flag, meter) = (guest.flag.clone(), guest.meter.clone());
    drop(guest);
    assert_eq!(flag.get(), Some(expected));
    assert_eq!(meter.read().mem_bytes, 4 * PAGE);
    assert_eq!(host.used(), 0, "everything is given back");
}

#[tokio::test]
async fn memory_is_refused_before_the_first_instruction() {
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        memory: PAGE,
        ..Limits::default()
    };
    let mut guest = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host);
    let error = guest.start(TWO_OF_EACH).await.unwrap_err();
    assert!(matches!(
        Exhausted::find(&error),
        Some(Exhausted::Memory { .. })
    ));
}

#[tokio::test]
async fn growth_that_fails_by_itself_neither_counts_nor_gives_anything_back() {
    let text = r#"(component
        (core module $m
            (memory 1 2)
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0))))
        (core instance $a (instantiate $m))
        (func (export "memory") (param "n" u32) (result s32) (canon lift (core func $a "memory"))))"#;
    let (engines, host) = (engines(), ample());
    let mut guest = guest(
        engines.get(EngineKind::PLAIN).unwrap(),
        &Limits::default(),
        &host,
    );
    let instance = guest.start(text).await.unwrap();
    assert_eq!(guest.call(&instance, "memory", 1).await.unwrap(), 1);
    // Beyond its own maximum, and beyond what its type can name at all.
    for pages in [1, 5, 65_536, u32::MAX] {
        assert_eq!(guest.call(&instance, "memory", pages).await.unwrap(), -1);
        assert_eq!(host.used(), 2 * PAGE, "after growing by {pages}");
    }
    assert_eq!(guest.flag.get(), None);
}

#[tokio::test]
async fn table_elements_are_summed_over_all_tables() {
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        table_elements: 10,
        ..Limits::default()
    };
    let mut guest = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host);
    let instance = guest.start(TWO_OF_EACH).await.unwrap();
    assert_eq!(guest.call(&instance, "table-a", 4).await.unwrap(), 1);
    assert_eq!(guest.call(&instance, "table-b", 4).await.unwrap(), 1);
    let error = guest.call(&instance, "table-a", 1).await.unwrap_err();
    let expected = Exhausted::TableElements {
        asked: 11,
        limit: 10,
    };
    assert_eq!(Exhausted::find(&error), Some(expected));
    assert_eq!(guest.flag.get(), Some(expected));
}

#[tokio::test]
async fn core_instances_memories_and_tables_are_counted() {
    let cases = [
        (
            Limits {
                instances: 1,
                ..Limits::default()
            },
            Counted::Instances,
        ),
        (
            Limits {
                memories: 1,
                ..Limits::default()
            },
            Counted::Memories,
        ),
        (
            Limits {
                tables: 1,
                ..Limits::default()
            },
            Counted::Tables,
        ),
    ];
    let (engines, host) = (engines(), ample());
    for (limits, counted) in cases {
        let error = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host)
            .start(TWO_OF_EACH)
            .await
            .unwrap_err();
        assert_eq!(Exhausted::find(&error), Some(Exhausted::Count(counted)));
    }
}

#[tokio::test]
async fn leaked_handles_end_the_guest() {
    let text = r#"(component
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m
            (import "" "new" (func $new (param i32) (result i32)))
            (func (export "leak") (param i32) (result i32)
                (loop $again (drop (call $new (i32.const 1))) (br $again))
                (unreachable)))
        (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
        (func (export "leak") (param "n" u32) (result s32) (canon lift (core func $i "leak"))))"#;
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        handles: 10,
        ..Limits::default()
    };
    let mut guest = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host);
    limits.apply(&mut guest.store).unwrap();
    let error = error_of(&mut guest, text, "leak").await;
    assert_eq!(Exhausted::find(&error), Some(Exhausted::Handles));
}

#[tokio::test]
async fn one_host_call_takes_no_more_bytes_than_allowed() {
    let text = r#"(component
        (import "take" (func $take (param "text" string)))
        (core module $memory (memory (export "memory") 1))
        (core instance $memory (instantiate $memory))
        (core func $lowered (canon lower (func $take) (memory $memory "memory")))
        (core module $m
            (import "" "take" (func $take (param i32 i32)))
            (func (export "give") (param i32) (result i32)
                (call $take (i32.const 0) (local.get 0)) (i32.const 0)))
        (core instance $i (instantiate $m (with "" (instance (export "take" (func $lowered))))))
        (func (export "give") (param "n" u32) (result s32) (canon lift (core func $i "give"))))"#;
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        hostcall_bytes: 1_000,
        ..Limits::default()
    };
    let mut guest = guest(engines.get(EngineKind::PLAIN).unwrap(), &limits, &host);
    limits.apply(&mut guest.store).unwrap();
    let component =
        Component::from_binary(engines.get(EngineKind::PLAIN).unwrap(), &component(text)).unwrap();
    let mut linker = Linker::new(engines.get(EngineKind::PLAIN).unwrap());
    linker
        .root()
        .func_wrap("take", |_, (_text,): (String,)| Ok(()))
        .unwrap();
    let instance = linker
        .instantiate_async(&mut guest.store, &component)
        .await
        .unwrap();
    assert_eq!(guest.call(&instance, "give", 900).await.unwrap(), 0);
    let error = guest.call(&instance, "give", 1_100).await.unwrap_err();
    assert_eq!(Exhausted::find(&error), Some(Exhausted::HostcallBytes));
}

const ENDLESS: &str = r#"(component
    (core module $m
        (func $deep (export "deep") (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
        (func (export "spin") (param i32) (result i32) (loop $again (br $again)) (unreachable)))
    (core instance $i (instantiate $m))
    (func (export "deep") (param "n" u32) (result s32) (canon lift (core func $i "deep")))
    (func (export "spin") (param "n" u32) (result s32) (canon lift (core func $i "spin"))))"#;

#[tokio::test]
async fn fuel_ends_a_spin_on_the_metered_engine() {
    let (engines, host) = (engines(), ample());
    let limits = Limits {
        fuel: Some(10_000),
        ..Limits::default()
    };
    let mut guest = guest(engines.get(METERED).unwrap(), &limits, &host);
    limits.apply(&mut guest.store).unwrap();
    let error = error_of(&mut guest, ENDLESS, "spin").await;
    assert_eq!(Exhausted::find(&error), Some(Exhausted::Fuel));
}

#[tokio::test]
async fn endless_recursion_ends_at_the_stack_and_the_host_lives() {
    let (engines, host) = (engines(), ample());
    let mut guest = guest(
        engines.get(EngineKind::PLAIN).unwrap(),
        &Limits::default(),
        &host,
    );
    let error = error_of(&mut guest, ENDLESS, "deep").await;
    assert_eq!(Exhausted::find(&error), Some(Exhausted::Stack));
}

#[test]
fn a_full_resource_table_is_recognised_and_other_errors_are_not() {
    let full = wasmtime::Error::from(ResourceTableError::Full);
    assert_eq!(Exhausted::find(&full), Some(Exhausted::Resources));
    let wrapped = full.context("while opening a stream");
    assert_eq!(Exhausted::find(&wrapped), Some(Exhausted::Resources));
    for other in [
        wasmtime::Error::from(ResourceTableError::NotPresent),
        wasmtime::Error::from(wasmtime::Trap::Interrupt),
        wasmtime::Error::msg("resource limit exceeded: patience"),
    ] {
        assert_eq!(Exhausted::find(&other), None, "{other}");
    }
}

#[test]
fn a_component_that_could_never_start_is_found_when_it_is_loaded() {
    let engines = engines();
    let bytes = component(TWO_OF_EACH);
    let component =
        Component::from_binary(engines.get(EngineKind::PLAIN).unwrap(), &bytes).unwrap();
    let needs = Needs::of(&component);
    assert_eq!(
        needs,
        Needs {
            memories: 2,
            memory_bytes: PAGE,
            tables: 2,
            table_elements: 1
        }
    );
    assert!(needs.fit(&Limits::default()).is_ok());
    let tight = [
        Limits {
            memories: 1,
            ..Limits::default()
        },
        Limits {
            memory: PAGE - 1,
            ..Limits::default()
        },
        Limits {
            tables: 1,
            ..Limits::default()
        },
        Limits {
            table_elements: 0,
            ..Limits::default()
        },
    ];
    for (limits, key) in tight
        .iter()
        .zip(["memories", "memory", "tables", "table_elements"])
    {
        match needs.fit(limits) {
            Err(LoadError::Needs { key: found, .. }) => assert_eq!(found, key),
            other => panic!("{key}: {other:?}"),
        }
    }
}
