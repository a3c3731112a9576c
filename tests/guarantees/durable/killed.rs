//! Killed at every boundary of its journal.

use super::counter::{Counter, Point};
use super::{KEYED, alone, begin, came, did, manifest, runs, setup, shown, wait_for};
use crate::harness::postgres::Postgres;
use crate::harness::{Guest, Host, scaled, until};
use rustix::process::{Signal, kill_process};
use std::time::Duration;

/// How many steps the work has.
const STEPS: usize = 20;
/// With time for a kill before each of them.
const WORK: &str = "/steps?n=20&spin=40";

/// A boundary of an entry.
#[derive(Clone, Copy, Debug)]
enum Boundary {
    /// Before its intent is on record: its guest is about to ask.
    BeforeIntent,
    /// Its intent is on record, and nothing was done.
    AfterIntent,
    /// It has taken effect, and nothing is known of it.
    AfterEffect,
    /// What came of it is on record.
    AfterResult,
}

const ALL: [Boundary; 4] = [
    Boundary::BeforeIntent,
    Boundary::AfterIntent,
    Boundary::AfterEffect,
    Boundary::AfterResult,
];

/// Says where the upstream stops, so that the execution comes no further than that boundary. `next` is the step that it is asked for next.
fn prepare(counter: &Counter, next: usize, step: usize, boundary: Boundary) {
    match boundary {
        Boundary::BeforeIntent | Boundary::AfterIntent => {
            counter.stop_after(step - next, Point::Before);
        }
        Boundary::AfterEffect => counter.stop_after(step - next, Point::After),
        Boundary::AfterResult => counter.stop_after(step - next + 1, Point::Before),
    }
}

/// How often the guest has said that it is about to take this step.
fn about_to(host: &Host, step: usize) -> usize {
    let lines = host.lines();
    let said = |line: &&serde_json::Value| line["msg"] == format!("step {step}");
    lines.iter().filter(said).count()
}

/// Waits until the execution is at that boundary, on whichever of these hosts; which one that is.
fn wait_for_boundary(
    hosts: &[Host],
    counter: &Counter,
    (step, boundary): (usize, Boundary),
    said: &[usize],
) -> usize {
    match boundary {
        Boundary::BeforeIntent => {}
        Boundary::AfterResult if step == STEPS => {
            wait_for(&hosts[0], "done");
        }
        Boundary::AfterIntent | Boundary::AfterEffect => counter.wait_until_stopped(),
        Boundary::AfterResult => {
            counter.wait_until_stopped();
            let steps = shown(&hosts[0], &runs(&hosts[0])[0])["steps"]
                .as_array()
                .unwrap()
                .clone();
            let came = steps.iter().filter(|step| step["came"].is_string());
            assert_eq!(came.count(), step);
        }
    }
    until("the guest to say so", || {
        let mut more = hosts.iter().zip(said);
        more.position(|(host, said)| about_to(host, step) > *said)
    })
}

/// Every step took effect once, under one key and with one body, and the answer is that of work that nothing has disturbed.
fn check(host: &Host, counter: &Counter, work: &str) {
    assert_eq!(came(host, counter, work, "one").text(), did(1, 20));
    let effects = counter.effects();
    assert_eq!(effects.len(), STEPS, "{effects:?}");
    for (path, effects) in effects {
        assert_eq!(effects.len(), 1, "{path}: {effects:?}");
        assert!(effects[0].0.is_some(), "{path}: {effects:?}");
    }
    let run = wait_for(host, "done");
    assert_eq!(run["steps"], STEPS);
}

/// Kills the host that has the execution at the boundaries of these steps, one after the other, and looks at what came of it. Where there is
/// another one, it goes on there: whichever was killed is started again without the service, and given it back later.
fn killed_at_each(mut hosts: Vec<Host>, steps: &[usize]) {
    let counter = &COUNTER.with(Clone::clone);
    let each = |step: &usize| ALL.map(|boundary| (*step, boundary));
    let all: Vec<_> = steps.iter().flat_map(each).collect();
    let (mut next, mut had) = (1, None);
    for (step, boundary) in all {
        prepare(counter, next, step, boundary);
        let said: Vec<_> = hosts.iter().map(|host| about_to(host, step)).collect();
        match had {
            None => begin(&hosts[0], counter, WORK, "one"),
            Some(dead) => rises(&mut hosts, dead),
        }
        let has = wait_for_boundary(&hosts, counter, (step, boundary), &said);
        if let Some(dead) = had.filter(|_| hosts.len() > 1) {
            assert_ne!(has, dead);
            hosts[dead].drop_in("workflow", Guest::Case("workflow"), &manifest());
            until("the service to be there again", || {
                (hosts[dead].listed("workflow")?["state"] == "serving").then_some(())
            });
        }
        hosts[has].kill();
        had = Some(has);
        next = match boundary {
            Boundary::AfterResult => step + 1,
            _ => step,
        };
    }
    if let Some(dead) = had {
        hosts[dead].again();
    }
    hosts.iter().for_each(|host| check(host, counter, WORK));
}

