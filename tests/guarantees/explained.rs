//! A call that went wrong can be explained by its name, long after and whatever became of the host.
//!
//! 1. The naive snippet: none; a caller reads a code and an identifier.
//! 2. The missing rule: what happened below that code. The service's own log says what the service knows, which is not what failed.
//! 3. The tax: a log store, a search over it, and the habit of writing the identifier into every line.
//! 4. The snippet again: the identifier, given to one command.
//! 5. The pipeline: every call ends in one line with its verdict, and the last of them are kept beside the data.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Chaos, Does, Host, Said, encoded, run, until};
use std::fs;

fn host(chaos: &Chaos, lines: &str) -> Host {
    let url = chaos.url("");
    two("upstreams = [\"api\"]")
        .policy(lines)
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nfirst_byte = \"200ms\"\noverride_floor = true"
        ))
        .start()
}

/// Asks for what hangs, and names the call.
fn hung(host: &Host, chaos: &Chaos) -> (String, String) {
    let url = encoded(&chaos.url("/pay?token=CANARY"));
    let answer = host.get(&format!("/two/fetch?url={url}&method=POST&body=x"));
    assert!(answer.text().starts_with("error"), "{}", answer.text());
    let child = host.children(answer.call(), 1)[0]["call"].clone();
    (answer.call().to_owned(), child.as_str().unwrap().to_owned())
}

fn holds(said: &Said, words: &[&str]) {
    assert_eq!(said.code, Some(0), "{}", said.err);
    for word in words {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
}

const UPSTREAM: &[&str] = &[
    "two GET /fetch",
    "POST /pay",
    "504 upstream-timeout",
    "verdict   upstream, found by `upstream`",
    "no head of an answer came for 200 ms",
    "limit first_byte",
    "next      see whether",
];

#[test]
fn a_call_is_explained_with_all_that_it_led_to() {
    let chaos = Chaos::start(Does::Hangs);
    let mut host = host(&chaos, "");
    let (call, child) = hung(&host, &chaos);
    host.closing(&call);
    let said = host.command(&["explain", &call]);
    holds(&said, UPSTREAM);
    assert!(!said.out.contains("CANARY"), "{}", said.out);
    // From below the same tree is seen, and marked.
    let below = host.command(&["explain", &child]);
    holds(&below, UPSTREAM);
    holds(&below, &["504 upstream-timeout   <- this call"]);
    let json = host.command(&["explain", &call, "--json"]);
    let lines: Vec<serde_json::Value> = json
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = lines
        .iter()
        .map(|line| line["call"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [call.as_str(), child.as_str()]);
    // A host that was killed has told all; one that was started again tells of the calls before.
    host.kill();
    holds(&host.command(&["explain", &call]), UPSTREAM);
    host.again();
    let fine = host.get("/two/files");
    assert_eq!(fine.status, 200);
    host.closing(fine.call());
    holds(
        &host.command(&["explain", fine.call()]),
        &["nothing failed", "200"],
    );
    holds(&host.command(&["explain", &call]), UPSTREAM);
}

/// The accounts of a closing line, and what it took, in microseconds.
fn accounts(line: &serde_json::Value) -> (serde_json::Map<String, serde_json::Value>, u64) {
    let micros = (line["ms"].as_f64().unwrap() * 1_000.0).round();
    (line["spent_us"].as_object().unwrap().clone(), micros as u64)
}

#[test]
fn all_of_its_time_is_accounted_for_and_says_whose_fault_a_late_one_is() {
    let chaos = Chaos::start(Does::Dawdles(std::time::Duration::from_secs(20)));
    let url = chaos.url("");
    let host = two("upstreams = [\"api\"]\n[limits]\ndeadline = \"400ms\"\ncpu = \"1s\"")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
        ))
        .start();
    let slow = format!("/two/fetch?url={}", encoded(&chaos.url("/")));
    for (path, boundary, account) in [
        ("/two/loop", Some("application"), "guest_cpu"),
        ("/two/never", Some("application"), "guest_wait"),
        (&slow, None, "upstream"),
    ] {
        let answer = host.get(path);
        let line = host.closing(answer.call());
        let (spent, took) = accounts(&line);
        let sum: u64 = spent.values().filter_map(serde_json::Value::as_u64).sum();
        // Each account is rounded down, and so is the whole.
        assert!(took.abs_diff(sum) <= 7, "{path}: {line}");
        assert!(
            spent[account].as_u64().unwrap() * 2 > took,
            "{path}: {line}"
        );
        let said = host.command(&["explain", answer.call()]);
        holds(&said, &["time ", account]);
        if let Some(boundary) = boundary {
            answer.fault("deadline-exceeded");
            assert_eq!(line["boundary"], boundary, "{path}: {line}");
            holds(&said, &[&format!("verdict   {boundary}")]);
        }
    }
}

