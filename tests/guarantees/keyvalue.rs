//! What a service keeps is its own, is counted, and is there after whatever happens.
//!
//! 1. The naive snippet: open the bucket, set the key, answer.
//! 2. The missing rule: another service that knows the key reads it, one that never deletes fills the disk of all, and what was answered as
//!    kept is gone with the process.
//! 3. The tax: a database for each service, its password, its driver, its backups, and somebody who looks at its size.
//! 4. The snippet again, unchanged, on `wasi:keyvalue`.
//! 5. The pipeline: each operation is a call, allowed where both owners name the bucket. The service's name is part of the key and comes from
//!    the host. What would be more than the quota is not kept, and many keys are kept together or not at all. Who is answered finds it again.
//! 6. The checklist is below.

use crate::harness::{Answer, Guest, Host, Setup, until};
use serde_json::Value;

const ASKS: &str = "kv = [\"default\", \"carts\"]";

/// A host with a service that keeps something; `lines` are of its table in the policy.
fn keeping(lines: &str) -> Host {
    Setup::new()
        .service("kv", Guest::Case("kv"), ASKS)
        .policy(&format!("[services.kv]\n{ASKS}\n{lines}"))
        .start()
}

fn said(host: &Host, path: &str) -> String {
    let answer = host.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

/// The closing line of the last call that `answer`'s call made.
fn last(host: &Host, answer: &Answer, count: usize) -> Value {
    let mut lines = host.children(answer.call(), count);
    lines.pop().unwrap()
}

#[test]
fn every_operation_does_what_the_standard_says() {
    let host = keeping("");
    for (path, expected) in [
        ("/kv/get?key=k", "none"),
        ("/kv/set?key=k&value=one", "set"),
        ("/kv/get?key=k", "one"),
        ("/kv/exists?key=k", "true"),
        ("/kv/get?key=k&bucket=default", "one"),
        ("/kv/get?key=k&bucket=carts", "none"),
        ("/kv/delete?key=k", "deleted"),
        ("/kv/delete?key=k", "deleted"),
        ("/kv/exists?key=k", "false"),
        ("/kv/add?key=n&delta=40", "40"),
        ("/kv/add?key=n&delta=-82", "-42"),
        ("/kv/get?key=n", "-42"),
        ("/kv/swap?key=s&value=one", "swapped none"),
        ("/kv/swap?key=s&value=two", "swapped one"),
        (
            "/kv/swap?key=s&value=four&between=three",
            "late for two, swapped three",
        ),
        ("/kv/get?key=s", "four"),
        ("/kv/set-many?keys=a,b&value=x", "set"),
        ("/kv/get-many?keys=b,none,a,s", "x none x four"),
        ("/kv/delete-many?keys=a,b,s,n", "deleted"),
        ("/kv/set-many?count=1000&value=", "set"),
        ("/kv/set?key=z&value=", "set"),
        ("/kv/list", "2 1001 k0"),
        ("/kv/list?bucket=carts", "1 0 "),
        ("/kv/set?key=k&bytes=1048576", "set"),
        ("/kv/get?key=k", "1048576 bytes"),
    ] {
        assert_eq!(said(&host, path), expected, "{path}");
    }
}

#[test]
fn what_breaks_a_limit_is_refused_in_words_and_changes_nothing() {
    let host = keeping("");
    let long = "k".repeat(257);
    for path in [
        format!("/kv/set?key={long}&value=v"),
        "/kv/set?value=v".to_owned(),
        "/kv/set?key=k&bytes=1048577".to_owned(),
        "/kv/set-many?count=1001&value=v".to_owned(),
    ] {
        let answer = host.get(&path);
        assert!(
            answer.text().starts_with("other invalid-input: "),
            "{path}: {}",
            answer.text()
        );
        assert_eq!(last(&host, &answer, 2)["code"], "invalid-input");
    }
    assert_eq!(said(&host, "/kv/get?key=k"), "none");
    said(&host, "/kv/set?key=k&value=word");
    let answer = said(&host, "/kv/add?key=k");
    assert!(answer.contains("no whole number"), "{answer}");
    let bounds = format!("/kv/set?key=k&value={}", i64::MAX);
    said(&host, &bounds);
    assert!(said(&host, "/kv/add?key=k").contains("64 bits"));
}

#[test]
fn what_is_kept_is_kept_when_its_caller_hears_of_it() {
    let mut host = keeping("");
    let mut kept = 0;
    for round in 0..3 {
        for number in 0..20 {
            let path = format!("/kv/set?key=k-{round}-{number}&value=v");
            assert_eq!(said(&host, &path), "set");
            said(&host, "/kv/add?key=n");
            kept += 1;
        }
        // Some are under way when it dies; of those nothing is known, and all of the others are there.
        let _under_way = host.ask("GET", "/kv/add?key=late").begin();
        host.kill();
        host.again();
        until("the service to be there", || {
            (host.get("/kv/open").text() == "open").then_some(())
        });
        assert_eq!(said(&host, "/kv/get?key=n"), kept.to_string());
        let late = said(&host, "/kv/exists?key=late") == "true";
        let all = kept + 1 + usize::from(late);
        let listed = said(&host, "/kv/list");
        assert!(listed.starts_with(&format!("1 {all} ")), "{listed}");
    }
}

#[test]
fn a_service_keeps_no_more_than_its_quota_and_deleting_makes_room() {
    let host = keeping("[services.kv.limits]\nkv_bytes = \"10KiB\"\nkv_keys = 3");
    for number in 0..3 {
        said(&host, &format!("/kv/set?key=k{number}&value=v"));
    }
    let refused = host.get("/kv/set?key=one-more&value=v");
    assert!(
        refused
            .text()
            .starts_with("other capability-denied: The quota of 3 keys"),
        "{}",
        refused.text()
    );
    let line = last(&host, &refused, 2);
    assert_eq!(
        (&line["code"], &line["boundary"]),
        (&"capability-denied".into(), &"policy".into())
    );
    let explained = host.command(&["explain", refused.call()]).out;
    assert!(explained.contains("kv_keys"), "{explained}");
    assert_eq!(said(&host, "/kv/get?key=one-more"), "none");
    // The other buckets of the service count too, and a number is a key like any other.
    for path in [
        "/kv/set?bucket=carts&key=c&value=v",
        "/kv/add?key=n",
        "/kv/swap?key=s&value=v",
    ] {
        assert!(said(&host, path).contains("quota"), "{path}");
    }
    said(&host, "/kv/delete?key=k0");
    let large = said(&host, "/kv/set?key=k0&bytes=20000");
    assert!(large.contains("10240 bytes"), "{large}");
    assert_eq!(said(&host, "/kv/set?key=k0&bytes=9000"), "set");
    // Two of three would fit: none is kept.
    let many = said(&host, "/kv/set-many?keys=k1,k2,k3&bytes=300");
    assert!(many.contains("quota"), "{many}");
    assert_eq!(said(&host, "/kv/get-many?keys=k1,k2,k3"), "v v none");
}

#[test]
fn a_manifest_may_ask_for_a_smaller_quota() {
    let host = Setup::new()
        .service(
            "kv",
            Guest::Case("kv"),
            &format!("{ASKS}\n[limits]\nkv_keys = 1"),
        )
        .policy(&format!("[services.kv]\n{ASKS}"))
        .start();
    said(&host, "/kv/set?key=a&value=v");
    assert!(said(&host, "/kv/set?key=b&value=v").contains("quota of 1 keys"));
}

#[test]
fn two_services_with_the_same_bucket_share_nothing() {
    let host = Setup::new()
        .service("kv", Guest::Case("kv"), ASKS)
        .service("other", Guest::Case("kv"), ASKS)
        .policy(&format!(
            "[services.kv]\n{ASKS}\n[services.other]\n{ASKS}\n[services.other.limits]\nkv_keys = 1"
        ))
        .start();
    said(&host, "/kv/set-many?keys=a,b&value=mine");
    assert_eq!(said(&host, "/other/get-many?keys=a,b"), "none none");
    assert_eq!(said(&host, "/other/list"), "1 0 ");
    assert_eq!(said(&host, "/other/swap?key=a&value=yours"), "swapped none");
    said(&host, "/other/delete-many?keys=a,b");
    assert_eq!(said(&host, "/kv/get-many?keys=a,b"), "mine mine");
}

#[test]
fn without_both_owners_word_there_is_no_bucket() {
    let host = Setup::new()
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .service("unasked", Guest::Case("kv"), "")
        .policy(
            "[services.kv]\nkv = [\"default\", \"carts\"]\n[services.unasked]\nkv = [\"default\"]",
        )
        .start();
    assert_eq!(said(&host, "/kv/open"), "open");
    let long = "b".repeat(1_000);
    for path in [
        "/kv/open?bucket=carts",
        "/kv/open?bucket=nowhere",
        "/kv/open?bucket=Default",
        "/unasked/open",
        &format!("/kv/open?bucket={long}"),
    ] {
        let answer = host.get(path);
        assert_eq!(answer.text(), "access-denied", "{path}");
        let line = last(&host, &answer, 1);
        assert_eq!(
            (&line["code"], &line["boundary"]),
            (&"capability-denied".into(), &"policy".into())
        );
    }
    // Nothing of it stops a service, but asking for more than the policy allows does.
    host.drop_in("greedy", Guest::Case("kv"), "kv = [\"carts\"]");
    host.said("[services.greedy] does not allow it");
    assert_eq!(host.get("/greedy/open").status, 404);
    let allowed = host.offline(&["allow", "greedy", "--yes"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    host.hang_up();
    host.said("is in force");
    until("the service to be there", || {
        (host.get("/greedy/open?bucket=carts").text() == "open").then_some(())
    });
}

#[test]
fn a_policy_that_takes_a_bucket_away_takes_it_away_at_once() {
    let host = keeping("");
    said(&host, "/kv/set?key=k&value=v");
    host.set_policy("[services.kv]\nkv = [\"carts\"]");
    host.hang_up();
    host.said("is in force");
    assert_eq!(said(&host, "/kv/get?key=k"), "access-denied");
    host.set_policy(&format!("[services.kv]\n{ASKS}"));
    host.hang_up();
    until("the bucket to be there again", || {
        (host.get("/kv/get?key=k").text() == "v").then_some(())
    });
}

#[test]
fn every_operation_has_its_line_and_what_changes_something_is_on_record_first() {
    let host = keeping("");
    let answer = host.get("/kv/set?key=k&value=v");
    let lines = host.children(answer.call(), 2);
    let operations: Vec<_> = lines
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(operations, ["open", "set"]);
    for line in &lines {
        assert_eq!(
            (&line["target"], &line["service"]),
            (&"kv:default".into(), &"kv".into())
        );
        assert_eq!(line["outcome"], "ok");
    }
    let kinds = |call: &Value| {
        let shown = host
            .command(&["audit", "show", "--call", call.as_str().unwrap()])
            .out;
        let records = shown
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        records
            .map(|record| record["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&lines[1]["call"]), ["intent", "outcome"]);
    until("the look to be on record", || {
        (kinds(&lines[0]["call"]) == ["call"]).then_some(())
    });
}

#[test]
fn a_call_makes_no_more_operations_than_it_may_make_calls() {
    let host = Setup::new()
        .service(
            "kv",
            Guest::Case("kv"),
            &format!("{ASKS}\n[limits]\ncalls = 1"),
        )
        .policy(&format!("[services.kv]\n{ASKS}"))
        .start();
    assert_eq!(said(&host, "/kv/open"), "open");
    let refused = said(&host, "/kv/set?key=k&value=v");
    assert!(refused.starts_with("other calls-exhausted"), "{refused}");
}

#[test]
fn while_the_database_is_away_nothing_is_said_to_be_kept() {
    let host = keeping("");
    said(&host, "/kv/set?key=k&value=before");
    let database = host.dir().join("data/holdfast.db");
    let elsewhere = host.dir().join("elsewhere.db");
    std::fs::rename(&database, &elsewhere).unwrap();
    let refused = host.get("/kv/set?key=k&value=lost");
    assert!(
        refused.text().starts_with("other storage-unavailable"),
        "{}",
        refused.text()
    );
    let line = last(&host, &refused, 2);
    assert_eq!(
        (&line["code"], &line["boundary"]),
        (&"storage-unavailable".into(), &"storage".into())
    );
    std::fs::rename(&elsewhere, &database).unwrap();
    until("the host to go on by itself", || {
        (host.get("/kv/set?key=other&value=v").text() == "set").then_some(())
    });
    assert_eq!(said(&host, "/kv/get?key=k"), "before");
}

#[test]
fn what_a_service_may_keep_is_shown() {
    let host = keeping("");
    let shown = host.offline(&["policy", "kv"]).out;
    let line = |key: &str| {
        shown
            .lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("kv ").contains("carts, default"), "{shown}");
    assert!(line("limits.kv_bytes").contains("64MiB"), "{shown}");
    assert!(line("limits.kv_keys").contains("100000"), "{shown}");
    let component = host.plugins().join("kv.wasm");
    let checked = host.offline(&["check", component.to_str().unwrap()]).out;
    assert!(checked.contains("keys and values of its own"), "{checked}");
    assert!(checked.contains("up to 64MiB in 100000 keys"), "{checked}");
}
