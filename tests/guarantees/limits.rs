//! What a call may use up.
//!
//! 1. The naive snippet: `loop`, `Vec::push`, `println!`.
//! 2. The missing rule: how much of it. One bad input, and the machine is gone.
//! 3. The tax: counters in every loop, caps on every buffer, a supervisor that kills the process with everybody in it.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: each limit has a name, a unit and a default, is counted below the guest from before its instance exists, and ends the
//!    call in a documented code. The instance is gone; whoever stands beside it has noticed nothing.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{End, Guest, Host, Setup, full, until};
use serde_json::Value;

/// Asks for `path`, wants the fault `code`, and that a bystander has no failed call.
#[track_caller]
fn ends(host: &Host, path: &str, code: &str) {
    let answer = host.get(path);
    answer.fault(code);
    let closing = host.closing(answer.call());
    assert_eq!(closing["code"], code, "{closing}");
    assert_eq!(closing["boundary"], "application", "{closing}");
    assert_eq!(host.get("/beside/ok").text(), "ok\n");
}

fn beside(setup: Setup) -> Host {
    setup.service("beside", Guest::Case("wasi02"), "").start()
}

#[test]
fn cpu_time_runs_out() {
    let host = beside(two("[limits]\ncpu = \"200ms\""));
    ends(&host, "/two/loop", "cpu-exhausted");
    ends(&host, "/two/spin-between-calls", "cpu-exhausted");
    assert_eq!(host.get("/two/spin?n=1000").text(), "done\n");
    let host = beside(three("[limits]\ncpu = \"200ms\""));
    ends(&host, "/three/loop", "cpu-exhausted");
}

#[test]
fn cpu_time_runs_out_in_a_start_function() {
    let setup = Setup::new().service(
        "start",
        Guest::Text("start-loop"),
        "[limits]\ncpu = \"200ms\"",
    );
    let host = beside(setup);
    let answer = host.get("/start/");
    answer.fault("cpu-exhausted");
    let closing = host.closing(answer.call());
    assert!(closing["cpu_us"].as_u64().unwrap() >= 190_000, "{closing}");
    if full() {
        assert!(closing["ms"].as_f64().unwrap() <= 300.0, "{closing}");
    }
}

#[test]
fn work_after_the_answer_is_still_the_call() {
    for (setup, worked, looped) in [
        (
            two("[limits]\ncpu = \"300ms\""),
            "/two/after-answer",
            "/two/after-answer-loop",
        ),
        (
            three("[limits]\ncpu = \"300ms\""),
            "/three/after-answer",
            "/three/after-answer-loop",
        ),
    ] {
        let host = beside(setup);
        let answer = host.get(worked);
        assert_eq!(
            (answer.text().as_str(), answer.end),
            ("answered\n", End::Whole)
        );
        let closing = host.closing(answer.call());
        assert_eq!(closing["outcome"], "ok", "{closing}");
        assert_eq!(host.said("worked on")["call"], answer.call());

        let answer = host.get(looped);
        assert_eq!(answer.text(), "answered\n");
        let closing = host.closing(answer.call());
        assert_eq!(closing["code"], "cpu-exhausted", "{closing}");
    }
}

#[test]
fn memory_runs_out() {
    let host = beside(two("[limits]\nmemory = \"32MiB\""));
    ends(&host, "/two/grow", "memory-exhausted");
    assert_eq!(host.get("/two/grow?bytes=8388608").text(), "grown\n");
    let host = beside(three("[limits]\nmemory = \"32MiB\""));
    ends(&host, "/three/grow", "memory-exhausted");
    let setup = Setup::new().service(
        "start",
        Guest::Text("start-grow"),
        "[limits]\nmemory = \"32MiB\"",
    );
    ends(&beside(setup), "/start/", "memory-exhausted");
}

