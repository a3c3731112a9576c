//! The caller sent something wrong, or went away.

use super::matrix::Row;
use super::{Cause, injected};
use crate::harness::{Ask, Guest, Host, Setup, h2_get_with, until};
use serde_json::Value;

const CAUSES: &[Cause<Host>] = &[
    ("a path with .. in it", "invalid-input", |host| {
        said(host, host.ask("GET", "/two/../two/ok"))
    }),
    ("a path with a backslash", "invalid-input", |host| {
        said(host, host.ask("GET", "/two/\\ok"))
    }),
    ("two hosts that differ", "invalid-input", |host| {
        said(
            host,
            host.ask("GET", "http://one.example/two/ok")
                .header("host", "other.example"),
        )
    }),
    ("a method in small letters", "invalid-input", |host| {
        said(host, host.ask("get", "/two/ok"))
    }),
    ("CONNECT", "invalid-input", |host| {
        said(
            host,
            host.ask("CONNECT", "one.example:443")
                .header("host", "one.example:443"),
        )
    }),
    ("a WebSocket", "invalid-input", |host| {
        said(
            host,
            host.ask("GET", "/two/ok").header("upgrade", "websocket"),
        )
    }),
    ("an expectation", "expectation-failed", |host| {
        said(
            host,
            host.ask("GET", "/two/ok").header("expect", "a-miracle"),
        )
    }),
    ("a long target", "target-too-long", |host| {
        said(
            host,
            host.ask("GET", &format!("/two/ok?{}", "x".repeat(2 << 10))),
        )
    }),
    ("many fields", "fields-too-large", |host| {
        let answer = h2_get_with(
            host.gateway,
            "/two/ok",
            &["x-one", "x-two", "x-three", "x-four", "x-five"],
        );
        host.closing(answer.call())
    }),
    (
        "headers beyond what the service takes",
        "invalid-input",
        |host| {
            said(
                host,
                host.ask("GET", "/small/ok")
                    .header("x-large", &"x".repeat(8 << 10)),
            )
        },
    ),
    ("a body announced too long", "payload-too-large", |host| {
        said(
            host,
            host.ask("POST", "/two/echo").body(vec![b'x'; 128 << 10]),
        )
    }),
    (
        "a body that becomes too long",
        "payload-too-large",
        |host| {
            let chunk = "x".repeat(40 << 10);
            said(
                host,
                host.ask("POST", "/two/echo").chunks(&[&chunk, &chunk], &[]),
            )
        },
    ),
    ("half a body", "cancelled", |host| {
        drop(
            host.ask("POST", "/two/echo?half")
                .cut_body("half a body")
                .write(),
        );
        ended(host, "POST /echo", "two")
    }),
    ("a client that leaves while it waits", "cancelled", |host| {
        let connection = host.ask("GET", "/two/never").write();
        until("the call to run", || {
            (host.metric("holdfast_in_flight", "two") > 0.0).then_some(())
        });
        drop(connection);
        ended(host, "GET /never", "two")
    }),
    ("a client that leaves while it reads", "cancelled", |host| {
        let mut flow = host.ask("GET", "/two/drip?ms=20").open();
        flow.next().unwrap();
        let id = flow.header("holdfast-call").unwrap().to_owned();
        drop(flow);
        host.closing(&id)
    }),
    ("a reader that takes nothing", "deadline-exceeded", |host| {
        let mut flow = host.ask("GET", "/small/flood-body").open();
        flow.next().unwrap();
        let id = flow.header("holdfast-call").unwrap().to_owned();
        host.closing(&id)
    }),
];

/// The closing line of this request.
fn said(host: &Host, ask: Ask) -> Value {
    host.closing(ask.send().call())
}

/// The closing line of the one failed call of `service` that did this.
fn ended(host: &Host, operation: &str, service: &str) -> Value {
    until(operation, || {
        let is = |line: &Value| {
            line["operation"] == operation
                && line["service"] == service
                && line["code"] == "cancelled"
        };
        host.closings().into_iter().find(is)
    })
}

pub(crate) fn rows() -> Vec<Row> {
    let host = Setup::new()
        .service("two", Guest::Case("wasi02"), "")
        .service(
            "small",
            Guest::Case("wasi02"),
            "[limits]\nheader_bytes = \"4KiB\"\nidle = \"300ms\"",
        )
        .policy("[listen.limits]\ntarget_bytes = \"1KiB\"\nbody_bytes = \"64KiB\"\nfields = 4")
        .start();
    injected("caller", &host, CAUSES)
}
