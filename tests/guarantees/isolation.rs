//! A guest sees what it was given, and nothing of the host or of another call.
//!
//! 1. The naive snippet: `std::env::vars()`, `File::open`, a `static`.
//! 2. The missing rule: whose they are. The host's environment holds secrets, its disk everybody's files, a static the last caller's data.
//! 3. The tax: containers, users, allow-lists, a review of every static.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: nothing is inherited. What a guest gets stands in its manifest, and in the policy where it costs somebody else; every
//!    call has an instance of its own.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{Guest, Setup, Upstream};

#[test]
fn the_environment_is_the_manifests_and_not_the_hosts() {
    let host = two("[env]\nGREETING = \"hello\"")
        .environment("HOLDFAST_TEST_SECRET", "CANARY-environment")
        .start();
    assert_eq!(host.get("/two/env").text(), "GREETING=hello\n");
    let arguments = host.get("/two/args").text();
    assert!(
        !arguments.contains("plugins") && !arguments.contains("holdfast.toml"),
        "{arguments}"
    );
}

#[test]
fn config_is_the_manifests() {
    let host = two("[config]\ncolour = \"blue\"").start();
    assert_eq!(host.get("/two/config?key=colour").text(), "blue");
    assert_eq!(host.get("/two/config?key=taste").text(), "none");
    assert_eq!(host.get("/two/config").text(), "colour=blue\n");
}

#[test]
fn no_file_is_there_that_nobody_granted() {
    let host = two("").start();
    let text = host.get("/two/files").text();
    assert!(
        !text.contains("given") && !text.contains(": found"),
        "{text}"
    );
    assert!(
        host.get("/two/file?path=/etc/hostname")
            .text()
            .starts_with("denied")
    );
}

#[test]
fn a_directory_that_both_granted_is_there_and_no_more_than_granted() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("note"), "granted").unwrap();
    let path = data.path().display();
    let manifest = "files = { \"/data\" = \"shared\" }";
    let granted = |write: &str| {
        format!(
            "[services.two]\nfiles = [\"shared\"]\n[files.shared]\npath = \"{path}\"\nwrite = {write}"
        )
    };
    let host = two(manifest).policy(&granted("false")).start();
    assert_eq!(host.get("/two/file?path=/data/note").text(), "granted");
    assert!(
        host.get("/two/write?path=/data/new")
            .text()
            .starts_with("denied")
    );
    let up = host.get("/two/file?path=/data/../../etc/hostname").text();
    assert!(up.starts_with("denied"), "{up}");
    host.set_policy(&granted("true"));
    crate::harness::until("the policy to hold", || {
        (host.get("/two/write?path=/data/new").text() == "written\n").then_some(())
    });
    assert!(data.path().join("new").exists());
}

#[test]
fn a_directory_that_the_policy_does_not_grant_stops_the_load() {
    let host = two("files = { \"/data\" = \"shared\" }").start();
    host.get("/two/ok").fault("no-such-service");
    let listed = host
        .listed("two")
        .expect("a service that failed to load is listed")
        .to_string();
    assert!(
        listed.contains("shared") && listed.contains("holdfast allow two"),
        "{listed}"
    );
}

#[test]
fn there_are_no_sockets() {
    let upstream = Upstream::start();
    let host = two("").start();
    let text = host
        .get(&format!("/two/sockets?to=127.0.0.1:{}", upstream.port()))
        .text();
    assert_eq!(text.matches("denied").count(), 3, "{text}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_component_that_imports_sockets_and_files_unused_still_loads() {
    let host = Setup::new()
        .service("imports", Guest::Text("imports-unused"), "")
        .start();
    // It gives no answer, but it is called.
    host.get("/imports/").fault("service-fault");
}

#[test]
fn every_call_has_an_instance_of_its_own() {
    let host = two("").start();
    for _ in 0..5 {
        assert_eq!(host.get("/two/kept").text(), "1\n");
    }
}

#[test]
fn time_and_chance_are_given() {
    let host = two("").start();
    let text = host.get("/two/clock").text();
    assert!(text.contains("steady true"), "{text}");
    assert_ne!(
        host.get("/two/random").text(),
        host.get("/two/random").text()
    );
}

#[test]
fn both_generations_are_served() {
    let host = three("").service("two", Guest::Case("wasi02"), "").start();
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    assert_eq!(host.get("/three/ok").text(), "ok\n");
}
