//! Upstreams: one origin each, floors by class, credentials that stay inside.

use super::{policy, refusal};
use holdfast_call::NanoUsd;
use holdfast_capabilities::http::{Format, Place};
use holdfast_server::settings::{Breaker, Class, Repeat, SecretSource};
use http::HeaderName;
use std::path::Path;
use std::time::Duration;

#[test]
fn an_origin_is_complete_and_in_lower_case() {
    for (url, origin, host, port) in [
        (
            "https://API.Example.com",
            "https://api.example.com:443",
            "api.example.com",
            443,
        ),
        (
            "https://api.example.com/",
            "https://api.example.com:443",
            "api.example.com",
            443,
        ),
        (
            "http://api.example.com",
            "http://api.example.com:80",
            "api.example.com",
            80,
        ),
        ("https://a.b:8443", "https://a.b:8443", "a.b", 8443),
        (
            "http://127.0.0.1:9000",
            "http://127.0.0.1:9000",
            "127.0.0.1",
            9000,
        ),
        ("http://[::1]:9000", "http://[::1]:9000", "::1", 9000),
        (
            "https://[2001:DB8::1]",
            "https://[2001:db8::1]:443",
            "2001:db8::1",
            443,
        ),
    ] {
        let policy = policy(&format!("[upstreams.a]\nurl = \"{url}\""));
        let upstream = &policy.upstreams["a"];
        assert_eq!(
            (&*upstream.origin, &*upstream.host, upstream.port),
            (origin, host, port)
        );
    }
}

#[test]
fn what_is_no_origin_is_refused() {
    for (url, said) in [
        ("api.example.com", "must begin with"),
        ("ftp://a.b", "must begin with"),
        ("https://", "is not a URL"),
        ("https://user:pw@a.b", "must not hold a user"),
        ("https://a.b/v1", "without path or query"),
        ("https://a.b/?x", "without path or query"),
        ("https://a.b:0", "no usable port"),
        ("https://a.b:99999", "is not a URL or no usable port"),
        ("https://a.b:", "no usable port"),
        ("https://a.b.", "no usable host"),
        ("http://notes.internal", "calls between services"),
        ("https://a b", "is not a URL"),
    ] {
        let error = refusal(&format!("[upstreams.a]\nurl = \"{url}\""));
        let said = said.split(" or no ").any(|said| error.contains(said));
        assert!(
            said && error.starts_with("holdfast.toml:2: `upstreams.a.url`"),
            "{url}: {error}"
        );
    }
    assert!(refusal("[upstreams.a]\nclass = \"http\"").contains("needs `url`"));
}

#[test]
fn two_upstreams_of_one_origin_are_refused_and_both_are_named() {
    let error =
        refusal("[upstreams.a]\nurl = \"https://x.y\"\n[upstreams.b]\nurl = \"https://X.y:443/\"");
    assert!(
        error.contains("`upstreams.b.url`: is the same origin as upstream `a` (holdfast.toml:2)"),
        "{error}"
    );
}

#[test]
fn the_class_gives_the_defaults() {
    let policy = policy(
        "[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.m]\nurl = \"https://m.b\"\nclass = \"llm\"",
    );
    let (http, llm) = (&policy.upstreams["a"], &policy.upstreams["m"]);
    assert_eq!((http.class, llm.class), (Class::Http, Class::Llm));
    assert_eq!(
        (http.connect, llm.connect),
        (Duration::from_secs(3), Duration::from_secs(3))
    );
    assert_eq!(
        (http.first_byte, llm.first_byte),
        (Duration::from_secs(10), Duration::from_secs(60))
    );
    assert_eq!(
        (http.between_bytes, llm.between_bytes),
        (Duration::from_secs(15), Duration::from_secs(30))
    );
    assert_eq!((http.places, llm.places), (64, 16));
    assert_eq!(http.response_bytes, 64 << 20);
    assert_eq!((http.again.attempts, llm.again.attempts), (3, 3));
    assert_eq!(
        (http.again.repeat, llm.again.repeat),
        (Repeat::Idempotent, Repeat::All)
    );
    assert_eq!(http.again.breaker, Breaker::On);
    assert_eq!(http.again.header, None);
}

#[test]
fn a_first_byte_below_the_floor_is_refused_unless_the_operator_insists() {
    for (class, below, floor) in [("http", "4999ms", "5s"), ("llm", "19s", "20s")] {
        let table =
            format!("[upstreams.a]\nurl = \"https://a.b\"\nclass = \"{class}\"\nfirst_byte = ");
        let error = refusal(&format!("{table}\"{below}\""));
        assert!(
            error.contains("holdfast.toml:4: `upstreams.a.first_byte`"),
            "{error}"
        );
        assert!(
            error.contains(&format!("the floor of class `{class}`, {floor}")),
            "{error}"
        );
        assert!(
            error.contains("`override_floor = true` in [upstreams.a] allows it"),
            "{error}"
        );
        policy(&format!("{table}\"{floor}\""));
        policy(&format!("{table}\"{below}\"\noverride_floor = true"));
    }
}

