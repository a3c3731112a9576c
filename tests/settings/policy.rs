//! The operator's file: defaults, the missing file, every key's own rule.

use super::{policy, read, refusal};
use holdfast_server::settings::show::{Built, LayerLine, host_text};
use holdfast_server::settings::{Anonymous, Flags, LogForm, Name, Origin, Policy, Pool};
use std::path::Path;

#[test]
fn without_a_file_one_person_is_served_on_loopback_and_nothing_else_is_allowed() {
    let policy = Policy::default_for_one_person();
    assert_eq!(policy.anonymous, Anonymous::Allow);
    assert!(policy.listen.ip().is_loopback() && policy.admin.ip().is_loopback());
    assert!(policy.services.is_empty() && policy.upstreams.is_empty() && policy.files.is_empty());
    assert!(policy.trusted_proxies.is_empty());
    assert_eq!(policy.source, None);
}

#[test]
fn an_empty_file_allows_nobody() {
    let policy = policy("");
    assert_eq!(policy.anonymous, Anonymous::Deny);
    assert_eq!(policy.source.as_deref(), Some(Path::new("holdfast.toml")));
    assert_eq!(
        (policy.slots, policy.pool, policy.log),
        (1_000, Pool::Auto, LogForm::Json)
    );
}

#[test]
fn a_named_file_that_is_missing_or_unreadable_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("other.toml");
    let error = Policy::load(Some(&missing)).unwrap_err().to_string();
    assert!(
        error.contains("other.toml") && error.contains("cannot be read"),
        "{error}"
    );
    assert!(Policy::load(Some(folder.path())).is_err());
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file() {
    let text =
        "plugins = \"p\"\ndata = \"/var/d\"\nlog_file = \"h.log\"\n[files.a]\npath = \"f\"\n";
    let policy = Policy::parse(Path::new("/etc/hf/holdfast.toml"), text).unwrap();
    assert_eq!(policy.plugins, Path::new("/etc/hf/p"));
    assert_eq!(policy.data, Path::new("/var/d"));
    assert_eq!(policy.log_file.as_deref(), Some(Path::new("/etc/hf/h.log")));
    assert_eq!(policy.files["a"].path, Path::new("/etc/hf/f"));
    assert!(!policy.files["a"].writable);
}

