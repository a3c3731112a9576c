//! Who goes away takes with him what was done for him.
//!
//! 1. The naive snippet: ask the upstream, pass on what it says.
//! 2. The missing rule: the caller may be gone long before. The work goes on, the upstream is waited for, the bill runs.
//! 3. The tax: a cancellation token through every function, and a check after every wait.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: dropping a call drops its guest and every request it has outside. Only a call with a write under way is shielded
//!    until that write is known to have ended.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{Host, Setup, Upstream, encoded, until};
use serde_json::Value;
use std::io::Write as _;

fn with_upstream(setup: Setup, name: &str, upstream: &Upstream) -> Host {
    setup
        .policy(&format!("[services.{name}]\nupstreams = [\"api\"]"))
        .upstream("api", upstream)
        .start()
}

/// The closing line of the one call whose operation ends so, waited for.
fn closing_of(host: &Host, operation: &str) -> Value {
    until(operation, || {
        let ends = |line: &Value| {
            line["operation"]
                .as_str()
                .is_some_and(|text| text.ends_with(operation))
        };
        host.closings().into_iter().find(ends)
    })
}

#[test]
fn a_client_that_goes_away_cancels_its_call() {
    let upstream = Upstream::start();
    let host = with_upstream(two("upstreams = [\"api\"]"), "two", &upstream);
    let url = encoded(&upstream.url("/hang"));
    let connection = host.ask("GET", &format!("/two/fetch?url={url}")).write();
    until("the upstream to be asked", || {
        (!upstream.seen().is_empty()).then_some(())
    });
    drop(connection);
    until("the upstream to be left", || {
        (upstream.left() == 1).then_some(())
    });
    assert_eq!(closing_of(&host, "/fetch")["outcome"], "cancelled");
}

#[test]
fn a_client_that_goes_away_behind_what_nobody_reads_is_noticed() {
    let upstream = Upstream::start();
    let host = with_upstream(two("upstreams = [\"api\"]"), "two", &upstream);
    let path = format!("/two/fetch?url={}", encoded(&upstream.url("/hang")));
    let large = vec![b'x'; 4 << 20];
    let unread = |body: &[u8]| host.ask("POST", &path).body(body).begin();
    let pipelined = || {
        let mut stream = host.ask("GET", "/two/ok").connect();
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        stream.write_all(head.repeat(2).as_bytes()).unwrap();
        stream
    };
    for (index, client) in [unread(b"small"), unread(&large), pipelined()]
        .into_iter()
        .enumerate()
    {
        until("the upstream to be asked", || {
            (upstream.seen().len() > index).then_some(())
        });
        drop(client);
        until("the upstream to be left", || {
            (upstream.left() > index).then_some(())
        });
    }
}

#[test]
fn a_client_that_goes_away_in_mid_stream_cancels_its_call() {
    let host = two("").start();
    let mut flow = host.ask("GET", "/two/drip?ms=20").open();
    flow.next().unwrap();
    let id = flow.header("holdfast-call").unwrap().to_owned();
    drop(flow);
    assert_eq!(host.closing(&id)["outcome"], "cancelled");
}

#[test]
fn a_call_that_ends_ends_what_it_still_has_outside() {
    let upstream = Upstream::start();
    let url = encoded(&upstream.url("/hang"));
    let host = with_upstream(two("upstreams = [\"api\"]"), "two", &upstream);
    let answer = host.get(&format!("/two/fetch-forget?url={url}"));
    assert_eq!(answer.text(), "forgotten\n");
    host.closing(answer.call());
    // One that was ended on its way there was never asked.
    until("every request to be ended", || {
        (upstream.left() == upstream.seen().len()).then_some(())
    });
}

#[test]
fn a_guest_of_0_3_takes_its_requests_with_it_too() {
    let upstream = Upstream::start();
    let url = encoded(&upstream.url("/hang"));
    let manifest =
        "upstreams = [\"api\"]\n[limits]\nstream = \"1s\"\nidle = \"1s\"\ndeadline = \"1s\"";
    let host = with_upstream(three(manifest), "three", &upstream);
    let answer = host.get(&format!("/three/fetch-forget?url={url}"));
    assert_eq!(answer.text(), "forgotten\n");
    host.closing(answer.call());
    // One that was ended on its way there was never asked.
    until("every request to be ended", || {
        (upstream.left() == upstream.seen().len()).then_some(())
    });
}

#[test]
fn a_write_under_way_is_not_abandoned() {
    let upstream = Upstream::start();
    let host = with_upstream(
        two("upstreams = [\"api\"]\n[limits]\ndeadline = \"2s\""),
        "two",
        &upstream,
    );
    let url = encoded(&upstream.url("/hang"));
    let path = format!("/two/fetch?method=POST&body=pay&url={url}");
    let connection = host.ask("GET", &path).write();
    until("the upstream to be asked", || {
        (!upstream.seen().is_empty()).then_some(())
    });
    drop(connection);
    // It runs on to its deadline, and its end is what the upstream made of it; who it is for may learn of that in time to answer nobody.
    let closing = closing_of(&host, "/fetch");
    let write = host
        .children(closing["call"].as_str().unwrap(), 1)
        .remove(0);
    assert_ne!(write["outcome"], "cancelled", "{write}");
}

#[test]
fn an_operator_who_goes_away_is_a_client_like_any_other() {
    for (method, deadline) in [("GET", "30s"), ("POST", "2s")] {
        let upstream = Upstream::start();
        let manifest = format!("upstreams = [\"api\"]\n[limits]\ndeadline = \"{deadline}\"");
        let host = with_upstream(two(&manifest), "two", &upstream);
        let url = encoded(&upstream.url("/hang"));
        let operation = format!("GET /fetch?method={method}&body=pay&url={url}");
        let mut operator = host.begin_command(&["call", "two", &operation]);
        until("the upstream to be asked", || {
            (!upstream.seen().is_empty()).then_some(())
        });
        operator.kill().unwrap();
        operator.wait().unwrap();
        let closing = closing_of(&host, "/fetch");
        let asked = closing["call"].as_str().unwrap();
        let asked = host.children(asked, 1).remove(0);
        let cancelled = asked["outcome"] == "cancelled";
        assert_eq!(cancelled, method == "GET", "{asked}");
    }
}

#[test]
fn a_stream_that_nobody_reads_has_ended_with_its_head() {
    let host = two("[limits]\nopen_streams = 2").start();
    // More of them than there may be streams at once.
    for _ in 0..6 {
        let answer = until("a stream to be free", || {
            let answer = host.ask("HEAD", "/two/drip?ms=20").send();
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(host.closing(answer.call())["outcome"], "ok");
    }
}
