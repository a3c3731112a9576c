//! Starting, swapping, draining or removing a service.

use super::matrix::Row;
use super::{asked, got};
use crate::harness::{Chaos, Does, Flow, Guest, Host, Setup, encoded, until};
use std::io::Write as _;

pub(crate) fn rows() -> Vec<Row> {
    let chaos = Chaos::start(Does::Hangs);
    let mut host = host(&chaos);
    let mut rows = asked(
        "lifecycle",
        &host,
        &[
            ("/core/", "no-such-service"),
            ("/wants-more/", "no-such-service"),
        ],
    );
    // Three starts in a row fail; whoever asks for it afterwards is told why it was left alone.
    for _ in 0..3 {
        host.get("/notes/");
    }
    for (name, code, path) in [
        ("a service that does not start", "quarantined", "/notes/"),
        (
            "a call to one that does not start",
            "service-fault",
            "/front/",
        ),
    ] {
        rows.push(Row::new(name, "lifecycle", code, &got(&host, path)));
    }
    rows.extend(drained(&mut host, &chaos));
    rows
}

fn host(chaos: &Chaos) -> Host {
    let url = chaos.url("");
    Setup::new()
        .service("core", Guest::Text("core-module"), "")
        .service("wants-more", Guest::Text("imports-missing"), "")
        .service("notes", Guest::Text("start-trap"), "")
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .policy("drain_ms = 1500")
        .policy("[services.front]\nservices = [\"notes\"]\n[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .start()
}

/// Ends the host while calls run and another one comes.
fn drained(host: &mut Host, chaos: &Chaos) -> Vec<Row> {
    let mut stream = host.ask("GET", "/two/drip?ms=50").open();
    stream.next().unwrap();
    let waiting = host.ask("GET", "/two/never").write();
    let url = encoded(&chaos.url("/"));
    let asking = host.ask("GET", &format!("/two/fetch?url={url}")).write();
    until("the upstream to be asked", || {
        (!chaos.taken().is_empty()).then_some(())
    });
    let mut open = host.ask("GET", "/two/ok").connect();
    write!(open, "GET /two/ok HTTP/1.1\r\nhost: {}\r\n", host.gateway).unwrap();
    host.terminate();
    until("the door to be closed", || {
        std::net::TcpStream::connect(host.gateway)
            .is_err()
            .then_some(())
    });
    write!(open, "connection: close\r\n\r\n").unwrap();
    Flow::read(open).finish().fault("draining");
    host.ended();
    drop((stream, waiting, asking));
    let lines = host.closings();
    let of = |operation: &str| {
        let line = lines
            .iter()
            .rev()
            .find(|line| line["operation"] == operation);
        line.unwrap_or_else(|| panic!("no closing line of {operation}"))
    };
    [
        ("a call to a host that drains", "GET /ok"),
        ("a stream that the end of the host cuts", "GET /drip"),
        ("a wait that the end of the host cuts", "GET /never"),
        (
            "a call that waits for an upstream when the host ends",
            "GET /fetch",
        ),
        (
            "a request to an upstream that the end of the host cuts",
            "GET /",
        ),
    ]
    .map(|(name, operation)| Row::new(name, "lifecycle", "draining", of(operation)))
    .into()
}
