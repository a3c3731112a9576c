//! A component dropped into the directory is served; a worse one is not.
//!
//! 1. The naive snippet: `cp hello.wasm plugins/`.
//! 2. The missing rule: when it counts. Half a file, a version that does not start, a route that is taken, a call in flight.
//! 3. The tax: a deployment system.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: a version is component and manifest together; it is taken when it is whole, verified and compiled beside the old one,
//!    swapped in at once, and kept, so that it can be put back.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Guest, Host, Setup, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn hello() -> Setup {
    Setup::new().service("hello", Guest::Service("hello"), "")
}

/// Asks for `/name/ok` without a pause while `change` happens, and returns how many calls were made; none may fail.
pub(super) fn under_traffic(host: &Host, name: &str, change: impl FnOnce()) -> usize {
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = host.get(&format!("/{name}/ok"));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        change();
        stop.store(true, Ordering::Relaxed);
    });
    calls.into_inner()
}

/// Waits until `path` answers `text`.
fn serves(host: &Host, path: &str, text: &str) {
    until(&format!("{path} to say {text:?}"), || {
        (host.get(path).text() == text).then_some(())
    });
}

/// Waits until the list says of `two` that it failed, and why.
fn listed_as_failed(host: &Host, said: &str) {
    until("the failure to be listed", || {
        host.listed("two")?.to_string().contains(said).then_some(())
    });
}

#[test]
fn a_component_is_served_without_a_restart_under_the_name_it_was_given() {
    let host = hello().start();
    host.get("/second/").fault("no-such-service");
    host.drop_in("second", Guest::Service("hello"), "");
    serves(&host, "/second/", "Hello from holdfast\n");
    assert_eq!(host.listed("second").unwrap()["state"], "serving");
}

#[test]
fn a_new_version_replaces_the_old_one_without_a_failed_call() {
    let host = two("[env]\nVERSION = \"1\"").start();
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    let calls = under_traffic(&host, "two", || {
        host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
        serves(&host, "/two/env", "VERSION=2\n");
    });
    assert!(calls > 0);
}

#[test]
fn a_call_in_flight_ends_on_the_version_it_began_with() {
    let host = two("").start();
    let mut flow = host.ask("GET", "/two/drip?n=40&ms=50").open();
    flow.next().unwrap();
    host.drop_in("two", Guest::Service("hello"), "");
    serves(&host, "/two/", "Hello from holdfast\n");
    let answer = flow.finish();
    assert_eq!(
        (answer.end, answer.status),
        (crate::harness::End::Whole, 200)
    );
}

#[test]
fn a_version_that_does_not_load_leaves_the_old_one_and_says_so() {
    let host = two("").start();
    for (guest, said) in [
        (Guest::Text("imports-missing"), "acme:database/rows"),
        (Guest::Text("exports-nothing"), "wasi:http"),
        (Guest::Text("core-module"), "component"),
    ] {
        under_traffic(&host, "two", || {
            host.drop_in("two", guest, "");
            listed_as_failed(&host, said);
        });
    }
}

#[test]
fn a_start_on_a_version_that_does_not_load_serves_the_last_one_that_did() {
    let mut host = two("[env]\nVERSION = \"1\"").start();
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    host.drop_in("two", Guest::Text("imports-missing"), "");
    listed_as_failed(&host, "acme:database/rows");
    host.restart();
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    let listed = host.listed("two").unwrap();
    assert_eq!(listed["state"], "serving", "{listed}");
    assert!(
        listed.to_string().contains("acme:database/rows"),
        "{listed}"
    );
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    serves(&host, "/two/env", "VERSION=2\n");
}

#[test]
fn a_service_that_was_removed_does_not_come_back_in_its_old_version() {
    let host = two("").start();
    host.remove("two");
    until("the service to be gone", || {
        host.listed("two").is_none().then_some(())
    });
    host.drop_in("two", Guest::Text("imports-missing"), "");
    listed_as_failed(&host, "acme:database/rows");
    assert_eq!(host.get("/two/ok").status, 404);
}

