//! The same key takes effect once, whatever happens in between.
//!
//! 1. The naive snippet: read the order, write it to the bank, answer.
//! 2. The missing rule: the client that saw no answer asks again, and the second order is as good as the first.
//! 3. The tax: a table of keys in each service, its locks, its leases, and what to do with the row of a process that died in between.
//! 4. The snippet again, unchanged. The client sends `Idempotency-Key`.
//! 5. The pipeline: the key claims a row before anything runs, and the answer is kept in it before anybody sees it. Who asks again gets that
//!    answer, to the byte; another request under the same key is refused; a host that dies leaves what had changed nothing as if it had
//!    never been, and what may have as a doubt that a person settles.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, Guest, Host, Setup, Upstream, encoded, patiently, scaled, until};

/// A host with a service that asks an upstream to do something.
fn paying(upstream: &Upstream) -> Host {
    two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .start()
}

/// A request that has the service send an order there.
fn order(host: &Host, upstream: &Upstream, path: &str, key: &str) -> Ask {
    let url = encoded(&upstream.url(path));
    host.ask(
        "POST",
        &format!("/two/fetch?method=POST&body=order&url={url}"),
    )
    .header("idempotency-key", key)
}

/// How often the upstream was asked to do something.
fn done(upstream: &Upstream) -> usize {
    let seen = upstream.seen();
    seen.iter()
        .filter(|seen| seen.head.starts_with("post "))
        .count()
}

#[test]
fn who_asks_again_gets_the_same_answer_and_nothing_is_done_twice() {
    let upstream = Upstream::start();
    let host = paying(&upstream);
    let first = order(&host, &upstream, "/ok", "order-7").send();
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("idempotency-replayed"), None);
    for key in ["order-7", "\"order-7\""] {
        let again = order(&host, &upstream, "/ok", key).send();
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(done(&upstream), 1);
    let other = order(&host, &upstream, "/ok?cents=1000000", "order-7").send();
    other.fault("key-reused");
    assert_eq!(host.closing(other.call())["boundary"], "caller");
    assert_eq!(done(&upstream), 1);
    // Without a key there is nothing to know it by.
    let url = encoded(&upstream.url("/ok"));
    for _ in 0..2 {
        let path = format!("/two/fetch?method=POST&body=order&url={url}");
        assert_eq!(host.ask("POST", &path).send().status, 200);
    }
    assert_eq!(done(&upstream), 3);
}

#[test]
fn who_would_rather_wait_is_answered_when_the_first_one_is() {
    let upstream = Upstream::start();
    let host = paying(&upstream);
    let waits = |seconds: &str| {
        let ask = order(&host, &upstream, "/slow", "order-7");
        ask.header("prefer", &format!("wait={seconds}"))
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| order(&host, &upstream, "/slow", "order-7").send());
        until("the upstream to have it", || {
            (done(&upstream) == 1).then_some(())
        });
        let patient = waits("20").send();
        let first = first.join().unwrap();
        assert_eq!((first.status, patient.status), (200, 200), "{patient:?}");
        assert_eq!(patient.body, first.body);
        assert_eq!(patient.header("idempotency-replayed"), Some("true"));
    });
    assert_eq!(done(&upstream), 1);
    // Who would not wait that long is told as before.
    let _hangs = order(&host, &upstream, "/hang", "order-8").begin();
    until("the upstream to have it", || {
        (done(&upstream) == 2).then_some(())
    });
    let impatient = order(&host, &upstream, "/hang", "order-8").header("prefer", "wait=1");
    impatient.send().fault("in-progress");
}

#[test]
fn of_many_at_once_one_is_done_and_nobody_gets_another_answer() {
    let upstream = Upstream::start();
    let host = paying(&upstream);
    let orders = || {
        let keys = (0..scaled(8, 64)).map(|number| format!("order-{number}"));
        keys.map(|key| order(&host, &upstream, "/ok", &key).send())
            .collect::<Vec<_>>()
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(orders)).collect();
        let clients = clients.into_iter();
        clients.flat_map(|client| client.join().unwrap()).collect()
    });
    for answer in &answers {
        if answer.status != 200 {
            answer.fault("in-progress");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
    }
    assert_eq!(done(&upstream), scaled(8, 64));
}