#[test]
fn memory_is_summed_over_all_memories() {
    // Each of the three stays below 32 MiB when the sum passes it.
    let setup = Setup::new().service(
        "sum",
        Guest::Text("grow-memories"),
        "[limits]\nmemory = \"32MiB\"",
    );
    let host = beside(setup);
    let answer = host.get("/sum/");
    answer.fault("memory-exhausted");
    let closing = host.closing(answer.call());
    assert!(
        closing["mem_bytes"].as_u64().unwrap() <= 32 << 20,
        "{closing}"
    );
}

#[test]
fn table_elements_run_out() {
    let setup = Setup::new().service(
        "table",
        Guest::Text("grow-table"),
        "[limits]\ntable_elements = 50000",
    );
    ends(&beside(setup), "/table/", "memory-exhausted");
}

#[test]
fn memories_tables_and_instances_are_counted() {
    // What a component declares is known before it is called, so no call has to find it out.
    for (guest, key) in [("many-memories", "memories"), ("many-tables", "tables")] {
        let manifest = format!("[limits]\n{key} = 5");
        let host = beside(Setup::new().service("many", Guest::Text(guest), &manifest));
        let error = host.listed("many").unwrap()["error"].to_string();
        assert!(error.contains(&format!("{key} = 5")), "{error}");
        host.get("/many/").fault("no-such-service");
    }
    let many = Setup::new().service(
        "many",
        Guest::Text("many-instances"),
        "[limits]\ninstances = 5",
    );
    ends(&beside(many), "/many/", "memory-exhausted");
}

#[test]
fn one_more_is_allowed_where_the_limit_is_one_more() {
    for (guest, manifest) in [
        ("many-memories", "[limits]\nmemories = 6"),
        ("many-tables", "[limits]\ntables = 6"),
        ("many-instances", "[limits]\ninstances = 20"),
    ] {
        let host = beside(Setup::new().service("many", Guest::Text(guest), manifest));
        // It is reached, and fails only in that it gives no answer.
        ends(&host, "/many/", "service-fault");
    }
}

#[test]
fn a_policy_that_allows_more_makes_room_for_it_in_the_pool() {
    let ten = || {
        Setup::new().service(
            "ten",
            Guest::Text("ten-memories"),
            "[limits]\nmemories = 10",
        )
    };
    let host = beside(ten().policy("[limits]\nmemories = 10"));
    ends(&host, "/ten/", "service-fault");
    let error = beside(ten()).listed("ten").unwrap()["error"].to_string();
    assert!(error.contains("memories"), "{error}");
}

#[test]
fn handles_and_resources_run_out() {
    let host = beside(two("[limits]\nresources = 200"));
    ends(&host, "/two/handles?n=1000", "memory-exhausted");
    assert_eq!(host.get("/two/handles?n=100").text(), "leaked\n");
    let host = beside(
        two("[limits]\nhandles = 200\nresources = 50000").policy("[limits]\nresources = 50000"),
    );
    ends(&host, "/two/handles?n=1000", "memory-exhausted");
    let host = beside(three("[limits]\nresources = 200"));
    ends(&host, "/three/handles", "memory-exhausted");
}

#[test]
fn the_stack_ends() {
    ends(&beside(two("")), "/two/recurse", "service-fault");
}

#[test]
fn header_bytes_run_out() {
    let host = beside(two("[limits]\nheader_bytes = \"16KiB\""));
    ends(
        &host,
        "/two/flood-headers?n=100&bytes=1024",
        "service-fault",
    );
    assert_eq!(
        host.get("/two/flood-headers?n=4&bytes=1024").text(),
        "said\n"
    );
    assert_eq!(ended_for(&host, "/flood-headers"), "limits.header_bytes");
    // What comes in is held too.
    let large = "x".repeat(20 << 10);
    let answer = host.ask("GET", "/two/ok").header("x-large", &large).send();
    answer.fault("invalid-input");
    assert_eq!(ended_for(&host, "/ok"), "limits.header_bytes");
}

