//! Every call is on record: who asked for what, and what it came to; what changes something is on record before it does.
//!
//! 1. The naive snippet: take the order, write it to the bank, answer.
//! 2. The missing rule: a month later somebody asks who ordered that, and the service's own log says what the service thought of writing down.
//! 3. The tax: a line before and a line after each effect, synced, in each service, and a store that nobody can touch up.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the intent is on the disk before the effect, the outcome before the answer; where it cannot be, nothing is done. Readers are
//!    written down within milliseconds. What was sent is not on record, but a hash of it that only this host can make.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Answer, Chaos, Does, Host, Said, Upstream, encoded, until};
use serde_json::Value;

/// A host with a service that asks an upstream to do something.
fn paying(url: &str, lines: &str) -> Host {
    two("upstreams = [\"api\"]\n[limits]\ndeadline = \"2s\"")
        .policy(lines)
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .start()
}

fn order(host: &Host, url: &str) -> Answer {
    let url = encoded(url);
    let path = format!("/two/fetch?method=POST&body=CANARY-BODY&card=CANARY-QUERY&url={url}");
    host.ask("POST", &path)
        .header("holdfast-why", "the books for May")
        .send()
}

fn records(host: &Host, more: &[&str]) -> Vec<Value> {
    let said = host.command(&[&["audit", "show"], more].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn kinds(records: &[Value]) -> Vec<&str> {
    let kinds = records.iter().map(|record| record["kind"].as_str());
    kinds.map(Option::unwrap).collect()
}

fn holds(said: &Said, words: &[&str]) {
    assert_eq!(said.code, Some(0), "{}", said.err);
    for word in words {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
}

#[test]
fn an_order_is_on_record_when_its_caller_hears_of_it_and_so_is_what_it_did() {
    let upstream = Upstream::start();
    let mut host = paying(&upstream.url(""), "");
    let answer = order(&host, &upstream.url("/pay?token=CANARY-TOKEN"));
    assert_eq!(answer.status, 200);
    // Nothing is waited for: who was answered may rely on it, and so may who finds the host dead.
    host.kill();
    let own = records(&host, &["--call", answer.call()]);
    assert_eq!(kinds(&own), ["intent", "outcome"]);
    let intent = &own[0];
    for (name, value) in [
        ("service", "two"),
        ("operation", "POST /fetch"),
        ("caller", "anonymous"),
        ("entry", "http"),
        ("why", "the books for May"),
        ("lane", "claimed"),
    ] {
        assert_eq!(intent[name], value, "{name}: {intent}");
    }
    assert_eq!(
        (&own[1]["status"], &own[1]["outcome"]),
        (&200.into(), &"ok".into())
    );
    assert_eq!(own[1]["intent"], intent["seq"]);
    let all = records(&host, &[]);
    let below: Vec<_> = all
        .iter()
        .filter(|record| record["parent"] == answer.call())
        .collect();
    assert_eq!(below.len(), 1, "{all:?}");
    assert_eq!(below[0]["kind"], "intent");
    assert_eq!(below[0]["operation"], "POST /pay");
    assert_eq!(below[0]["caller"], "anonymous > service:two");
    assert!(!format!("{all:?}").contains("CANARY"), "{all:?}");
    holds(
        &host.command(&["audit", "verify"]),
        &["are as they were written"],
    );
}

#[test]
fn readers_are_on_record_too_unless_the_operator_keeps_only_changes() {
    for (lines, kept) in [("", 1), ("[audit]\ncalls = \"changes\"", 0)] {
        let upstream = Upstream::start();
        let host = paying(&upstream.url(""), lines);
        let read = host.get("/two/ok?card=CANARY");
        let written = order(&host, &upstream.url("/pay"));
        until("the order to be on record", || {
            (records(&host, &["--call", written.call()]).len() == 2).then_some(())
        });
        until("the reader to be on record, if he is to be", || {
            (records(&host, &["--call", read.call()]).len() == kept).then_some(())
        });
        let all = records(&host, &["--call", read.call()]);
        if let [read] = &all[..] {
            assert_eq!(
                (&read["kind"], &read["operation"]),
                (&"call".into(), &"GET /ok".into())
            );
            assert!(
                read["args"].is_string() && !read.to_string().contains("CANARY"),
                "{read}"
            );
        }
    }
}

#[test]
fn a_call_is_explained_from_the_record_alone_after_a_kill_in_the_middle() {
    let chaos = Chaos::start(Does::Hangs);
    let mut host = paying(&chaos.url(""), "call_log = 0");
    let late = order(&host, &chaos.url("/pay"));
    assert!(late.text().starts_with("error"), "{}", late.text());
    let said = host.command(&["explain", late.call()]);
    holds(
        &said,
        &["two POST /fetch", "POST /pay", "504", "the books for May"],
    );
    holds(
        &host.command(&["explain", late.call(), "--audit"]),
        &["POST /pay", "504"],
    );
    // Killed while it is at the bank.
    let before = records(&host, &[]).len();
    let url = encoded(&chaos.url("/pay"));
    let path = format!("/two/fetch?method=POST&body=x&url={url}");
    let waiting = host.ask("POST", &path).begin();
    until("both to be on record", || {
        (records(&host, &[]).len() >= before + 2).then_some(())
    });
    host.kill();
    drop(waiting);
    let all = records(&host, &[]);
    let cut: Vec<_> = all.iter().skip(before).collect();
    assert_eq!(cut.len(), 2, "{cut:?}");
    let said = host.command(&["explain", cut[1]["call"].as_str().unwrap()]);
    holds(
        &said,
        &["what came of it is not on record", "indeterminate"],
    );
    holds(&host.command(&["audit", "verify"]), &[]);
    host.again();
    holds(&host.command(&["audit", "verify"]), &[]);
}

#[test]
fn without_a_record_nothing_is_done() {
    let upstream = Upstream::start();
    let host = paying(&upstream.url(""), "");
    assert_eq!(order(&host, &upstream.url("/pay")).status, 200);
    let sent = upstream.seen().len();
    // The disk is not there any more.
    std::fs::remove_dir_all(host.dir().join("data/audit")).unwrap();
    for _ in 0..3 {
        let refused = order(&host, &upstream.url("/pay"));
        refused.fault("storage-unavailable");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(host.closing(refused.call())["boundary"], "storage");
    }
    assert_eq!(upstream.seen().len(), sent);
}

#[test]
fn on_top_of_a_record_that_was_touched_up_readers_are_served_and_nothing_is_changed() {
    let upstream = Upstream::start();
    let mut host = paying(&upstream.url(""), "");
    let answer = order(&host, &upstream.url("/pay"));
    host.kill();
    let folder = host.dir().join("data/audit");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(
            &file,
            text.replace("the books for May", "the books for Mai"),
        )
        .unwrap();
    }
    let said = host.command(&["audit", "verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    host.again();
    let read = until("the service to be there", || {
        let read = host.get("/two/ok");
        (read.status != 404).then_some(read)
    });
    assert_eq!(read.status, 200);
    order(&host, &upstream.url("/pay")).fault("storage-unavailable");
    assert!(host.metric("holdfast_audit_unrecorded_total", "") >= 1.0);
    assert!(host.metric("holdfast_audit_records_total", "") < 1.0);
    assert_eq!(answer.status, 200);
}

#[test]
fn an_exported_record_is_checked_by_whoever_has_the_key() {
    let upstream = Upstream::start();
    let host = paying(&upstream.url(""), "");
    for _ in 0..3 {
        assert_eq!(order(&host, &upstream.url("/pay")).status, 200);
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy");
    let to = to.to_str().unwrap();
    let key = host.command(&["audit", "key"]).out;
    holds(
        &host.command(&["audit", "export", to]),
        &["audit verify --log", key.trim()],
    );
    let check = || host.command(&["audit", "verify", "--log", to, "--key", key.trim()]);
    holds(&check(), &["are as they were written"]);
    let again = host.command(&["audit", "export", to]);
    assert_eq!(again.code, Some(1), "{again:?}");
    for file in std::fs::read_dir(to).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"POST /fetch\"", "\"GET /fetch\"")).unwrap();
    }
    let said = check();
    assert_eq!(said.code, Some(1), "{said:?}");
    let without = host.command(&["audit", "verify", "--log", to]);
    assert_eq!(without.code, Some(2), "{without:?}");
}
