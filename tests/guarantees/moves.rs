//! What a host has kept in a file of its own goes on at a server, all of it or not at all.
//!
//! 1. The naive snippet: `sqlite3 holdfast.db .dump | psql`.
//! 2. The missing rule: a host that runs on meanwhile; half a database, after which somebody starts a host on it; a number that begins at one
//!    again, so that what was done is done once more.
//! 3. The tax: a script that knows every table, for as long as there are tables, and an evening on which nobody may ask for anything.
//! 4. The snippet again: `holdfast store copy --to postgres://…`.
//! 5. The host: the lock of the data directory; one transaction of the server, in which the tables are made as well; one list of the tables;
//!    counts and sums that are compared before anything is kept; a record of it before and after.
//! 6. The checklist is below.

use crate::harness::postgres::{PASSWORD, Postgres, sql_at};
use crate::harness::{
    Ask, Guest, Host, Said, Setup, Upstream, begin_in, encoded, keep_private, rest, run, scaled,
    until,
};
use holdfast_store::db::{Database, Place};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What every host here is allowed to do, and what that costs.
fn policy(upstream: &Upstream) -> String {
    let url = upstream.url("");
    format!(
        "[services.two]\nupstreams = [\"api\"]\n[services.mails]\nupstreams = [\"api\"]\n[services.kv]\nkv = [\"default\"]\n\
         [upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n[upstreams.api.price]\nrequest = \"0.0004 USD\""
    )
}

/// The lines by which a host finds its database on the server.
fn store(url: &str, password: &Path) -> String {
    format!(
        "[store]\nurl = \"{url}\"\npassword = {{ file = \"{}\" }}\n",
        password.display()
    )
}

fn host(upstream: &Upstream) -> Host {
    Setup::new()
        .service("two", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .service(
            "mails",
            Guest::Case("wasi02"),
            "upstreams = [\"api\"]\n[effects]\nirreversible = [\"POST /fetch\"]",
        )
        .service("kv", Guest::Case("kv"), "kv = [\"default\"]")
        .policy(&policy(upstream))
        .start()
}

/// The file with the server's password, in the directory of a host.
fn password(dir: &Path) -> PathBuf {
    let file = dir.join("store.secret");
    keep_private(&file, PASSWORD);
    file
}

fn order(host: &Host, upstream: &Upstream, service: &str, key: &str) -> Ask {
    let url = encoded(&upstream.url("/ok"));
    host.ask(
        "POST",
        &format!("/{service}/fetch?method=POST&body=order&url={url}"),
    )
    .header("idempotency-key", key)
}

fn said(host: &Host, path: &str) -> String {
    let answer = host.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

fn listed(host: &Host, words: &[&str]) -> String {
    let said = host.command(words);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

/// Copies the database of the host in `dir`, of which `more` tells where it is to go.
fn copy(dir: &Path, more: &[&str]) -> Said {
    let (config, data) = (dir.join("holdfast.toml"), dir.join("data"));
    let mut words = vec!["store", "copy", "--config", config.to_str().unwrap()];
    words.extend(["--data", data.to_str().unwrap()]);
    words.extend(more);
    run(&words)
}

fn is_done(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!format!("{said:?}").contains(PASSWORD), "{said:?}");
}

fn is_refused(said: &Said, why: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(why), "{said:?}");
    assert!(!format!("{said:?}").contains(PASSWORD), "{said:?}");
}

fn stop(host: &mut Host) {
    host.terminate();
    assert_eq!(host.ended(), Some(0));
}

#[test]
fn a_host_goes_on_at_a_server_where_it_was_in_its_file() {
    let upstream = Upstream::start();
    let mut host = host(&upstream);
    let first = order(&host, &upstream, "two", "first").send();
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(said(&host, "/kv/set?key=k&value=kept"), "set");
    assert_eq!(said(&host, "/kv/lease-twice?key=l"), "held lost true 3");
    let waits = order(&host, &upstream, "mails", "letter").send();
    waits.fault("approval-required");
    let key = listed(&host, &["keys", "new", "ann"]);
    let cost = ["cost", "--since", "yesterday", "--by", "upstream", "--json"];
    let before = [&cost[..], &["keys", "ls"], &["approve", "ls", "--json"]]
        .map(|words| listed(&host, words));
    stop(&mut host);

    let url = Postgres::database();
    let file = password(host.dir());
    let file_word = file.to_str().unwrap();
    let copied = copy(host.dir(), &["--to", &url, "--password-file", file_word]);
    is_done(&copied);
    assert!(copied.out.contains(&url), "{copied:?}");
    host.set_policy(&format!("{}\n{}", policy(&upstream), store(&url, &file)));
    host.again();

    let after = [&cost[..], &["keys", "ls"], &["approve", "ls", "--json"]]
        .map(|words| listed(&host, words));
    assert_eq!(after, before);
    assert!(!key.is_empty() && after[1].contains("ann"), "{after:?}");
    let asked = upstream.seen().len();
    let replayed = order(&host, &upstream, "two", "first").send();
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (replayed.status, &replayed.body),
        (first.status, &first.body)
    );
    assert_eq!(upstream.seen().len(), asked);
    assert_eq!(said(&host, "/kv/get?key=k"), "kept");
    // A lease has the number after the last, as if the host had been started again on its file.
    let lease = until("the lease to be free", || {
        let said = said(&host, "/kv/lease?key=l&end=release");
        (!said.starts_with("held")).then_some(said)
    });
    assert!(lease.starts_with("4:"), "{lease}");
    let id = waits.call();
    listed(&host, &["approve", "grant", id, "--why", "read it"]);
    let done = order(&host, &upstream, "mails", "letter").send();
    assert_eq!(done.status, 200, "{done:?}");
    // What it does from now on is on the server.
    assert_eq!(
        sql_at(&url, "SELECT count(*) FROM executions WHERE state = 1"),
        "2"
    );
    listed(&host, &["audit", "verify"]);
    let records = listed(&host, &["audit", "show"]);
    assert!(
        records.contains("\"operation\":\"store copy\""),
        "{records}"
    );
    assert!(!records.contains(PASSWORD));
}

