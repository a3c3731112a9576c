//! What happens is what author and operator both allow.
//!
//! 1. The naive snippet: a manifest that asks, a policy that says.
//! 2. The missing rule: what holds when they differ. A typing error that is ignored is a limit that nobody set.
//! 3. The tax: reading two files side by side, after every change, on every host.
//! 4. The snippets again, unchanged.
//! 5. The pipeline: neither file can widen the other; what cannot be read or is not known stops the load, with the line and the nearest
//!    known key; a command shows what holds and where it comes from; a change takes effect without a restart.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, Guest, Setup, Upstream, begin_in, encoded, until};

#[test]
fn a_manifest_that_asks_for_more_is_refused_with_both_lines_and_the_command() {
    let host = two("\n[limits]\nmemory = \"256MiB\"")
        .policy("[limits]\nmemory = \"64MiB\"")
        .start();
    host.get("/two/ok").fault("no-such-service");
    let listed = host.listed("two").unwrap().to_string();
    for word in ["two.toml", "holdfast.toml", "holdfast allow two", "memory"] {
        assert!(listed.contains(word), "{word} is missing: {listed}");
    }
}

#[test]
fn allow_shows_the_difference_and_writes_it() {
    let host = two("[limits]\nmemory = \"256MiB\"")
        .policy("# kept\n[limits]\nmemory = \"64MiB\"")
        .start();
    host.get("/two/ok").fault("no-such-service");
    let said = host.offline(&["allow", "two", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("256MiB"), "{said:?}");
    let policy = std::fs::read_to_string(host.config()).unwrap();
    assert!(
        policy.contains("# kept") && policy.contains("[services.two"),
        "{policy}"
    );
    // The host sees the new policy, and loads what it had refused.
    until("the service to be served", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let (code, said) = two("")
        .policy("anonymos = \"allow\"\nanonymous = \"allow\"")
        .refused();
    assert_ne!(code, Some(0));
    assert!(
        said.contains("anonymos") && said.contains("anonymous"),
        "{said}"
    );

    let host = two("rout = [\"/x\"]")
        .service("beside", Guest::Service("hello"), "")
        .start();
    host.get("/two/ok").fault("no-such-service");
    let listed = host.listed("two").unwrap().to_string();
    assert!(
        listed.contains("rout") && listed.contains("routes") && listed.contains("two.toml:1"),
        "{listed}"
    );
    assert_eq!(host.get("/beside/").status, 200);
}

#[test]
fn a_policy_below_a_floor_is_refused_unless_it_is_meant() {
    let lines =
        "[upstreams.api]\nurl = \"https://api.example.com\"\nclass = \"llm\"\nfirst_byte = \"1s\"";
    let (code, said) = two("").policy(lines).refused();
    assert_ne!(code, Some(0));
    assert!(
        said.contains("first_byte") && said.contains("override_floor"),
        "{said}"
    );
    let host = two("")
        .policy(&format!("{lines}\noverride_floor = true"))
        .start();
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn a_policy_change_takes_effect_without_a_restart() {
    let upstream = Upstream::start();
    let host = two("")
        .service("four", Guest::Case("wasi02"), "upstreams = [\"api\"]")
        .upstream("api", &upstream)
        .start();
    host.get("/four/ok").fault("no-such-service");
    let url = upstream.url("");
    host.set_policy(&format!(
        "[services.four]\nupstreams = [\"api\"]\n[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]"
    ));
    let fetch = format!("/four/fetch?url={}", encoded(&upstream.url("/ok")));
    until("the grant to hold", || {
        host.get(&fetch)
            .text()
            .starts_with("status 200")
            .then_some(())
    });
    // And back: the next call has the old answer again.
    host.set_policy("");
    until("the grant to be gone", || {
        (!host.get(&fetch).text().starts_with("status 200")).then_some(())
    });
}

#[test]
fn a_policy_that_comes_later_is_seen() {
    let host = two("").start_without_policy();
    // On loopback, and as long as nobody has said otherwise, everybody is let in.
    assert_eq!(host.get("/two/ok").text(), "ok\n");
    host.set_policy("anonymous = \"deny\"");
    until("the policy to hold", || {
        (host.get("/two/ok").status == 403).then_some(())
    });
}

#[test]
fn what_is_read_only_at_the_start_says_so_when_it_changes() {
    let host = two("").start();
    let lines = [
        ("listen", "\"127.0.0.1:1\""),
        ("admin", "\"127.0.0.1:2\""),
        ("plugins", "\"elsewhere\""),
        ("data", "\"elsewhere\""),
        ("log", "\"text\""),
        ("log_file", "\"elsewhere\""),
        ("drain_ms", "77"),
        ("memory", "\"1GiB\""),
        ("slots", "77"),
        ("pool", "\"safe\""),
    ];
    let policy: Vec<_> = lines.map(|(key, value)| format!("{key} = {value}")).into();
    host.set_policy(&policy.join("\n"));
    // Those of the command line are what it says, whatever the policy says.
    for (key, _) in &lines[4..] {
        until(key, || {
            let text = format!("{key} is as it was: it takes effect at the next start");
            host.log_text().contains(&text).then_some(())
        });
    }
    assert_eq!(host.get("/two/ok").text(), "ok\n");
}

#[test]
fn a_policy_that_cannot_be_read_leaves_the_old_one() {
    let host = two("").start();
    host.set_policy("this is not a policy");
    until("the host to say so", || {
        let said = format!("{}{}", host.stderr(), host.log_text());
        said.contains("holdfast.toml").then_some(())
    });
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn anonymous_callers_need_the_policys_word() {
    let host = two("public = true").policy("anonymous = \"deny\"").start();
    let answer = host.get("/two/ok");
    answer.fault("forbidden");
    assert_eq!(host.closing(answer.call())["boundary"], "policy");
    host.set_policy("anonymous = \"deny\"\n[services.two]\nanonymous = \"allow\"");
    until("the service to be open", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
}

#[test]
fn the_policy_command_shows_what_holds_and_where_it_comes_from() {
    let host = two("purpose = \"show limits\"\n[limits]\nplaces = 7")
        .policy("[limits]\nmemory = \"64MiB\"")
        .start();
    let said = host.offline(&["policy", "two"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let line = |key: &str| {
        let found = said.out.lines().find(|line| line.contains(key));
        found
            .unwrap_or_else(|| panic!("{key} is missing: {said:?}"))
            .to_owned()
    };
    assert!(
        line("limits.places").contains("manifest line 3"),
        "{}",
        line("limits.places")
    );
    assert!(
        line("limits.memory ").contains("policy line"),
        "{}",
        line("limits.memory ")
    );
    assert!(line("deadline").contains("default"), "{}", line("deadline"));
    let said = host.offline(&["policy"]);
    let order = [
        "trial",
        "record",
        "deadline",
        "authorize",
        "rate",
        "admit",
        "quarantine",
        "attempt",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|layer| said.out.find(&format!(" {layer} ")))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{said:?}"
    );
}

#[test]
fn check_tells_what_would_stop_a_component() {
    let host = two("").start();
    host.drop_in("odd", Guest::Text("imports-missing"), "");
    let odd = host.plugins().join("odd.wasm");
    let said = host.offline(&["check", odd.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("acme:database/rows"), "{said:?}");
    // What only the compiler finds.
    let mut damaged = Guest::Case("wasi02").bytes();
    let middle = damaged.len() / 4;
    damaged[middle..middle + 64].fill(0xff);
    std::fs::write(&odd, damaged).unwrap();
    assert_eq!(
        host.offline(&["check", odd.to_str().unwrap()]).code,
        Some(1)
    );
    host.drop_in(
        "odd",
        Guest::Text("many-memories"),
        "[limits]\nmemories = 2",
    );
    let said = host.offline(&["check", odd.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("memories = 2 allows fewer"), "{said:?}");
    let fine = host.plugins().join("two.wasm");
    let said = host.offline(&["check", fine.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_fuel_policy_meters_every_service() {
    let host = two("")
        .policy("fuel = true\n[limits]\nfuel = 1000000")
        .start();
    host.get("/two/spin?n=100000000").fault("cpu-exhausted");
    assert_eq!(host.get("/two/ok").status, 200);
}

#[test]
fn the_hosts_own_keys_are_settings_too() {
    // What the command line says elsewhere is said here in the file.
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("elsewhere");
    let host = two("")
        .policy(&format!("data = \"{}\"\nplugins = \"nowhere\"\nlisten = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"", data.display()))
        .start();
    // The command line wins, or the host would not be ready where the test looks for it.
    assert_eq!(host.get("/two/ok").status, 200);
    assert!(!data.exists());
}

#[test]
fn where_the_host_listens_and_what_it_keeps_where_is_said_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let policy = "anonymous = \"allow\"\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nplugins = \"services\"\ndata = \"kept\"\n";
    std::fs::write(dir.path().join("holdfast.toml"), policy).unwrap();
    std::fs::create_dir(dir.path().join("services")).unwrap();
    std::fs::write(
        dir.path().join("services/here.wasm"),
        Guest::Case("wasi02").bytes(),
    )
    .unwrap();
    let stderr = std::fs::File::create(dir.path().join("stderr")).unwrap();
    let mut host = begin_in(dir.path(), &["serve"], stderr);
    let said = || std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
    let told = |what: &str| -> Option<std::net::SocketAddr> {
        said().rsplit_once(what)?.1.lines().next()?.parse().ok()
    };
    let gateway = until("the gateway's address", || told("listening on http://"));
    let admin = until("the admin pages' address", || {
        told("admin pages on http://")
    });
    assert_ne!((gateway.port(), admin.port()), (8080, 8081));
    until("the service to be served", || {
        let answer = Ask::new(gateway, "GET", "/here/ok").send();
        (answer.text() == "ok\n").then_some(())
    });
    assert_eq!(Ask::new(admin, "GET", "/healthz").send().status, 200);
    assert!(dir.path().join("kept/versions/here").is_dir());
    host.kill().unwrap();
    host.wait().unwrap();
}

#[test]
fn a_host_for_others_needs_a_policy_that_lets_them_in() {
    let said = crate::harness::run(&["serve", "--listen", "0.0.0.0:0", "--plugins", "nowhere"]);
    assert_ne!(said.code, Some(0));
    assert!(
        said.err.contains("anonymous") || said.err.contains("policy"),
        "{said:?}"
    );
    let said = crate::harness::run(&["serve", "--admin", "0.0.0.0:0", "--plugins", "nowhere"]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("admin pages"), "{said:?}");
}

#[test]
fn two_hosts_do_not_share_a_data_directory() {
    let host = Setup::new()
        .service("hello", Guest::Service("hello"), "")
        .start();
    let data = host.dir().join("data");
    let plugins = host.plugins();
    let said = crate::harness::run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--plugins",
        plugins.to_str().unwrap(),
        "--config",
        host.config().to_str().unwrap(),
    ]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("data"), "{said:?}");
}
