//! No service claims this place, or two do.

use super::matrix::Row;
use super::{Cause, got, injected, led_to};
use crate::harness::{Guest, Host, Setup, encoded, until};

const CAUSES: &[Cause<Host>] = &[
    ("a path that nobody claims", "no-such-service", |host| {
        got(host, "/nobody/ok")
    }),
    ("the root, which nobody claims", "no-such-service", |host| {
        got(host, "/")
    }),
    (
        "a service under its name that claims another path",
        "no-such-service",
        |host| got(host, "/placed/ok"),
    ),
    (
        "a service under another host than it claims",
        "no-such-service",
        |host| got(host, "/of-host/ok"),
    ),
    (
        "a service whose path another one claims",
        "no-such-service",
        |host| got(host, "/late/ok"),
    ),
    (
        "a call to a service that is not there",
        "no-such-service",
        |host| {
            led_to(
                host,
                &format!("/two/fetch?url={}", encoded("http://gone.internal/")),
            )
        },
    ),
    ("a service that was removed", "no-such-service", |host| {
        assert_eq!(host.get("/short-lived/ok").status, 200);
        host.remove("short-lived");
        until("it to be gone", || {
            (host.get("/short-lived/ok").status == 404).then_some(())
        });
        got(host, "/short-lived/ok")
    }),
];

pub(crate) fn rows() -> Vec<Row> {
    let case = Guest::Case("wasi02");
    let host = Setup::new()
        .service("two", case, "services = [\"gone\"]")
        .service("placed", case, "routes = [\"/elsewhere/...\"]")
        .service("of-host", case, "routes = [\"one.example/of-host/...\"]")
        .service("short-lived", case, "")
        .policy("[services.two]\nservices = [\"gone\"]")
        .start();
    host.drop_in("late", case, "routes = [\"/elsewhere/...\"]");
    until("it to be refused", || {
        host.listed("late")?["error"].as_str().map(|_| ())
    });
    injected("routing", &host, CAUSES)
}