#[test]
fn the_server_and_its_password_are_those_of_the_policy_if_nothing_else_is_said() {
    let upstream = Upstream::start();
    let mut host = host(&upstream);
    let url = Postgres::database();
    is_refused(
        &copy(host.dir(), &[]),
        "names no server: name one with --to",
    );
    is_refused(
        &copy(host.dir(), &["--to", &url]),
        "in use by another holdfast",
    );
    stop(&mut host);
    let file = password(host.dir());
    host.set_policy(&format!("{}\n{}", policy(&upstream), store(&url, &file)));
    // The password is not told to another server.
    let other = Postgres::database();
    is_refused(&copy(host.dir(), &["--to", &other]), "password missing");
    let open = url.replace("//holdfast@", &format!("//holdfast:{PASSWORD}@"));
    is_refused(&copy(host.dir(), &["--to", &open]), "holds a password");
    let nowhere = host.dir().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let said = copy(host.dir(), &["--password-file", nowhere]);
    is_refused(&said, "cannot open");
    is_done(&copy(host.dir(), &[]));
    is_refused(&copy(host.dir(), &[]), "is not empty (hosts has rows)");
    // What was refused is on record as well.
    host.again();
    let records = listed(&host, &["audit", "show"]);
    assert!(records.contains("is not empty"), "{records}");
    listed(&host, &["audit", "verify"]);
}

// === Killed ===

const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
     INSERT INTO kv (service, bucket, key, value, written_by)
     SELECT 's', 'b', CAST('key' || i AS BLOB), zeroblob(9000), 'w' FROM n";
const FILLED: u64 = 300;

/// A directory with the database of a host that is not there, and the file of the server's password.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("holdfast.toml"), "anonymous = \"allow\"").unwrap();
    let place = Place::File(dir.path().join("data").join("holdfast.db"));
    in_runtime(async {
        let database = Database::open(place).await.unwrap();
        let filled = database.run((), |(), tx| tx.execute(FILL, &[]));
        assert_eq!(filled.await.unwrap(), FILLED);
        database.close().await;
    });
    let password = password(dir.path());
    (dir, password)
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn on_server(url: &str, select: &str) -> u64 {
    sql_at(url, select).parse().unwrap()
}

const TABLES: &str = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
const ROWS: &str = "SELECT count(*) FROM kv";

#[test]
fn whoever_is_killed_in_the_middle_leaves_an_empty_server() {
    let (dir, password) = filled();
    let url = Postgres::database();
    let password = password.to_str().unwrap();
    let words = ["--to", &url, "--password-file", password];
    // An empty database that is slow: each row takes it so long that the kill is in the middle of them.
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join("holdfast.toml"), "").unwrap();
    in_runtime(async {
        let place = Place::File(empty.path().join("data").join("holdfast.db"));
        Database::open(place).await.unwrap().close().await;
    });
    is_done(&copy(empty.path(), &words));
    sql_at(
        &url,
        "CREATE FUNCTION rests() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
         CREATE TRIGGER rests BEFORE INSERT ON kv FOR EACH ROW EXECUTE FUNCTION rests()",
    );
    let (config, data) = (dir.path().join("holdfast.toml"), dir.path().join("data"));
    let mut all = vec!["store", "copy", "--config", config.to_str().unwrap()];
    all.extend(["--data", data.to_str().unwrap()]);
    all.extend(words);
    let stderr = dir.path().join("stderr");
    let mut child = begin_in(dir.path(), &all, File::create(&stderr).unwrap());
    // It says how far it is, once it takes longer than a moment.
    until("it to be in the middle", || {
        let said = std::fs::read_to_string(&stderr).unwrap();
        said.contains("kv: ").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(on_server(&url, ROWS), 0);
    let hosts = on_server(&url, "SELECT count(*) FROM hosts");
    assert_eq!(hosts, 0);
    sql_at(&url, "DROP TRIGGER rests ON kv");
    is_done(&copy(dir.path(), &words));
    assert_eq!(on_server(&url, ROWS), FILLED);
}

#[test]
fn at_whatever_moment_it_is_killed_the_server_has_all_or_nothing() {
    let (dir, password) = filled();
    let (config, data) = (dir.path().join("holdfast.toml"), dir.path().join("data"));
    let mut url = Postgres::database();
    for tries in 0..scaled(8, 200) {
        let words = [
            "store",
            "copy",
            "--config",
            config.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--password-file",
            password.to_str().unwrap(),
            "--to",
            &url,
        ];
        let mut child = begin_in(dir.path(), &words, Stdio::null());
        for _ in 0..tries % 8 {
            rest();
        }
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        if on_server(&url, TABLES) > 0 {
            assert_eq!(on_server(&url, ROWS), FILLED);
            url = Postgres::database();
        }
    }
    let words = ["--to", &url, "--password-file", password.to_str().unwrap()];
    let said = copy(dir.path(), &words);
    // The last one that was killed may have been kept after all by the time that this one asked.
    if said.code != Some(0) {
        is_refused(&said, "is not empty (kv has rows)");
    }
    assert_eq!(on_server(&url, ROWS), FILLED);
    // And whatever was cut off of the record of it, the record is whole.
    let data = data.to_str().unwrap();
    let verified = run(&["audit", "verify", "--data", data]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let kinds: Vec<Value> = run(&["audit", "show", "--data", data])
        .out
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert!(!kinds.is_empty());
}
