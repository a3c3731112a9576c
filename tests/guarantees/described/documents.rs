//! The documents themselves: what is none is refused with its place, and what changed is loaded again.

use super::*;
use crate::harness::{dummy, put};

fn failed(host: &Host, words: &[&str]) {
    until(&format!("it to be refused for {words:?}"), || {
        let error = host.listed("two")?["error"].as_str()?.to_owned();
        words.iter().all(|word| error.contains(word)).then_some(())
    });
}

/// What the document has for the largest `limit`, by asking.
fn takes(host: &Host, limit: u32) -> bool {
    host.get(&format!("/two/request?limit={limit}")).status == 200
}

fn with(from: &str, to: &str) -> String {
    assert!(SHOP.contains(from), "{from}");
    SHOP.replace(from, to)
}

#[test]
fn a_document_that_changed_is_loaded_again_and_one_that_broke_is_not() {
    let mut host = shop(BY).start();
    let plugins = host.plugins();
    assert!(takes(&host, 100) && !takes(&host, 101));
    document(
        &plugins,
        "two.openapi.yaml",
        &with("maximum: 100", "maximum: 200"),
    );
    until("the new document to hold", || {
        takes(&host, 200).then_some(())
    });
    assert!(!takes(&host, 201));

    for (from, to, said) in [
        (
            "type: integer, maximum: 100",
            "type: integr",
            &["two.openapi.yaml, at `/paths/~1request/get/parameters/0/schema/type`"][..],
        ),
        (
            "#/components/schemas/Item",
            "items.yaml#/Item",
            &[
                "leads out of the document",
                "put what it means into this file",
            ],
        ),
        (
            "openapi: 3.1.0",
            "swagger: \"2.0\"",
            &["convert it to OpenAPI 3.1"],
        ),
        (
            "required: [items]",
            "requires: [items]",
            &[
                "/components/schemas/Order/requires",
                "no keyword that is known",
            ],
        ),
        ("paths:", "paths: [", &["is not YAML that is taken here"]),
        ("^(a+)+$", "^(?=a)b", &["no look-around"]),
    ] {
        document(&plugins, "two.openapi.yaml", &with(from, to));
        failed(&host, said);
        assert!(takes(&host, 200) && !takes(&host, 201), "{to}");
    }
    let said = host.offline(&["check", plugins.join("two.wasm").to_str().unwrap()]);
    assert!(
        said.out.contains("no look-around"),
        "{} {}",
        said.out,
        said.err
    );

    // The version that served is kept with its document: it serves on over a restart.
    host.restart();
    assert!(takes(&host, 200) && !takes(&host, 201));
    std::fs::remove_file(plugins.join("two.openapi.yaml")).unwrap();
    failed(&host, &["cannot read", "two.openapi.yaml"]);
    assert!(takes(&host, 200) && !takes(&host, 201));
    document(&plugins, "two.openapi.yaml", SHOP);
    until("the first document to hold", || {
        (!takes(&host, 101)).then_some(())
    });
    // And so is the one before.
    assert_eq!(host.command(&["rollback", "two"]).code, Some(0));
    assert!(takes(&host, 200) && !takes(&host, 201));
}