/// The settings key that the first fault of an operation names.
fn ended_for(host: &Host, operation: &str) -> String {
    let operation = format!("GET {operation}");
    until("the fault to have its line", || {
        let of = |line: &Value| line["outcome"] == "fault" && line["operation"] == operation;
        let fault = host.closings().into_iter().find(of)?;
        Some(fault["evidence"]["key"].as_str()?.to_owned())
    })
}

#[test]
fn bytes_of_one_host_call_run_out() {
    let host = beside(two(
        "[limits]\nhostcall_bytes = \"64KiB\"\nheader_bytes = \"128KiB\"",
    ));
    ends(
        &host,
        "/two/flood-headers?n=1&bytes=100000",
        "memory-exhausted",
    );
    assert_eq!(
        host.get("/two/flood-headers?n=1&bytes=10000").text(),
        "said\n"
    );
}

#[test]
fn random_bytes_of_one_call_run_out() {
    let host = beside(two("[limits]\nrandom_bytes = \"64KiB\""));
    ends(&host, "/two/random?bytes=100000", "service-fault");
    assert_eq!(ended_for(&host, "/random"), "limits.random_bytes");
    assert!(
        host.get("/two/random?bytes=1000")
            .text()
            .starts_with("1000 ")
    );
}

#[test]
fn log_lines_and_log_bytes_run_out_without_a_word_to_the_guest() {
    for (manifest, path) in [
        ("[limits]\nlog_lines = 10", "/two/flood-log?n=500"),
        (
            "[limits]\nlog_bytes = \"1KiB\"",
            "/two/flood-log?n=500&bytes=64",
        ),
    ] {
        let host = two(manifest).start();
        let answer = host.get(path);
        assert_eq!(answer.text(), "logged\n");
        host.closing(answer.call());
        let of_guest = |line: &&serde_json::Value| {
            line["msg"]
                .as_str()
                .is_some_and(|text| text.starts_with("flood "))
        };
        let lines = host.lines();
        let kept = lines.iter().filter(of_guest).count();
        assert!(
            (1..=14).contains(&kept),
            "{kept} lines were kept with {manifest}"
        );
    }
}

#[test]
fn response_bytes_run_out_and_the_body_is_cut() {
    for (setup, path) in [
        (
            two("[limits]\nresponse_bytes = \"1MiB\""),
            "/two/flood-body",
        ),
        (
            three("[limits]\nresponse_bytes = \"1MiB\""),
            "/three/flood-body",
        ),
    ] {
        let host = beside(setup);
        let answer = host.get(path);
        assert_eq!(answer.end, End::Cut);
        assert!(answer.body.len() <= 1 << 20, "{} bytes", answer.body.len());
        assert_eq!(host.closing(answer.call())["code"], "bad-response");
    }
    let host = two("[limits]\nresponse_bytes = \"1MiB\"").start();
    assert_eq!(host.get("/two/flood-body?bytes=1048576").end, End::Whole);
}

#[test]
fn an_answer_that_is_too_large_is_not_lost_with_its_head() {
    for most in [10, 40, 64, 200] {
        let manifest = format!("[limits]\nresponse_bytes = \"{most}KiB\"");
        let host = beside(two(&manifest));
        let path = format!("/two/flood-body?bytes={}", (most << 10) + 1);
        let answer = host.get(&path);
        // Before anything has left, it is a fault like any other; then it is cut, and seen to be of this call.
        if answer.status == 200 {
            assert_eq!(answer.end, End::Cut);
        } else {
            answer.fault("bad-response");
        }
        assert_eq!(host.closing(answer.call())["code"], "bad-response");
        assert_eq!(ended_for(&host, "/flood-body"), "limits.response_bytes");
    }
}

#[test]
fn fuel_runs_out_where_it_is_set() {
    let host = beside(two("fuel = true\n[limits]\nfuel = 10000000"));
    ends(&host, "/two/spin?n=100000000", "cpu-exhausted");
    assert_eq!(host.get("/two/spin?n=1000").text(), "done\n");
}
