//! Manifest ∧ policy: neither widens the other, and every value knows where it came from.

use super::{manifest, policy};
use holdfast_server::settings::show::service_text;
use holdfast_server::settings::{Anonymous, Effective, Fuel, Limit, Origin, Policy, merge};
use std::time::Duration;

fn refused(asks: &str, allows: &str) -> String {
    match Effective::of(&manifest(asks), &policy(allows)) {
        Ok(_) => panic!("allowed: {asks}"),
        Err(refused) => refused.to_string(),
    }
}

fn holds(asks: &str, allows: &str) -> Effective {
    Effective::of(&manifest(asks), &policy(allows)).unwrap()
}

fn origin(effective: &Effective, key: &str) -> Origin {
    let row = effective.table().iter().find(|row| row.key == key);
    row.unwrap_or_else(|| panic!("no row {key}")).origin
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let limits = holds("", "").limits;
    assert_eq!(limits.deadline, Duration::from_secs(30));
    assert_eq!(limits.idle, Duration::from_secs(30));
    assert_eq!(limits.stream, Duration::from_secs(15 * 60));
    assert_eq!(limits.cpu, Duration::from_secs(1));
    assert_eq!(limits.fuel, u64::MAX);
    assert_eq!(limits.memory, 128 << 20);
    assert_eq!(
        (limits.memories, limits.tables, limits.table_elements),
        (8, 16, 100_000)
    );
    assert_eq!(
        (limits.instances, limits.handles, limits.resources),
        (40, 10_000, 1_000)
    );
    assert_eq!(
        (
            limits.header_bytes,
            limits.hostcall_bytes,
            limits.random_bytes
        ),
        (128 << 10, 8 << 20, 1 << 20)
    );
    assert_eq!(
        (limits.log_lines, limits.log_bytes, limits.calls),
        (1_000, 256 << 10, 50)
    );
    assert_eq!(
        (limits.response_bytes, limits.places, limits.open_streams),
        (256 << 20, 64, 1_024)
    );
}

#[test]
fn every_limit_is_the_ask_the_policys_or_the_default_and_never_more_than_the_policys() {
    // `reuse` is a wish of its own in a manifest: see below.
    for limit in Limit::ALL.iter().filter(|limit| **limit != Limit::Reuse) {
        let (least, _) = limit.range();
        let line = |amount: u64| match limit.unit() {
            holdfast_server::settings::limits::Unit::Time => {
                format!("{limit} = \"{}ms\"", amount / 1_000_000)
            }
            _ => format!("{limit} = {amount}"),
        };
        // Amounts that every limit can be set to, in whole milliseconds where it is a time.
        let (small, large) = (least.max(1_000_000) * 2, least.max(1_000_000) * 3);
        let (small, large) = if limit.range().1 < large {
            (2, 3)
        } else {
            (small, large)
        };
        let own = |amount| format!("[services.notes.limits]\n{}", line(amount));
        let all = |amount| format!("[limits]\n{}", line(amount));
        let key = format!("limits.{limit}");
        let value = |effective: &Effective| {
            effective
                .table()
                .iter()
                .find(|row| row.key == key)
                .unwrap()
                .value
                .clone()
        };

        let asked = holds(&all(small), &all(large));
        assert_eq!(
            (value(&asked), origin(&asked, &key)),
            (limit.text(small), Origin::Manifest { line: 2 })
        );
        let equal = holds(&all(large), &all(large));
        assert_eq!(value(&equal), limit.text(large));
        let unasked = holds("", &all(large));
        assert_eq!(
            (value(&unasked), origin(&unasked, &key)),
            (limit.text(large), Origin::Policy { line: 2 })
        );
        let widened = holds(&all(large), &format!("{}\n{}", all(small), own(large)));
        assert_eq!(value(&widened), limit.text(large));
        let default = holds("", "");
        assert_eq!(
            (value(&default), origin(&default, &key)),
            (limit.text(limit.default_amount()), Origin::Default)
        );

        let error = refused(&all(large), &all(small));
        let (asks, allows) = (limit.text(large), limit.text(small));
        let line = format!(
            "notes.toml:2: `{key}` asks for {asks}, but holdfast.toml:2: the policy allows {allows}"
        );
        assert!(error.contains(&line), "{error}");
        assert!(
            error.ends_with("to allow it: holdfast allow notes"),
            "{error}"
        );
        let error = refused(&all(large), &format!("{}\n{}", all(large), own(small)));
        assert!(
            error.contains("holdfast.toml:4: the policy allows"),
            "{error}"
        );
        // A policy that was narrowed under a running service narrows the service.
        let narrowed = merge(&manifest(&all(large)), &policy(&all(small))).effective;
        assert_eq!(value(&narrowed), limit.text(small));
    }
}

