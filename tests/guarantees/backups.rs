//! What must last is kept elsewhere too, while the host serves, and put back whole or not at all.
//!
//! 1. The naive snippet: `cp -r data /mnt/backup`, at night.
//! 2. The missing rule: a copy that belongs together although it was taken while everything changed, and what a host must not believe of it
//!    once it is put back: that nothing has happened since.
//! 3. The tax: a stop each night, a script for each file that cannot be copied open, and nobody who has ever tried to put one back.
//! 4. The snippet again: `holdfast backup /mnt/backup/monday`.
//! 5. The host: the database as it is at one moment, then the log that has on record what the database says was done; a list that tells
//!    whether a file is what was written. What is put back is checked first, has a life with a higher number, and says so on record.
//! 6. The checklist is below.

use super::two;
use crate::harness::{
    Ask, Host, Over, Said, Setup, Upstream, begin_in, encoded, rest, run, scaled, until,
};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tempfile::TempDir;

const PRICE: &str = "[upstreams.api.price]\nrequest = \"0.0004 USD\"";

/// A service that asks an upstream which costs something to do something.
fn setup(upstream: &Upstream) -> Setup {
    two("upstreams = [\"api\"]")
        .policy("[services.two]\nupstreams = [\"api\"]")
        .upstream("api", upstream)
        .policy(PRICE)
}

fn order(host: &Host, upstream: &Upstream, path: &str, key: &str) -> Ask {
    let url = encoded(&upstream.url(path));
    host.ask(
        "POST",
        &format!("/two/fetch?method=POST&body=order&url={url}"),
    )
    .header("idempotency-key", key)
}

fn backup(host: &Host, to: &Path) -> Said {
    host.command(&["backup", to.to_str().unwrap()])
}

/// Puts a backup back where a host that is set up in `dir` looks for its data.
fn restore(from: &Path, dir: &Path) -> Said {
    let (config, data) = (dir.join("restore.toml"), dir.join("data"));
    std::fs::write(&config, "anonymous = \"allow\"").unwrap();
    let words = [from, &config, &data].map(|path| path.to_str().unwrap().to_owned());
    run(&[
        "restore", &words[0], "--config", &words[1], "--data", &words[2],
    ])
}

/// How much was paid in all.
fn paid(host: &Host) -> u64 {
    let said = host.command(&["cost", "--since", "yesterday", "--by", "upstream", "--json"]);
    let lines = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| line["amount_nanousd"].as_u64().unwrap())
        .sum()
}

/// A directory that is there when the host that was kept in it is gone.
fn elsewhere() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    (folder, to)
}

/// A backup of a host to which nothing was done but one order.
fn taken() -> (Upstream, Host, PathBuf, TempDir) {
    let upstream = Upstream::start();
    let host = setup(&upstream).start();
    assert_eq!(order(&host, &upstream, "/ok", "first").send().status, 200);
    let (folder, to) = elsewhere();
    let said = backup(&host, &to);
    assert_eq!(said.code, Some(0), "{said:?}");
    (upstream, host, to, folder)
}

