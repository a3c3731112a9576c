//! The assumption: a guest ends. So: every way not to, and how long after its limit it is over, while a bystander has no failed call.
//!
//! Each is tried several times and the best counts: what is measured is the host, and the machine does other things too.

use crate::harness::{Guest, Host, Setup, full, scaled};
use std::sync::atomic::{AtomicBool, Ordering};

/// How long after its limit a call may end, in milliseconds.
const LATE_MAX: f64 = 100.0;

const CPU: f64 = 200.0;
const TIME: f64 = 600.0;
/// What no limit has to wait for.
const AT_ONCE: f64 = 0.0;

/// A busy machine lets little through of what has low priority, so whoever computes has time enough.
const LIMITS: &str = "[limits]\ncpu = \"200ms\"\nmemory = \"16MiB\"\nresponse_bytes = \"1MiB\"";
const TIMES: &str = "[limits]\ndeadline = \"600ms\"\nstream = \"600ms\"";

/// The path, the code in the closing line, and how long the limit lets it go on, in milliseconds.
pub(super) const HOSTILE: &[(&str, &str, f64)] = &[
    ("/two/loop", "cpu-exhausted", CPU),
    ("/two/spin-between-calls", "cpu-exhausted", CPU),
    ("/two/after-answer-loop", "cpu-exhausted", CPU),
    ("/two/grow", "memory-exhausted", AT_ONCE),
    ("/two/recurse", "service-fault", AT_ONCE),
    ("/two/handles", "memory-exhausted", AT_ONCE),
    ("/two/trap-before", "service-fault", AT_ONCE),
    ("/two/trap-after-headers", "service-fault", AT_ONCE),
    ("/two/trap-mid-body", "service-fault", AT_ONCE),
    ("/two/panic", "service-fault", AT_ONCE),
    ("/two/no-answer", "service-fault", AT_ONCE),
    ("/two/twice", "service-fault", AT_ONCE),
    ("/two/unfinished", "service-fault", AT_ONCE),
    ("/two/short-body", "service-fault", AT_ONCE),
    ("/two/stack-trace", "service-fault", AT_ONCE),
    ("/two/status?code=101", "bad-response", AT_ONCE),
    ("/two/status?code=999", "bad-response", AT_ONCE),
    ("/two/status?code=500", "service-fault", AT_ONCE),
    ("/two/flood-headers?n=500", "service-fault", AT_ONCE),
    ("/two/flood-body?bytes=3000000", "bad-response", AT_ONCE),
    ("/slow/never", "deadline-exceeded", TIME),
    ("/slow/drip?ms=50", "deadline-exceeded", TIME),
    ("/three/loop", "cpu-exhausted", CPU),
    ("/three/grow", "memory-exhausted", AT_ONCE),
    ("/three/handles", "memory-exhausted", AT_ONCE),
    ("/slow-too/never", "deadline-exceeded", TIME),
    ("/three/error-mid-body", "service-fault", AT_ONCE),
    ("/start-loop/", "cpu-exhausted", CPU),
    ("/start-grow/", "memory-exhausted", AT_ONCE),
    ("/start-trap/", "service-fault", AT_ONCE),
    ("/grow-table/", "memory-exhausted", AT_ONCE),
];

/// Ends the bystander, also where the test fails.
pub(super) struct End<'a>(pub(super) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn every_hostile_guest_ends_in_its_code_soon_after_its_limit() {
    let host = hostile()
        .service("beside", Guest::Case("wasi02"), "")
        .start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(host.get("/beside/ok").text(), "ok\n");
                // The others are measured, not this one.
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let _end = End(&stop);
        let late: Vec<_> = HOSTILE.iter().filter_map(|one| late(&host, one)).collect();
        assert!(late.is_empty(), "{late:#?}");
    });
}

/// The services that misbehave.
pub(super) fn hostile() -> Setup {
    let mut setup = Setup::new()
        .service("two", Guest::Case("wasi02"), LIMITS)
        .service("three", Guest::Case("wasi03"), LIMITS)
        .service("slow", Guest::Case("wasi02"), TIMES)
        .service("slow-too", Guest::Case("wasi03"), TIMES);
    for name in ["start-loop", "start-grow", "start-trap"] {
        setup = setup.service(name, Guest::Text(name), LIMITS);
    }
    let few = "[limits]\ntable_elements = 1000";
    setup.service("grow-table", Guest::Text("grow-table"), few)
}

/// Whether a hostile guest ended otherwise than it should, or, where that is measured, later than it may.
fn late(host: &Host, (path, code, limit): &(&str, &str, f64)) -> Option<String> {
    let mut best = f64::MAX;
    for _ in 0..scaled(1, 7) {
        let closing = host.closing(host.get(path).call());
        // What does not start is left alone after three times; that is a promise of its own.
        if path.starts_with("/start-") && closing["code"] == "quarantined" {
            break;
        }
        if closing["code"] != *code {
            return Some(closing.to_string());
        }
        best = best.min(closing["ms"].as_f64().unwrap());
    }
    (full() && best > limit + LATE_MAX).then(|| format!("{path} took {best} ms"))
}