#[test]
fn reuse_is_what_the_manifest_asks_for_and_one_where_it_asks_for_nothing() {
    let reuse = |effective: &Effective| {
        let origin = origin(effective, "limits.reuse");
        (effective.limits.reuse, origin)
    };
    let at = |line| Origin::Manifest { line };
    assert_eq!(reuse(&holds("", "")), (1, Origin::Default));
    let wide = "[limits]\nreuse = 500";
    assert_eq!(reuse(&holds("", wide)), (1, Origin::Default));
    assert_eq!(reuse(&holds("reuse = 100", "")), (100, at(1)));
    assert_eq!(reuse(&holds("reuse = 500", wide)), (500, at(1)));
    let own = "[services.notes.limits]\nreuse = 2";
    let error = refused("reuse = 3", own);
    let line = "notes.toml:1: `reuse` asks for 3, but holdfast.toml:2: the policy allows 2";
    assert!(error.contains(line), "{error}");
    let narrowed = merge(&manifest("reuse = 3"), &policy(own)).effective;
    assert_eq!(reuse(&narrowed), (2, Origin::Policy { line: 2 }));
}

#[test]
fn asking_for_more_than_a_default_is_asking_for_more_than_is_allowed() {
    let error = refused("[limits]\nmemory = \"256MiB\"\ndeadline = \"31s\"", "");
    assert!(error.contains("notes.toml:2: `limits.memory` asks for 256MiB, but holdfast.toml: the default allows 128MiB"), "{error}");
    assert!(
        error.contains("notes.toml:3: `limits.deadline` asks for 31s"),
        "every excess is named: {error}"
    );
}

#[test]
fn a_service_that_may_use_a_model_waits_longer_by_default() {
    let model = "[upstreams.m]\nurl = \"https://m.b\"\nclass = \"llm\"\n[services.notes]\nupstreams = [\"m\"]\n";
    assert_eq!(
        holds("upstreams = [\"m\"]", model).limits.deadline,
        Duration::from_secs(120)
    );
    assert_eq!(holds("", model).limits.deadline, Duration::from_secs(30));
    let set = format!("{model}[limits]\ndeadline = \"5s\"");
    assert_eq!(
        holds("upstreams = [\"m\"]", &set).limits.deadline,
        Duration::from_secs(5)
    );
}

#[test]
fn an_upstream_is_granted_where_both_name_it() {
    let exists = "[upstreams.api]\nurl = \"https://a.b\"\n";
    let allowed = format!("{exists}[services.notes]\nupstreams = [\"api\"]");
    let granted = holds("upstreams = [\"api\"]", &allowed);
    assert_eq!(origin(&granted, "upstreams"), Origin::Policy { line: 4 });
    assert!(
        granted.grants.upstreams_asked.contains("api")
            && granted.grants.upstreams_allowed.contains("api")
    );
    assert_eq!(&*granted.grants.upstreams_known["api"], "https://a.b:443");

    // Allowed but not asked for: the sets stay apart, so that nothing is granted.
    let unasked = holds("", &allowed);
    assert!(
        unasked.grants.upstreams_asked.is_empty()
            && unasked.grants.upstreams_allowed.contains("api")
    );
    assert_eq!(origin(&unasked, "upstreams"), Origin::Default);

    let error = refused("upstreams = [\"api\"]", exists);
    assert!(error.contains("notes.toml:1: `upstreams` asks for upstream `api`, but holdfast.toml: [services.notes] does not allow it"), "{error}");
    let error = refused("upstreams = [\"api\"]", "");
    assert!(error.contains("there is no [upstreams.api]"), "{error}");
    let error = refused(
        "upstreams = [\"api\"]",
        &format!("{exists}[services.other]\nupstreams = [\"api\"]"),
    );
    assert!(
        error.contains("[services.notes] does not allow it"),
        "what another service may is nothing to this one: {error}"
    );
}

