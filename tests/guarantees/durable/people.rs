//! What a person has to do with executions: one waits for an approval as long as that takes, one that is in doubt takes a word, and one that is
//! cancelled is undone.

use super::counter::{Counter, Point};
use super::{alone, begin, came, lines, runs, shown, wait_for};
use crate::harness::{Guest, Host, Setup, until};
use serde_json::Value;

const WORK: &str = "/workflow/steps?n=3&upstream=second.internal";

/// A host with two services: the first asks the second, whose steps are declared so.
fn two(effects: &str) -> Host {
    Setup::new()
        .service(
            "workflow",
            Guest::Case("workflow"),
            "services = [\"second\"]\n[effects]\ndurable = [\"POST /steps\"]",
        )
        .service("second", Guest::Case("workflow"), effects)
        .policy("[services.workflow]\nservices = [\"second\"]")
        .start()
}

/// Has the work begun, and does not wait for it.
fn begun(host: &Host) {
    let asked = host.ask("POST", WORK).header("idempotency-key", "one");
    let waiting = asked.begin();
    until("it to be begun", || (!runs(host).is_empty()).then_some(()));
    drop(waiting);
}

/// What of the calls of `second` came to this path, in order.
fn asked(host: &Host, path: &str) -> Vec<Value> {
    let closings = host.closings().into_iter();
    let of_second = closings.filter(|line| {
        line["service"] == "second"
            && line["operation"]
                .as_str()
                .is_some_and(|op| op.contains(path))
    });
    of_second.collect()
}

#[test]
fn one_that_needs_an_approval_waits_for_it() {
    let mut host = two("[effects]\nirreversible = [\"POST /step/it/2\"]");
    begun(&host);
    let run = wait_for(&host, "waiting");
    let reason = run["reason"].as_str().unwrap().to_owned();
    let approval = reason.rsplit(' ').next().unwrap();
    assert!(reason.contains("waits for the approval"), "{reason}");
    // As long as that takes: it is nowhere meanwhile, and another life of the host knows of it.
    host.kill();
    host.again();
    assert_eq!(wait_for(&host, "waiting")["reason"], reason);
    let granted = host.command(&["approve", "grant", approval, "--why", "it is fine"]);
    assert_eq!(granted.code, Some(0), "{granted:?}");
    let run = wait_for(&host, "done");
    assert_eq!(run["steps"], 3);
    let answer = host
        .ask("POST", WORK)
        .header("idempotency-key", "one")
        .send();
    assert_eq!(
        answer.text().matches("200 /step/it/").count(),
        3,
        "{}",
        answer.text()
    );
}

#[test]
fn one_whose_approval_is_denied_is_told_so() {
    let host = two("[effects]\nirreversible = [\"POST /step/it/2\"]");
    begun(&host);
    let run = wait_for(&host, "waiting");
    let approval = run["reason"]
        .as_str()
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let denied = host.command(&["approve", "deny", &approval, "--why", "it is not"]);
    assert_eq!(denied.code, Some(0), "{denied:?}");
    wait_for(&host, "done");
    let answer = host
        .ask("POST", WORK)
        .header("idempotency-key", "one")
        .send();
    let text = answer.text();
    assert!(
        text.contains("403") && text.contains("200 /step/it/3"),
        "{text}"
    );
}

