//! Work of many steps comes to its end, each step taken once, whatever dies in between.
//!
//! 1. The naive snippet: ask for one thing after the other.
//! 2. The missing rule: what dies after the seventh step begins again at the first, and charges twice; or stops there for ever.
//! 3. The tax: a workflow engine and its workers, state machines in the place of code, activities, keys, a table of what was done, timers.
//! 4. The snippet again: ask for one thing after the other.
//! 5. The pipeline's version: each thing that the guest asks for is on record before it is done, and what came of it before the guest learns
//!    it. Another instance is told the same in the same order, with the same clock and the same chance, asks for the same, and goes on where
//!    nothing is known. What may have been done is asked again only where that is harmless or it is known by its key; else a person looks.
//! 6. The checklist is below.

mod counter;
mod killed;
mod paused;
mod people;

use crate::harness::{Answer, Ask, Guest, Host, Setup, until};
use counter::Counter;
use serde_json::Value;
use std::time::Duration;

const DURABLE: &str = "[effects]\ndurable = [\"POST /steps\", \"POST /race\", \"POST /clock\", \"POST /sleep\", \"POST /loop\", \"POST /rounds\", \"POST /trap\", \"POST /patience\"]";

/// The line of an upstream that knows a request again by a key.
const KEYED: &str = "idempotency_header = \"idempotency-key\"";

fn manifest() -> String {
    format!("upstreams = [\"counter\"]\n{DURABLE}\n[limits]\ndurable_steps = 60")
}

fn setup(counter: &Counter, upstream: &str) -> Setup {
    Setup::new()
        .service("workflow", Guest::Case("workflow"), &manifest())
        .policy(&policy(counter, upstream))
}

fn policy(counter: &Counter, upstream: &str) -> String {
    format!(
        "[services.workflow]\nupstreams = [\"counter\"]\n[upstreams.counter]\nurl = \"http://{}\"\nallow_private = [\"127.0.0.0/8\"]\n{upstream}",
        counter.authority()
    )
}

fn alone(counter: &Counter, upstream: &str) -> Host {
    setup(counter, upstream).start()
}

/// Has it work, under this key, and does not wait for it.
fn begin(host: &Host, counter: &Counter, work: &str, key: &str) {
    let before = runs(host).len();
    let waiting = request(host, counter, work, key).begin();
    until("it to be begun", || {
        (runs(host).len() > before).then_some(())
    });
    drop(waiting);
}

fn request(host: &Host, counter: &Counter, work: &str, key: &str) -> Ask {
    let (path, query) = work.split_once('?').unwrap_or((work, ""));
    let asked = format!("/workflow{path}?upstream={}&{query}", counter.authority());
    host.ask("POST", &asked)
        .header("idempotency-key", &format!("\"{key}\""))
}

fn ask(host: &Host, counter: &Counter, work: &str, key: &str, prefer: &str) -> Answer {
    let request = request(host, counter, work, key);
    request.header("prefer", prefer).send()
}

/// What came of it, asked for until it has.
fn came(host: &Host, counter: &Counter, work: &str, key: &str) -> Answer {
    until("the work to be done", || {
        let answer = ask(host, counter, work, key, "wait=5");
        (answer.status != 202).then_some(answer)
    })
}

