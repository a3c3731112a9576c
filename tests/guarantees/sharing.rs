//! What one service may take from the others.
//!
//! 1. The naive snippet: a service that is slow, and another beside it.
//! 2. The missing rule: how much of the host is whose. The slow one holds every thread, and all are slow.
//! 3. The tax: a process each, quotas each, a queue in front of each.
//! 4. The snippets again, unchanged.
//! 5. The pipeline: places and open streams per service, one budget of memory for all guests, CPU by turns; what is full says so with
//!    `overloaded` and when to come again, and at once to those who would be served too late.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Guest, Host, Setup, Upstream, encoded, full, scaled, until};

/// A call that holds its place until the connection is dropped.
fn held(host: &Host, service: &str) -> std::net::TcpStream {
    let before = host.metric("holdfast_in_flight", service);
    let path = format!("/{service}/never");
    let connection = host.ask("GET", &path).write();
    until("a call to be in flight", || {
        (host.metric("holdfast_in_flight", service) > before).then_some(())
    });
    connection
}

#[test]
fn a_service_has_so_many_places_and_no_more() {
    let host = two("[limits]\nplaces = 1")
        .service("beside", Guest::Case("wasi02"), "")
        .start();
    let held = held(&host, "two");
    let answer = host.get("/two/ok");
    answer.fault("overloaded");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(host.closing(answer.call())["boundary"], "policy");
    assert!(host.metric("holdfast_shed_total", "two") >= 1.0);
    assert_eq!(host.get("/beside/ok").text(), "ok\n");
    drop(held);
    until("the place to be free", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
}

#[test]
fn a_long_answer_holds_a_stream_and_no_place() {
    let host = two("[limits]\nplaces = 1\nopen_streams = 1").start();
    let mut flow = host.ask("GET", "/two/drip?ms=50").open();
    flow.next().unwrap();
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    assert!(host.metric("holdfast_open_streams", "two") >= 1.0);
    host.get("/two/drip?ms=50").fault("overloaded");
    drop(flow);
    until("the stream to be free", || {
        (host.get("/two/drip?ms=10&n=2").text() == "..").then_some(())
    });
}

#[test]
fn all_guests_together_have_one_budget_of_memory() {
    let host = two("").policy("memory = \"48MiB\"").start();
    // Less than its own limit of 128 MiB, more than there is.
    let answer = host.get("/two/grow");
    answer.fault("overloaded");
    assert!(host.metric("holdfast_shed_total", "reason=\"memory\"") >= 1.0);
    // What it had is given back.
    assert_eq!(host.get("/two/grow?bytes=16777216").text(), "grown\n");
}

#[test]
fn the_pool_has_so_many_slots_and_no_more() {
    let host = two("")
        .service("beside", Guest::Case("wasi02"), "")
        .policy("slots = 1\npool = \"safe\"")
        .start();
    let held = held(&host, "two");
    host.get("/beside/ok").fault("overloaded");
    assert!(host.metric("holdfast_shed_total", "reason=\"slots\"") >= 1.0);
    drop(held);
    until("the slot to be free", || {
        (host.get("/beside/ok").status == 200).then_some(())
    });
}

#[test]
fn no_service_alone_takes_every_slot() {
    let host = two("")
        .service("beside", Guest::Case("wasi02"), "")
        .policy("slots = 8\npool = \"safe\"")
        .start();
    let mut held = Vec::new();
    let refused = loop {
        let mut flow = host.ask("GET", "/two/drip?ms=50").open();
        if flow.status != 200 {
            break flow.finish();
        }
        flow.next().unwrap();
        held.push(flow);
    };
    refused.fault("overloaded");
    assert_eq!(held.len(), 4, "half of the slots");
    assert_eq!(host.get("/beside/ok").text(), "ok\n");
    let closing = host.closing(refused.call());
    assert!(closing.to_string().contains("slots"), "{closing}");
    held.pop();
    until("a slot to be free", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
}

#[test]
fn guests_that_compute_for_less_than_a_turn_do_not_starve_it_either() {
    let host = two("").service("beside", Guest::Case("wasi02"), "").start();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for nth in 0..scaled(16, 150) {
            let (host, stop) = (&host, &stop);
            let path = ["/two/spin?n=5000000", "/two/after-answer?n=5000000"][nth % 2];
            scope.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    host.get(path);
                }
            });
        }
        for _ in 0..scaled(50, 1000) {
            assert_eq!(host.get("/beside/ok").text(), "ok\n");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    if full() {
        // Alone, before the first answer of the others has shown what they are, it may have waited.
        assert!(bystander_p99(&host) < 100.0, "p99 of the bystander");
    }
}

/// What the slowest but one of a hundred calls of `beside` took, in milliseconds.
fn bystander_p99(host: &Host) -> f64 {
    let lines = host.closings();
    let beside = lines.iter().filter(|line| line["service"] == "beside");
    let mut took: Vec<f64> = beside.map(|line| line["ms"].as_f64().unwrap()).collect();
    took.sort_by(f64::total_cmp);
    took[took.len() * 99 / 100]
}

#[test]
fn guests_that_spin_do_not_starve_another_service() {
    let host = two("[limits]\ncpu = \"3s\"\ndeadline = \"20s\"")
        .policy("[limits]\ncpu = \"3s\"")
        .service("beside", Guest::Case("wasi02"), "")
        .start();
    std::thread::scope(|scope| {
        for _ in 0..scaled(8, 64) {
            scope.spawn(|| host.get("/two/loop"));
        }
        until("the guests to spin", || {
            (host.metric("holdfast_in_flight", "two") >= 4.0).then_some(())
        });
        for _ in 0..scaled(50, 1000) {
            assert_eq!(host.get("/beside/ok").text(), "ok\n");
        }
    });
    if full() {
        assert!(bystander_p99(&host) < 100.0, "p99 of the bystander");
    }
}

