//! `holdfast doctor`: every probe can fail, says what to do, and the exit code is that of the first boundary that failed.

use crate::harness::postgres::{PASSWORD, Postgres};
use crate::harness::{Guest, Setup, Upstream, root, run};
use holdfast_call::WallTime;
use holdfast_server::cli::doctor::{Boundary, Finding, State, cache, clock, disk, first_failure};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with a policy, an empty plugin directory, and other files.
fn folder(policy: &str, files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("plugins")).unwrap();
    fs::write(dir.path().join("holdfast.toml"), policy).unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
        // Secrets must be private.
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

/// The exit code, and what was said.
fn doctor(dir: &Path) -> (i32, String) {
    let config = dir.join("holdfast.toml");
    let said = run(&["doctor", "--config", config.to_str().unwrap()]);
    (said.code.unwrap(), said.out)
}

#[track_caller]
fn fails(dir: &TempDir, code: u8, words: &[&str]) {
    let (ended, said) = doctor(dir.path());
    let line = said.lines().find(|line| {
        line.starts_with("fail")
            && line.contains(" → ")
            && words.iter().all(|word| line.contains(word))
    });
    assert!(line.is_some(), "{words:?}: {said}");
    assert_eq!(ended, i32::from(code), "{said}");
}

#[test]
fn a_machine_that_is_well_has_no_failure() {
    let dir = folder(
        "anonymous = \"allow\"",
        &[
            ("plugins/notes.wasm", ""),
            ("plugins/notes.toml", "purpose = \"x\""),
        ],
    );
    let (code, said) = doctor(dir.path());
    assert_eq!(code, 0, "{said}");
    for probe in [
        "policy",
        "plugins",
        "routes",
        "disk",
        "sync",
        "cache",
        "database",
        "logs",
        "clock",
        "engine",
        "upstreams",
        "host",
    ] {
        let line = said
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(probe));
        assert!(line.is_some(), "nothing of {probe}: {said}");
    }
    assert!(said.contains("pool: "), "{said}");
    assert!(said.contains("skipped: the policy has none"), "{said}");
    assert!(!dir.path().join("data").exists(), "it makes nothing");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 2, "it leaves nothing behind");
}

#[test]
fn a_policy_or_a_manifest_that_is_wrong() {
    fails(
        &folder("listn = 1", &[]),
        Boundary::Configuration.code(),
        &["policy", "`listn`"],
    );
    let dir = folder(
        "",
        &[
            ("plugins/notes.wasm", ""),
            ("plugins/notes.toml", "routes = 1"),
        ],
    );
    fails(&dir, 10, &["manifest", "notes.toml:1"]);
    let dir = folder("", &[("plugins/Notes.wasm", "")]);
    fails(&dir, 10, &["manifest", "`Notes` is not a name"]);
}

#[test]
fn a_secret_that_is_missing_or_that_others_can_read() {
    let policy = "[upstreams.api]\nurl = \"https://127.0.0.1:9\"\n[upstreams.api.credential]\nfile = \"secret\"";
    fails(&folder(policy, &[]), 10, &["secret", "cannot open"]);
    let dir = folder(policy, &[("secret", "CANARY")]);
    fs::set_permissions(dir.path().join("secret"), Permissions::from_mode(0o644)).unwrap();
    fails(&dir, 10, &["secret", "mode 0644", "chmod 600"]);
    fs::write(dir.path().join("secret"), "CAN\u{7f}ARY").unwrap();
    fs::set_permissions(dir.path().join("secret"), Permissions::from_mode(0o600)).unwrap();
    let (code, said) = doctor(dir.path());
    assert_eq!(code, 10, "{said}");
    assert!(!said.contains("CAN"), "a secret was said: {said}");
    let policy = policy.replace("file = \"secret\"", "env = \"HOLDFAST_NO_SUCH\"");
    fails(&folder(&policy, &[]), 10, &["secret", "HOLDFAST_NO_SUCH"]);
}

#[test]
fn an_issuer_whose_keys_are_none() {
    let policy = "[jwt.corp]\nissuer = \"https://login.example.com\"\naudience = [\"holdfast\"]\nscopes = [\"*:GET\"]\nkeys = \"corp.json\"";
    let wrong = folder(policy, &[("corp.json", "{\"keys\": 7}")]);
    fails(&wrong, 10, &["tokens", "corp: ", "[jwt.corp]"]);
    fails(&folder(policy, &[]), 10, &["tokens", "corp.json"]);
}