#[test]
fn a_rollback_is_over_once_the_service_was_removed() {
    let host = two("[env]\nVERSION = \"1\"").start();
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    serves(&host, "/two/env", "VERSION=2\n");
    assert_eq!(host.command(&["rollback", "two"]).code, Some(0));
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    host.remove("two");
    until("the service to be gone", || {
        host.listed("two").is_none().then_some(())
    });
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    serves(&host, "/two/env", "VERSION=2\n");
}

#[test]
fn what_needs_more_than_it_may_have_is_loaded_once_the_policy_allows_it() {
    let host = two("").start();
    host.drop_in(
        "many",
        Guest::Text("many-memories"),
        "[limits]\nmemories = 2",
    );
    until("the failure to be listed", || {
        let said = host.listed("many")?.to_string();
        said.contains("memories under [limits] in many.toml")
            .then_some(())
    });
    let folder = host.dir().join("shared");
    let grant = format!("[files.shared]\npath = \"{}\"\n", folder.display());
    host.drop_in(
        "deep",
        Guest::Case("wasi02"),
        "[files]\n\"/data\" = \"shared\"",
    );
    host.set_policy(&format!("[services.deep]\nfiles = [\"shared\"]\n{grant}"));
    until("the missing folder to be listed", || {
        let said = host.listed("deep")?.to_string();
        said.contains("is not there: make it").then_some(())
    });
    std::fs::create_dir(&folder).unwrap();
    host.set_policy(&format!(
        "# The folder is there now.\n[services.deep]\nfiles = [\"shared\"]\n{grant}"
    ));
    serves(&host, "/deep/ok", "ok\n");
    // What happens to services is part of the log.
    host.said("many: not loaded");
    host.said("two: serving");
}

#[test]
fn whatever_lies_in_the_directory_the_others_are_loaded() {
    let host = two("").start();
    let plugins = host.plugins();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    for pipe in ["pipe.toml", "stream.wasm"] {
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, plugins.join(pipe), kind, mode, 0).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", plugins.join("endless.toml")).unwrap();
    for name in ["pipe", "endless"] {
        std::fs::write(plugins.join(name).with_extension("wasm"), b"not yet").unwrap();
    }
    let large = std::fs::File::create(plugins.join("large.wasm")).unwrap();
    large.set_len(3 << 30).unwrap();
    std::fs::write(plugins.join("\u{1b}[31mred\nline.wasm"), b"").unwrap();
    host.drop_in("after", Guest::Case("wasi02"), "");
    serves(&host, "/after/ok", "ok\n");
    for (name, why) in [
        ("pipe", "pipe.toml: it is not a regular file"),
        ("endless", "endless.toml: it is not a regular file"),
        ("large", "more than 134217728 bytes"),
    ] {
        until(why, || {
            let listed = host.listed(name)?.to_string();
            listed.contains(why).then_some(())
        });
    }
    until("the odd name to be said", || {
        host.stderr().contains("red").then_some(())
    });
    assert!(!host.stderr().contains('\u{1b}'));
    assert!(host.weight().0 < 1 << 20, "{} KiB", host.weight().0);
}

#[test]
fn a_rollback_beside_a_version_that_does_not_load_outlives_a_restart() {
    let mut host = two("[env]\nVERSION = \"1\"").start();
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    serves(&host, "/two/env", "VERSION=2\n");
    host.drop_in("two", Guest::Text("imports-missing"), "");
    listed_as_failed(&host, "acme:database/rows");
    assert_eq!(host.command(&["rollback", "two"]).code, Some(0));
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    host.restart();
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
}

#[test]
fn a_missing_import_is_named_with_its_version_and_its_neighbour() {
    let host = hello()
        .service("odd", Guest::Text("imports-missing"), "")
        .start();
    let listed = host.listed("odd").unwrap().to_string();
    for word in [
        "acme:database/rows",
        "1.2.3",
        "wasi:clocks/monotonic-clok",
        "wasi:clocks/monotonic-clock",
    ] {
        assert!(listed.contains(word), "{word} is missing: {listed}");
    }
}

#[test]
fn half_a_file_is_waited_for() {
    let host = hello().start();
    let bytes = Guest::Case("wasi02").bytes();
    let path = host.plugins().join("two.wasm");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    until("the half to be seen", || host.listed("two"));
    host.get("/two/ok").fault("no-such-service");
    std::fs::write(&path, &bytes).unwrap();
    serves(&host, "/two/ok", "ok\n");
}

