//! The memory of all guests together, and what the machine says it has.

use super::{engines, guest};
use holdfast_wasm::engine::EngineKind;
use holdfast_wasm::exhausted::Exhausted;
use holdfast_wasm::limits::Limits;
use holdfast_wasm::memory::{
    HostMemory, MachineMemory, MemorySource, Reserved, in_use, machine_memory, memory_in_use,
    smallest,
};
use holdfast_wasm::share::Share;
use proptest::prelude::*;

const PAGE: u64 = 64 << 10;

const ONE_PAGE: &str = r#"(component
    (core module $m
        (memory 1)
        (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0))))
    (core instance $a (instantiate $m))
    (func (export "memory") (param "n" u32) (result s32) (canon lift (core func $a "memory"))))"#;

#[tokio::test]
async fn what_one_guest_holds_another_cannot_have_until_it_is_gone() {
    let engines = engines();
    let engine = engines.get(EngineKind::PLAIN).unwrap();
    let host = HostMemory::new(8 * PAGE);
    let limits = Limits::default();
    let mut first = guest(engine, &limits, &host);
    let mut second = guest(engine, &limits, &host);
    let one = first.start(ONE_PAGE).await.unwrap();
    let two = second.start(ONE_PAGE).await.unwrap();
    assert_eq!(first.call(&one, "memory", 2).await.unwrap(), 1);

    let error = second.call(&two, "memory", 2).await.unwrap_err();
    let expected = Exhausted::HostMemory {
        asked: 2 * PAGE,
        left: 3 * PAGE / 2,
    };
    assert_eq!(Exhausted::find(&error), Some(expected));
    assert_eq!(second.flag.get(), Some(expected));

    drop(first);
    let mut third = guest(engine, &limits, &host);
    let three = third.start(ONE_PAGE).await.unwrap();
    assert_eq!(third.call(&three, "memory", 2).await.unwrap(), 1);
    drop((second, third));
    assert_eq!(host.used(), 0);
    let small = HostMemory::new(PAGE);
    let mut fourth = guest(engine, &limits, &small);
    assert!(
        fourth.start(ONE_PAGE).await.is_err(),
        "not even its first page"
    );
}

proptest! {
    #[test]
    fn the_budget_is_never_exceeded_and_counts_exactly(wishes in prop::collection::vec((0..3_usize, 0..60_u64), 1..40)) {
        let host = HostMemory::new(100);
        let shares = [(); 3].map(|()| Share::of(&host));
        let mut held = [const { Vec::new() }; 3];
        for (service, wish) in wishes {
            let (share, of_it) = (&shares[service], &mut held[service]);
            let sum = of_it.iter().sum::<u64>() + wish;
            let fits = sum + host.used() + wish <= 100;
            match share.reserve(wish) {
                Reserved::Granted => {
                    prop_assert!(fits);
                    of_it.push(wish);
                }
                Reserved::Refused => {
                    prop_assert!(!fits);
                    if let Some(given) = of_it.pop() {
                        share.release(given);
                    }
                }
            }
            prop_assert_eq!(host.used(), held.iter().flatten().sum::<u64>());
        }
    }
}

#[test]
fn a_wish_too_large_to_add_up_is_refused() {
    let share = Share::of(&HostMemory::new(u64::MAX));
    assert_eq!(share.reserve(1), Reserved::Granted);
    assert_eq!(share.reserve(u64::MAX), Reserved::Refused);
}

#[test]
fn the_smallest_of_machine_and_cgroups_counts() {
    let meminfo = "MemTotal:       16000 kB\nMemFree:         100 kB\n";
    let of = |limits: &[&str]| {
        let limits: Vec<_> = limits.iter().map(|limit| (*limit).to_owned()).collect();
        smallest(meminfo, &limits)
    };
    let machine = MachineMemory {
        bytes: 16_000 << 10,
        source: MemorySource::Machine,
    };
    assert_eq!(of(&[]), Some(machine));
    assert_eq!(of(&["max\n", "max\n"]), Some(machine));
    assert_eq!(of(&["max\n", "99999999999\n"]), Some(machine));
    assert_eq!(
        of(&["9000000\n", "8000000\n", "max\n"]),
        Some(MachineMemory {
            bytes: 8_000_000,
            source: MemorySource::Cgroup
        })
    );
    assert_eq!(smallest("", &[]), None);
    assert_eq!(smallest("MemTotal: many kB", &["".to_owned()]), None);
}

#[test]
fn this_machine_has_memory() {
    assert!(machine_memory().unwrap().bytes > 1 << 20);
}

#[test]
fn what_is_in_use_is_the_largest_share_of_all_that_bind() {
    let meminfo = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 750 kB\n";
    let text = |values: &[&str]| {
        values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    let none: &[String] = &[];
    assert_eq!(in_use(meminfo, none, none, none), Some(250));
    // The nearest sets no bound, the one above does; what it keeps of files does not count.
    let (max, current) = (text(&["max\n", "4000\n"]), text(&["100\n", "3600\n"]));
    let stat = text(&[
        "inactive_file 0\n",
        "anon 3000\ninactive_file 100\nactive_file 200\nslab_reclaimable 100\n",
    ]);
    assert_eq!(in_use(meminfo, &max, &current, &stat), Some(800));
    assert_eq!(in_use("", &max, &current, &stat), Some(800));
    assert_eq!(
        in_use(
            "",
            &text(&["0"]),
            &text(&["9"]),
            &text(&["inactive_file 0"])
        ),
        None
    );
    assert_eq!(in_use("", none, none, none), None);
    let large = "MemTotal: 100000000 kB\nMemAvailable: 4194304 kB\n";
    assert_eq!(in_use(large, none, none, none), Some(500), "as of 8 GiB");
    let here = memory_in_use().unwrap();
    assert!(here < 1_000, "{here}");
}
