//! A service checks who sent it something, and signs what it sends, with a key that it never sees.
//!
//! 1. The naive snippet: compare the signature of a webhook with one made of the body.
//! 2. The missing rule: where the key is (in each service, and so in whatever reads its memory), that the comparison takes the same time
//!    however much fits, and that on the day the key is exchanged both are taken.
//! 3. The tax: a library, a copy of the key in each service, and a restart of each on that day.
//! 4. The snippet again: the name of a key, and the host asked whether the code fits.
//! 5. The pipeline: a use is a call. It needs the word of both owners, has its line in the log, and counts.
//! 6. The checklist is below.

use super::{three, two};
use crate::harness::{Host, Setup, keep_private, until};
use std::fs;

const KEY: &str = "canary-key-0123456789";
/// HMAC-SHA256 of `hello` under that key.
const CODE: &str = "0b0e031a4c2afb1032cb5f41555b6d12d2eb7897bc7af42349a934f74283e8ba";

/// A host whose policy has two keys of this text; `two` is granted one of them.
fn setup(manifest: &str, uses: &str) -> Setup {
    let setup = two(manifest).policy("[services.two]\nsecrets = [\"hook\"]");
    let file = setup.dir.path().join("hook.secret");
    keep_private(&file, KEY);
    let file = file.display();
    setup.policy(&format!(
        "[secrets.hook]\nuses = [{uses}]\nfile = \"{file}\"\n[secrets.other]\nuses = [\"sign\"]\nfile = \"{file}\""
    ))
}

fn host(uses: &str) -> Host {
    setup("secrets = [\"hook\"]", uses).start()
}

/// What the guest got, and the closing line of its use of the key.
fn used(host: &Host, path: &str) -> (String, serde_json::Value) {
    let answer = host.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = host.children(answer.call(), 1)[0].clone();
    (answer.text(), line)
}

const SIGN: &str = "/two/sign?name=hook&message=hello";

fn verify(code: &str) -> String {
    format!("/two/verify?name=hook&message=hello&code={code}")
}

#[test]
fn a_code_is_made_and_checked_and_the_key_stays_where_it_is() {
    let host = host("\"sign\", \"verify\"");
    let (code, line) = used(&host, SIGN);
    assert_eq!(code, CODE);
    assert_eq!(line["target"], "secrets:hook", "{line}");
    assert_eq!(line["operation"], "sign", "{line}");
    assert_eq!(line["outcome"], "ok", "{line}");
    assert_eq!(used(&host, &verify(CODE)).0, "true");
    for other in [&CODE[..62], "", &CODE.replace('0', "1")] {
        assert_eq!(used(&host, &verify(other)).0, "false", "{other}");
    }
    let (long, _) = used(&host, &format!("{SIGN}&algorithm=hmac-sha512&kib=700"));
    assert_eq!(long.len(), 128, "{long}");
    let used = host.metric("holdfast_calls_total", "target=\"secret:hook\"");
    assert!(used >= 6.0, "{}", host.metrics());
    let all = host.log_text() + &host.stderr() + &host.metrics();
    assert!(!all.contains(KEY));
}

#[test]
fn what_is_not_granted_is_not_used() {
    // By the manifest, by the policy, by neither, and not for that.
    let manifest_only = setup("secrets = [\"hook\"]", "\"verify\"").start();
    for (path, why) in [
        (SIGN, "`uses` under [secrets.hook]"),
        ("/two/sign?name=other&message=hello", "neither"),
        ("/two/sign?name=nothing&message=hello", "neither"),
        ("/two/sign?name=&message=hello", "neither"),
    ] {
        let (text, line) = used(&manifest_only, path);
        assert!(text.starts_with("error capability-denied"), "{text}");
        assert_eq!(line["code"], "capability-denied", "{line}");
        assert!(line.to_string().contains(why), "{path}: {line}");
    }
    let policy_only = setup("", "\"sign\"").start();
    let (text, line) = used(&policy_only, SIGN);
    assert!(text.starts_with("error capability-denied"), "{text}");
    assert!(
        line.to_string().contains("two.toml does not name"),
        "{line}"
    );
    let long = "x".repeat(300);
    let (text, line) = used(&policy_only, &format!("/two/sign?name={long}"));
    assert!(text.starts_with("error capability-denied"), "{text}");
    assert!(!line.to_string().contains(&"x".repeat(65)), "{line}");
}

