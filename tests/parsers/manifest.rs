//! `NAME.toml`: a file and its rewritten form are one manifest, and whatever it asks for, it gets no more than the policy has.

use super::complaint;
use holdfast_server::settings::show::service_text;
use holdfast_server::settings::{Limit, Manifest, Name, Policy, merge};

/// Reads the bytes as an author's file.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let manifest = match parsed(text) {
        Ok(manifest) => manifest,
        Err(error) => return complaint(text, &error),
    };
    let table: toml::Table = text.parse().unwrap();
    let again = parsed(&toml::to_string(&table).unwrap()).unwrap();
    assert_eq!(asked(&manifest), asked(&again));

    // Nobody allowed it anything.
    let policy = Policy::default_for_one_person();
    let merged = merge(&manifest, &policy);
    let effective = &merged.effective;
    assert!(effective.grants.upstreams_allowed.is_empty() && effective.mounts.is_empty());
    assert!(effective.grants.services_allowed.is_empty());
    for excess in &merged.excess {
        for line in excess.to_string().lines() {
            super::plain(line);
        }
    }
    for line in service_text(effective).lines() {
        super::plain(line);
    }
    let most = merge(&Manifest::absent(manifest.name.clone()), &policy).effective;
    assert!(effective.limits.memory <= most.limits.memory);
    assert!(effective.limits.cpu <= most.limits.cpu);
    assert!(effective.limits.places <= most.limits.places);
    let wants_more = manifest.limits.get(Limit::Memory) > Some(most.limits.memory);
    assert!(!wants_more || !merged.excess.is_empty());
}

fn parsed(text: &str) -> Result<Manifest, holdfast_server::settings::SettingsError> {
    Manifest::parse(Name::parse("fuzzed").unwrap(), "fuzzed.toml", text)
}

/// Everything but the lines it stood on.
fn asked(manifest: &Manifest) -> String {
    let Manifest {
        name,
        purpose,
        routes,
        public,
        public_routes,
        priority,
        fuel,
        upstreams,
        services,
        secrets,
        kv,
        queues,
        safe,
        effects,
        durable,
        schedules,
        files,
        env,
        config,
        description,
        limits,
        source: _,
    } = manifest;
    format!(
        "{name} {purpose:?} {routes:?} {public:?} {public_routes:?} {priority:?} {fuel:?} {upstreams:?} {services:?} {secrets:?} {kv:?} {queues:?} {safe:?} {effects:?} {durable:?} {schedules:?} {files:?} {env:?} {config:?} {description:?} {limits:?}"
    )
}
