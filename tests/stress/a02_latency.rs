//! The assumption: external systems answer soon. So: one that takes half a minute, a crowd that waits for it, and beside it a service that
//! has no use for it.

use super::hostile::End;
use super::neighbours::logged;
use crate::harness::{Answer, Chaos, Does, Guest, Host, Setup, full, scaled, until};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the crowd may get: its upstream did not answer by the deadline of its call, or is left alone by now.
const WAITED_FOR: [&str; 2] = ["upstream-timeout", "upstream-circuit-open"];

fn host(chaos: &Chaos, callers: usize) -> Host {
    let url = chaos.url("");
    // A third of what the upstream takes: whoever has an answer by then has it from the host.
    let deadline = scaled(1, 10);
    let manifest = format!(
        "upstreams = [\"api\"]\n[config]\nupstream = \"{url}\"\n[limits]\ndeadline = \"{deadline}s\"\nplaces = {callers}"
    );
    Setup::new()
        .service("slow", Guest::Service("proxy"), &manifest)
        .service("beside", Guest::Case("wasi02"), "")
        .policy(&format!(
            "[services.slow]\nupstreams = [\"api\"]\nlimits.places = {callers}"
        ))
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nplaces = {callers}"
        ))
        .start()
}

/// Calls of the service beside, none of which fails, until somebody ends it. How long 99 of 100 took at most, in milliseconds.
fn beside(host: &Host, end: impl Fn(usize) -> bool) -> f64 {
    let before = std::fs::metadata(host.log()).unwrap().len();
    let mut calls = 0;
    while calls == 0 || !end(calls) {
        assert_eq!(host.get("/beside/ok").text(), "ok\n");
        calls += 1;
    }
    let mut took = until("all calls to be in the log", || {
        let took = logged(host, before);
        (took.len() >= calls).then_some(took)
    });
    took.sort_by(f64::total_cmp);
    took[(took.len() - 1) * 99 / 100]
}

/// What all callers got, who asked at once.
fn crowd(host: &Host, callers: usize) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..callers)
            .map(|_| scope.spawn(|| host.get("/slow/")))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Each of them got a documented code, and the outside is blamed for it.
fn documented(host: &Host, answers: &[Answer]) {
    // All of their lines are in the log once nothing is in flight, but for the moment that writing takes.
    let slow = |line: &Value| line["service"] == "slow" && line["parent"].is_null();
    let lines = until("the closing lines of all of them", || {
        let lines = host.closings();
        let there = lines.iter().filter(|line| slow(line)).count();
        (there >= answers.len()).then_some(lines)
    });
    let line = |key: &str, id: &str| lines.iter().find(|line| line[key] == id);
    for answer in answers {
        let own = line("call", answer.call()).unwrap();
        assert_eq!(own["boundary"], "upstream", "{own}");
        // A service that is told too late to say so itself is cut at its deadline, and is no more to blame.
        if own["code"] == "deadline-exceeded" {
            answer.fault("deadline-exceeded");
            continue;
        }
        let child = line("parent", answer.call()).unwrap();
        let code = child["code"].as_str().unwrap();
        answer.fault(code);
        assert!(WAITED_FOR.contains(&code), "{child}");
    }
}

/// Nothing of what the crowd held is left.
fn nothing_is_left(host: &Host) {
    for held in [
        "holdfast_in_flight",
        "holdfast_open_streams",
        "holdfast_upstream_connections",
        "holdfast_pool_instances",
    ] {
        until(held, || (host.metric(held, "") == 0.0).then_some(()));
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much slower it was is for people to judge"
)]
fn who_waits_for_a_slow_upstream_takes_nothing_from_who_does_not() {
    let callers = scaled(50, 200);
    let tail = Duration::from_secs(scaled(3, 30) as u64);
    let chaos = Chaos::start(Does::Lags {
        least: tail,
        jitter: tail / 10,
        seed: 2,
    });
    let host = host(&chaos, callers);
    let alone = beside(&host, |calls| calls >= scaled(200, 5_000));
    let stop = AtomicBool::new(false);
    let (with, answers) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| beside(&host, |_| stop.load(Ordering::Relaxed)));
        let end = End(&stop);
        let answers = crowd(&host, callers);
        drop(end);
        (asking.join().unwrap(), answers)
    });
    assert!(chaos.taken().len() >= callers, "all of them waited");
    println!(
        "p99 of a service beside {callers} calls that wait for {tail:?}: {with:.2} ms, {alone:.2} ms alone ({:+.0} %)",
        (with / alone - 1.0) * 100.0
    );
    if full() {
        println!("wanted: no more than 10 % slower");
    }
    nothing_is_left(&host);
    documented(&host, &answers);
    // It is found again once it is well.
    chaos.usually(Does::Serves);
    until("the slow service to serve", || {
        (host.get("/slow/").text() == "done").then_some(())
    });
}