/// Starts a host again that was killed. What it had is free then; where there is another host, that one has it.
fn rises(hosts: &mut [Host], dead: usize) {
    if hosts.len() > 1 {
        hosts[dead].remove("workflow");
    }
    hosts[dead].again();
}

thread_local! {
    static COUNTER: Counter = Counter::start();
}

fn some_steps() -> Vec<usize> {
    match scaled(0, 1) {
        0 => vec![1, 2, 20],
        _ => (1..=STEPS).collect(),
    }
}

#[test]
fn on_one_host_with_a_file() {
    let counter = COUNTER.with(Clone::clone);
    killed_at_each(vec![alone(&counter, KEYED)], &some_steps());
}

#[test]
fn on_one_host_with_a_server() {
    let counter = COUNTER.with(Clone::clone);
    let host = setup(&counter, KEYED)
        .on_server(&Postgres::database())
        .start();
    killed_at_each(vec![host], &some_steps());
}

#[test]
fn on_two_hosts_with_a_server() {
    let counter = COUNTER.with(Clone::clone);
    let url = Postgres::database();
    let start = |_| setup(&counter, KEYED).on_server(&url).start();
    killed_at_each((0..2).map(start).collect(), &some_steps());
}

#[test]
fn the_other_host_goes_on_when_the_lease_of_a_dead_one_is_over() {
    let counter = Counter::start();
    let url = Postgres::database();
    let start = || setup(&counter, KEYED).on_server(&url).start();
    let (mut one, mut other) = (start(), start());
    counter.stop_after(6, Point::After);
    begin(&one, &counter, WORK, "one");
    counter.wait_until_stopped();
    // Whichever has it.
    let holder = runs(&one).remove(0);
    assert_eq!(holder["state"], "running");
    one.kill();
    other.kill();
    one.again();
    check(&one, &counter, WORK);
    other.again();
    check(&other, &counter, WORK);
}

#[test]
fn of_two_that_go_on_with_one_the_late_one_changes_nothing() {
    let counter = Counter::start();
    let url = Postgres::database();
    let start = || setup(&counter, KEYED).on_server(&url).start();
    let one = start();
    counter.stop_after(3, Point::After);
    begin(&one, &counter, WORK, "one");
    counter.wait_until_stopped();
    // It goes on as if nothing had happened, once its lease is over and another host has what it had.
    kill_process(one.pid(), Signal::STOP).unwrap();
    let other = start();
    check(&other, &counter, WORK);
    let before = counter.effects();
    kill_process(one.pid(), Signal::CONT).unwrap();
    until("the late one to be told", || {
        let closings = one.closings();
        let ended = |line: &serde_json::Value| line["entry"] == "execution";
        closings.iter().any(ended).then_some(())
    });
    check(&one, &counter, WORK);
    assert_eq!(counter.effects(), before);
}

#[test]
fn what_was_asked_for_at_once_comes_in_the_same_order_again() {
    let counter = Counter::start();
    counter.slow(Duration::from_millis(15));
    let mut host = alone(&counter, KEYED);
    let work = "/race?n=6";
    begin(&host, &counter, work, "one");
    for _ in 0..scaled(3, 30) {
        let seen = counter.count();
        until("something to happen, or the end", || {
            let done = runs(&host).iter().all(|run| run["state"] == "done");
            (counter.count() > seen + 1 || done).then_some(())
        });
        host.kill();
        host.again();
    }
    let answer = came(&host, &counter, work, "one");
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (path, effects) in counter.effects() {
        let bodies: std::collections::BTreeSet<_> = effects.iter().map(|(_, body)| body).collect();
        assert_eq!(bodies.len(), 1, "{path}: {effects:?}");
    }
}