#[test]
fn a_credential_says_where_the_secret_is_and_the_one_place_it_goes_to() {
    let table = "[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.credential]\n";
    let read = policy(&format!("{table}file = \"key\""));
    let credential = read.upstreams["a"].credential.clone().unwrap();
    let place = Place::Header {
        name: HeaderName::from_static("authorization"),
        format: Format::parse("Bearer {secret}").unwrap(),
    };
    assert_eq!(credential.place, place);
    assert_eq!(
        credential.sources,
        [SecretSource::File(Path::new("key").to_owned())]
    );
    for (text, said) in [
        ("", "needs `systemd`, `file` or `env`"),
        ("systemd = \"../k\"", "is not the name of a credential"),
        (
            "env = \"K\"\nuser = \"me\"\nquery = \"k\"",
            "goes to one place",
        ),
        (
            "env = \"K\"\nuser = \"me\"\nformat = \"{secret}\"",
            "goes to one place",
        ),
        ("env = \"K\"\nuser = \"a:b\"", "is not a user's name"),
        ("env = \"K\"\nquery = \"\"", "is the name of a parameter"),
        ("env = \"K\"\nheader = \"accept-encoding\"", "belongs to"),
        ("env = \"K\"\nheader = \"a b\"", "is not a header name"),
        ("env = \"K\"\nheader = \"Host\"", "`host` belongs to"),
        ("env = \"K\"\nheader = \"holdfast-why\"", "belongs to"),
        (
            "env = \"K\"\nformat = \"Bearer\"",
            "must hold `{secret}` once",
        ),
        (
            "env = \"K\"\nformat = \"{secret}{secret}\"",
            "must hold `{secret}` once",
        ),
        (
            "env = \"K\"\nformat = \"a\\n{secret}\"",
            "cannot stand in a request",
        ),
        (
            "env = \"K\"\nformt = \"{secret}\"",
            "did you mean `format`?",
        ),
    ] {
        let error = refusal(&format!("{table}{text}"));
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn every_place_and_every_source_can_be_named() {
    let table = "[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.credential]\n";
    let read = policy(&format!(
        "{table}systemd = \"k\"\nfile = \"key\"\nenv = \"K\"\nuser = \"me\""
    ));
    let credential = read.upstreams["a"].credential.clone().unwrap();
    assert_eq!(
        credential.to_string(),
        "credential as password of `me` from credential k of systemd, else file key, else environment variable K"
    );
    let read = policy(&format!("{table}env = \"K\"\nquery = \"key\""));
    let credential = read.upstreams["a"].credential.clone().unwrap();
    assert!(matches!(credential.place, Place::Query { name } if name == "key"));
    let table = table.replace("https://a.b", "https://a.b/bot{secret}");
    let read = policy(&format!("{table}env = \"K\""));
    assert_eq!(&*read.upstreams["a"].origin, "https://a.b:443");
    let credential = read.upstreams["a"].credential.clone().unwrap();
    assert!(matches!(credential.place, Place::Path { .. }));
    let error = refusal(&format!("{table}env = \"K\"\nuser = \"me\""));
    assert!(error.contains("goes to one place"), "{error}");
    let error = refusal("[upstreams.a]\nurl = \"https://a.b/bot{secret}\"");
    assert!(error.contains("no [credential] says"), "{error}");
    for url in [
        "https://a.b/v1",
        "https://a.b/bot{secret}/",
        "https://a.b?k={secret}",
    ] {
        let error = refusal(&format!("[upstreams.a]\nurl = \"{url}\""));
        assert!(error.contains("must "), "{error}");
    }
}

#[test]
fn a_credential_does_not_travel_unencrypted_over_a_public_way() {
    let table = "[upstreams.a]\nurl = \"http://a.b\"\ncredential = { env = \"K\" }\n";
    assert!(refusal(table).contains("would travel unencrypted"));
    policy(&format!("{table}allow_private = [\"10.0.0.0/8\"]"));
}

#[test]
fn times_and_places_are_bounded() {
    for line in [
        "connect = \"0s\"",
        "connect = \"25h\"",
        "between_bytes = \"0s\"",
        "places = 0",
        "places = 1000001",
        "methods = [\"get\"]",
        "methods = [\"G T\"]",
        "paths = [\"v1\"]",
        "paths = [\"/v1/*\"]",
        "paths = [\"/v1/../v2\"]",
        "per_second = 0",
        "attempts = 0",
        "attempts = 11",
        "repeat = \"always\"",
        "idempotency_header = \"a b\"",
        "idempotency_header = \"Content-Length\"",
        "idempotency_header = \"holdfast-key\"",
        "response_bytes = \"x\"",
        "allow_private = [\"10.0.0.1/8\"]",
    ] {
        let error = refusal(&format!("[upstreams.a]\nurl = \"https://a.b\"\n{line}"));
        assert!(
            error.starts_with("holdfast.toml:3: `upstreams.a."),
            "{line}: {error}"
        );
    }
}

#[test]
fn a_price_is_an_amount_and_not_a_number() {
    let written = |amount: &str| {
        format!("[upstreams.a]\nurl = \"https://a.b\"\n[upstreams.a.price]\nrequest = {amount}")
    };
    let read = |amount: &str| {
        let policy = policy(&written(amount));
        let price = policy.upstreams["a"].price.as_ref();
        price.map(|list| list.request)
    };
    assert_eq!(read("\"0.0004 USD\""), Some(NanoUsd(400_000)));
    assert_eq!(read("\"2 USD\""), Some(NanoUsd(2_000_000_000)));
    assert_eq!(
        policy("[upstreams.a]\nurl = \"https://a.b\"").upstreams["a"].price,
        None
    );
    for (amount, said) in [
        ("1", "1 is not an amount such as \"0.0004 USD\""),
        ("\"0.0004\"", "`0.0004` is not an amount"),
        ("\"1 EUR\"", "`1 EUR` is not an amount"),
        ("\"0.0000000001 USD\"", "at most nine digits"),
        ("\"-1 USD\"", "is not an amount"),
        (
            "\"1000001 USD\"",
            "1000001 USD is no price of one request: at most 1000000 USD",
        ),
    ] {
        let error = refusal(&written(amount));
        let place = "holdfast.toml:4: `upstreams.a.price.request`";
        assert!(
            error.starts_with(place) && error.contains(said),
            "{amount}: {error}"
        );
    }
}
