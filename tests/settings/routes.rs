//! What a manifest may claim of the gateway.

use holdfast_server::settings::{Route, RoutePath};

#[test]
fn a_route_is_a_path_with_or_without_a_host_and_reads_back() {
    for (text, host, path) in [
        ("/", None, RoutePath::Exact("/".into())),
        ("/notes", None, RoutePath::Exact("/notes".into())),
        ("/notes/", None, RoutePath::Exact("/notes/".into())),
        ("/...", None, RoutePath::Prefix("/".into())),
        ("/api/v1/...", None, RoutePath::Prefix("/api/v1/".into())),
        (
            "shop.example.com/...",
            Some("shop.example.com"),
            RoutePath::Prefix("/".into()),
        ),
        ("shop/cart", Some("shop"), RoutePath::Exact("/cart".into())),
    ] {
        let route = Route::parse(text).unwrap();
        assert_eq!(
            (route.host.as_deref(), &route.path),
            (host, &path),
            "{text}"
        );
        assert_eq!(route.to_string(), text);
    }
}

#[test]
fn what_no_request_could_match_is_refused() {
    for (text, said) in [
        ("", "needs a path"),
        ("notes", "needs a path"),
        ("https://shop.example.com/", "without scheme and port"),
        ("shop.example.com:8080/", "without scheme and port"),
        ("Shop.example.com/", "lower-case"),
        ("shop..com/", "lower-case"),
        ("-shop.com/", "lower-case"),
        ("notes.internal/...", "calls between services"),
        ("internal/", "calls between services"),
        ("/a...", "stands alone"),
        ("/.../b", "stands alone"),
        ("/....", "stands alone"),
        ("/a//b", "must be plain"),
        ("/a/../b", "must be plain"),
        ("/a/./b", "must be plain"),
        ("/a b", "characters"),
        ("/a?b", "characters"),
        ("/a/*", "must be plain or characters"),
        ("/ä", "characters"),
        ("/a\u{1b}[2J", "characters"),
    ] {
        let error = Route::parse(text).unwrap_err();
        let said = said.split(" or ").any(|said| error.contains(said));
        assert!(said, "{text}: {error}");
        assert!(
            !error.contains('\u{1b}'),
            "a refusal must not steer the terminal"
        );
    }
}
