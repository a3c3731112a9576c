//! Durations, sizes and counts: the unit is part of the value, and what could mean two things is refused.

use super::{policy, refusal};
use holdfast_server::settings::{HostMemory, Limit};
use std::time::Duration;

#[test]
fn values_are_read_with_their_units() {
    for (written, limit, amount) in [
        ("deadline = \"250ms\"", Limit::Deadline, 250_000_000),
        ("deadline = \"2 s\"", Limit::Deadline, 2_000_000_000),
        ("stream = \"15m\"", Limit::Stream, 900_000_000_000),
        ("stream = \"1h\"", Limit::Stream, 3_600_000_000_000),
        ("memory = \"64KiB\"", Limit::Memory, 65_536),
        ("memory = 65537", Limit::Memory, 65_537),
        ("memory = \"2GiB\"", Limit::Memory, 2 << 30),
        ("calls = 0", Limit::Calls, 0),
    ] {
        let policy = policy(&format!("[limits]\n{written}"));
        assert_eq!(policy.limits.get(limit), Some(amount), "{written}");
    }
}

#[test]
fn values_that_could_mean_two_things_are_refused() {
    for (written, said) in [
        (
            "deadline = 30",
            "a duration needs its unit: \"30ms\" or \"30s\"",
        ),
        ("deadline = \"30\"", "`30` is not a duration"),
        ("deadline = \"1.5s\"", "`1.5s` is not a duration"),
        ("deadline = \"-1s\"", "`-1s` is not a duration"),
        ("deadline = \"0ms\"", "too little: at least 1ms"),
        ("deadline = \"25h\"", "too much: at most 24h"),
        ("deadline = \"99999999999999999999h\"", "is not a duration"),
        ("memory = \"64KB\"", "`64KB` is not a size"),
        ("memory = \"64\"", "`64` is not a size"),
        ("memory = -1", "-1 is less than nothing"),
        ("memory = 1", "too little: at least 64KiB"),
        ("memory = \"99999999999999TiB\"", "is not a size"),
        ("calls = \"50\"", "`50` is not a plain number"),
        ("places = 0", "too little: at least 1"),
        ("calls = 1.5", "invalid type"),
    ] {
        let error = refusal(&format!("[limits]\n{written}"));
        let key = written.split(' ').next().unwrap();
        assert!(error.contains(said), "{written}: {error}");
        assert!(
            error.starts_with(&format!("holdfast.toml:2: `limits.{key}`")),
            "{written}: {error}"
        );
    }
}

#[test]
fn the_memory_of_the_host_is_a_share_or_a_size() {
    assert_eq!(policy("").memory, HostMemory::Percent(60));
    assert_eq!(policy("memory = \"25%\"").memory, HostMemory::Percent(25));
    assert_eq!(
        policy("memory = \"2GiB\"").memory,
        HostMemory::Bytes(2 << 30)
    );
    assert_eq!(HostMemory::Percent(25).bytes_of(1_000_000), 250_000);
    assert_eq!(HostMemory::Bytes(5).bytes_of(1_000_000), 5);
    for wrong in ["\"0%\"", "\"96%\"", "\"x%\"", "\"lots\"", "1024"] {
        assert!(
            refusal(&format!("memory = {wrong}")).contains("holdfast.toml:1: `memory`"),
            "{wrong}"
        );
    }
    assert_eq!(policy("drain_ms = 250").drain, Duration::from_millis(250));
}
