//! What must not be done twice is not, and a person is asked.

use super::counter::{Counter, Point};
use super::{alone, ask, begin, came, code, did, policy, runs, shown, wait_for};
use crate::harness::Guest;

#[test]
fn what_may_have_been_done_is_not_done_again_without_a_key() {
    for point in [Point::Before, Point::After] {
        let counter = Counter::start();
        let mut host = alone(&counter, "");
        counter.stop_after(2, point);
        begin(&host, &counter, "/steps?n=5&spin=5", "one");
        counter.wait_until_stopped();
        host.kill();
        host.again();
        let run = wait_for(&host, "paused");
        let reason = run["reason"].as_str().unwrap();
        assert!(
            reason.contains("entry 3") && reason.contains("POST /step/it/3"),
            "{reason}"
        );
        let seen = counter.count();
        assert_eq!(seen, if point == Point::After { 3 } else { 2 });
        let text = host.command(&["run", "ls"]).out;
        assert!(text.contains(reason), "{text}");
        // To let it go on is to look at it once more: nothing is done twice.
        let call = run["call"].as_str().unwrap();
        assert_eq!(host.command(&["run", "resume", call]).code, Some(0));
        wait_for(&host, "paused");
        assert_eq!(counter.count(), seen);
        let ended = host.command(&["run", "kill", call]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told = ask(&host, &counter, "/steps?n=5&spin=5", "one", "wait=5");
        assert_eq!(code(&told), "cancelled");
        assert_ne!(host.command(&["run", "kill", call]).code, Some(0));
        assert_ne!(host.command(&["run", "resume", call]).code, Some(0));
        assert_eq!(counter.count(), seen);
    }
}

#[test]
fn what_is_harmless_is_asked_again() {
    let counter = Counter::start();
    let mut host = alone(&counter, "");
    counter.stop_after(2, Point::After);
    begin(&host, &counter, "/steps?n=5&method=PUT", "one");
    counter.wait_until_stopped();
    host.kill();
    host.again();
    let answer = came(&host, &counter, "/steps?n=5&method=PUT", "one");
    assert_eq!(answer.text(), did(1, 5));
    assert_eq!(counter.count(), 6, "the third was asked for twice");
    for (path, asked) in counter.effects() {
        assert!(
            asked.iter().all(|one| *one == asked[0]),
            "{path}: {asked:?}"
        );
    }
}

#[test]
fn who_reads_the_clock_and_does_one_of_two_things_does_the_same_again() {
    let counter = Counter::start();
    let mut host = alone(&counter, super::KEYED);
    for round in 0..4 {
        let key = format!("round {round}").replace(' ', "-");
        counter.stop_after(0, Point::After);
        begin(&host, &counter, &format!("/clock?name={key}"), &key);
        counter.wait_until_stopped();
        host.kill();
        host.again();
        let answer = came(&host, &counter, &format!("/clock?name={key}"), &key);
        assert_eq!(answer.status, 200);
    }
    let effects = counter.effects();
    assert_eq!(effects.len(), 4, "{effects:?}");
    assert!(
        effects.values().all(|asked| asked.len() == 1),
        "{effects:?}"
    );
}

#[test]
fn another_version_that_does_something_else_is_found_out_before_it_does_it() {
    let counter = Counter::start();
    let mut host = alone(&counter, super::KEYED);
    counter.stop_after(2, Point::After);
    begin(&host, &counter, "/steps?n=5", "one");
    counter.wait_until_stopped();
    let before = runs(&host)[0]["digest"].clone();
    host.kill();
    let seen = counter.count();
    // The same component, with other settings, so another version: it goes on.
    let manifest = format!(
        "purpose = \"other\"\nupstreams = [\"counter\"]\n{}",
        super::DURABLE
    );
    host.drop_in("workflow", Guest::Case("workflow"), &manifest);
    host.again();
    let answer = came(&host, &counter, "/steps?n=5", "one");
    assert_eq!(answer.text(), did(1, 5));
    assert!(counter.count() > seen);
    assert_ne!(runs(&host)[0]["digest"], before, "it is that version's now");
    // One that does something else.
    counter.stop_after(2, Point::After);
    begin(&host, &counter, "/steps?n=6", "two");
    counter.wait_until_stopped();
    host.kill();
    let seen = counter.count();
    host.drop_in("workflow", Guest::Case("wasi02"), &manifest);
    host.again();
    let paused = crate::harness::until("it to be paused", || {
        let runs = runs(&host);
        runs.into_iter().find(|run| run["state"] == "paused")
    });
    let reason = paused["reason"].as_str().unwrap();
    assert!(
        reason.contains("another version") && reason.contains("entry 1"),
        "{reason}"
    );
    assert_eq!(counter.count(), seen, "nothing was done");
    assert_eq!(shown(&host, &paused)["steps"].as_array().unwrap().len(), 3);
    // With the one that it was begun with it goes on.
    host.set_policy(&policy(&counter, super::KEYED));
    host.drop_in("workflow", Guest::Case("workflow"), &manifest);
    crate::harness::until("it to go on, once that one serves", || {
        let call = paused["call"].as_str().unwrap();
        host.command(&["run", "resume", call]);
        let runs = runs(&host);
        runs.into_iter()
            .find(|run| run["call"] == call && run["state"] == "done")
    });
    let answer = came(&host, &counter, "/steps?n=6", "two");
    assert_eq!(answer.text(), did(1, 6));
}