#[test]
fn the_audit_log_keeps_enough_and_changes_are_always_in_it() {
    for (text, said) in [
        (
            "[audit]\nkeep = \"1MiB\"",
            "not between 268435456 and 1099511627776",
        ),
        (
            "[audit]\ncalls = \"none\"",
            "neither \"all\" nor \"changes\"",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn each_key_has_a_rule_of_its_own() {
    for (text, said) in [
        (
            "listen = \"8080\"",
            "`listen`: `8080` is not an address with a port",
        ),
        (
            "listen = \"localhost:8080\"",
            "is not an address with a port",
        ),
        (
            "listen = \"127.0.0.1:99999\"",
            "is not an address with a port",
        ),
        (
            "admin = \"127.0.0.1:8080\"",
            "`admin`: is the gateway's address too",
        ),
        ("log = \"xml\"", "neither \"json\" nor \"text\""),
        ("anonymous = \"maybe\"", "neither \"allow\" nor \"deny\""),
        ("anonymous = true", "invalid type"),
        ("idempotency_keep = \"1h\"", "at least \"24h\""),
        ("idempotency_keep = \"9000h\"", "at most a year"),
        ("drain_ms = -1", "less than nothing"),
        ("drain_ms = 600001", "not between 0 and 600000"),
        ("drain_ms = \"10s\"", "not a plain number"),
        ("trusted_proxies = [\"proxy\"]", "`proxy` is not a network"),
        (
            "trusted_proxies = [\"10.0.0.1/8\"]",
            "is it \"10.0.0.0/8\"?",
        ),
        (
            "nameservers = [\"dns.example\"]",
            "`dns.example` is not the address of a nameserver, such as \"10.0.0.2\"",
        ),
        ("nameservers = [\"10.0.0.2:0\"]", "not the address of"),
        ("nameservers = [\"0.0.0.0\"]", "not the address of"),
        (
            "nameservers = [\"10.0.0.2\", \"10.0.0.2:53\"]",
            "`10.0.0.2:53` stands twice",
        ),
        ("slots = 0", "not between 1 and 100000"),
        ("call_log = 1000", "not between 1048576 and 1073741824"),
        ("pool = \"fast\"", "neither \"auto\" nor \"safe\""),
        (
            "lisen = \"x\"",
            "holdfast.toml:1: `lisen`: unknown key; did you mean `listen`?",
        ),
        ("[services.Notes]", "`Notes` is not a name"),
        ("[services.a.limits]\nmemori = 1", "did you mean `memory`?"),
        (
            "[services.a]\nupstreams = [\"apy\"]\n[upstreams.api]\nurl = \"https://a.b\"",
            "there is no [upstreams.apy]; did you mean `api`?",
        ),
        ("[services.a]\nfiles = [\"x\"]", "there is no [files.x]"),
        (
            "[services.a]\nfuel = false\nlimits.fuel = 5",
            "`services.a.fuel`",
        ),
        ("[files.a]\nwrite = true", "`files.a`: needs `path`"),
    ] {
        let error = refusal(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn classes_shares_and_secrets_have_theirs() {
    for (text, said) in [
        ("shed_memory = \"101%\"", "not a share between"),
        ("shed_memory = \"-1%\"", "not a share between"),
        (
            "[services.a]\npriority = \"control\"",
            "`services.a.priority`: `control` is none of",
        ),
        (
            "[secrets.a]\nuses = [\"sign\"]",
            "needs `systemd`, `file` or `env`",
        ),
        ("[secrets.a]\nfile = \"x\"", "`secrets.a`: needs `uses`"),
        (
            "[secrets.a]\nuses = [\"get\"]\nfile = \"x\"",
            "`get` is none of \"sign\", \"verify\", \"webhook\"",
        ),
        (
            "[secrets.a]\nuses = [\"sign\"]\nencoding = \"rot13\"\nfile = \"x\"",
            "`rot13` is none of",
        ),
        (
            "[services.a]\nsecrets = [\"hok\"]\n[secrets.hook]\nuses = [\"sign\"]\nfile = \"x\"",
            "there is no [secrets.hok]; did you mean `hook`?",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn a_database_is_named_without_its_password() {
    for (text, said) in [
        (
            "[store]\nurl = \"mysql://me@localhost/db\"",
            "`store.url`: is not the URL of a server",
        ),
        (
            "[store]\nurl = \"postgres://me:sesame@localhost/db\"",
            "`store.url`: holds a password",
        ),
        (
            "[store]\nurl = \"postgres://me@db.example/db\"",
            "leads to another machine",
        ),
        (
            "[store]\npassword = { env = \"P\" }",
            "`store.password`: is of no use without `url`",
        ),
        (
            "[store]\nurl = \"postgres://me@localhost/db\"\n[store.password]",
            "needs `systemd`, `file` or `env`",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains("sesame"), "{error}");
    }
    let text =
        "[store]\nurl = \"postgres://me@localhost:5432/db\"\npassword = { env = \"PASS\" }\n";
    let policy = policy(text);
    assert!(policy.secret_variables().contains("PASS"));
    let shown = host_text(&policy, &[]);
    for said in [
        "postgres://me@localhost:5432/db",
        "environment variable PASS",
    ] {
        assert!(shown.contains(said), "{shown}");
    }
    let shown = host_text(&super::policy(""), &[]);
    assert!(shown.contains("holdfast.db in the data directory"));
}

#[test]
fn an_address_alone_is_a_network_of_its_own() {
    let policy = policy("trusted_proxies = [\"10.0.0.1\", \"fd00::/8\"]");
    assert_eq!(policy.trusted_proxies[0].to_string(), "10.0.0.1/32");
    assert_eq!(policy.trusted_proxies[1].to_string(), "fd00::/8");
}

#[test]
fn a_nameserver_is_asked_at_its_usual_port_unless_another_one_is_named() {
    let text = "nameservers = [\"10.0.0.2\", \"127.0.0.1:5353\", \"fd00::2\", \"[::1]:53\"]";
    let policy = policy(text);
    let servers: Vec<_> = policy.nameservers.iter().map(ToString::to_string).collect();
    assert_eq!(
        servers,
        ["10.0.0.2:53", "127.0.0.1:5353", "[fd00::2]:53", "[::1]:53"]
    );
}

#[test]
fn a_flag_wins_over_the_file_and_says_so() {
    let flags = Flags {
        listen: Some("127.0.0.1:9".parse().unwrap()),
        log: Some(LogForm::Text),
        ..Flags::default()
    };
    let policy = policy("\nlisten = \"127.0.0.1:1\"\nslots = 7").with_flags(flags);
    assert_eq!(policy.listen.port(), 9);
    assert_eq!(policy.origin("listen"), Origin::Flag);
    assert_eq!(policy.origin("slots"), Origin::Policy { line: 3 });
    assert_eq!(policy.origin("pool"), Origin::Default);
    let text = host_text(&policy, &[]);
    let line = |key: &str| {
        text.lines()
            .find(|line| line.trim().starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(line("listen").ends_with("flag"), "{text}");
    assert!(
        line("slots").contains('7') && line("slots").ends_with("policy line 3"),
        "{text}"
    );
    assert!(line("pool").ends_with("default"), "{text}");
}

#[test]
fn the_text_of_the_host_shows_the_layers_in_their_order() {
    let layers = [
        LayerLine {
            name: "record",
            built: Built::Yes,
            rule: "every call ends here",
        },
        LayerLine {
            name: "rate",
            built: Built::Planned,
            rule: "all or nothing",
        },
    ];
    let text = host_text(&Policy::default_for_one_person(), &layers);
    assert!(
        text.starts_with("no policy file: loopback only, everybody is served as anonymous"),
        "{text}"
    );
    let (first, second) = (text.find("1  record"), text.find("2  rate "));
    assert!(first.is_some() && first < second, "{text}");
    assert!(
        text.contains("all or nothing (planned)") && !text.contains("ends here (planned)"),
        "{text}"
    );
}

#[test]
fn a_service_policy_is_found_by_name() {
    let policy = read("[services.a]\nservices = [\"b\"]\nanonymous = \"allow\"\n").unwrap();
    let service = &policy.services["a"];
    assert!(service.services.contains(&Name::parse("b").unwrap()));
    assert_eq!(service.anonymous, Some(Anonymous::Allow));
}

#[test]
fn listen_is_a_text_or_a_table() {
    let text = policy("listen = \"127.0.0.1:9\"");
    let table =
        policy("[listen]\naddress = \"127.0.0.1:9\"\n[listen.limits]\nwrite = \"2s\"\nstreams = 7");
    assert_eq!(text.listen, table.listen);
    assert_eq!(table.listen_limits.streams, 7);
    assert_eq!(table.listen_limits.write.as_secs(), 2);
    assert_eq!(table.origin("listen"), Origin::Policy { line: 2 });
    let rows = host_text(&table, &[]);
    assert!(rows.contains("listen.limits.streams"), "{rows}");
}
