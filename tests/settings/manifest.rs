//! The author's file: what is in it is checked as a whole, and a mistake is named with its line.

use super::manifest;
use holdfast_server::settings::{Limit, Manifest, Name};

fn refused(text: &str) -> String {
    let parsed = Manifest::parse(Name::parse("notes").unwrap(), "notes.toml", text);
    parsed.unwrap_err().to_string()
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = manifest(
        "purpose = \" keeps notes \"\nroutes = [\"/n/...\"]\npublic = true\nfuel = true\nupstreams = [\"api\"]\n\
         services = [\"audit\"]\ncontract.safe = [\"jobs/find\"]\nfiles = { \"/data\" = \"notes\" }\n[env]\nLANG = \"C\"\n[config]\n\"page.size\" = \"20\"\n\
         [limits]\ncpu = \"20ms\"\n",
    );
    assert_eq!(manifest.purpose.as_deref(), Some("keeps notes"));
    assert_eq!(manifest.routes[0].to_string(), "/n/...");
    assert_eq!((manifest.public, manifest.fuel), (Some(true), Some(true)));
    assert!(manifest.upstreams.contains("api") && manifest.services.contains("audit"));
    assert_eq!(manifest.safe, ["jobs/find"]);
    assert_eq!(manifest.files["/data"].as_str(), "notes");
    assert_eq!(manifest.env["LANG"], "C");
    assert_eq!(manifest.config["page.size"], "20");
    assert_eq!(manifest.limits.get(Limit::Cpu), Some(20_000_000));
    assert_eq!(manifest.source.line("limits.cpu"), Some(14));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    for (text, said) in [
        (
            "\nrouts = []",
            "notes.toml:2: `routs`: unknown key; did you mean `routes`?",
        ),
        (
            "[limits]\nmemry = 1",
            "notes.toml:2: `limits.memry`: unknown key; did you mean `memory`?",
        ),
        (
            "memory = 1",
            "notes.toml:1: `memory`: unknown key here; did you mean `limits.memory`?",
        ),
        (
            "[passwords]\na = 1",
            "notes.toml:1: `passwords`: unknown key; known here are config, contract, effects, env, files,",
        ),
        ("[limit]\ncpu = 1", "did you mean `limits`?"),
    ] {
        let error = refused(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn every_mistake_is_reported_at_once_in_the_order_of_the_file() {
    let error = refused(
        "purpose = \"\"\nroutes = [\"x\", \"/a\", \"/a\"]\nupstreams = [\"A\"]\n[limits]\ncpu = 5\n",
    );
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 5, "{error}");
    for (line, start) in lines.iter().zip([
        "notes.toml:1: `purpose`: must say something",
        "notes.toml:2: `routes`: `x` is not a route",
        "notes.toml:2: `routes`: `/a` stands twice",
        "notes.toml:3: `upstreams`: `A` is not a name",
        "notes.toml:5: `limits.cpu`: a duration needs its unit",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn what_is_no_toml_or_has_the_wrong_type_is_refused_with_its_line() {
    for (text, start) in [
        ("purpose = \"x\"\n= 3", "notes.toml:2: "),
        ("a = 1\na = 2", "notes.toml:2: "),
        ("purpose = 3", "notes.toml:1: `purpose`: invalid type"),
        ("\n[env]\nA = 3", "notes.toml:3: `env.A`: invalid type"),
        ("limits = 3", "notes.toml:1: `limits`: invalid type"),
    ] {
        let error = refused(text);
        assert!(error.starts_with(start), "{text}: {error}");
    }
    assert!(refused(&"#".repeat(1024 * 1024 + 1)).contains("at most 1048576 are read"));
}

#[test]
fn folders_and_values_are_bounded_and_plain() {
    for (text, said) in [
        ("files = { \"data\" = \"a\" }", "plain absolute path"),
        ("files = { \"/\" = \"a\" }", "plain absolute path"),
        ("files = { \"/a/../b\" = \"a\" }", "plain absolute path"),
        ("files = { \"/a\\u001B\" = \"a\" }", "plain absolute path"),
        ("env = { \"A=B\" = \"x\" }", "environment variable"),
        ("env = { A = \"x\\u0000\" }", "environment variable"),
        (
            &format!("config = {{ a = \"{}\" }}", "x".repeat(65_536)),
            "at most 65536",
        ),
        ("purpose = \"a\\nb\"", "on one line"),
    ] {
        let error = refused(text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains('\u{1b}'));
    }
}

#[test]
fn names_are_labels_of_a_host_name() {
    for good in ["a", "notes", "v2", "a-b", &"x".repeat(63)] {
        assert!(Name::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "A",
        "a_b",
        "a.b",
        "-a",
        "a-",
        "internal",
        "ä",
        "a/b",
        &"x".repeat(64),
    ] {
        assert!(Name::parse(bad).is_err(), "{bad}");
    }
}
