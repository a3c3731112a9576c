//! An operation has so many calls, by whatever name it is asked for.

use super::super::contracts::{given, post};
use super::*;
use serde_json::json;

/// Ways to write a path that a service may take for `/ok`, or that cannot be told from it.
const SPELLED: [&str; 16] = [
    "/two/ok",
    "/two/ok?a=b",
    "/two/%6fk",
    "/two/%6Fk",
    "/two/%256fk",
    "/two//ok",
    "/two/ok/",
    "/two/ok//",
    "/two/%2fok",
    "/two/%5cok",
    "/two/OK",
    "/two/ok%20",
    "/two/ok.",
    "/two/ok;a=b",
    "/two/ok%3fa",
    "/two/ok%23a",
];

#[test]
fn an_operation_is_not_gone_round_by_writing_it_in_another_way() {
    let count = SPELLED.len() * 2;
    let host = two("")
        .policy(&format!(
            "[services.two.rate.operations]\n\"GET /ok\" = \"1000/d burst {count}\"\n\"POST /ok\" = \"1/d\""
        ))
        .start();
    for path in SPELLED {
        for method in ["GET", "HEAD"] {
            let answer = host.ask(method, path).send();
            assert_ne!(answer.status, 429, "{path}");
            // What an operation has left is not one caller's business.
            assert_eq!(answer.header("ratelimit"), None, "{path}");
        }
    }
    let change = "under [services.two.rate.operations] in holdfast.toml";
    for path in SPELLED {
        refused(&host, &host.get(path), change);
        assert_eq!(host.ask("HEAD", path).send().status, 429, "{path}");
    }
    // What is another operation is not held up, nor is another method.
    assert_eq!(host.get("/two/drip?n=2&ms=1").text(), "..");
    assert_ne!(host.ask("POST", "/two/ok").send().status, 429);
    assert_eq!(host.ask("POST", "/two/%6Fk/").send().status, 429);
}

#[test]
fn a_function_is_the_same_one_by_any_of_its_names_and_by_the_services_that_call_it() {
    let host = Setup::new()
        .service("tasks", Guest::Service("tasks"), "[contract]\nsafe = [\"todo/parse\"]")
        .service("digest", Guest::Service("digest"), "services = [\"tasks\", \"proxy\"]")
        .naive("proxy", "http://127.0.0.1:9", "")
        .policy("[services.digest]\nservices = [\"tasks\", \"proxy\"]")
        .policy("[services.tasks.rate.operations]\n\"POST /todo/parse\" = \"5/d\"\n\"POST /todo/nothing\" = \"1/d\"")
        .start();
    host.said("tasks has no function `POST /todo/nothing`");
    let lines = json!({ "lines": ["rest !low"] });
    for path in [
        "/tasks/todo/parse",
        "/tasks/todo@1.0.0/parse",
        "/tasks/acme:tasks/todo@1.0.0/parse",
    ] {
        given(&post(&host, path, &lines));
    }
    let looks = "/tasks/todo/parse?lines=%5B%22rest%22%5D";
    given(&host.get(looks));
    let today = json!({ "year": 2026, "month": 12, "day": 1 });
    let asked = json!({ "lines": ["rest"], "today": today });
    given(&post(&host, "/digest/daily/from-lines", &asked));
    let change = "under [services.tasks.rate.operations] in holdfast.toml";
    for path in ["/tasks/todo/parse", "/tasks/acme:tasks/todo@1.0.0/parse"] {
        refused(&host, &post(&host, path, &lines), change);
    }
    host.get(looks).fault("rate-limited");
    let outer = post(&host, "/digest/daily/from-lines", &asked);
    let inner = &host.children(outer.call(), 1)[0];
    assert_eq!(inner["code"], "rate-limited", "{inner}");
    // Its others are not held up.
    let count = json!({ "tasks": [], "today": today });
    given(&post(&host, "/tasks/todo/count", &count));
}
