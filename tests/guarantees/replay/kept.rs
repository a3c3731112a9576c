//! What is kept, and what is not: which calls, how much of each, and nothing that lets somebody in.

use super::{asking, listed, name, record, replayed};
use crate::harness::{Host, Upstream, encoded, until};
use std::time::Duration;

/// Makes a call, waits until it is kept, and gives back its name.
fn one(host: &Host, path: &str, status: u16) -> String {
    let answer = host.get(path);
    assert_eq!(answer.status, status, "{}", answer.text());
    let call = answer.call().to_owned();
    kept(host, &call);
    call
}

fn kept(host: &Host, call: &str) {
    let file = host.dir().join(format!("data/captures/{call}.json"));
    until("it to be kept", || file.exists().then_some(()));
}

#[test]
fn only_what_failed_is_kept_where_the_policy_says_so() {
    let upstream = Upstream::start();
    let host = asking(
        &upstream,
        "faults",
        "[limits]\ncpu = \"300ms\"\ndeadline = \"2s\"",
        "",
    );
    assert_eq!(host.get("/wasi02/ok").status, 200);
    assert_eq!(host.get("/wasi02/status?code=404").status, 404);
    let trapped = one(&host, "/wasi02/trap-before", 500);
    let looped = one(&host, "/wasi02/loop", 503);
    let masked = one(&host, "/wasi02/status?code=500", 500);
    // Run again, it fails as it did.
    for call in [&trapped, &masked, &looped] {
        let (again, _) = replayed(&host, call, &[]);
        assert_eq!(again["verdict"], "same", "{again:#}");
        assert_eq!(again["now"], again["then"], "{again:#}");
    }
    // One that was cut by its deadline is followed to where that was.
    let hung = one(&host, "/wasi02/never", 504);
    let (again, said) = replayed(&host, &hung, &[]);
    assert_eq!(
        (&again["verdict"], said.code),
        (&"record-ends".into(), Some(0)),
        "{again:#}"
    );
    assert_eq!(listed(&host, 4).len(), 4);
}

#[test]
fn what_lets_somebody_in_is_not_on_the_disk() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    let secret = "CANARY-of-a-session";
    let answer = host
        .ask("GET", "/wasi02/request")
        .header("authorization", &format!("Basic {secret}"))
        .header("cookie", &format!("session={secret}"))
        .header("x-plain", "anything else")
        .send();
    assert_eq!(answer.status, 200);
    let call = answer.call().to_owned();
    kept(&host, &call);
    let record = record(&host, &call);
    assert!(
        !record.split("\"outcome\"").next().unwrap().contains(secret),
        "{record}"
    );
    let asked: serde_json::Value = serde_json::from_str(&record).unwrap();
    let stand_ins = asked["stand_ins"].to_string();
    assert!(stand_ins.contains("cookie"), "{stand_ins}");
}

#[test]
fn what_is_too_long_reaches_the_client_and_the_record_says_that_it_is_not_complete() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    let bytes = 5 << 20;
    let answer = host.get(&format!("/wasi02/flood-body?bytes={bytes}"));
    assert_eq!((answer.status, answer.body.len()), (200, bytes));
    let call = answer.call().to_owned();
    kept(&host, &call);
    let (again, said) = replayed(&host, &call, &[]);
    assert_eq!(
        (&again["verdict"], said.code),
        (&"record-ends".into(), Some(0)),
        "{again:#}"
    );
    assert!(
        again["gaps"].to_string().contains("longer than an entry"),
        "{again:#}"
    );
    assert!(
        std::fs::metadata(host.dir().join(format!("data/captures/{call}.json")))
            .unwrap()
            .len()
            < 1 << 20
    );

    // So does what is sent: all of it arrives.
    let body = vec![b'y'; 3 << 20];
    let answer = host.ask("POST", "/wasi02/echo").body(body.clone()).send();
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
}

#[test]
fn an_answer_that_takes_its_time_reaches_the_client_as_it_comes() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    let mut flow = host.ask("GET", "/wasi02/drip?n=1000&ms=50").open();
    let first = flow.next().unwrap();
    assert!(!first.is_empty());
    let call = flow.header("holdfast-call").unwrap().to_owned();
    // Its reader goes away, and the guest with it.
    drop(flow);
    kept(&host, &call);
    let (again, _) = replayed(&host, &call, &[]);
    assert_eq!(again["verdict"], "record-ends", "{again:#}");
}

#[test]
fn the_limits_of_a_call_are_those_of_any_call() {
    let upstream = Upstream::start();
    let limits = "[limits]\ncalls = 3\ncpu = \"300ms\"\nmemory = \"16MiB\"";
    let host = asking(&upstream, "all", limits, "");
    let path = format!(
        "/wasi02/fetch-many?n=5&url={}",
        encoded(&upstream.url("/ok"))
    );
    let answer = host.get(&path);
    assert_eq!(
        answer.text().matches("status 200").count(),
        3,
        "{}",
        answer.text()
    );
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(host.get("/wasi02/loop").status, 503);
    assert!(host.get("/wasi02/grow").status >= 500);
    let (again, _) = replayed(&host, answer.call(), &[]);
    assert_eq!(again["verdict"], "same", "{again:#}");
}

#[test]
fn a_guest_that_forgets_what_it_asked_for_is_the_same_again() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    let url = encoded(&upstream.url("/slow"));
    for path in ["fetch-forget", "fetch-after-answer"] {
        let call = one(&host, &format!("/wasi02/{path}?url={url}"), 200);
        std::thread::sleep(Duration::from_millis(50));
        let (again, _) = replayed(&host, &call, &[]);
        assert_eq!(again["verdict"], "same", "{path}: {again:#}");
    }
}

#[test]
fn the_policy_turns_it_on_and_off_for_calls_from_then_on() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "off", "", "");
    assert_eq!(host.get("/wasi02/ok").status, 200);
    let policy = std::fs::read_to_string(host.config()).unwrap();
    host.set_policy(&policy.replace("capture = \"off\"", "capture = \"all\""));
    let call = until("it to be on", || {
        let answer = host.get("/wasi02/random");
        std::thread::sleep(Duration::from_millis(100));
        let all = super::lines(&host.command(&["replay", "--json"]));
        all.iter()
            .any(|one| name(one) == answer.call())
            .then(|| answer.call().to_owned())
    });
    let (again, _) = replayed(&host, &call, &[]);
    assert_eq!(again["verdict"], "same", "{again:#}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let upstream = Upstream::start();
    let host = asking(&upstream, "all", "", "");
    for (words, said) in [
        (
            &["replay", "nothing-like-it"][..],
            "`holdfast replay` lists what was captured",
        ),
        (
            &["replay", "01890000-0000-7000-8000-000000000000"],
            "`capture` under [services.NAME]",
        ),
    ] {
        let run = host.command(words);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains(said), "{run:?}");
    }
    let empty = host.command(&["replay"]);
    assert!(empty.out.contains("nothing was captured"), "{empty:?}");
    // A record that is torn, of a machine that lost its power.
    let call = one(&host, "/wasi02/ok", 200);
    let file = host.dir().join(format!("data/captures/{call}.json"));
    let half = std::fs::read(&file).unwrap();
    std::fs::write(&file, &half[..half.len() / 2]).unwrap();
    let run = host.command(&["replay", &call]);
    assert!(
        run.code == Some(1) && run.err.contains("cannot be read"),
        "{run:?}"
    );
}
