//! A system outside that a call depends on: every bad day that it can have, seen from the request that met it and from the service that
//! has nothing better to say than that.

mod days;

use super::matrix::Row;
use super::{Cause, got, injected, led_to};
use crate::harness::{
    Certificate, Chaos, Does, Guest, Host, NAMELESS, Setup, TlsUpstream, closed_port, encoded,
    root, wire,
};
use days::{AGAIN, CLOSES, Day, ONCE};
use std::time::Duration;

const TRUTH: &str = "upstream";

struct Bed {
    host: Host,
    once: Chaos,
    again: Chaos,
    shy: Chaos,
    keyed: Chaos,
}

/// The requests that never come to an upstream, or that more than one bad day leads to.
const CAUSES: &[Cause<Bed>] = &[
    ("a closed port", "upstream-unreachable", |bed| {
        led_to(&bed.host, "/closed/")
    }),
    ("a name that there is not", "upstream-unreachable", |bed| {
        led_to(&bed.host, "/nameless/")
    }),
    (
        "plain text in the place of TLS",
        "upstream-unreachable",
        |bed| led_to(&bed.host, "/clear/"),
    ),
    (
        "a certificate that vouches for itself",
        "upstream-untrusted",
        |bed| led_to(&bed.host, "/self-signed/"),
    ),
    (
        "a certificate of another name",
        "upstream-untrusted",
        |bed| led_to(&bed.host, "/of-another/"),
    ),
    (
        "a certificate that has expired",
        "upstream-untrusted",
        |bed| led_to(&bed.host, "/expired/"),
    ),
    ("an answer with the secret in it", "secret-echoed", |bed| {
        bed.keyed.next(&[Does::Echoes]);
        led_to(&bed.host, "/keyed/")
    }),
    (
        "a service that passes on a closed port",
        "upstream-unreachable",
        |bed| got(&bed.host, "/closed/"),
    ),
    (
        "a service that passes on a missing name",
        "upstream-unreachable",
        |bed| got(&bed.host, "/nameless/"),
    ),
    (
        "a service that passes on broken TLS",
        "upstream-unreachable",
        |bed| got(&bed.host, "/clear/"),
    ),
    (
        "a service that passes on a bad certificate",
        "upstream-untrusted",
        |bed| got(&bed.host, "/expired/"),
    ),
    ("a service that passes on a 500", "service-fault", |bed| {
        passed_on(bed, 500)
    }),
    ("a service that passes on a 503", "service-fault", |bed| {
        passed_on(bed, 503)
    }),
    (
        "an upstream that was left alone",
        "upstream-circuit-open",
        |bed| {
            for _ in 0..5 {
                bed.host.get("/shy/");
            }
            led_to(&bed.host, "/shy/")
        },
    ),
    (
        "a service whose upstream was left alone",
        "upstream-circuit-open",
        |bed| got(&bed.host, "/shy/"),
    ),
    (
        "an upstream that asks for less",
        "upstream-throttled",
        |bed| {
            bed.host.get("/throttled/");
            led_to(&bed.host, "/throttled/")
        },
    ),
    (
        "a service that waits for a slow body to its deadline",
        "deadline-exceeded",
        |bed| {
            bed.once.next(&[Does::Trickles {
                bytes: 2_000,
                per_second: 100,
            }]);
            got(&bed.host, &fetch("hurried", &bed.once, 1))
        },
    ),
    (
        "a call for which earlier ones left no time",
        "deadline-exceeded",
        |bed| {
            bed.shy.usually(Does::Dawdles(Duration::from_millis(100)));
            // From eight calls on it is known how long the upstream takes.
            for _ in 0..4 {
                bed.host.get(&fetch("hurried-often", &bed.shy, 2));
            }
            led_to(&bed.host, &fetch("hurried-often", &bed.shy, 9))
        },
    ),
];

fn fetch(service: &str, chaos: &Chaos, times: usize) -> String {
    let url = encoded(&chaos.url("/"));
    match times {
        1 => format!("/{service}/fetch?url={url}"),
        times => format!("/{service}/fetch-many?n={times}&url={url}"),
    }
}

fn passed_on(bed: &Bed, status: u16) -> serde_json::Value {
    bed.once.next(&[Does::Answers(status, CLOSES)]);
    got(&bed.host, "/once/")
}

/// The class of a released code.
fn class(code: &str) -> String {
    let registry = std::fs::read_to_string(root().join("host/call/fault-codes.txt")).unwrap();
    let line = registry
        .lines()
        .find(|line| line.starts_with(&format!("{code} ")));
    line.unwrap().split(' ').nth(2).unwrap().to_owned()
}