#[test]
fn a_nested_call_never_waits_behind_the_call_that_made_it() {
    let host = Setup::new()
        .service("notes", Guest::Service("notes"), "[limits]\nplaces = 1")
        .service(
            "front",
            Guest::Service("front"),
            "services = [\"notes\"]\n[limits]\nplaces = 1",
        )
        .policy("[services.front]\nservices = [\"notes\"]")
        .start();
    for _ in 0..scaled(5, 100) {
        assert_eq!(host.get("/front/count?n=2").text(), "note 1\nnote 2\n");
    }
}

/// A host whose memory is taken to be full for services of class `batch`, and for no other.
fn pressed(manifest: &str) -> Host {
    two(manifest)
        .service("beside", Guest::Case("wasi02"), "")
        .policy("shed_memory = \"0%\"")
        .start()
}

#[test]
fn a_host_that_is_hard_pressed_sends_the_least_away_first() {
    let host = pressed("priority = \"batch\"");
    host.said("calls of class batch are sent away");
    let answer = host.get("/two/ok");
    answer.fault("overloaded");
    assert!(answer.header("retry-after").is_some());
    let line = host.closing(answer.call());
    assert!(line.to_string().contains("shed_memory"), "{line}");
    assert_eq!(line["boundary"], "policy", "{line}");
    let counted = "class=\"batch\",reason=\"memory-pressure\"";
    assert!(host.metric("holdfast_shed_total", counted) >= 1.0);
    assert_eq!(host.get("/beside/ok").text(), "ok\n");
    // The operator is heard, and can look at what he wants to look at.
    let said = host.command(&["call", "two", "/ok"]);
    assert!(said.out.contains("ok"), "{} {}", said.out, said.err);
    assert!(host.metric("holdfast_shed_classes", "") >= 1.0);
    host.set_policy("anonymous = \"allow\"\nshed_memory = \"100%\"");
    host.hang_up();
    host.said("calls of every class are served again");
    assert_eq!(host.get("/two/ok").text(), "ok\n");
}

#[test]
fn no_service_is_of_a_higher_class_than_the_policy_says() {
    let host = two("priority = \"critical\"").start();
    let row = until("a service that was refused", || host.listed("two"));
    assert!(row.to_string().contains("`default` at most"), "{row}");
    let granted = host.offline(&["allow", "two", "--yes"]);
    assert!(
        granted.out.contains("priority = \"critical\""),
        "{} {}",
        granted.out,
        granted.err
    );
    until("a service that is served", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    let said = host.offline(&["policy", "two"]);
    assert!(said.out.contains("critical"), "{}", said.out);
}

#[test]
fn a_service_that_waits_for_a_wedged_upstream_keeps_no_other_one_from_it() {
    let upstream = Upstream::start();
    let names = "upstreams = [\"api\"]";
    let host = two(names)
        .service("beside", Guest::Case("wasi02"), names)
        .policy(&format!(
            "[services.two]\n{names}\n[services.beside]\n{names}"
        ))
        .upstream("api", &upstream)
        .policy("places = 4")
        .start();
    let hang = format!("/two/fetch?url={}", encoded(&upstream.url("/hang")));
    let wedged: Vec<_> = (0..6).map(|_| host.ask("GET", &hang).write()).collect();
    until("all that it may have", || {
        (upstream.seen().len() == 3).then_some(())
    });
    let ok = encoded(&upstream.url("/ok"));
    let answer = host.get(&format!("/beside/fetch?url={ok}"));
    assert!(answer.text().starts_with("status 200"), "{}", answer.text());
    assert_eq!(upstream.seen().len(), 4);
    drop(wedged);
}

#[test]
fn a_call_that_would_come_too_late_does_not_wait_for_a_place() {
    let upstream = Upstream::start();
    let names = "upstreams = [\"api\"]";
    // Half of what the upstream takes.
    let host = two(&format!("{names}\n[limits]\ndeadline = \"200ms\""))
        .service("beside", Guest::Case("wasi02"), names)
        .policy(&format!(
            "[services.two]\n{names}\n[services.beside]\n{names}"
        ))
        .upstream("api", &upstream)
        .policy("places = 1")
        .start();
    let slow = encoded(&upstream.url("/slow"));
    for _ in 0..8 {
        let answer = host.get(&format!("/beside/fetch?url={slow}"));
        assert!(answer.text().starts_with("status 200"), "{}", answer.text());
    }
    let hang = encoded(&upstream.url("/hang"));
    let held = host
        .ask("GET", &format!("/beside/fetch?url={hang}"))
        .write();
    until("the only place to be taken", || {
        (upstream.seen().len() == 9).then_some(())
    });
    // On a busy machine its time may be over before it has asked.
    let reason = "target=\"upstream:api\",class=\"default\",reason=\"too-late\"";
    until("a call that is refused", || {
        host.get(&format!("/two/fetch?url={slow}"));
        (host.metric("holdfast_shed_total", reason) >= 1.0).then_some(())
    });
    let refused = until("its line", || {
        let lines = host.closings();
        lines.into_iter().find(|line| line["code"] == "overloaded")
    });
    let refused = refused.to_string();
    for said in [
        "ms left",
        "more than half of the last calls",
        "[upstreams.NAME]",
    ] {
        assert!(refused.contains(said), "{said} is not in {refused}");
    }
    assert_eq!(upstream.seen().len(), 9, "it was never asked");
    drop(held);
}