#[test]
fn a_wish_for_a_key_that_the_policy_does_not_grant_does_not_load() {
    let host = setup("secrets = [\"hook\", \"other\"]", "\"sign\"").start();
    let row = until("a service that was refused", || host.listed("two"));
    let said = row.to_string();
    assert!(
        said.contains("secret `other`") && said.contains("holdfast allow two"),
        "{said}"
    );
    let granted = host.offline(&["allow", "two", "--yes"]);
    assert!(
        granted.out.contains("\"other\""),
        "{} {}",
        granted.out,
        granted.err
    );
    until("a service that is served", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    assert_eq!(used(&host, &SIGN.replace("hook", "other")).0, CODE);
}

#[test]
fn an_algorithm_that_is_none_is_the_guests_mistake() {
    let host = host("\"sign\"");
    let (text, line) = used(&host, &format!("{SIGN}&algorithm=hmac-md5"));
    assert!(text.starts_with("error invalid-input"), "{text}");
    assert!(
        line.to_string().contains("hmac-sha256 and hmac-sha512"),
        "{line}"
    );
}

#[test]
fn uses_count_as_calls() {
    let setup = setup("secrets = [\"hook\"]\n[limits]\ncalls = 1", "\"sign\"");
    let host = setup.start();
    assert_eq!(used(&host, SIGN).0, CODE);
    let answer = host.get(&format!("{SIGN}&times=3"));
    assert!(
        answer.text().starts_with("error calls-exhausted"),
        "{}",
        answer.text()
    );
}

#[test]
fn on_the_day_it_is_exchanged_both_are_taken() {
    let host = host("\"sign\", \"verify\"");
    keep_private(&host.dir().join("hook.secret"), "another-key-0123456789");
    host.said("was exchanged");
    let (code, _) = used(&host, SIGN);
    assert_ne!(code, CODE);
    assert_eq!(used(&host, &verify(&code)).0, "true");
    assert_eq!(used(&host, &verify(CODE)).0, "true");
}

#[test]
fn a_key_that_is_none_is_told_at_once() {
    let setup = setup("secrets = [\"hook\"]", "\"sign\"");
    keep_private(&setup.dir.path().join("hook.secret"), "CANARY-short");
    let (code, said) = setup.refused();
    assert_ne!(code, Some(0));
    assert!(
        said.contains("secret hook") && said.contains("at least 16"),
        "{said}"
    );
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn a_service_without_its_key_does_not_load_until_it_is_there() {
    let setup = setup("secrets = [\"hook\"]", "\"sign\"");
    let file = setup.dir.path().join("hook.secret");
    fs::remove_file(&file).unwrap();
    let host = setup.start();
    let row = until("a service that was refused", || host.listed("two"));
    assert!(row.to_string().contains("secret hook"), "{row}");
    assert!(row.to_string().contains("hook.secret"), "{row}");
    keep_private(&file, KEY);
    until("a service that is served", || {
        (host.get("/two/ok").status == 200).then_some(())
    });
    assert_eq!(used(&host, SIGN).0, CODE);
}

#[test]
fn a_service_that_imports_nothing_of_it_is_told_so() {
    let host = three("secrets = [\"hook\"]")
        .policy("[services.three]\nsecrets = [\"hook\"]\n[secrets.hook]\nuses = [\"verify\"]\nencoding = \"hex\"\nenv = \"HOLDFAST_TEST_HOOK\"")
        .environment("HOLDFAST_TEST_HOOK", "000102030405060708090a0b0c0d0e0f")
        .start();
    let component = host.plugins().join("three.wasm");
    let said = host.offline(&["check", component.to_str().unwrap()]);
    assert!(
        said.out.contains("does not import holdfast:host/secrets"),
        "{}{}",
        said.out,
        said.err
    );
    let said = host.offline(&["policy"]);
    assert!(
        said.out
            .contains("to verify, from environment variable HOLDFAST_TEST_HOOK, as hex"),
        "{}",
        said.out
    );
}