#[test]
fn what_is_not_known_takes_a_word() {
    for (word, done) in [("--not-done", 4), ("--indeterminate", 3)] {
        let counter = Counter::start();
        let mut host = alone(&counter, "");
        counter.stop_after(2, Point::Before);
        begin(&host, &counter, "/steps?n=4", "one");
        counter.wait_until_stopped();
        host.kill();
        host.again();
        let run = wait_for(&host, "paused");
        let call = run["call"].as_str().unwrap();
        // Of a step of which it is known nobody is asked.
        let wrong = host.command(&["run", "resume", call, word, "2"]);
        assert!(
            wrong.code == Some(1) && wrong.err.contains("step 2"),
            "{wrong:?}"
        );
        let said = host.command(&["run", "resume", call, word, "3"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let answer = came(&host, &counter, "/steps?n=4", "one");
        assert_eq!(
            answer.text().matches("200 did").count(),
            done,
            "{}",
            answer.text()
        );
        assert_eq!(counter.count(), done);
        let audit = host.command(&["audit", "show"]).out;
        assert!(audit.contains("run resume"), "{audit}");
    }
}

#[test]
fn one_that_is_cancelled_is_undone_the_last_step_first() {
    let host = two(
        "[effects.undo]\n\"POST /step/it/1\" = \"POST /undo/1\"\n\"POST /step/it/3\" = \"POST /undo/3\"",
    );
    let answer = host
        .ask("POST", WORK)
        .header("idempotency-key", "one")
        .send();
    assert_eq!(answer.status, 200);
    let run = wait_for(&host, "done");
    let call = run["call"].as_str().unwrap();
    let said = host.command(&["run", "cancel", call]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let order: Vec<_> = said.out.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(order.len(), 3, "{said:?}");
    assert!(
        order[0].starts_with("step 3") && order[0].contains("is undone"),
        "{order:?}"
    );
    assert!(
        order[1].starts_with("step 2") && order[1].ends_with("nothing undoes it"),
        "{order:?}"
    );
    assert!(
        order[2].starts_with("step 1") && order[2].contains("is undone"),
        "{order:?}"
    );
    let paths = || {
        until("the lines of what was undone", || {
            let all = asked(&host, "/undo/");
            (all.len() >= 2).then(|| {
                all.into_iter()
                    .map(|line| line["operation"].clone())
                    .collect::<Vec<_>>()
            })
        })
    };
    let ops = paths();
    assert!(ops[0].as_str().unwrap().ends_with("/undo/3"), "{ops:?}");
    // Asked again, nothing is undone twice.
    let again = host.command(&["run", "cancel", call]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let ran = lines(&host, "begins /undo/");
    assert_eq!(ran, 2);
}

#[test]
fn one_that_goes_on_ends_when_it_is_cancelled() {
    let counter = Counter::start();
    let host = alone(&counter, super::KEYED);
    counter.stop_after(2, Point::Before);
    begin(&host, &counter, "/steps?n=5", "one");
    counter.wait_until_stopped();
    let call = runs(&host)[0]["call"].as_str().unwrap().to_owned();
    let said = host.command(&["run", "cancel", &call]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("step 3") && said.out.contains("not known"),
        "{said:?}"
    );
    assert!(said.out.contains("nothing undoes it"), "{said:?}");
    let run = wait_for(&host, "done");
    assert_eq!(
        shown(&host, &run)["outcome"]
            .as_str()
            .map(|text| text.contains("cancelled")),
        Some(true)
    );
    assert_eq!(counter.count(), 2);
}

#[test]
fn one_that_goes_on_as_new_has_more_steps_than_any_may_have() {
    let counter = Counter::start();
    let mut host = alone(&counter, super::KEYED);
    // 60 is the limit of one round, and there are three of them; killed in the second.
    counter.stop_after(70, Point::After);
    begin(&host, &counter, "/rounds?n=50&rounds=3", "one");
    counter.wait_until_stopped();
    let run = runs(&host).remove(0);
    assert_eq!(
        (&run["rounds"], &run["steps"]),
        (&2.into(), &21.into()),
        "{run:#}"
    );
    host.kill();
    host.again();
    let answer = came(&host, &counter, "/rounds?n=50&rounds=3", "one");
    assert_eq!(
        (answer.status, &*answer.text()),
        (200, "150 steps, after 100")
    );
    assert_eq!(wait_for(&host, "done")["rounds"], 3);
    let effects = counter.effects();
    assert_eq!(effects.len(), 150);
    for (path, asked) in effects {
        assert_eq!(asked.len(), 1, "{path}: {asked:?}");
    }
    // Elsewhere than at the path of its operation it does not go on.
    let stray = "/rounds?n=1&rounds=2&to=/steps";
    let answer = came(&host, &counter, stray, "two");
    assert_eq!(super::code(&answer), "bad-response");
}
