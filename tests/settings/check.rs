//! `holdfast check`: everything that would stop a load is said, and what the service could do.

use holdfast_server::cli::check::{Inspect, Inspection, Report, Verdict, check, components};
use holdfast_server::settings::{Effective, Policy};
use std::fs;
use std::path::Path;

/// Knows components by their text.
struct Reader;

impl Inspect for Reader {
    fn names(&self, bytes: &[u8]) -> Result<Inspection, String> {
        if bytes == b"broken" {
            return Err("the file is cut short".to_owned());
        }
        let missing = if bytes == b"odd" {
            vec!["no host offers acme:db/sql@1.0.0".to_owned()]
        } else {
            Vec::new()
        };
        Ok(Inspection {
            imports: vec!["wasi:io/streams@0.2.6".to_owned()],
            exports: vec!["wasi:http/incoming-handler@0.2.6".to_owned()],
            missing,
        })
    }

    fn compile(&self, bytes: &[u8], _: &Policy, _: &Effective) -> Result<(), String> {
        if bytes == b"garbled" {
            return Err("function 7 is no code".to_owned());
        }
        Ok(())
    }
}

fn checked(files: &[(&str, &str)]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let config = folder.path().join("policy");
    if !config.exists() {
        fs::write(&config, "").unwrap();
    }
    check(&components(folder.path()).unwrap(), Some(&config), &Reader)
}

#[test]
fn what_would_load_is_shown_with_what_it_could_do() {
    let report = checked(&[
        ("notes.wasm", "fine"),
        (
            "notes.toml",
            "purpose = \"keeps notes\"\n[limits]\ncpu = \"5ms\"",
        ),
    ]);
    assert_eq!(report.verdict, Verdict::Loads, "{}", report.text);
    for line in [
        "would load",
        "exports: wasi:http/incoming-handler@0.2.6",
        "imports: wasi:io/streams@0.2.6",
        "manifest line 3",
        "/notes/...",
    ] {
        assert!(report.text.contains(line), "{line}: {}", report.text);
    }
}

#[test]
fn what_does_not_compile_or_wants_anothers_default_route_would_not_load() {
    let report = checked(&[("notes.wasm", "garbled")]);
    assert_eq!(report.verdict, Verdict::Stopped);
    assert!(report.text.contains("function 7"), "{}", report.text);
    let report = checked(&[
        ("clash.wasm", "fine"),
        ("clash.toml", "routes = [\"/notes/...\"]"),
        ("notes.wasm", "fine"),
    ]);
    assert_eq!(report.verdict, Verdict::Stopped);
    let said = "route /notes/... is claimed by `clash` too";
    assert!(report.text.contains(said), "{}", report.text);
}

#[test]
fn everything_that_would_stop_it_is_said_at_once() {
    let report = checked(&[
        ("notes.wasm", "odd"),
        (
            "notes.toml",
            "upstreams = [\"api\"]\n[limits]\ncpu = \"5s\"",
        ),
        (
            "policy",
            "[upstreams.api]\nurl = \"https://a.b\"\n[upstreams.api.credential]\nfile = \"none\"",
        ),
    ]);
    assert_eq!(report.verdict, Verdict::Stopped);
    for line in [
        "no host offers acme:db/sql@1.0.0",
        "asks for upstream `api`",
        "asks for 5s",
        "holdfast allow notes",
        "upstream `api`: cannot open",
    ] {
        assert!(report.text.contains(line), "{line}: {}", report.text);
    }
}

#[test]
fn each_kind_of_mistake_stops_the_load() {
    for (files, said) in [
        (vec![("a.wasm", "broken")], "the file is cut short"),
        (
            vec![("a.wasm", "fine"), ("a.toml", "x = 1")],
            "`x`: unknown key",
        ),
        (vec![("A.wasm", "fine")], "`A` is not a name"),
        (
            vec![("a.wasm", "fine"), ("policy", "x = 1")],
            "the policy would stop the host",
        ),
        (
            vec![
                ("a.wasm", "fine"),
                ("a.toml", "routes = [\"/x\"]"),
                ("b.wasm", "fine"),
                ("b.toml", "routes = [\"/x\"]"),
            ],
            "route /x is claimed by `a` too",
        ),
    ] {
        let report = checked(&files);
        assert_eq!(report.verdict, Verdict::Stopped, "{said}");
        assert!(report.text.contains(said), "{said}: {}", report.text);
    }
}

#[test]
fn a_path_without_a_component_is_no_use() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        components(folder.path())
            .unwrap_err()
            .to_string()
            .contains("there is no NAME.wasm")
    );
    assert!(components(Path::new("/no/such/place")).is_err());
    let other = folder.path().join("a.txt");
    fs::write(&other, "").unwrap();
    assert!(
        components(&other)
            .unwrap_err()
            .to_string()
            .contains("does not end in .wasm")
    );
}
