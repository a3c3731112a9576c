//! The service's own code.

use super::matrix::Row;
use super::{Cause, asked, injected, led_to};
use crate::harness::{Guest, Host, Setup, encoded};

/// Requests that end in the service's own failure; each with the code it ends with. The name of the service says which limit is tight.
const PATHS: &[(&str, &str)] = &[
    ("/two/trap-before", "service-fault"),
    ("/two/trap-after-headers", "service-fault"),
    ("/two/trap-mid-body", "service-fault"),
    ("/two/panic", "service-fault"),
    ("/two/no-answer", "service-fault"),
    ("/two/twice", "service-fault"),
    ("/two/unfinished", "service-fault"),
    ("/two/short-body", "service-fault"),
    ("/two/recurse", "service-fault"),
    ("/two/stack-trace", "service-fault"),
    ("/two/status?code=500", "service-fault"),
    ("/two/status?code=502", "service-fault"),
    ("/two/status?code=503", "service-fault"),
    ("/two/status?code=504", "service-fault"),
    ("/two/status?code=101", "bad-response"),
    ("/two/status?code=999", "bad-response"),
    ("/three/trap-before", "service-fault"),
    ("/three/panic", "service-fault"),
    ("/three/error", "service-fault"),
    ("/three/error-mid-body", "service-fault"),
    ("/start-trap/", "service-fault"),
    ("/start-loop/", "cpu-exhausted"),
    ("/start-grow/", "memory-exhausted"),
    ("/tables/", "memory-exhausted"),
    ("/instances/", "memory-exhausted"),
    ("/cpu/loop", "cpu-exhausted"),
    ("/cpu/spin-between-calls", "cpu-exhausted"),
    ("/cpu/after-answer-loop", "cpu-exhausted"),
    ("/cpu-three/loop", "cpu-exhausted"),
    ("/fuel/spin?n=100000000", "cpu-exhausted"),
    ("/memory/grow", "memory-exhausted"),
    ("/resources/handles?n=1000", "memory-exhausted"),
    ("/bytes/flood-headers?n=100&bytes=1024", "service-fault"),
    ("/bytes/flood-headers?n=1&bytes=14000", "memory-exhausted"),
    ("/bytes/random?bytes=100000", "service-fault"),
    ("/bytes/flood-body", "bad-response"),
    ("/late/never", "deadline-exceeded"),
    ("/late/loop", "deadline-exceeded"),
    ("/still/drip?ms=60000", "deadline-exceeded"),
    ("/long/drip?ms=20", "deadline-exceeded"),
    // The service that it calls has failed, and it has nothing better to say than that.
    ("/front/panic", "service-fault"),
];

const CAUSES: &[Cause<Host>] = &[
    (
        "more calls than one call may make",
        "calls-exhausted",
        |host| {
            led_to(
                host,
                &format!(
                    "/calls/fetch-many?n=3&url={}",
                    encoded("http://notes.internal/ok")
                ),
            )
        },
    ),
    ("a circle", "loop-detected", |host| {
        let url = (0..3).fold("http://calls.internal/ok".to_owned(), |url, _| {
            format!("http://calls.internal/fetch?url={}", encoded(&url))
        });
        host.get(&format!("/calls/fetch?url={}", encoded(&url)));
        crate::harness::until("the circle to be refused", || {
            let mut lines = host.closings();
            lines.retain(|line| line["code"] == "loop-detected");
            lines.pop()
        })
    }),
];

fn host() -> Host {
    let (two, three) = (Guest::Case("wasi02"), Guest::Case("wasi03"));
    let own = "[services.calls]\nservices = [\"notes\", \"calls\"]";
    Setup::new()
        .service("two", two, "")
        .service("three", three, "")
        .service("start-trap", Guest::Text("start-trap"), "")
        .service("start-loop", Guest::Text("start-loop"), "[limits]\ncpu = \"100ms\"")
        .service("start-grow", Guest::Text("start-grow"), "[limits]\nmemory = \"32MiB\"")
        .service("tables", Guest::Text("grow-table"), "[limits]\ntable_elements = 50000")
        .service("instances", Guest::Text("many-instances"), "[limits]\ninstances = 5")
        .service("cpu", two, "[limits]\ncpu = \"100ms\"")
        .service("cpu-three", three, "[limits]\ncpu = \"100ms\"")
        .service("fuel", two, "fuel = true\n[limits]\nfuel = 10000000")
        .service("memory", two, "[limits]\nmemory = \"32MiB\"")
        .service("resources", two, "[limits]\nresources = 200")
        .service(
            "bytes",
            two,
            "[limits]\nheader_bytes = \"16KiB\"\nhostcall_bytes = \"8KiB\"\nrandom_bytes = \"64KiB\"\n\
             response_bytes = \"64KiB\"",
        )
        .service("late", two, "[limits]\ndeadline = \"300ms\"\ncpu = \"5s\"")
        .service("still", two, "[limits]\nidle = \"200ms\"")
        .service("long", two, "[limits]\nstream = \"300ms\"")
        .service("notes", two, "")
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service("calls", two, "services = [\"notes\", \"calls\"]\n[limits]\ncalls = 2")
        .policy("[limits]\ncpu = \"5s\"\n[services.front]\nservices = [\"notes\"]")
        .policy(own)
        .start()
}

pub(crate) fn rows() -> Vec<Row> {
    let host = host();
    let mut rows = asked("application", &host, PATHS);
    rows.extend(injected("application", &host, CAUSES));
    rows
}