#[test]
fn what_was_acknowledged_before_a_backup_under_load_is_there_after_it_is_put_back() {
    let upstream = Upstream::start();
    let host = setup(&upstream).start();
    let over = AtomicBool::new(false);
    let (_folder, to) = elsewhere();
    let before: Vec<_> = (0..5).map(|number| format!("before-{number}")).collect();
    for key in &before {
        assert_eq!(order(&host, &upstream, "/ok", key).send().status, 200);
    }
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for client in 0..3 {
            let (host, upstream, over) = (&host, &upstream, &over);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Relaxed) {
                        return;
                    }
                    let key = format!("load-{client}-{number}");
                    let answer = order(host, upstream, "/ok", &key).send();
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
        until("some load", || (upstream.seen().len() > 20).then_some(()));
        let said = backup(&host, &to);
        assert_eq!(said.code, Some(0), "{said:?}");
    });
    drop(host);
    let again = setup(&upstream);
    let said = restore(&to, again.dir.path());
    assert_eq!(said.code, Some(0), "{said:?}");
    let host = again.start();
    let asked = upstream.seen().len();
    for key in &before {
        let answer = order(&host, &upstream, "/ok", key).send();
        assert_eq!(
            answer.header("idempotency-replayed"),
            Some("true"),
            "{key}: {answer:?}"
        );
    }
    assert_eq!(upstream.seen().len(), asked);
    // Each try that is in the ledger was paid for once, and the log of it all is what was written.
    let sum = paid(&host);
    assert!(sum >= 5 * 400_000 && sum.is_multiple_of(400_000), "{sum}");
    let verified = host.command(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let records = host.command(&["audit", "show"]).out;
    assert!(records.contains("\"kind\":\"restored\""), "{records}");
    assert!(records.contains("\"operation\":\"backup\""), "{records}");
    // Keys stay their owner's alone.
    for name in ["key", "audit.key", "holdfast.db"] {
        let about = std::fs::metadata(host.dir().join("data").join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn of_what_was_under_way_in_a_backup_nobody_knows_what_came_of_it() {
    let upstream = Upstream::start();
    let host = setup(&upstream).start();
    // It has changed nothing yet, so that a restart alone would let it be made again; but after the backup it may have.
    let waiting = host
        .ask("POST", "/two/never")
        .header("idempotency-key", "waited")
        .begin();
    until("it to run", || {
        let listed = host.command(&["executions", "ls"]).out;
        listed.contains("running").then_some(())
    });
    let (_folder, to) = elsewhere();
    assert_eq!(backup(&host, &to).code, Some(0));
    let manifest = std::fs::read(to.join("backup.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["about"]["epoch"], 1, "{manifest}");
    drop(host);
    drop(waiting);
    let again = setup(&upstream);
    let said = restore(&to, again.dir.path());
    assert!(said.out.contains("1 calls were under way"), "{said:?}");
    let host = again.start();
    let listed = host.command(&["executions", "ls", "--json"]).out;
    assert!(listed.contains("indeterminate"), "{listed}");
    until("the service to be there", || {
        let ask = host
            .ask("POST", "/two/never")
            .header("idempotency-key", "waited");
        let answer = ask.send();
        (answer.status != 404).then_some(answer)
    })
    .fault("indeterminate");
    // A life that is counted on from there has a number that none before had.
    let second = host.dir().join("second");
    assert_eq!(backup(&host, &second).code, Some(0));
    let manifest = std::fs::read(second.join("backup.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert!(
        manifest["about"]["epoch"].as_i64() > Some(1_000_000),
        "{manifest}"
    );
}

#[test]
fn a_backup_that_is_not_what_was_written_is_refused_and_its_file_named() {
    let (_upstream, host, to, _folder) = taken();
    let segment = std::fs::read_dir(to.join("audit")).unwrap();
    let segment = segment.map(|file| file.unwrap().path()).min().unwrap();
    let inside = |path: &Path| path.strip_prefix(&to).unwrap().display().to_string();
    for file in [to.join("holdfast.db"), to.join("key"), segment] {
        let whole = std::fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        bytes[0] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let place = tempfile::tempdir().unwrap();
        let said = restore(&to, place.path());
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(&inside(&file)), "{said:?}");
        std::fs::remove_file(&file).unwrap();
        let said = restore(&to, place.path());
        assert!(said.err.contains("it is not there"), "{said:?}");
        assert!(!place.path().join("data").exists());
        std::fs::write(&file, &whole).unwrap();
    }
    // A list that leads elsewhere is none.
    let list = to.join("backup.json");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("\"key\"", "\"../key\"")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let said = restore(&to, place.path());
    assert!(said.err.contains("is no backup"), "{said:?}");
    drop(host);
}

#[test]
fn nothing_is_put_where_there_is_something() {
    let (_upstream, host, to, folder) = taken();
    let said = backup(&host, &to);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("is not empty"), "{said:?}");
    // Its own directory, whose host runs.
    let said = restore(&to, host.dir());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("is not empty"), "{said:?}");
    assert_eq!(host.get("/two/ok").status, 200);
    // What fails leaves nothing beside its place.
    let beside = [host.dir(), folder.path()];
    let all = beside
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let hidden = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hidden: Vec<_> = hidden.filter(|name| name.starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    let nowhere = host.dir().join("nowhere");
    let said = run(&[
        "backup",
        to.to_str().unwrap(),
        "--data",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn whoever_is_killed_while_he_puts_back_leaves_all_or_nothing() {
    let (upstream, host, to, _folder) = taken();
    drop(host);
    let place = setup(&upstream);
    let data = place.dir.path().join("data");
    let config = place.dir.path().join("restore.toml");
    std::fs::write(&config, "anonymous = \"allow\"").unwrap();
    for tries in 0..scaled(8, 200) {
        let words = [
            "restore",
            to.to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
        ];
        let mut child = begin_in(place.dir.path(), &words, Stdio::null());
        for _ in 0..tries % 8 {
            rest();
        }
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        if data.exists() {
            break;
        }
    }
    if !data.exists() {
        let said = restore(&to, place.dir.path());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let host = place.start();
    let answer = order(&host, &upstream, "/ok", "first").send();
    assert_eq!(
        answer.header("idempotency-replayed"),
        Some("true"),
        "{answer:?}"
    );
    assert_eq!(host.command(&["audit", "verify"]).code, Some(0));
}
