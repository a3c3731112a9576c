//! Routes: what reads as one prints as it was written, and the table answers as the rule says that it does.
//!
//! The bytes are lines: claims first, then after an empty line the requests, each a host and a path.

use holdfast_server::router::{Claim, Route, RoutePath, Routes};

/// Reads the bytes as claims and requests.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (claims, requests) = text.split_once("\n\n").unwrap_or((text, ""));
    let table = Routes::default();
    let mut held: Vec<(Route, String)> = Vec::new();
    for (at, line) in claims.lines().take(64).enumerate() {
        let route = match Route::parse(line) {
            Ok(route) => route,
            Err(why) => {
                super::plain(&why);
                continue;
            }
        };
        assert_eq!(route.to_string(), line);
        let service = format!("s{at}");
        let claim = Claim {
            service: service.as_str().into(),
            routes: vec![route.clone()],
            purpose: None,
            registered: super::registered(),
        };
        let taken = held.iter().any(|(other, _)| *other == route);
        assert_eq!(table.put(claim).is_err(), taken, "{route}");
        if !taken {
            held.push((route, service));
        }
    }
    for line in requests.lines().take(64) {
        let Some(slash) = line.find('/') else {
            continue;
        };
        let (host, path) = line.split_at(slash);
        let found = table
            .find(host, path)
            .map(|found| found.service.to_string());
        assert_eq!(found, expected(&held, host, path), "{line}");
    }
}

/// The rule itself: a host's claims before everybody's; the path itself, else the longest prefix.
fn expected(held: &[(Route, String)], host: &str, path: &str) -> Option<String> {
    let of = |host: Option<&str>| {
        held.iter()
            .filter(|(route, _)| route.host.as_deref() == host)
            .filter_map(|(route, service)| {
                let length = matched(&route.path, path)?;
                Some((length, service.clone()))
            })
            .max()
            .map(|(_, service)| service)
    };
    of(Some(host)).or_else(|| of(None))
}

/// How well a claim fits; a prefix without its last slash is in it too.
fn matched(claim: &RoutePath, path: &str) -> Option<usize> {
    match claim {
        RoutePath::Exact(exact) => (**exact == *path).then_some(usize::MAX),
        RoutePath::Prefix(prefix) => {
            let bare = &prefix[..prefix.len() - 1];
            (path.starts_with(&**prefix) || path == bare).then_some(prefix.len())
        }
    }
}