/// What a request met that day, and what was said of the service that passed it on.
fn met(bed: &Bed, service: &str, chaos: &Chaos, day: &Day) -> [Row; 2] {
    let (does, code, wanted, tries) = *day;
    chaos.usually(does);
    drop((chaos.taken(), chaos.opened()));
    let answer = bed.host.get(&format!("/{service}/"));
    let asking = bed.host.closing(answer.call());
    let asked = bed.host.children(answer.call(), 1).remove(0);
    // What is never read is counted by its connections.
    let reached = match does {
        Does::Slams | Does::Deafens => chaos.opened(),
        _ => chaos.taken().len(),
    };
    assert_eq!(
        (reached, &asked["attempts"]),
        (tries, &tries.into()),
        "{does:?}: {asked}"
    );
    let class = class(asked["code"].as_str().unwrap());
    assert!(
        wanted.split(" or ").any(|wanted| wanted == class),
        "{does:?}: {asked}"
    );
    // The error of a call is handed on as it is; an answer that went wrong later, or was an error page, is the service's to tell.
    let failed = asked["outcome"] == "fault" && asked["status"].as_u64() >= Some(500);
    let handed_on = if failed { code } else { "service-fault" };
    [
        Row::new(&format!("{does:?}"), TRUTH, code, &asked),
        Row::new(&format!("{does:?}, passed on"), TRUTH, handed_on, &asking),
    ]
}

/// A host with a service for each upstream, which passes on what it gets.
struct Building(Setup);

impl Building {
    fn upstream(self, name: &str, url: &str, more: &str) -> Self {
        Self(self.0.naive(name, url, more))
    }

    /// An upstream whose certificate is trusted, but for what is wrong with it.
    fn tls(self, name: &str, upstream: &TlsUpstream) -> Self {
        let file = self.0.dir.path().join(format!("{name}.pem"));
        std::fs::write(&file, &upstream.authority).unwrap();
        let url = format!("https://localhost:{}", upstream.port);
        self.upstream(
            name,
            &url,
            &format!("attempts = 1\nca = \"{}\"", file.display()),
        )
    }
}

const TIGHT: &str = "breaker = false\nfirst_byte = \"300ms\"\nbetween_bytes = \"300ms\"\nresponse_bytes = \"64KiB\"\n\
    override_floor = true";

fn bed() -> Bed {
    let [once, again, shy, keyed, throttled] = [(); 5].map(|()| Chaos::start(Does::Serves));
    let tried_once = format!("attempts = 1\n{TIGHT}");
    let case = Guest::Case("wasi02");
    let own = TlsUpstream::start();
    let setup = Setup::new()
        .environment("HOLDFAST_TEST_KEY", "canary/7f3a9c:e1")
        .service(
            "hurried",
            case,
            "upstreams = [\"once\"]\n[limits]\ndeadline = \"700ms\"",
        )
        .service(
            "hurried-often",
            case,
            "upstreams = [\"shy\"]\n[limits]\ndeadline = \"700ms\"",
        )
        .policy("[services.hurried]\nupstreams = [\"once\"]")
        .policy("[services.hurried-often]\nupstreams = [\"shy\"]");
    let host = Building(setup)
        .upstream("once", &once.url(""), &tried_once)
        .upstream("again", &again.url(""), TIGHT)
        .upstream("closed", &format!("http://{}", closed_port()), "attempts = 1\nbreaker = false")
        .upstream("nameless", NAMELESS, "attempts = 1\nbreaker = false\nconnect = \"1s\"")
        .upstream("clear", &keyed.https(), "attempts = 1\nbreaker = false")
        .upstream("self-signed", &format!("https://localhost:{}", own.port), "attempts = 1")
        .tls("of-another", &TlsUpstream::with(Certificate::OfAnother))
        .tls("expired", &TlsUpstream::with(Certificate::Expired))
        .upstream("shy", &shy.url(""), "attempts = 1")
        .upstream("throttled", &throttled.url(""), "attempts = 1")
        .upstream(
            "keyed",
            &keyed.url(""),
            "attempts = 1\n[upstreams.keyed.credential]\nheader = \"x-key\"\nenv = \"HOLDFAST_TEST_KEY\"",
        )
        .0
        .start();
    throttled.usually(Does::Answers(429, "retry-after: 30\r\n"));
    shy.usually(Does::Resets);
    Bed {
        host,
        once,
        again,
        shy,
        keyed,
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let bed = bed();
    let mut rows: Vec<Row> = ONCE
        .iter()
        .flat_map(|day| met(&bed, "once", &bed.once, day))
        .collect();
    rows.extend(
        AGAIN
            .iter()
            .flat_map(|day| met(&bed, "again", &bed.again, day)),
    );
    rows.extend(injected(TRUTH, &bed, CAUSES));
    rows
}

#[test]
fn what_comes_behind_an_answer_is_nobody_s() {
    let bed = bed();
    bed.once.next(&[Does::Writes(wire::LONG), Does::Serves]);
    for _ in 0..2 {
        let answer = bed.host.get("/once/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    }
}

#[test]
fn an_upstream_that_is_only_slow_is_waited_for() {
    let bed = bed();
    let lags = Does::Lags {
        least: Duration::from_millis(20),
        jitter: Duration::from_millis(60),
        seed: 7,
    };
    let trickles = Does::Trickles {
        bytes: 100,
        per_second: 500,
    };
    bed.once.next(&[
        lags,
        trickles,
        Does::Lingers(Duration::from_millis(50)),
        lags,
    ]);
    for whole in ["late", &".".repeat(100), "slow", "late"] {
        let answer = bed.host.get("/once/");
        assert_eq!((answer.status, answer.text().as_str()), (200, whole));
    }
}