#[test]
fn a_call_that_is_not_there_is_said_to_be_not_there() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "");
    let fine = host.get("/two/files");
    host.closing(fine.call());
    let mut other = fine.call().to_owned();
    let last = if other.ends_with('0') { '1' } else { '0' };
    other.pop();
    other.push(last);
    let said = host.command(&["explain", &other]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    for word in ["is not in", "reaches back to", "call_log"] {
        assert!(said.err.contains(word), "{}", said.err);
    }
    let said = host.command(&["explain", "yesterday"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("holdfast-call"), "{}", said.err);
    let nowhere = tempfile::tempdir().unwrap();
    let data = nowhere.path().to_str().unwrap();
    let said = run(&["explain", fine.call(), "--data", data]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("there is no call in"), "{}", said.err);
}

#[test]
fn nothing_that_strangers_wrote_steers_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let id = "01a21808-42db-702c-aec0-fd381c397bd3";
    fs::create_dir(data.path().join("calls")).unwrap();
    let line = format!(
        "{{\"call\":\"{id}\",\"trace\":\"t\",\"operation\":\"GET /\\u001b[2J\",\"service\":\"\\u009b1m\",\"stage\":\"guest\",\
         \"cause\":\"\\u0007\",\"evidence\":{{\"a\\u001b\":\"\\u0000\"}},\"parent\":\"{id}\"}}\nhalf a li"
    );
    fs::write(data.path().join("calls/newer"), line).unwrap();
    let place = data.path().to_str().unwrap();
    for words in [
        &["explain", id, "--data", place][..],
        &["explain", id, "--json", "--data", place],
    ] {
        let said = run(words);
        holds(&said, &["u001b[2J", "u009b1m"]);
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!said.out.contains(steers), "{:?}", said.out);
    }
}

#[test]
fn no_more_is_kept_than_the_policy_says() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "call_log = \"1MiB\"\n[audit]\ncalls = \"changes\"");
    let first = host.get("/two/files").call().to_owned();
    host.closing(&first);
    let folder = host.dir().join("data/calls");
    let bytes = || -> u64 {
        let files = fs::read_dir(&folder).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    };
    let url = encoded(&chaos.url("/"));
    for _ in 0..70 {
        let answer = host.get(&format!("/two/fetch-many?n=50&url={url}"));
        assert_eq!(answer.text().matches("status 200").count(), 50);
        assert!(bytes() <= 1 << 20);
    }
    until("the first call to be forgotten", || {
        let said = host.command(&["explain", &first]);
        (said.code == Some(1)).then_some(())
    });
    assert_eq!(host.metric("holdfast_call_log_dropped_total", ""), 0.0);
}

#[test]
fn nothing_is_kept_where_the_policy_says_so() {
    let chaos = Chaos::start(Does::Serves);
    let host = host(&chaos, "call_log = 0\n[audit]\ncalls = \"changes\"");
    let call = host.get("/two/files").call().to_owned();
    host.closing(&call);
    assert!(!host.dir().join("data/calls").exists());
    assert_eq!(host.command(&["explain", &call]).code, Some(1));
}
