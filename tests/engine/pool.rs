//! The pool: reset fast only where that is safe, shrunk where the address space is short, and full with a typed error.

use super::{Lines, guest};
use holdfast_call::Level;
use holdfast_wasm::engine::{EngineKind, EngineSettings, Engines, Metering, Tasks};
use holdfast_wasm::exhausted::Exhausted;
use holdfast_wasm::limits::Limits;
use holdfast_wasm::memory::HostMemory;
use holdfast_wasm::pool::{Counts, PoolChoice, Reset, Swap, decide, read_swap};
use std::path::Path;
use std::sync::Arc;

const METERED: EngineKind = EngineKind::new(Metering::Metered, Tasks::One);

#[test]
fn the_scan_is_used_only_where_nothing_can_be_swapped() {
    let swaps = [Swap::Absent, Swap::Forbidden, Swap::Possible, Swap::Unknown];
    for choice in [PoolChoice::Auto, PoolChoice::Safe] {
        for available in [true, false] {
            for swap in swaps {
                let plan = decide(choice, available, swap);
                let safe = choice == PoolChoice::Auto
                    && available
                    && matches!(swap, Swap::Absent | Swap::Forbidden);
                let (reset, resident) = if safe {
                    (Reset::PagemapScan, 1 << 20)
                } else {
                    (Reset::Clear, 16 << 10)
                };
                assert_eq!(plan.reset, reset, "{choice:?} {available} {swap:?}");
                assert_eq!(plan.keep_resident, resident, "{plan}");
            }
        }
    }
}

fn machine(swaps: Option<&str>, cgroup: &str, limits: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    if let Some(swaps) = swaps {
        write("proc/swaps", swaps);
    }
    write("proc/self/cgroup", cgroup);
    // Outside the mount: must never be read.
    write("sys/fs/memory.swap.max", "0");
    for (folder, value) in limits {
        write(&format!("sys/fs/cgroup/{folder}/memory.swap.max"), value);
    }
    root
}

/// What `/proc/swaps` says, what cgroup the process is in, what cgroups set, and what follows.
type Case<'a> = (Option<&'a str>, &'a str, &'a [(&'a str, &'a str)], Swap);

#[test]
fn swap_is_read_from_the_machine_and_from_every_cgroup_above() {
    const HEAD: &str = "Filename\tType\tSize\tUsed\tPriority\n";
    let device = format!("{HEAD}/dev/sda2 partition 1000 0 -2\n");
    let cases: &[Case] = &[
        (None, "0::/\n", &[], Swap::Unknown),
        (Some(HEAD), "0::/\n", &[], Swap::Absent),
        (Some(&device), "0::/\n", &[], Swap::Possible),
        (
            Some(&device),
            "0::/a/b\n",
            &[("a/b", "max\n")],
            Swap::Possible,
        ),
        (
            Some(&device),
            "0::/a/b\n",
            &[("a/b", "0\n")],
            Swap::Forbidden,
        ),
        (
            Some(&device),
            "0::/a/b\n",
            &[("a", "0\n"), ("a/b", "max\n")],
            Swap::Forbidden,
        ),
        (
            Some(&device),
            "0::/a/b\n",
            &[("a/c", "0\n")],
            Swap::Possible,
        ),
        (Some(&device), "0::/../x\n", &[("x", "0\n")], Swap::Possible),
        (
            Some(&device),
            "3:memory:/old\n",
            &[("old", "0\n")],
            Swap::Possible,
        ),
        (Some(&device), "0::/\n", &[("", "0\n")], Swap::Forbidden),
    ];
    for (swaps, cgroup, limits, expected) in cases {
        let root = machine(*swaps, cgroup, limits);
        assert_eq!(read_swap(root.path()), *expected, "{cgroup} {limits:?}");
    }
}

#[test]
fn what_calls_leave_in_the_pool_has_a_bound() {
    let counts = Counts {
        memories: 2_500,
        stacks: 2_500,
        stack_bytes: 640 << 10,
    };
    for (bytes, resident, stack) in [
        (u64::MAX, 1 << 20, None),
        (8 << 30, 1 << 20, None),
        // Half of it is for stacks, which could keep more than that.
        (2 << 30, 416 << 10, Some(32 << 10)),
        (128 << 20, 24 << 10, Some(24 << 10)),
        (1 << 20, 0, Some(0)),
    ] {
        let plan = decide(PoolChoice::Auto, true, Swap::Absent).within(bytes, counts);
        assert_eq!((plan.keep_resident, plan.stack_resident), (resident, stack));
        let stacks = stack.map_or(counts.stack_bytes, |bytes| bytes as u64);
        let kept = (resident as u64 + stacks) * 2_500;
        assert!(kept <= bytes, "{kept} of {bytes}");
    }
    let safe = decide(PoolChoice::Safe, true, Swap::Absent).within(128 << 20, counts);
    assert_eq!(safe.keep_resident, 16 << 10);
    let said = safe.to_string();
    assert!(
        said.contains("16 KiB kept resident per memory and 24 KiB per stack"),
        "{said}"
    );
}

