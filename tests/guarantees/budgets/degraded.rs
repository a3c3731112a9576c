//! Before a budget is spent, something that costs less is answered, if the operator has said what.

use super::setup;
use crate::guarantees::Guest;
use crate::harness::{Chaos, Does, until};

#[test]
fn a_budget_that_is_nearly_spent_is_answered_for_and_not_run_against() {
    let chaos = Chaos::start(Does::Serves);
    let host = setup(&chaos.url(""), "[budget]\nhost = \"0.004 USD / month\"\nsoft = \"50%\"")
        .policy("[services.api.degrade]\nanswer = \"{\\\"busy\\\": true}\"\nstatus = 203\ncontent_type = \"application/json\"")
        .start();
    let answers: Vec<_> = (0..8).map(|_| host.get("/api/pay")).collect();
    let (served, degraded): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    assert_eq!((served.len(), degraded.len()), (5, 3));
    assert_eq!(chaos.taken().len(), 5);
    for answer in degraded {
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (203, "{\"busy\": true}")
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("holdfast-degraded"), Some("budget"));
    }
    host.said("the budget of the host is nearly spent: 0.002 USD of 0.004 USD / month");
    // With a larger one it is served again.
    let larger = std::fs::read_to_string(host.config())
        .unwrap()
        .replace("0.004 USD", "1 USD");
    std::fs::write(host.config(), larger).unwrap();
    until("the larger budget to hold", || {
        (host.get("/api/pay").status == 200).then_some(())
    });
}

#[test]
fn another_service_answers_in_its_place_and_by_its_grants() {
    let chaos = Chaos::start(Does::Serves);
    let manifest = format!(
        "upstreams = [\"api\"]\nservices = [\"two\"]\n[config]\nupstream = \"{}\"",
        chaos.url("")
    );
    let host = setup(&chaos.url(""), "")
        .service("two", Guest::Case("wasi02"), "")
        .service("front", Guest::Service("proxy"), &manifest)
        .policy("[services.front]\nupstreams = [\"api\"]\nservices = [\"two\"]\nbudget = \"0.001 USD / month\"")
        .policy("[services.front.degrade]\nservice = \"two\"")
        .start();
    for _ in 0..2 {
        assert_eq!(host.get("/front/ok").header("holdfast-degraded"), None);
    }
    let answer = host.get("/front/ok");
    assert_eq!(
        (answer.status, answer.header("holdfast-degraded")),
        (200, Some("budget"))
    );
    assert_eq!(chaos.taken().len(), 2);
    let line = host.children(answer.call(), 1)[0].clone();
    assert_eq!(
        (&line["service"], &line["caller"]),
        (&"two".into(), &"anonymous > service:front".into())
    );
    assert!(host.closing(answer.call()).get("cost_nanousd").is_none());
}

#[test]
fn what_it_answered_before_is_answered_again_and_then_the_rest_of_the_ladder() {
    let chaos = Chaos::start(Does::Serves);
    let host = setup(
        &chaos.url(""),
        "[budget]\nhost = \"0.004 USD / month\"\nsoft = \"50%\"",
    )
    .service(
        "tasks",
        Guest::Service("tasks"),
        "[contract]\nsafe = [\"todo/parse\"]",
    )
    .policy("[services.api.degrade]\ncached = \"1h\"\nanswer = \"busy\"")
    .policy("[services.tasks.degrade]\ncached = \"1h\"")
    .start();
    let parsed = || {
        let values = r#"{"lines": ["milk"]}"#;
        let typed = host.ask("POST", "/tasks/todo/parse");
        let typed = typed.header("content-type", "application/json");
        typed.body(values).send()
    };
    let (page, milk) = (host.get("/api/pay"), parsed());
    assert_eq!((page.status, milk.status), (200, 200), "{page:?} {milk:?}");
    while host.get("/api/other").header("holdfast-degraded").is_none() {
        assert!(chaos.taken().len() < 10);
    }
    let sent = chaos.taken().len();
    let again = host.get("/api/pay");
    assert_eq!((again.status, again.text()), (200, page.text()));
    assert_eq!(again.header("holdfast-degraded"), Some("budget"));
    assert!(again.header("age").is_some());
    let line = host.closing(again.call());
    assert_eq!(line["degraded"], "cached");
    // A function that only looks is one more that need not run.
    let again = parsed();
    assert_eq!((again.status, again.text()), (200, milk.text()));
    assert_eq!(again.header("holdfast-degraded"), Some("budget"));
    // What was not asked before, or by somebody who says who he is to the service, has the text.
    for other in [
        host.get("/api/never"),
        host.ask("GET", "/api/pay").header("cookie", "me").send(),
    ] {
        assert_eq!(other.text(), "busy");
        assert_eq!(host.closing(other.call())["degraded"], "answer");
    }
    assert_eq!(chaos.taken().len(), sent);
    let explained = host.command(&["explain", again.call()]);
    assert!(explained.out.contains("degraded: cached"), "{explained:?}");
}