#[test]
fn removing_the_files_removes_the_service() {
    let host = hello().service("two", Guest::Case("wasi02"), "").start();
    under_traffic(&host, "two", || {});
    host.remove("hello");
    until("the service to be gone", || {
        (host.get("/hello/").status == 404).then_some(())
    });
    assert_eq!(host.get("/two/ok").text(), "ok\n");
}

#[test]
fn two_services_cannot_claim_one_route() {
    let host = Setup::new()
        .service("first", Guest::Service("hello"), "routes = [\"/shop/...\"]")
        .service("second", Guest::Case("wasi02"), "routes = [\"/shop/...\"]")
        .start();
    assert_eq!(host.get("/shop/").text(), "Hello from holdfast\n");
    let listed = host.listed("second").unwrap().to_string();
    assert!(
        listed.contains("first") && listed.contains("/shop/"),
        "{listed}"
    );
}

#[test]
fn rollback_puts_the_previous_pair_back_and_a_restart_keeps_it() {
    let mut host = two("[env]\nVERSION = \"1\"").start();
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"2\"");
    serves(&host, "/two/env", "VERSION=2\n");
    under_traffic(&host, "two", || {
        let said = host.command(&["rollback", "two"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        serves(&host, "/two/env", "VERSION=1\n");
    });
    host.restart();
    assert_eq!(host.get("/two/env").text(), "VERSION=1\n");
    // Something new in the directory is a new decision.
    host.drop_in("two", Guest::Case("wasi02"), "[env]\nVERSION = \"3\"");
    serves(&host, "/two/env", "VERSION=3\n");
}

#[test]
fn a_rollback_without_a_previous_version_says_so() {
    let host = hello().start();
    let said = host.command(&["rollback", "hello"]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("hello"), "{said:?}");
}

#[test]
fn the_terminal_lists_and_calls_services() {
    let host = hello().start();
    let said = host.command(&["ls"]);
    assert!(
        said.code == Some(0) && said.out.contains("hello"),
        "{said:?}"
    );
    let said = host.command(&["call", "hello"]);
    assert!(
        said.code == Some(0) && said.out.contains("Hello from holdfast"),
        "{said:?}"
    );
    let line = until("the closing line", || host.closings().into_iter().next());
    assert_eq!(line["entry"], "command", "{line}");
}

#[test]
fn what_is_compiled_once_is_not_compiled_again() {
    let mut host = two("").start();
    host.restart();
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    // A damaged artefact is recompiled, never trusted.
    let mut damaged = 0;
    for path in files_below(&host.dir().join("data")) {
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.len() > 100_000 && !bytes.starts_with(b"\0asm") {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "the cache holds a compiled component");
    host.restart();
    assert_eq!(host.get("/two/ok").text(), "ok\n");
}

#[test]
fn what_was_compiled_ahead_is_not_compiled_at_the_start() {
    let mut host = two("").start();
    host.terminate();
    assert_eq!(host.ended(), Some(0));
    // One that was compiled when the host ran, one that was not, and one that never will.
    host.drop_in("hello", Guest::Service("hello"), "");
    host.drop_in("broken", Guest::Text("core-module"), "");
    let data = host.dir().join("data");
    let words = ["warm", "--data", data.to_str().unwrap()];
    let said = host.offline(&words);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("hello: compiled in"), "{said:?}");
    assert!(said.err.contains("two: compiled before"), "{said:?}");
    assert!(said.err.contains("broken: would not load"), "{said:?}");
    assert!(said.out.contains("2 of 3"), "{said:?}");
    host.remove("broken");
    let said = host.offline(&words);
    assert_eq!(said.code, Some(0), "{said:?}");

    host.again();
    assert_eq!(host.get("/hello/").status, 200);
    let compiled = host
        .stderr()
        .lines()
        .any(|line| line.contains("compiled in"));
    assert!(!compiled, "{}", host.stderr());
    // Beside a host that runs there is nothing to do.
    let said = host.offline(&words);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("a host runs on"), "{said:?}");
}

fn files_below(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}