#[test]
fn a_manifest_that_asks_for_more_than_it_may() {
    let files = [
        ("plugins/notes.wasm", ""),
        ("plugins/notes.toml", "upstreams = [\"api\"]"),
    ];
    fails(
        &folder("", &files),
        11,
        &["allowed", "holdfast allow notes"],
    );
}

#[test]
fn two_services_that_want_one_route() {
    let files = [
        ("plugins/a.wasm", ""),
        ("plugins/a.toml", "routes = [\"/b/...\"]"),
        ("plugins/b.wasm", ""),
    ];
    fails(
        &folder("", &files),
        12,
        &["routes", "/b/... is claimed by a and b"],
    );
}

#[test]
fn a_data_directory_that_is_none() {
    fails(
        &folder("", &[("data", "a file")]),
        13,
        &["disk", "is not a directory"],
    );
    let full = disk::room("data", 1 << 20);
    assert_eq!(
        (full.state, full.boundary),
        (State::Fail, Boundary::Storage)
    );
    assert_eq!(disk::room("data", 512 << 20).state, State::Warn);
    assert_eq!(disk::room("data", 2 << 30).state, State::Ok);
    assert_eq!(disk::synced(Duration::from_secs(3)).state, State::Warn);
    // Nobody may write there, not even root.
    if Path::new("/proc/1").exists() {
        let dir = folder("data = \"/proc/holdfast\"", &[]);
        fails(&dir, 13, &["sync", "cannot be written"]);
    }
}

#[test]
fn a_cache_that_others_could_have_written() {
    let dir = folder("", &[]);
    let cache = dir.path().join("data/artifacts");
    fs::create_dir_all(dir.path().join("data")).unwrap();
    fs::write(&cache, "a file").unwrap();
    fails(&dir, 13, &["cache", "is not a directory"]);
    fs::remove_file(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("ab12"), "code").unwrap();
    fs::set_permissions(cache.join("ab12"), Permissions::from_mode(0o666)).unwrap();
    let open = cache::examine(&cache);
    assert_eq!(open.state, State::Warn, "{open}");
    fs::set_permissions(cache.join("ab12"), Permissions::from_mode(0o600)).unwrap();
    let private = cache::examine(&cache);
    assert_eq!(private.state, State::Ok, "{private}");
    assert!(
        private.said.contains("1 compiled components, 4B"),
        "{private}"
    );
}

#[test]
fn a_clock_that_is_wrong() {
    for (micros, state) in [
        (0, State::Fail),
        (1_500_000_000_000_000, State::Fail),
        (1_800_000_000_000_000, State::Ok),
        (5_000_000_000_000_000, State::Fail),
    ] {
        assert_eq!(clock::believable(WallTime(micros)).state, state, "{micros}");
    }
    let went = Duration::from_millis(50);
    assert_eq!(clock::together(went, Some(went)).state, State::Ok);
    assert_eq!(
        clock::together(went, Some(Duration::from_secs(9))).state,
        State::Warn
    );
    assert_eq!(clock::together(went, None).state, State::Warn);
}

#[test]
fn an_engine_that_cannot_be_made() {
    let dir = folder("", &[]);
    let limited = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 600000 && exec \"$0\" doctor --config \"$1\"",
        ])
        .arg(
            std::env::var_os("HOLDFAST_BIN")
                .unwrap_or_else(|| root().join("target/debug/holdfast").into()),
        )
        .arg(dir.path().join("holdfast.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout).into_owned();
    assert_eq!(limited.status.code(), Some(14), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("fail  engine")),
        "{said}"
    );
}

#[test]
fn an_upstream_that_cannot_be_reached() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    let policy = |lines: &str| format!("[upstreams.api]\nurl = \"http://{address}\"\n{lines}");
    // Private, so the guard refuses before anything is dialled.
    fails(
        &folder(&policy(""), &[]),
        15,
        &["upstream", "loopback", "allow_private"],
    );
    let allowed = policy("allow_private = [\"127.0.0.0/8\"]");
    let (code, said) = doctor(folder(&allowed, &[]).path());
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&format!("api: connected to {address}")),
        "{said}"
    );
    drop(closed);
    fails(&folder(&allowed, &[]), 15, &["upstream", "refused"]);
    let name = "[upstreams.api]\nurl = \"http://no-such-host.invalid\"\nconnect = \"500ms\"";
    fails(&folder(name, &[]), 15, &["upstream", "stage resolve"]);
    // It takes connections, and speaks no TLS.
    let plain = Upstream::start();
    let url = plain.url("").replace("http://", "https://");
    let tls = format!(
        "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nconnect = \"2s\""
    );
    fails(&folder(&tls, &[]), 15, &["upstream", "stage tls"]);
}

