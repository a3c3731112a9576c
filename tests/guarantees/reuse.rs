//! An instance may serve several calls, and no call sees another one in it.
//!
//! 1. The naive snippet: an interpreter that takes long to start, and a `static` that is filled once.
//! 2. The missing rule: when it is over. A handle, a timer, half an answer of the last caller is still there for the next one.
//! 3. The tax: a pool of workers with a protocol to reset them, and the one thing that it forgot to reset.
//! 4. The snippet again, unchanged, with `reuse = N` above it.
//! 5. The pipeline: one call after the other, so many, each with its own name, limits and log. Whoever failed, or kept anything that came
//!    from a call, serves no other; who waits for a next call gives way to whoever needs the slot or the memory.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{End, Guest, Host, Setup, Upstream, encoded, scaled, until};

/// Which call of its instance a call to `service` is.
fn kept(host: &Host, service: &str) -> u32 {
    let answer = host.get(&format!("/{service}/kept"));
    answer
        .text()
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// Waits until the instance of the last call waits for its next one: its end may come a moment after its answer's.
fn idle(host: &Host, count: f64) {
    until("the instances to wait for their next call", || {
        (host.metric("holdfast_idle_instances", "") == count).then_some(())
    });
}

/// A call that finds no instance waiting: it gets a fresh one, which waits afterwards.
fn begun(host: &Host, service: &str) {
    assert_eq!(kept(host, service), 1);
    idle(host, 1.0);
}

#[test]
fn an_instance_serves_as_many_calls_as_the_manifest_asks_for() {
    for (host, name) in [
        (two("reuse = 5").start(), "two"),
        (three("reuse = 5").start(), "three"),
    ] {
        for nth in [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1] {
            assert_eq!(kept(&host, name), nth, "{name}");
            idle(&host, if nth < 5 { 1.0 } else { 0.0 });
        }
    }
}

#[test]
fn without_a_word_every_call_has_an_instance_of_its_own() {
    // That the policy would allow more does not make it so.
    let host = two("").policy("[limits]\nreuse = 50").start();
    for _ in 0..4 {
        assert_eq!(kept(&host, "two"), 1);
    }
    idle(&host, 0.0);
    let shown = host.offline(&["policy", "two"]).out;
    let row = shown
        .lines()
        .find(|line| line.contains("limits.reuse"))
        .unwrap();
    assert!(row.contains(" 1 ") && row.contains("default"), "{row}");
}

#[test]
fn the_policy_has_a_ceiling_that_a_manifest_cannot_widen() {
    let host = two("reuse = 101").start();
    host.get("/two/ok").fault("no-such-service");
    let listed = host.listed("two").unwrap().to_string();
    for word in [
        "two.toml:1",
        "`reuse` asks for 101",
        "allows 100",
        "holdfast allow two",
    ] {
        assert!(listed.contains(word), "{word} is missing: {listed}");
    }
    let said = host.offline(&["allow", "two", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    until("the service to be served", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    let shown = host.offline(&["policy", "two"]).out;
    let row = shown
        .lines()
        .find(|line| line.contains("limits.reuse"))
        .unwrap();
    assert!(
        row.contains("101") && row.contains("manifest line 1"),
        "{row}"
    );
}

#[test]
fn a_wish_under_the_wrong_heading_is_told_where_it_belongs() {
    let host = two("[limits]\nreuse = 5").start();
    let listed = host.listed("two").unwrap().to_string();
    assert!(
        listed.contains("two.toml:2") && listed.contains("did you mean `reuse`"),
        "{listed}"
    );
}

#[test]
fn a_policy_that_is_narrowed_holds_for_the_next_call() {
    let host = two("reuse = 5").start();
    begun(&host, "two");
    assert_eq!(kept(&host, "two"), 2);
    host.set_policy("[services.two.limits]\nreuse = 1");
    host.said("is in force");
    for _ in 0..3 {
        assert_eq!(kept(&host, "two"), 1);
    }
}

#[test]
fn two_calls_at_once_never_share_an_instance() {
    let host = two("reuse = 100").start();
    begun(&host, "two");
    let mut flow = host.ask("GET", "/two/drip?ms=20").open();
    flow.next().unwrap();
    // The stream has the instance that waited.
    begun(&host, "two");
    assert_eq!(kept(&host, "two"), 2);
    drop(flow);
    let seen = std::sync::Mutex::new(vec![0u32; 101]);
    std::thread::scope(|scope| {
        for _ in 0..scaled(8, 32) {
            scope.spawn(|| {
                for _ in 0..scaled(30, 300) {
                    seen.lock().unwrap()[kept(&host, "two") as usize] += 1;
                }
            });
        }
    });
    // Whoever was asked for the n-th time was asked for the one before; shared, a number would be there twice and its next not at all.
    let seen = seen.into_inner().unwrap();
    assert!(
        seen[3..].windows(2).all(|pair| pair[0] >= pair[1]),
        "{seen:?}"
    );
}

#[test]
fn whoever_failed_serves_no_other_call() {
    let manifest = "reuse = 50\n[limits]\ncpu = \"300ms\"\ndeadline = \"2s\"\nmemory = \"32MiB\"\nresponse_bytes = \"64KiB\"";
    let host = two(manifest).start();
    begun(&host, "two");
    for (path, code) in [
        ("/two/trap-before", "service-fault"),
        ("/two/panic", "service-fault"),
        ("/two/no-answer", "service-fault"),
        ("/two/twice", "service-fault"),
        ("/two/loop", "cpu-exhausted"),
        ("/two/grow", "memory-exhausted"),
        ("/two/never", "deadline-exceeded"),
        ("/two/flood-body?bytes=100000", "bad-response"),
        ("/two/unfinished", "service-fault"),
        ("/two/short-body", "service-fault"),
        ("/two/status?code=500", "service-fault"),
        ("/two/status?code=101", "bad-response"),
    ] {
        let answer = host.get(path);
        let closing = host.closing(answer.call());
        assert_eq!(closing["outcome"], "fault", "{path}: {closing}");
        assert_eq!(closing["code"], code, "{path}: {closing}");
        begun(&host, "two");
    }
    let host = three("reuse = 50").start();
    begun(&host, "three");
    for path in [
        "/three/trap-before",
        "/three/error",
        "/three/trap-mid-body",
        "/three/error-mid-body",
    ] {
        let answer = host.get(path);
        assert_eq!(host.closing(answer.call())["outcome"], "fault", "{path}");
        begun(&host, "three");
    }
}

#[test]
fn whose_client_went_away_in_the_middle_serves_no_other_call() {
    for (host, name) in [
        (two("reuse = 50").start(), "two"),
        (three("reuse = 50").start(), "three"),
    ] {
        begun(&host, name);
        let mut flow = host.ask("GET", &format!("/{name}/drip?ms=20")).open();
        flow.next().unwrap();
        let call = flow.header("holdfast-call").unwrap().to_owned();
        drop(flow);
        host.closing(&call);
        idle(&host, 0.0);
        assert_eq!(kept(&host, name), 1);
    }
}

#[test]
fn whoever_kept_anything_of_its_call_serves_no_other() {
    let upstream = Upstream::start();
    let host = two("reuse = 50\nupstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    let url = encoded(&upstream.url("/hang"));
    begun(&host, "two");
    for what in ["fields", "pollable", &format!("request&url={url}")] {
        assert_eq!(host.get(&format!("/two/keep?what={what}")).text(), "kept\n");
        begun(&host, "two");
    }
    // What is its own it may keep: that is what reuse is for. And its output, with what it waits for it: every `println!` leaves both.
    for what in ["nothing", "output"] {
        assert_eq!(host.get(&format!("/two/keep?what={what}")).text(), "kept\n");
        idle(&host, 1.0);
    }
    assert_eq!(kept(&host, "two"), 4);

    let host = three("reuse = 50").start();
    begun(&host, "three");
    for what in ["fields", "stream", "future"] {
        let answer = host.get(&format!("/three/keep?what={what}"));
        assert_eq!(answer.text(), "kept\n");
        begun(&host, "three");
    }
    assert_eq!(host.get("/three/keep?what=nothing").text(), "kept\n");
    idle(&host, 1.0);
    assert_eq!(kept(&host, "three"), 3);
}

#[test]
fn an_instance_whose_task_goes_on_serves_no_other_call_until_it_has_ended() {
    let host = three("reuse = 50").start();
    begun(&host, "three");
    let answer = host.get("/three/keep?what=task&ms=600");
    assert_eq!(answer.text(), "kept\n");
    // The task is the first call's: it holds its instance, and the next call gets another.
    assert_eq!(host.get("/three/kept").text(), "1\n");
    assert_eq!(host.said("the task is done")["call"], answer.call());
    idle(&host, 2.0);
}

#[test]
fn each_call_has_its_own_name_in_the_log_and_its_own_room_there() {
    let host = two("reuse = 50\n[limits]\nlog_lines = 1").start();
    for nth in 1..=4 {
        let answer = host.get(&format!("/two/say?text=line-{nth}-end"));
        assert_eq!(answer.text(), "said\n");
        assert_eq!(host.said(&format!("line-{nth}-end"))["call"], answer.call());
        assert_eq!(
            host.closing(answer.call())["lines_dropped"],
            serde_json::Value::Null
        );
        idle(&host, 1.0);
    }
    // It is one stream for all of them, and each has room for one line.
    let answer = host.get("/two/log?text=shown");
    let closing = host.closing(answer.call());
    assert_eq!(closing["lines_dropped"], 1, "{closing}");
    idle(&host, 1.0);
    assert_eq!(kept(&host, "two"), 6);
}

#[test]
fn each_call_has_its_own_calls_and_is_their_parent() {
    let host = Setup::new()
        .service(
            "two",
            Guest::Case("wasi02"),
            "reuse = 50\nservices = [\"beside\"]\n[limits]\ncalls = 1",
        )
        .service("beside", Guest::Case("wasi02"), "")
        .policy("[services.two]\nservices = [\"beside\"]")
        .start();
    let url = encoded("http://beside.internal/ok");
    for _ in 0..4 {
        let answer = host.get(&format!("/two/fetch?url={url}"));
        assert!(answer.text().starts_with("status 200"), "{}", answer.text());
        assert_eq!(host.children(answer.call(), 1).len(), 1);
        idle(&host, 1.0);
    }
    assert_eq!(kept(&host, "two"), 5);
}

#[test]
fn what_the_engine_leaves_of_a_call_never_takes_the_room_of_the_next() {
    // Each request leaves its options; ten are an eighth of what a call may hold.
    let host = Setup::new()
        .service(
            "two",
            Guest::Case("wasi02"),
            "reuse = 50\nservices = [\"beside\"]\n[limits]\nresources = 80",
        )
        .service("beside", Guest::Case("wasi02"), "")
        .policy("[services.two]\nservices = [\"beside\"]")
        .start();
    let url = encoded("http://beside.internal/ok");
    let fetch = || {
        let answer = host.get(&format!("/two/fetch?url={url}"));
        assert!(answer.text().starts_with("status 200"), "{}", answer.text());
    };
    for _ in 0..10 {
        fetch();
        idle(&host, 1.0);
    }
    assert_eq!(kept(&host, "two"), 11);
    idle(&host, 1.0);
    fetch();
    idle(&host, 0.0);
    assert_eq!(kept(&host, "two"), 1);
}

#[test]
fn each_call_has_its_own_fuel_and_cpu_time() {
    let host = two("reuse = 50\nfuel = true\n[limits]\nfuel = 40000000\ncpu = \"2s\"")
        .policy("[limits]\nfuel = 40000000\ncpu = \"2s\"")
        .start();
    // Each takes more than half of it.
    for _ in 0..4 {
        assert_eq!(host.get("/two/spin?n=2000000").text(), "done\n");
        idle(&host, 1.0);
    }
    assert_eq!(kept(&host, "two"), 5);
    idle(&host, 1.0);
    host.get("/two/spin?n=20000000").fault("cpu-exhausted");
    assert_eq!(kept(&host, "two"), 1);
}

#[test]
fn what_an_instance_holds_stays_counted_and_limited() {
    let host = two("reuse = 50\n[limits]\nmemory = \"40MiB\"").start();
    for _ in 0..2 {
        assert_eq!(
            host.get("/two/keep?what=memory&bytes=16000000").text(),
            "kept\n"
        );
        idle(&host, 1.0);
    }
    idle(&host, 1.0);
    assert!(host.metric("holdfast_guest_memory_bytes", "") > 32e6);
    let answer = host.get("/two/kept");
    assert_eq!(answer.text(), "3\n");
    let used = host.closing(answer.call())["mem_bytes"].as_f64().unwrap();
    assert!(used > 32e6, "{used}");
    host.get("/two/keep?what=memory&bytes=16000000")
        .fault("memory-exhausted");
    idle(&host, 0.0);
    assert_eq!(host.metric("holdfast_guest_memory_bytes", ""), 0.0);
}

#[test]
fn few_instances_wait_and_not_for_long() {
    let host = two("reuse = 50").start();
    let mut flows: Vec<_> = (0..20)
        .map(|_| host.ask("GET", "/two/drip?ms=300&n=2").open())
        .collect();
    for flow in &mut flows {
        flow.next().unwrap();
    }
    for flow in flows {
        assert_eq!(flow.finish().end, End::Whole);
    }
    idle(&host, 16.0);
    idle(&host, 0.0);
    assert_eq!(host.metric("holdfast_pool_instances", ""), 0.0);
}

#[test]
fn instances_that_wait_give_way_to_a_call_that_needs_the_slot() {
    let host = two("reuse = 50")
        .service("a", Guest::Case("wasi02"), "")
        .service("b", Guest::Case("wasi02"), "")
        .service("c", Guest::Case("wasi02"), "")
        .policy("slots = 5\npool = \"safe\"")
        .start();
    begun(&host, "two");
    // Each may take as many as it then leaves free; together they take all.
    let flows: Vec<_> = ["a", "a", "a", "b", "c"]
        .map(|name| {
            let mut flow = host.ask("GET", &format!("/{name}/drip?ms=50")).open();
            assert_eq!(flow.status, 200, "{name}");
            flow.next().unwrap();
            flow
        })
        .into();
    idle(&host, 0.0);
    drop::<Vec<_>>(flows);
}

#[test]
fn instances_that_wait_give_way_to_a_guest_that_needs_the_memory() {
    let host = two("reuse = 50")
        .service("beside", Guest::Case("wasi02"), "")
        .policy("memory = \"48MiB\"")
        .start();
    assert_eq!(
        host.get("/two/keep?what=memory&bytes=6000000").text(),
        "kept\n"
    );
    idle(&host, 1.0);
    // With what it has, less than half of everything, and more than half of what is left beside the other.
    assert_eq!(host.get("/beside/grow?bytes=23068672").text(), "grown\n");
    idle(&host, 0.0);
    assert_eq!(kept(&host, "two"), 1);
}

#[test]
fn an_instance_never_outlives_its_version() {
    let host = two("reuse = 50").start();
    begun(&host, "two");
    let digest = host.listed("two").unwrap()["digest"].clone();
    host.drop_in("two", Guest::Numbered("wasi02", 2), "reuse = 50");
    until("the new version to serve", || {
        (host.listed("two")?["digest"] != digest).then_some(())
    });
    assert_eq!(kept(&host, "two"), 1);
    idle(&host, 1.0);
    host.remove("two");
    until("the service to be gone", || {
        host.listed("two").is_none().then_some(())
    });
    idle(&host, 0.0);
    assert_eq!(host.metric("holdfast_guest_memory_bytes", ""), 0.0);
}

#[test]
fn a_host_that_drains_keeps_no_instance() {
    let mut host = two("reuse = 50").policy("drain_ms = 30000").start();
    let mut flow = host.ask("GET", "/two/drip?ms=100&n=20").open();
    flow.next().unwrap();
    begun(&host, "two");
    host.terminate();
    until("the host to drain", || {
        host.stderr().contains("draining").then_some(())
    });
    idle(&host, 0.0);
    // What still ran is not kept either.
    assert_eq!(flow.finish().end, End::Whole);
    assert_eq!(host.ended(), Some(0));
}