#[test]
fn a_document_lies_in_the_plugin_directory_and_has_a_size() {
    let host = two("").start();
    let plugins = host.plugins();
    let load = |manifest: &str| host.drop_in("two", Guest::Case("wasi02"), manifest);
    let outside = host.dir().join("outside.yaml");
    std::fs::write(&outside, SHOP).unwrap();
    std::os::unix::fs::symlink(&outside, plugins.join("link.yaml")).unwrap();
    load("[contract]\nopenapi = \"link.yaml\"");
    failed(&host, &["leads out of the plugin directory"]);
    for name in [
        "../outside.yaml",
        "/etc/passwd.json",
        ".hidden.yaml",
        "a//b.json",
        "a.txt",
        "",
    ] {
        load(&format!("[contract]\nopenapi = \"{name}\""));
        failed(&host, &["two.toml", "contract.openapi", "must"]);
    }
    document(
        &plugins,
        "large.yaml",
        &format!("{SHOP}\n#{}", "x".repeat(1 << 20)),
    );
    load("[contract]\nopenapi = \"large.yaml\"");
    failed(&host, &["has more than 1048576 bytes"]);
    document(&plugins, "bomb.yaml", &bomb());
    load("[contract]\nopenapi = \"bomb.yaml\"");
    failed(&host, &["bomb.yaml", "is not YAML that is taken here"]);
    document(
        &plugins,
        "twice.json",
        "{\"openapi\":\"3.1.0\",\"paths\":{\"/\":{},\"/\":{}}}",
    );
    load("[contract]\nopenapi = \"twice.json\"");
    failed(&host, &["twice.json, at `/paths/~1`", "stands there twice"]);
    // Of many, each within its limit.
    let half = format!("# {}", "x".repeat(1_000_000));
    let mut routes = String::new();
    for number in 0..5 {
        document(&plugins, &format!("{number}.yaml"), &half);
        routes.push_str(&format!(
            "[contract.routes.\"GET /{number}\"]\nanswer = \"{number}.yaml\"\n"
        ));
    }
    load(&routes);
    failed(&host, &["at most 4194304 bytes together"]);
    let many: Vec<_> = (0..101)
        .map(|number| format!("[contract.routes.\"GET /{number}\"]\nanswer = \"n{number}.json\"\n"))
        .collect();
    load(&many.concat());
    failed(&host, &["names more than 100 documents"]);
    assert_eq!(host.get("/two/ok").status, 200, "what served serves on");
}

/// A small text that would be a billion values.
fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    text
}

#[test]
fn a_manifest_describes_one_way_and_only_what_speaks_http() {
    let host = two("").start();
    let load = |manifest: &str| host.drop_in("two", Guest::Case("wasi02"), manifest);
    for (manifest, said) in [
        (
            "[contract]\nopenapi = \"a.json\"\n[contract.routes.\"GET /\"]",
            "describe the service in one of the two",
        ),
        ("[contract]\ncheck = \"both\"", "has nothing to check by"),
        (
            "[contract]\nopenapi = \"a.json\"\ncheck = \"answers\"",
            "must be \"requests\" or \"both\"",
        ),
        ("[contract]\nopenapy = \"a.json\"", "did you mean `openapi`"),
        ("[contract.routes.\"get /\"]", "`get` is no method"),
        (
            "[contract.routes.\"GET /\"]\nrequest = \"../a.json\"",
            "contract.routes.GET /.request",
        ),
    ] {
        load(manifest);
        failed(&host, &[said]);
    }
    let wit = "package test:odd@1.0.0;\nworld w { export read: func() -> string; }";
    document(&host.plugins(), "two.openapi.yaml", SHOP);
    put(&host.plugins(), "two", &dummy(wit), BY);
    failed(&host, &["two.wasm serves none", "described by its own WIT"]);
    assert_eq!(host.get("/two/ok").status, 200, "what served serves on");
}

#[test]
fn an_older_document_in_json_is_read_as_well() {
    let setup = two("[contract]\nopenapi = \"two.json\"");
    let document = json!({
        "openapi": "3.0.3",
        "paths": { "/body": { "post": { "requestBody": { "content": { "application/json": { "schema": {
            "type": "object",
            "properties": { "n": { "type": "integer", "nullable": true, "minimum": 0, "exclusiveMinimum": true } },
        } } } } } } },
    });
    super::document(&setup.plugins(), "two.json", &document.to_string());
    let host = setup.start();
    assert_eq!(post(&host, "/two/body", "{\"n\":null}").status, 200);
    assert_eq!(
        wrong(&post(&host, "/two/body", "{\"n\":0}")),
        ["/n must be more than 0"]
    );
}