#[test]
fn a_key_is_one_callers_and_not_any_text() {
    let host = two("")
        .policy("callers = [\"*\"]\n[services.two]\nidempotency = \"require\"")
        .start();
    let ask = |key: &str| {
        host.ask("POST", "/two/echo")
            .header("idempotency-key", key)
            .body("mine")
    };
    assert_eq!(ask("k").send().text(), "mine");
    for name in ["ann", "bob"] {
        let key = host.command(&["keys", "new", name]).out;
        let answer = ask("k")
            .header("authorization", &format!("Bearer {}", key.trim()))
            .body(name)
            .send();
        assert_eq!(answer.text(), name);
    }
    for wrong in ["", "a b", "\"a", &"k".repeat(256)] {
        ask(wrong).send().fault("invalid-input");
    }
    ask("one")
        .header("idempotency-key", "two")
        .send()
        .fault("invalid-input");
    // What changes something needs one here, what only looks does not.
    host.ask("POST", "/two/echo")
        .body("x")
        .send()
        .fault("invalid-input");
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn a_typed_function_is_known_again_too() {
    let host = Setup::new()
        .service("tasks", Guest::Service("tasks"), "")
        .start();
    let ask = |body: &str| {
        host.ask("POST", "/tasks/todo/parse")
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(body)
            .send()
    };
    let first = ask("{\"lines\": [\"pay the rent\"]}");
    let again = ask("{\"lines\":   [\"pay the rent\"]}");
    assert_eq!((first.status, &first.body), (200, &again.body), "{again:?}");
    ask("{\"lines\": [\"pay it twice\"]}").fault("key-reused");
}

#[test]
fn a_key_may_be_an_argument_of_whoever_calls_a_function() {
    let host = Setup::new()
        .service("typed", Guest::Case("typed"), "")
        .service("asks", Guest::Case("asks"), "services = [\"typed\"]")
        .policy("[services.asks]\nservices = [\"typed\"]")
        .start();
    let ask = |path: &str, arguments: &str| {
        host.ask("POST", path)
            .header("content-type", "application/json")
            .body(arguments)
    };
    let draw = |arguments: &str| ask("/typed/shapes/draw", arguments).send();
    let first = draw(r#"{"what": "a", "idempotency-key": "k"}"#);
    let again = draw(r#"{"what": "a", "idempotency-key": "k"}"#);
    assert_eq!((first.status, &first.body), (200, &again.body), "{again:?}");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // It did not run: whose answer it is is on record.
    host.closing(again.call());
    let explained = host.command(&["explain", again.call()]).out;
    assert!(explained.contains(first.call()), "{explained}");
    draw(r#"{"what": "b", "idempotency-key": "k"}"#).fault("key-reused");
    draw(r#"{"what": "a", "idempotency-key": "with spaces"}"#).fault("invalid-input");
    // Without one each call is another.
    let (one, two) = (draw(r#"{"what": "a"}"#), draw(r#"{"what": "a"}"#));
    assert!(one.status == 200 && one.body != two.body, "{one:?} {two:?}");
    // Two ways to say the same are one, and two keys are none.
    let both = |header: &str| {
        ask(
            "/typed/shapes/draw",
            r#"{"what": "a", "idempotency-key": "k"}"#,
        )
        .header("idempotency-key", header)
        .send()
    };
    assert_eq!(both("\"k\"").body, first.body);
    let refused = both("other").fault("invalid-input");
    assert!(
        refused.to_string().contains("send one of them"),
        "{refused}"
    );
    // Another service's key is its own; whoever asks that one has none.
    let through = || ask("/asks/asks/draw", r#"{"key": "k"}"#).send();
    let (one, two) = (through(), through());
    assert_eq!((one.status, &one.body), (200, &two.body), "{two:?}");
    assert_ne!(one.body, first.body);
    assert_eq!(two.header("idempotency-replayed"), None);
}

#[test]
fn what_was_answered_is_known_after_a_kill() {
    let upstream = Upstream::start();
    let mut host = paying(&upstream);
    let first = order(&host, &upstream, "/ok", "order-7").send();
    host.kill();
    host.again();
    let again = until("the service to be there", || {
        let answer = order(&host, &upstream, "/ok", "order-7").send();
        (answer.status != 404).then_some(answer)
    });
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(done(&upstream), 1);
}

#[test]
fn what_was_cut_in_the_middle_is_made_again_if_it_had_changed_nothing_and_doubted_if_it_may_have() {
    let upstream = Upstream::start();
    let mut host = paying(&upstream);
    // One waits for an upstream that has its request and does not answer, the other for itself.
    let paying = order(&host, &upstream, "/hang", "paid").begin();
    let waiting = host
        .ask("POST", "/two/never")
        .header("idempotency-key", "waited")
        .begin();
    until("the upstream to have the request", || {
        (done(&upstream) == 1).then_some(())
    });
    until("both to run", || {
        let listed = host.command(&["executions", "ls"]).out;
        (listed.matches("running").count() == 2).then_some(())
    });
    host.kill();
    drop((paying, waiting));
    host.again();
    let doubted = until("the service to be there", || {
        let answer = order(&host, &upstream, "/hang", "paid").send();
        (answer.status != 404).then_some(answer)
    });
    doubted.fault("indeterminate");
    assert_eq!(done(&upstream), 1);
    let listed = host.command(&["executions", "ls", "--json"]).out;
    let line: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(line["state"], "indeterminate", "{listed}");
    assert_eq!(line["operation"], "service:two POST /fetch");

    // A person has looked, and lets it be made again.
    let call = line["call"].as_str().unwrap();
    let unknown = host.command(&["executions", "release", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let released = host.command(&["executions", "release", call]);
    assert_eq!(released.code, Some(0), "{released:?}");
    let _again = order(&host, &upstream, "/hang", "paid").begin();
    until("it to be done again", || {
        (done(&upstream) == 2).then_some(())
    });
}

#[test]
fn what_cannot_be_kept_is_not_done() {
    let upstream = Upstream::start();
    let host = paying(&upstream);
    let database = host.dir().join("data/holdfast.db");
    std::fs::rename(&database, host.dir().join("elsewhere.db")).unwrap();
    let refused = order(&host, &upstream, "/ok", "order-7").send();
    refused.fault("storage-unavailable");
    assert_eq!(host.closing(refused.call())["boundary"], "storage");
    assert_eq!(done(&upstream), 0);
    std::fs::rename(host.dir().join("elsewhere.db"), &database).unwrap();
    patiently("the host to go on by itself", || {
        (order(&host, &upstream, "/ok", "order-7").send().status == 200).then_some(())
    });
    assert_eq!(done(&upstream), 1);
}

#[test]
fn who_goes_away_finds_his_answer_when_he_comes_back() {
    let upstream = Upstream::start();
    let host = paying(&upstream);
    let gone = order(&host, &upstream, "/slow", "order-7").begin();
    until("the upstream to be asked", || {
        (done(&upstream) == 1).then_some(())
    });
    drop(gone);
    let answer = until("the answer to be kept", || {
        let answer = order(&host, &upstream, "/slow", "order-7").send();
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    assert_eq!(done(&upstream), 1);
}