#[test]
fn a_host_that_does_not_answer() {
    let dir = folder("", &[]);
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let socket = UnixListener::bind(data.join("control.sock")).unwrap();
    fails(&dir, 16, &["host", "does not answer"]);
    drop(socket);
    let (code, said) = doctor(dir.path());
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("left over from a host that is gone"),
        "{said}"
    );
}

#[test]
fn a_host_that_runs_and_one_of_its_services_does_not() {
    let host = Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .start();
    let (config, plugins, data) = (host.config(), host.plugins(), host.dir().join("data"));
    let admin = host.admin.to_string();
    let ask = || {
        run(&[
            "doctor",
            "--config",
            config.to_str().unwrap(),
            "--plugins",
            plugins.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--admin",
            &admin,
        ])
    };
    let well = ask();
    assert_eq!(well.code, Some(0), "{}", well.out);
    assert!(
        well.out.contains("it answers, and has 1 services"),
        "{}",
        well.out
    );
    assert!(well.out.contains("it calls itself ready"), "{}", well.out);
    for log in ["audit: ", "call_log: ", "log_file: "] {
        assert!(well.out.contains(log), "{}", well.out);
    }
    fs::write(host.plugins().join("broken.wasm"), "no component").unwrap();
    crate::harness::until("the broken service to be listed", || {
        host.listed("broken")?["error"].as_str().map(drop)
    });
    let ill = ask();
    assert_eq!(ill.code, Some(16), "{}", ill.out);
    assert!(
        ill.out.contains("service broken did not load"),
        "{}",
        ill.out
    );
}

#[test]
fn the_first_boundary_that_failed_is_the_code() {
    let finding = |boundary, state| Finding {
        boundary,
        probe: "x",
        state,
        said: "one\ntwo\u{1b}[2J".to_owned(),
        next: String::new(),
    };
    let findings = [
        finding(Boundary::Upstream, State::Fail),
        finding(Boundary::Storage, State::Warn),
        finding(Boundary::Platform, State::Fail),
        finding(Boundary::Configuration, State::Ok),
    ];
    assert_eq!(first_failure(&findings), Some(Boundary::Platform));
    assert_eq!(first_failure(&findings[1..2]), None);
    let line = findings[0].to_string();
    assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
    let help = run(&["doctor", "--help"]).out;
    for boundary in [
        Boundary::Configuration,
        Boundary::Policy,
        Boundary::Routing,
        Boundary::Storage,
        Boundary::Platform,
        Boundary::Upstream,
        Boundary::Lifecycle,
    ] {
        assert!(help.contains(&format!("{} ", boundary.code())), "{help}");
    }
}

#[test]
fn the_database_is_looked_at_and_not_made() {
    let dir = folder("anonymous = \"allow\"", &[]);
    let (_, said) = doctor(dir.path());
    assert!(said.contains("holdfast.db is not there yet"), "{said}");
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let file = data.join("holdfast.db");
    fs::write(&file, "not a database at all, but a text of some length").unwrap();
    fails(&dir, 13, &["database", "its mode is 644"]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fails(&dir, 13, &["database", "damaged"]);
}

#[test]
fn the_database_of_a_server_is_reached_as_a_host_would() {
    let url = Postgres::database();
    let policy = format!("[store]\nurl = \"{url}\"\npassword = {{ file = \"store.secret\" }}\n");
    let dir = folder(&policy, &[("store.secret", PASSWORD)]);
    let (code, said) = doctor(dir.path());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("{url} is empty")), "{said}");
    fs::write(dir.path().join("store.secret"), "sesame, open now").unwrap();
    fails(&dir, 13, &["database", "password authentication failed"]);
    assert!(!doctor(dir.path()).1.contains("sesame"));
    fs::remove_file(dir.path().join("store.secret")).unwrap();
    fails(&dir, 10, &["secret", "database", "store.secret"]);
}