#[test]
fn services_and_folders_are_granted_where_both_name_them() {
    let asks = "services = [\"audit\"]\nfiles = { \"/t\" = \"templates\" }";
    let exists = "[files.templates]\npath = \"/srv/t\"\nwrite = true\n";
    let granted = holds(
        asks,
        &format!("{exists}[services.notes]\nservices = [\"audit\"]\nfiles = [\"templates\"]"),
    );
    assert!(granted.grants.services_allowed.contains("audit"));
    let mount = &granted.mounts[0];
    assert_eq!(
        (mount.guest.as_str(), mount.host.to_str(), mount.writable),
        ("/t", Some("/srv/t"), true)
    );
    let error = refused(asks, exists);
    assert!(
        error.contains("asks for service `audit`") && error.contains("asks for folder `templates`"),
        "{error}"
    );
    assert!(refused(asks, "").contains("there is no [files.templates]"));
    let narrowed = merge(&manifest(asks), &policy(exists)).effective;
    assert!(narrowed.mounts.is_empty() && narrowed.grants.services_allowed.is_empty());
}

#[test]
fn being_public_is_a_wish_that_only_the_policy_grants() {
    for (asks, allows, got) in [
        ("", "", Anonymous::Deny),
        ("public = true", "", Anonymous::Deny),
        ("public = true", "anonymous = \"allow\"", Anonymous::Allow),
        ("", "anonymous = \"allow\"", Anonymous::Allow),
        ("public = false", "anonymous = \"allow\"", Anonymous::Deny),
        (
            "",
            "anonymous = \"allow\"\n[services.notes]\nanonymous = \"deny\"",
            Anonymous::Deny,
        ),
        (
            "",
            "[services.notes]\nanonymous = \"allow\"",
            Anonymous::Allow,
        ),
        (
            "",
            "[services.other]\nanonymous = \"allow\"",
            Anonymous::Deny,
        ),
    ] {
        assert_eq!(holds(asks, allows).anonymous, got, "{asks} / {allows}");
    }
    let notes = holds("purpose = \"x\"\npublic = true", "anonymous = \"deny\"").notes;
    assert!(
        notes[0].contains("notes.toml:2: `public`")
            && notes[0].contains("holdfast.toml:1")
            && notes[0].contains("holdfast allow notes"),
        "{notes:?}"
    );
    let person = Effective::of(&manifest(""), &Policy::default_for_one_person()).unwrap();
    assert_eq!(person.anonymous, Anonymous::Allow);
}

#[test]
fn fuel_is_metered_where_somebody_wants_it_and_the_policy_does_not_forbid_it() {
    let metered = |units| Fuel::Metered { units };
    for (asks, allows, got) in [
        ("", "", Fuel::Off),
        ("fuel = true", "", metered(u64::MAX)),
        ("", "fuel = true", metered(u64::MAX)),
        ("fuel = false", "fuel = true", metered(u64::MAX)),
        ("limits.fuel = 5", "", metered(5)),
        ("limits.fuel = 5", "limits.fuel = 9", metered(5)),
        ("", "limits.fuel = 9", metered(9)),
        (
            "",
            "limits.fuel = 9\n[services.notes]\nfuel = false",
            Fuel::Off,
        ),
        ("", "[services.notes]\nfuel = true", metered(u64::MAX)),
    ] {
        assert_eq!(holds(asks, allows).fuel, got, "{asks} / {allows}");
    }
    let error = refused("limits.fuel = 5", "[services.notes]\nfuel = false");
    assert!(
        error.contains(
            "notes.toml:1: `limits.fuel` asks for the metered engine, but holdfast.toml:2"
        ),
        "{error}"
    );
}

#[test]
fn a_service_without_a_purpose_is_loaded_with_a_warning() {
    assert!(holds("", "").notes[0].contains("undeclared"));
    let declared = holds("purpose = \"keeps notes\"", "");
    assert_eq!(declared.purpose.as_deref(), Some("keeps notes"));
    assert!(declared.notes.is_empty());
}

#[test]
fn the_table_shows_each_value_with_its_origin_and_cannot_steer_the_terminal() {
    let asks = "purpose = \"p\"\nroutes = [\"/n/...\"]\n[env]\nA = \"x\\u001B[2J\"\n[limits]\ncpu = \"5ms\"";
    let effective = holds(asks, "anonymous = \"allow\"");
    let text = service_text(&effective);
    let line = |key: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("limits.cpu").contains("5ms") && line("limits.cpu").ends_with("manifest line 6"),
        "{text}"
    );
    assert!(
        line("anonymous").contains("allow") && line("anonymous").ends_with("policy line 1"),
        "{text}"
    );
    assert!(
        line("limits.idle").contains("30s") && line("limits.idle").ends_with("default"),
        "{text}"
    );
    assert!(line("routes").contains("/n/..."), "{text}");
    assert!(
        line("env.A").contains("x\\u001b[2J") && !text.contains('\u{1b}'),
        "{text}"
    );
}
