//! `holdfast check`: everything that would stop a load is said, and what the service could do.

use crate::harness::{Guest, run};
use holdfast_server::cli::check::{
    Anatomy, Inspect, Inspection, Report, Verdict, check, components,
};
use holdfast_server::settings::{Effective, Policy};
use holdfast_wasm::anatomy::anatomy;
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
            ..Inspection::default()
        })
    }

    fn compile(&self, bytes: &[u8], _: &Policy, _: &Effective) -> Result<Vec<String>, String> {
        if bytes == b"garbled" {
            return Err("function 7 is no code".to_owned());
        }
        Ok(vec!["jobs/add".to_owned()])
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
        "upstream `api`: there is no secret: cannot open",
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

/// Says what it was made to say.
struct Seen(Inspection);

impl Inspect for Seen {
    fn names(&self, _: &[u8]) -> Result<Inspection, String> {
        Ok(self.0.clone())
    }

    fn compile(&self, _: &[u8], _: &Policy, _: &Effective) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// What is said of `inspection` under a policy and with a manifest.
fn explained(inspection: Inspection, policy: &str, manifest: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    write("notes.wasm", "");
    write("notes.toml", manifest);
    write("policy", policy);
    let components = components(folder.path()).unwrap();
    check(
        &components,
        Some(&folder.path().join("policy")),
        &Seen(inspection),
    )
    .text
}

fn importing(imports: &[&str]) -> Inspection {
    Inspection {
        imports: imports.iter().map(|name| (*name).to_owned()).collect(),
        exports: vec!["wasi:http/incoming-handler@0.2.6".to_owned()],
        ..Inspection::default()
    }
}

#[test]
fn what_an_import_means_is_said_with_the_line_that_allows_it() {
    let every = importing(&[
        "wasi:http/outgoing-handler@0.2.6",
        "wasi:sockets/tcp@0.2.6",
        "wasi:filesystem/types@0.2.6",
        "wasi:clocks/wall-clock@0.2.6",
        "wasi:random/random@0.2.6",
        "wasi:cli/environment@0.2.6",
        "wasi:config/store@0.2.0-rc.1",
        "wasi:cli/stdout@0.2.6",
        "wasi:io/streams@0.2.6",
        "acme:db/sql@1.0.0",
    ]);
    let denied = explained(every.clone(), "", "");
    for line in [
        "network, through http (http/outgoing-handler): denied: nothing is granted",
        "network, by sockets (sockets/tcp): denied: always",
        "files (filesystem/types): denied: no folder is granted",
        "clock (clocks/wall-clock): allowed: always",
        "random (random/random): allowed: always",
        "environment (cli/environment): allowed, but empty",
        "configuration (config/store): allowed, but empty",
        "log (cli/stdout): allowed: up to 1000 (default) lines",
        "no power of its own (io/streams)",
        "not offered by this host (db/sql)",
    ] {
        assert!(denied.contains(line), "{line}: {denied}");
    }
    let policy = "[services.notes]\nupstreams = [\"api\"]\nfiles = [\"box\"]\n[upstreams.api]\nurl = \"https://a.b\"\n\
                  [files.box]\npath = \"/srv/box\"\n[limits]\nlog_lines = 7";
    let manifest = "upstreams = [\"api\"]\n[files]\n\"/box\" = \"box\"\n[env]\nLANG = \"C\"\n[config]\nsize = \"1\"";
    let allowed = explained(every, policy, manifest);
    for line in [
        "allowed: upstreams api (policy line 2)",
        "allowed: /box as /srv/box (read only) (policy line 7)",
        "allowed: LANG (manifest line 5)",
        "allowed: size (manifest line 7)",
        "up to 7 (policy line 9) lines",
    ] {
        assert!(allowed.contains(line), "{line}: {allowed}");
    }
}

#[test]
fn what_is_unusual_is_said_with_its_figure() {
    let plain = explained(importing(&[]), "", "purpose = \"keeps notes\"");
    assert!(!plain.contains("unusual"), "{plain}");
    let mut odd = importing(&["wasi:sockets/tcp@0.2.6", "wasi:filesystem/types@0.2.6"]);
    odd.exports.push("acme:notes/api@1.0.0".to_owned());
    odd.exports.push("wasi:http/handler@0.3.0".to_owned());
    odd.anatomy = Anatomy {
        bytes: 9 << 20,
        modules: 90,
        instances: 91,
        functions: 100_000,
        memory_bytes: 120 << 20,
        tables: 30,
        data_bytes: 20 << 20,
        name_bytes: 1 << 20,
        debug_bytes: 3 << 20,
        unused: vec!["wasi:random/random@0.2.6".to_owned()],
        ..Anatomy::default()
    };
    let said = explained(odd, "", "upstreams = [\"api\"]");
    for line in [
        "it declares no purpose",
        "wasi:sockets: every use of it will be denied",
        "wasi:filesystem, but no folder is granted",
        "asks for upstreams or services, but it does not import the way out",
        "it imports wasi:random/random@0.2.6, and nothing in it uses that",
        "it exports acme:notes/api@1.0.0, which nobody here calls",
        "the engine with tasks",
        "begin with 120MiB, and limits.memory = 128MiB leaves little above",
        "90 core modules",
        "91 core instances",
        "30 tables",
        "100000 functions",
        "4.0 MiB of its 9.0 MiB are debug information and names",
        "20.0 MiB of data",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let mut large = importing(&[]);
    large.anatomy.memory_bytes = 65 << 20;
    let said = explained(large, "", "");
    assert!(said.contains("begin with 65MiB: every call"), "{said}");
}

#[test]
fn a_component_is_counted_from_its_bytes() {
    let bytes = wat::parse_str(
        r#"(component
            (import "wasi:random/random@0.2.6" (instance (export "get-random-u64" (func (result u64)))))
            (import "wasi:clocks/wall-clock@0.2.6" (instance $clock (export "f" (func (result u64)))))
            (alias export $clock "f" (func))
            (core module $m (memory 3) (table 5 funcref) (func $named) (func) (data (i32.const 0) "1234567"))
            (component (core module (memory 1) (func)))
            (core instance (instantiate $m))
            (instance $empty)
            (export "wasi:http/incoming-handler@0.2.6" (instance $empty)))"#,
    )
    .unwrap();
    let counted = anatomy(&bytes);
    assert_eq!(counted.bytes, bytes.len() as u64);
    assert_eq!((counted.modules, counted.components), (2, 1));
    assert_eq!((counted.instances, counted.functions), (1, 3));
    assert_eq!((counted.memories, counted.memory_bytes), (2, 4 << 16));
    assert_eq!((counted.tables, counted.table_elements), (1, 5));
    assert_eq!(counted.data_bytes, 7);
    assert!(counted.name_bytes > 0 && counted.code_bytes > 0);
    assert_eq!(counted.unused, ["wasi:random/random@0.2.6"]);
    let half = &bytes[..bytes.len() / 2];
    assert!(anatomy(half).modules <= 2, "as far as it can be read");
}

#[test]
fn the_command_explains_a_real_component() {
    let folder = tempfile::tempdir().unwrap();
    let hello = folder.path().join("hello.wasm");
    fs::write(&hello, Guest::Service("hello").bytes()).unwrap();
    fs::write(folder.path().join("policy"), "").unwrap();
    let config = folder.path().join("policy");
    let said = run(&[
        "check",
        hello.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for line in [
        "would load",
        "what its imports mean:",
        "unusual:",
        "it declares no purpose",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    let odd = folder.path().join("odd.wasm");
    fs::write(&odd, Guest::Text("imports-unused").bytes()).unwrap();
    let said = run(&[
        "check",
        odd.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ]);
    assert!(said.out.contains("unusual:"), "{}", said.out);
}
