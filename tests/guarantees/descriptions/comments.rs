//! What an author writes above his functions is read by whoever calls them.

use super::{SAFE, document, typed};
use crate::harness::{Guest, Host, dummy, put, root, run, until};
use serde_json::Value;

/// Puts `typed` in once more, with the comments of its WIT.
fn with_comments(host: &Host) {
    let file = host.dir().join("typed.wasm");
    std::fs::write(&file, Guest::Case("typed").bytes()).unwrap();
    let wit = root().join("guests/cases/typed/wit");
    let words = [
        "describe",
        file.to_str().unwrap(),
        "--wit",
        wit.to_str().unwrap(),
    ];
    let said = run(&words);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("test:shapes@1.2.0"), "{}", said.err);
    let described = std::fs::read(&file).unwrap();
    // Once more changes nothing.
    assert_eq!(run(&words).code, Some(0));
    assert_eq!(std::fs::read(&file).unwrap(), described);
    put(&host.plugins(), "typed", &described, SAFE);
    until("the comments", || {
        let wit = host.get("/typed/wit").text();
        wit.contains("/// Gives back what it is given.")
            .then_some(())
    });
}

#[test]
fn what_stands_above_a_function_and_a_field_is_shown_everywhere() {
    let host = typed();
    assert!(!host.get("/typed/wit").text().contains("///"));
    with_comments(&host);
    let wit = host.get("/typed/wit").text();
    for words in [
        "/// A place on a plane.",
        "/// Upwards.",
        "/// Nothing can be divided by zero.",
    ] {
        assert!(wit.contains(words), "{words}: {wit}");
    }
    let document = document(&host);
    assert_eq!(
        document["tags"][0]["description"],
        "Values of every form, and ways to go wrong."
    );
    let echo = &document["paths"]["/shapes/echo"]["post"];
    assert_eq!(echo["summary"], "Gives back what it is given.");
    let next = &document["paths"]["/shapes/next"]["get"];
    let place = &next["parameters"][0]["content"]["application/json"]["schema"];
    assert_eq!(place["properties"]["y"]["description"], "Upwards.");
    let divide = &document["paths"]["/shapes/divide"]["post"]["responses"]["422"];
    let error =
        &divide["content"]["application/problem+json"]["schema"]["anyOf"][0]["properties"]["error"];
    assert_eq!(
        error["anyOf"][0]["description"],
        "Nothing can be divided by zero."
    );
    let listed = host.listed("typed").unwrap();
    let operations = listed["typed"]["operations"].as_array().unwrap();
    let quiet = operations.iter().find(|one| one["path"] == "/shapes/quiet");
    assert_eq!(quiet.unwrap()["summary"], "Says nothing.");
    let said = host.command(&["call", "typed"]);
    assert!(said.out.contains("      Says nothing.\n"), "{}", said.out);
}

/// A custom section.
fn section(name: &str, content: &[u8]) -> Vec<u8> {
    use wasm_encoder::ComponentSection as _;
    let mut bytes = Vec::new();
    let section = wasm_encoder::CustomSection {
        name: name.into(),
        data: content.into(),
    };
    section.append_to_component(&mut bytes);
    bytes
}

#[test]
fn a_comment_that_is_broken_stops_no_load() {
    let host = typed();
    let listed = |host: &Host| host.listed("typed").unwrap()["digest"].clone();
    for (place, content) in [
        &b""[..],
        b"\x01",
        b"\x01{",
        b"\x07{}",
        b"\x01[]",
        b"\x01{\"interfaces\":7}",
        b"\x01{\"interfaces\":{\"shapes\":{\"docs\":7,\"funcs\":{\"add\":[],\"no\":\"x\"},\"types\":{\"point\":{\"items\":{\"x\":{}}}}}}}",
    ]
    .into_iter()
    .enumerate()
    {
        let before = listed(&host);
        let mut bytes = Guest::Case("typed").bytes();
        bytes.extend(section("package-docs:test:shapes@1.2.0", content));
        bytes.extend(section("no", &[u8::try_from(place).unwrap()]));
        put(&host.plugins(), "typed", &bytes, SAFE);
        until("it to serve", || (listed(&host) != before).then_some(()));
        assert_eq!(host.get("/typed/shapes/add?a=1&b=1").text(), "2");
        assert!(host.listed("typed").unwrap()["error"] == Value::Null);
    }
}

#[test]
fn what_cannot_be_described_is_refused_by_what_is_wrong() {
    let host = typed();
    let file = host.dir().join("other.wasm");
    let wit = root().join("guests/cases/typed/wit");
    let describe = |bytes: &[u8], wit: &str| {
        std::fs::write(&file, bytes).unwrap();
        let said = run(&["describe", file.to_str().unwrap(), "--wit", wit]);
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        assert_eq!(said.code, Some(1));
        said.err
    };
    let wit = wit.to_str().unwrap();
    let other =
        dummy("package test:other@1.0.0;\ninterface i { f: func(); } world w { export i; }");
    assert!(describe(&other, wit).contains("none of this WIT"));
    assert!(describe(b"\0asm\x0d\0\x01\0rest", wit).contains("no component"));
    let broken = host.dir().join("broken.wit");
    std::fs::write(&broken, "package test:shapes@1.2.0;\ninterface {").unwrap();
    let said = describe(&other, broken.to_str().unwrap());
    assert!(said.contains("broken.wit"), "{said}");
}
