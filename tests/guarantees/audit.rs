//! What an operator changes is on record before it is done, and the record is what was written.
//!
//! 1. The naive snippet: a command over the owner's socket.
//! 2. The missing rule: who made that key, and who took it back, a year ago, said by something that cannot be touched up since.
//! 3. The tax: a log of one's own in each tool, that whoever can write it can also rewrite.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: one log for the host; each record names the one before it by its hash, checkpoints are signed; what cannot be put on record
//!    is not done, and one command finds what is no longer as it was written.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Host, Said, until};
use holdfast_call::{BoxFuture, Clock, Moment, WallTime};
use holdfast_rules::clock::HostClock;
use holdfast_store::Audit;
use holdfast_store::audit::{AUDIT_BYTES_MIN, Setup};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn host() -> Host {
    two("").policy("callers = [\"ann\"]").start()
}

fn records(host: &Host) -> Vec<Value> {
    let said = host.command(&["audit", "show"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The file of the log that has the records.
fn segment(host: &Host) -> PathBuf {
    let files = std::fs::read_dir(host.dir().join("data/audit")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut found: Vec<_> = files
        .filter(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains("keys new")))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn verified(host: &Host) -> Said {
    host.command(&["audit", "verify"])
}

#[test]
fn what_is_changed_is_on_record_with_who_and_what_came_of_it() {
    let host = host();
    assert_eq!(
        host.command(&["keys", "new", "ann", "--scope", "two:GET"])
            .code,
        Some(0)
    );
    assert_eq!(host.command(&["keys", "revoke", "nobody"]).code, Some(1));
    // Who only looks leaves nothing.
    assert_eq!(host.command(&["keys", "ls"]).code, Some(0));
    let all = records(&host);
    let texts: Vec<_> = all.iter().map(Value::to_string).collect();
    let intents: Vec<_> = texts
        .iter()
        .filter(|text| text.contains("\"intent\""))
        .collect();
    let has = |words: &[&str]| {
        texts
            .iter()
            .any(|text| words.iter().all(|word| text.contains(word)))
    };
    assert!(!intents.is_empty(), "{texts:?}");
    assert!(
        has(&["keys new", "principal:ann two:GET", "operator:"]),
        "{texts:?}"
    );
    assert!(
        has(&["outcome", "\"ok\""]) && has(&["outcome", "failed", "nobody"]),
        "{texts:?}"
    );
    assert!(!has(&["hf_"]), "{texts:?}");
    assert!(!has(&["operation\":\"keys ls"]), "{texts:?}");
    let said = verified(&host);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Anybody who was given the key once can check it.
    let key = host.command(&["audit", "key"]).out;
    let said = host.command(&["audit", "verify", "--key", key.trim()]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let mut host = host();
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    let before = records(&host);
    host.kill();
    host.again();
    let after = records(&host);
    assert_eq!(after.get(..before.len()), Some(&before[..]));
    assert_eq!(verified(&host).code, Some(0));
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    assert_eq!(verified(&host).code, Some(0));
}

#[test]
fn what_was_touched_up_is_found_and_named_and_nothing_is_changed_on_top_of_it() {
    let mut host = host();
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    host.kill();
    let file = segment(&host);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("principal:ann", "principal:bob")).unwrap();
    let said = verified(&host);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("record"), "{said:?}");
    // Services are served on, but whoever would change something is told why he cannot.
    host.again();
    until("the service to be there", || {
        (host.get("/two/ok").status != 404).then_some(())
    });
    let refused = host.command(&["keys", "new", "ann"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("nothing was done"), "{refused:?}");
    assert_eq!(
        host.command(&["keys", "ls", "--json"]).out.lines().count(),
        1
    );
}

#[test]
fn an_end_that_was_taken_away_is_found_by_the_copy_of_the_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("checkpoints");
    let lines = format!(
        "callers = [\"ann\"]\n[audit]\ncopy = \"{}\"",
        copy.display()
    );
    let mut host = two("").policy(&lines).start();
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    let with_copy =
        |host: &Host| host.command(&["audit", "verify", "--copy", copy.to_str().unwrap()]);
    let all = records(&host).len();
    until("the copy to speak of all records", || {
        let said = with_copy(&host);
        let text = format!("all up to {}", all);
        let before = format!("all up to {}", all - 1);
        (said.out.contains(&text) || said.out.contains(&before)).then_some(())
    });
    host.kill();
    std::fs::remove_dir_all(host.dir().join("data/audit")).unwrap();
    std::fs::create_dir(host.dir().join("data/audit")).unwrap();
    let said = with_copy(&host);
    assert_eq!(said.code, Some(1), "{said:?}");
}

/// A clock that is so many days behind.
struct Behind(HostClock, u64);

impl Clock for Behind {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn wall(&self) -> WallTime {
        WallTime(self.0.wall().0 - self.1 * 86_400_000_000)
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        self.0.sleep_until(moment)
    }
}

/// Puts something on record as it was done so many days ago.
fn days_ago(data: &Path, days: u64) {
    let setup = Setup {
        data: data.to_owned(),
        copy: None,
        budget_bytes: AUDIT_BYTES_MIN,
        keep_days: 400,
        clock: Arc::new(Behind(HostClock::start(), days)),
        tell: Arc::new(|event| panic!("{event:?}")),
    };
    let audit = Audit::open(setup, || [7; 32]).unwrap();
    audit
        .put(&json!({ "done": format!("{days} days ago") }))
        .unwrap();
    audit.close();
}

#[test]
fn what_is_older_than_the_policy_says_goes_and_the_rest_is_vouched_for() {
    let setup = two("").policy("callers = [\"ann\"]\n[audit]\nkeep_days = 5");
    let data = setup.dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for days in [30, 20, 10, 3] {
        days_ago(&data, days);
    }
    let host = setup.start();
    let all = || host.command(&["audit", "show"]).out;
    assert!(all().contains("30 days ago"));
    assert_eq!(host.command(&["keys", "new", "ann"]).code, Some(0));
    // The age counts from the last segment, of three days ago; what was followed by another one more than eight days ago is old.
    let left = until("the oldest to be gone", || {
        let left = all();
        (!left.contains("20 days ago")).then_some(left)
    });
    assert!(!left.contains("30 days ago"), "{left}");
    assert!(
        left.contains("10 days ago") && left.contains("3 days ago"),
        "{left}"
    );
    let said = verified(&host);
    assert_eq!(said.code, Some(0), "{said:?}");
}