/// The executions, as the host tells its operator.
fn runs(host: &Host) -> Vec<Value> {
    let listed = host.command(&["run", "ls", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let lines = listed.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn shown(host: &Host, run: &Value) -> Value {
    let shown = host.command(&["run", "show", run["call"].as_str().unwrap(), "--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    serde_json::from_str(shown.out.trim()).unwrap()
}

/// Waits until the only one is in this state.
fn wait_for(host: &Host, state: &str) -> Value {
    until(&format!("it to be {state}"), || {
        let mut runs = runs(host);
        assert_eq!(runs.len(), 1, "{runs:?}");
        (runs[0]["state"] == state).then(|| runs.remove(0))
    })
}

/// The code of a fault, whichever call came to it.
fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_str(&answer.text()).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

/// How often a guest has written a line that begins so.
fn lines(host: &Host, beginning: &str) -> usize {
    let lines = host.lines();
    let said = |line: &&Value| {
        line["msg"]
            .as_str()
            .is_some_and(|text| text.starts_with(beginning))
    };
    lines.iter().filter(said).count()
}

fn did(from: u32, to: u32) -> String {
    let all = (from..=to).map(|number| format!("200 did /step/it/{number}"));
    all.collect::<Vec<_>>().join("\n")
}

#[test]
fn it_is_answered_as_if_it_were_not_durable_and_the_same_key_does_it_once() {
    let counter = Counter::start();
    let host = alone(&counter, KEYED);
    let first = ask(&host, &counter, "/steps?n=5", "one", "wait=30");
    assert_eq!((first.status, &*first.text()), (200, &*did(1, 5)));
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = ask(&host, &counter, "/steps?n=5", "one", "wait=30");
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(counter.count(), 5);
    // Without a key each is another one.
    let unkeyed = format!("/workflow/steps?n=2&upstream={}", counter.authority());
    for _ in 0..2 {
        assert_eq!(host.ask("POST", &unkeyed).send().text(), did(1, 2));
    }
    assert_eq!(counter.count(), 9);
    let keys: std::collections::BTreeSet<_> = counter
        .effects()
        .into_values()
        .flatten()
        .map(|(key, _)| key.unwrap())
        .collect();
    assert_eq!(keys.len(), 9, "each step has a key of its own");
    let runs = runs(&host);
    assert_eq!(runs.len(), 3, "{runs:?}");
    assert!(runs.iter().all(|run| run["state"] == "done"), "{runs:?}");
    let shown = shown(&host, &runs[0]);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 5);
    assert_eq!(shown["steps"][4]["came"], "200, 14 bytes", "{shown}");
    let text = host.command(&["run", "show", runs[0]["call"].as_str().unwrap()]);
    assert!(text.out.contains("POST /step/it/5"), "{text:?}");
}

#[test]
fn who_does_not_wait_is_told_that_it_goes_on() {
    let counter = Counter::start();
    counter.slow(Duration::from_millis(300));
    let host = alone(&counter, KEYED);
    let told = ask(&host, &counter, "/steps?n=3", "one", "wait=1");
    assert_eq!(told.status, 202, "{}", told.text());
    let told: Value = serde_json::from_str(&told.text()).unwrap();
    assert_eq!(told["state"], "running");
    let run = &runs(&host)[0];
    assert_eq!(told["execution"], run["call"]);
    assert_eq!(came(&host, &counter, "/steps?n=3", "one").text(), did(1, 3));
    // Another request under its key is refused, as ever.
    ask(&host, &counter, "/steps?n=4", "one", "wait=1").fault("key-reused");
}

#[test]
fn a_guest_that_traps_has_come_to_that() {
    let counter = Counter::start();
    let host = alone(&counter, KEYED);
    ask(&host, &counter, "/trap", "one", "wait=30").fault("service-fault");
    let again = ask(&host, &counter, "/trap", "one", "wait=30");
    assert_eq!(
        (again.status, code(&again)),
        (500, "service-fault".to_owned())
    );
    assert_eq!(counter.count(), 1);
    wait_for(&host, "done");
}

#[test]
fn it_has_no_more_steps_than_its_limit() {
    let counter = Counter::start();
    let host = alone(&counter, KEYED);
    ask(&host, &counter, "/loop", "one", "wait=30").fault("calls-exhausted");
    assert_eq!(counter.count(), 60);
    wait_for(&host, "done");
}

#[test]
fn who_sleeps_for_long_is_not_there_meanwhile_and_wakes_in_time() {
    let counter = Counter::start();
    let mut host = alone(&counter, KEYED);
    begin(&host, &counter, "/sleep?ms=8000", "one");
    let run = wait_for(&host, "waiting");
    assert!(run["until_ms"].as_u64().unwrap() > run["began_ms"].as_u64().unwrap() + 7_000);
    host.kill();
    host.again();
    let answer = came(&host, &counter, "/sleep?ms=8000", "one");
    let text = answer.text();
    let (steps, slept) = text.rsplit_once('\n').unwrap();
    assert_eq!(steps, did(1, 2));
    let slept: u64 = slept.parse().unwrap();
    assert!((8_000..20_000).contains(&slept), "{slept}");
    assert_eq!(counter.count(), 2);
    let shown = shown(&host, &runs(&host)[0]);
    assert_eq!(shown["steps"][1]["what"], "sleep", "{shown}");
}

#[test]
fn who_waits_for_something_with_a_long_timer_beside_it_is_awake() {
    let counter = Counter::start();
    counter.slow(Duration::from_millis(500));
    let host = alone(&counter, KEYED);
    let answer = ask(&host, &counter, "/patience?ms=40000", "one", "wait=30");
    assert_eq!(answer.text(), did(1, 1));
    let late = ask(&host, &counter, "/patience?ms=50", "two", "wait=30");
    assert_eq!(late.text(), "late");
    // It was asked for, and is on record, though nobody waited for it.
    assert_eq!(counter.count(), 2);
}

#[test]
fn a_host_that_is_stopped_lets_what_was_begun_come_to_its_end() {
    let counter = Counter::start();
    counter.slow(Duration::from_millis(1_500));
    let mut host = alone(&counter, "");
    begin(&host, &counter, "/steps?n=3", "one");
    until("the first step", || (counter.count() == 1).then_some(()));
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    counter.slow(Duration::ZERO);
    host.again();
    // Without a key it could not have been asked for again.
    let answer = came(&host, &counter, "/steps?n=3", "one");
    assert_eq!(answer.text(), did(1, 3));
    assert_eq!(counter.count(), 3);
}

#[test]
fn without_a_key_nobody_is_told_to_ask_again() {
    let counter = Counter::start();
    counter.slow(Duration::from_millis(400));
    let host = alone(&counter, KEYED);
    let unkeyed = format!("/workflow/steps?n=3&upstream={}", counter.authority());
    let told = host.ask("POST", &unkeyed).header("prefer", "wait=1").send();
    assert_eq!((told.status, told.header("retry-after")), (202, None));
    let keyed = ask(&host, &counter, "/steps?n=3", "one", "wait=1");
    assert_eq!(
        (keyed.status, keyed.header("retry-after")),
        (202, Some("2"))
    );
}

#[test]
fn a_short_sleep_needs_nobody_else() {
    let counter = Counter::start();
    let host = alone(&counter, KEYED);
    let answer = ask(&host, &counter, "/sleep?ms=200", "one", "wait=30");
    let text = answer.text();
    let slept: u64 = text.rsplit('\n').next().unwrap().parse().unwrap();
    assert!((200..5_000).contains(&slept), "{text}");
}

#[test]
fn what_would_not_outlast_its_instance_is_refused_at_load() {
    let counter = Counter::start();
    let host = alone(&counter, KEYED);
    host.drop_in(
        "kv",
        Guest::Case("kv"),
        "[effects]\ndurable = [\"POST /x\"]",
    );
    until("it to be refused", || {
        let said = host.stderr();
        (said.contains("kv: not loaded") && said.contains("holdfast:host/leases")).then_some(())
    });
}
