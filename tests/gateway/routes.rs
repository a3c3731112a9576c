//! Which service a path leads to, and what happens when two want the same.

use crate::bed::{answer, line, native};
use holdfast_call::{Boundary, Pipeline};
use holdfast_server::router::{Claim, NotLoaded, Route, RoutePath, Routes};

fn route(text: &str) -> Route {
    let (host, path) = text.split_at(text.find('/').unwrap());
    let path = match path.strip_suffix("...") {
        Some(prefix) => RoutePath::Prefix(prefix.into()),
        None => RoutePath::Exact(path.into()),
    };
    let host = (!host.is_empty()).then(|| host.into());
    Route { host, path }
}

fn claim(pipeline: &Pipeline, service: &str, routes: &[&str]) -> Claim {
    Claim {
        service: service.into(),
        routes: routes.iter().map(|text| route(text)).collect(),
        purpose: None,
        registered: native(pipeline, service, |_| Box::pin(async { answer("ok") })),
    }
}

fn find(routes: &Routes, host: &str, path: &str) -> String {
    routes
        .find(host, path)
        .map_or("nobody".to_owned(), |found| {
            format!("{} -{}", found.service, found.strip)
        })
}

#[tokio::test]
async fn the_longest_claim_wins_and_a_host_s_goes_before_everybody_s() {
    let line = line();
    let routes = Routes::default();
    for (service, claims) in [
        ("hello", &[][..]),
        ("api", &["/api/..."]),
        ("v2", &["/api/v2/...", "/exact"]),
        ("shop", &["shop.example/...", "shop.example/api/..."]),
        ("all", &["all.example/..."]),
    ] {
        routes.put(claim(&line.pipeline, service, claims)).unwrap();
    }
    for (host, path, found) in [
        ("x", "/hello/", "hello -/hello"),
        ("x", "/hello", "hello -/hello"),
        ("x", "/hello/a/b", "hello -/hello"),
        ("x", "/hellos", "nobody"),
        ("x", "/", "nobody"),
        ("x", "/api/x", "api -"),
        ("x", "/api", "api -"),
        ("x", "/api/v2/x", "v2 -"),
        ("x", "/api/v22", "api -"),
        ("x", "/exact", "v2 -"),
        ("x", "/exact/", "nobody"),
        ("shop.example", "/api/v2/x", "shop -"),
        ("shop.example", "/hello/", "shop -"),
        ("all.example", "/", "all -"),
        ("x", &"/".repeat(100_000), "nobody"),
    ] {
        assert_eq!(find(&routes, host, path), found, "{host} {path:.40}");
    }
}

#[tokio::test]
async fn two_services_never_claim_one_route_and_both_are_named() {
    let line = line();
    let routes = Routes::default();
    routes
        .put(claim(&line.pipeline, "first", &["/a", "/x/..."]))
        .unwrap();
    let taken = routes
        .put(claim(&line.pipeline, "second", &["/b", "/x/..."]))
        .unwrap_err();
    assert_eq!(
        taken.to_string(),
        "the route /x/... of `second` is already claimed by `first`"
    );
    assert_eq!(
        find(&routes, "h", "/b"),
        "nobody",
        "all of a claim or nothing"
    );
    // A default route is a claim like any other.
    let taken = routes.put(claim(&line.pipeline, "x", &[])).unwrap_err();
    assert_eq!((&*taken.service, &*taken.by), ("x", "first"));
    // The same path on a host of its own is another route.
    routes
        .put(claim(&line.pipeline, "third", &["h.example/x/..."]))
        .unwrap();
    // A new version of the same service takes its own routes over, and lets go of what it no longer names.
    routes.put(claim(&line.pipeline, "first", &["/a"])).unwrap();
    routes
        .put(claim(&line.pipeline, "second", &["/b", "/x/..."]))
        .unwrap();
    routes.remove("second");
    assert_eq!(find(&routes, "h", "/x/"), "nobody");
}

#[tokio::test]
async fn a_renewed_service_keeps_its_routes() {
    let line = line();
    let routes = Routes::default();
    routes.put(claim(&line.pipeline, "first", &["/a"])).unwrap();
    let before = routes.find("h", "/a").unwrap().registered.clone();
    let renewed = native(&line.pipeline, "first", |_| {
        Box::pin(async { answer("new") })
    });
    routes.renew("first", renewed.clone());
    let now = routes.find("h", "/a").unwrap().registered.clone();
    assert!(std::sync::Arc::ptr_eq(&now, &renewed) && !std::sync::Arc::ptr_eq(&now, &before));
}

#[tokio::test]
async fn what_could_not_be_loaded_is_known_until_it_is_there_or_gone() {
    let line = line();
    let routes = Routes::default();
    let note = |service: &str| {
        routes.note(NotLoaded {
            service: service.into(),
            boundary: Boundary::Configuration,
            why: "no secret".to_owned(),
        });
    };
    note("one");
    note("other");
    for (path, missed) in [
        ("/one", true),
        ("/one/below", true),
        ("/ones", false),
        ("/", false),
        ("", false),
    ] {
        assert_eq!(routes.missed(path).is_some(), missed, "{path}");
    }
    routes.put(claim(&line.pipeline, "one", &[])).unwrap();
    assert_eq!(routes.missed("/one"), None);
    routes.remove("other");
    assert_eq!(routes.missed("/other"), None);
}
