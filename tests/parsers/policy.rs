//! `holdfast.toml`: what was read prints, what was printed reads back as the same, and what is wrong has its line.

use super::complaint;
use holdfast_server::settings::show::{host_text, service_text};
use holdfast_server::settings::{Limit, Manifest, Name, Policy, merge};
use std::fmt::Write as _;
use std::path::Path;

/// Reads the bytes as the operator's file.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let policy = match Policy::parse(Path::new("holdfast.toml"), text) {
        Ok(policy) => policy,
        Err(error) => return complaint(text, &error),
    };
    assert!(policy.listen != policy.admin || policy.listen.port() == 0);
    for line in host_text(&policy, &[]).lines() {
        super::plain(line);
    }
    for upstream in policy.upstreams.values() {
        assert!(upstream.port != 0 && !upstream.host.is_empty());
        assert!(
            !upstream.origin.contains(['@', '?', '#', ' ']),
            "{upstream:?}"
        );
        assert_eq!(upstream.origin.matches('/').count(), 2, "{upstream:?}");
        assert!(upstream.places > 0);
    }
    for allowed in policy.services.values() {
        assert!(
            allowed
                .upstreams
                .iter()
                .all(|name| policy.upstreams.contains_key(name))
        );
        assert!(
            allowed
                .files
                .iter()
                .all(|name| policy.files.contains_key(name))
        );
    }
    let names: Vec<_> = policy.services.keys().cloned().collect();
    for name in names.into_iter().take(8).chain(Name::parse("other")) {
        reads_back(&policy, name);
    }
}

/// Limits as they are shown for a service, written into a policy of their own, are the same limits.
fn reads_back(policy: &Policy, name: Name) {
    let merged = merge(&Manifest::absent(name.clone()), policy);
    assert!(merged.excess.is_empty(), "nothing was asked for");
    let shown = service_text(&merged.effective);
    for line in shown.lines() {
        super::plain(line);
    }
    let mut text = "[limits]\n".to_owned();
    for row in merged.effective.table() {
        let limit = Limit::ALL
            .iter()
            .find(|limit| row.key == format!("limits.{limit}"));
        if let Some(limit) = limit
            && row.value != "no bound"
        {
            let quoted = row.value.parse::<u64>().is_err();
            let quote = if quoted { "\"" } else { "" };
            writeln!(text, "{limit} = {quote}{}{quote}", row.value).unwrap();
        }
    }
    let again = Policy::parse(Path::new("again.toml"), &text)
        .unwrap_or_else(|error| panic!("{text}{error}"));
    let again = merge(&Manifest::absent(name), &again);
    assert_eq!(again.effective.limits, merged.effective.limits, "{text}");
}