#[test]
fn this_machine_can_be_asked() {
    // On Linux the file is always there; a test that ran elsewhere would have to expect `Unknown`.
    assert_ne!(read_swap(Path::new("/")), Swap::Unknown);
}

#[test]
fn the_decision_is_one_line_of_the_log() {
    let log = Arc::new(Lines::default());
    let settings = EngineSettings {
        slots: 1,
        pool: PoolChoice::Safe,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, log.clone()).unwrap();
    assert_eq!(engines.plan().reset, Reset::Clear);
    let lines = log.at(Level::Info);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("safe setting"), "{lines:?}");
}

#[tokio::test]
async fn a_full_pool_is_a_typed_error_and_a_slot_comes_back_with_its_store() {
    const TEXT: &str = r#"(component
        (core module $m (memory 1))
        (core instance $a (instantiate $m)))"#;
    let settings = EngineSettings {
        slots: 1,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, Arc::new(Lines::default())).unwrap();
    let host = HostMemory::new(1 << 30);
    let mut first = guest(
        engines.get(EngineKind::PLAIN).unwrap(),
        &Limits::default(),
        &host,
    );
    first.start(TEXT).await.unwrap();
    let used = engines.pool_use(EngineKind::PLAIN).unwrap();
    assert_eq!((used.slots, used.instances, used.memories), (1, 1, 1));

    let mut second = guest(
        engines.get(EngineKind::PLAIN).unwrap(),
        &Limits::default(),
        &host,
    );
    let error = second.start(TEXT).await.unwrap_err();
    assert_eq!(Exhausted::find(&error), Some(Exhausted::Pool));

    drop(first);
    let mut third = guest(
        engines.get(EngineKind::PLAIN).unwrap(),
        &Limits::default(),
        &host,
    );
    third.start(TEXT).await.unwrap();
}

#[test]
fn the_metered_engine_is_made_when_asked_for_with_an_eighth_of_the_slots() {
    let settings = EngineSettings {
        slots: 80,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, Arc::new(Lines::default())).unwrap();
    assert_eq!(engines.pool_use(METERED), None);
    let first = engines.get(METERED).unwrap().clone();
    assert!(wasmtime::Engine::same(
        &first,
        engines.get(METERED).unwrap()
    ));
    assert!(!wasmtime::Engine::same(
        &first,
        engines.get(EngineKind::PLAIN).unwrap()
    ));
    assert_eq!(engines.pool_use(METERED).unwrap().slots, 10);
}

#[test]
fn each_kind_has_an_engine_of_its_own_and_only_those_with_tasks_pay_for_them() {
    let settings = EngineSettings {
        slots: 8,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, Arc::new(Lines::default())).unwrap();
    for (place, kind) in EngineKind::ALL.into_iter().enumerate() {
        let engine = engines.get(kind).unwrap();
        assert_eq!(engine.get_concurrency_support(), kind.tasks == Tasks::Many);
        for other in &EngineKind::ALL[..place] {
            assert!(!wasmtime::Engine::same(
                engine,
                engines.get(*other).unwrap()
            ));
        }
    }
}

#[test]
fn without_address_space_the_pool_is_smaller_and_says_so() {
    let log = Arc::new(Lines::default());
    // 2,000 memories of half a tebibyte are eight times what an address can name.
    let settings = EngineSettings {
        memory_bytes_max: 512 << 30,
        ..EngineSettings::default()
    };
    let engines = Engines::new(settings, log.clone()).unwrap();
    let slots = engines.pool_use(EngineKind::PLAIN).unwrap().slots;
    assert!((8..1_000).contains(&slots), "{slots}");
    let lines = log.at(Level::Warn);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains(&format!("{slots} slots instead of 1000")),
        "{lines:?}"
    );
}

#[test]
fn a_pool_that_cannot_be_had_at_all_is_an_error() {
    let settings = EngineSettings {
        memory_bytes_max: 1 << 46,
        ..EngineSettings::default()
    };
    let error = Engines::new(settings, Arc::new(Lines::default()))
        .err()
        .unwrap();
    assert!(error.to_string().contains("plain engine"), "{error}");
}
