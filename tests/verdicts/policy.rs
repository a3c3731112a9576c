//! A rule said no, as it was meant to.

use super::matrix::Row;
use super::{Cause, got, injected, led_to};
use crate::harness::{Chaos, Does, Guest, Host, Setup, encoded, until};
use std::net::TcpStream;

struct Bed {
    host: Host,
    /// Of which little is allowed.
    listed: Chaos,
    /// Which may be asked once a second.
    rare: Chaos,
    /// Which has one place.
    narrow: Chaos,
}

impl Bed {
    /// A call that stays in flight until the connection is dropped.
    fn held(&self, service: &str, path: &str) -> TcpStream {
        let held = self.host.ask("GET", path).write();
        until("a call to be in flight", || {
            (self
                .host
                .metric("holdfast_in_flight", &format!("service:{service}"))
                > 0.0)
                .then_some(())
        });
        held
    }
}

const CAUSES: &[Cause<Bed>] = &[
    ("no place is free", "overloaded", |bed| {
        let _held = bed.held("full", "/full/never");
        got(&bed.host, "/full/ok")
    }),
    ("as many streams are open as may be", "overloaded", |bed| {
        let mut flow = bed.host.ask("GET", "/streams/drip?ms=50").open();
        flow.next().unwrap();
        got(&bed.host, "/streams/drip?ms=50")
    }),
    ("a stranger where none may come", "forbidden", |bed| {
        got(&bed.host, "/shut/ok")
    }),
    (
        "an upstream that the manifest does not name",
        "capability-denied",
        |bed| led_to(&bed.host, &fetch("plain", &bed.listed, "/")),
    ),
    ("a metadata address", "capability-denied", |bed| {
        let url = encoded("http://169.254.169.254/latest/meta-data");
        led_to(&bed.host, &format!("/asks/fetch?url={url}"))
    }),
    (
        "the same place under another name",
        "capability-denied",
        |bed| {
            let url = bed.listed.url("/").replace("127.0.0.1", "localhost");
            led_to(&bed.host, &format!("/asks/fetch?url={}", encoded(&url)))
        },
    ),
    (
        "the same place under another scheme",
        "capability-denied",
        |bed| {
            led_to(
                &bed.host,
                &format!("/asks/fetch?url={}", encoded(&bed.listed.https())),
            )
        },
    ),
    (
        "an upstream that leads inside",
        "capability-denied",
        |bed| {
            led_to(
                &bed.host,
                &format!("/asks/fetch?url={}", encoded("http://127.0.0.3:9/")),
            )
        },
    ),
    (
        "a method that the policy does not list",
        "capability-denied",
        |bed| {
            led_to(
                &bed.host,
                &(fetch("asks", &bed.listed, "/") + "&method=PUT&body=x"),
            )
        },
    ),
    (
        "a path that the policy does not list",
        "capability-denied",
        |bed| led_to(&bed.host, &fetch("asks", &bed.listed, "/secret/")),
    ),
    (
        "a service that the manifest does not name",
        "capability-denied",
        |bed| {
            let url = encoded("http://plain.internal/ok");
            led_to(&bed.host, &format!("/asks/fetch?url={url}"))
        },
    ),
    (
        "more requests a second than the upstream gets",
        "rate-limited",
        |bed| {
            let path = fetch("often", &bed.rare, "/") + "&n=2";
            led_to(&bed.host, &path.replace("fetch", "fetch-many"))
        },
    ),
    ("more calls than a caller may make", "rate-limited", |bed| {
        bed.host.get("/counted/ok");
        got(&bed.host, "/counted/ok")
    }),
    (
        "an operation that is called too often, written in another way",
        "rate-limited",
        |bed| {
            bed.host.get("/counts/ok");
            got(&bed.host, "/counts/%6fk")
        },
    ),
    ("no place at the upstream is free", "overloaded", |bed| {
        let _held = asked_for(bed);
        led_to(&bed.host, &fetch("narrow", &bed.narrow, "/"))
    }),
    ("a service that passes that on", "overloaded", |bed| {
        let _held = asked_for(bed);
        got(&bed.host, "/passes-on/")
    }),
];

/// The path of a request that makes `service` ask for `path` of an upstream.
fn fetch(service: &str, chaos: &Chaos, path: &str) -> String {
    format!("/{service}/fetch?url={}", encoded(&chaos.url(path)))
}

/// A request that holds the one place of the narrow upstream.
fn asked_for(bed: &Bed) -> TcpStream {
    until("the place to be free", || {
        (bed.host.metric("holdfast_in_flight", "narrow") == 0.0).then_some(())
    });
    bed.narrow.taken();
    bed.narrow.next(&[Does::Hangs]);
    let held = bed
        .host
        .ask("GET", &fetch("narrow", &bed.narrow, "/"))
        .write();
    until("the upstream to be asked", || {
        (!bed.narrow.taken().is_empty()).then_some(())
    });
    held
}

pub(crate) fn rows() -> Vec<Row> {
    let [listed, rare, narrow] = [(); 3].map(|()| Chaos::start(Does::Serves));
    let case = Guest::Case("wasi02");
    let upstream = |name: &str, chaos: &Chaos, more: &str| {
        let url = chaos.url("");
        format!("[upstreams.{name}]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n{more}")
    };
    let uses = |name: &str| format!("upstreams = [\"{name}\"]");
    let host = Setup::new()
        .service("plain", case, "")
        .service("shut", case, "")
        .service("counted", case, "")
        .service("counts", case, "")
        .service("full", case, "[limits]\nplaces = 1")
        .service("streams", case, "[limits]\nopen_streams = 1")
        .service("asks", case, "upstreams = [\"listed\", \"inside\"]")
        .service("often", case, &uses("rare"))
        .service("narrow", case, &uses("narrow"))
        .service(
            "passes-on",
            Guest::Service("proxy"),
            &format!(
                "{}\n[config]\nupstream = \"{}\"",
                uses("narrow"),
                narrow.url("")
            ),
        )
        .policy("anonymous = \"allow\"\n[services.shut]\nanonymous = \"deny\"")
        .policy("[services.counted.rate]\ncaller = \"1/d\"")
        .policy("[services.counts.rate.operations]\n\"GET /ok\" = \"1/d\"")
        .policy("[services.asks]\nupstreams = [\"listed\", \"inside\"]")
        .policy("[services.often]\nupstreams = [\"rare\"]")
        .policy("[services.narrow]\nupstreams = [\"narrow\"]")
        .policy("[services.passes-on]\nupstreams = [\"narrow\"]")
        .policy(&upstream(
            "listed",
            &listed,
            "methods = [\"GET\"]\npaths = [\"/open\"]",
        ))
        .policy(&upstream("rare", &rare, "per_second = 1\nattempts = 1"))
        .policy(&upstream("narrow", &narrow, "places = 1\nattempts = 1"))
        .policy("[upstreams.inside]\nurl = \"http://127.0.0.3:9\"")
        .start();
    injected(
        "policy",
        &Bed {
            host,
            listed,
            rare,
            narrow,
        },
        CAUSES,
    )
}
