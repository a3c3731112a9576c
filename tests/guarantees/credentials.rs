//! A key reaches the upstream, and nobody else: in its place, in its newest form, and never back to the guest.
//!
//! 1. The naive snippet: call an upstream that wants a key, without one.
//! 2. The missing rule: where the key goes, what happens on the day it is exchanged, and that no answer brings it back.
//! 3. The tax: code for each provider's way to take a key, a restart of everything for each exchange, and a filter on each answer.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the policy names the place; the file of the secret is watched; an upstream that refuses the one is asked with the
//!    other, once; and an answer is searched for the secret before it is handed on.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Chaos, Does, Guest, Host, Setup, Upstream, encoded, keep_private, until};
use std::fs;

/// In lower case, as the upstream of these tests shows what it was sent.
const CANARY: &str = "canary/7f3a9c:e1";

fn allowed() -> Setup {
    two("upstreams = [\"api\"]").policy("[services.two]\nupstreams = [\"api\"]")
}

fn with(upstream: &Upstream, credential: &str) -> Host {
    allowed()
        .environment("HOLDFAST_TEST_KEY", CANARY)
        .upstream("api", upstream)
        .policy(&format!(
            "[upstreams.api.credential]\nenv = \"HOLDFAST_TEST_KEY\"\n{credential}"
        ))
        .start()
}

/// What the guest got of `url`, and the closing line of its request.
fn fetched(host: &Host, url: &str) -> (String, serde_json::Value) {
    let answer = host.get(&format!("/two/fetch?url={}", encoded(url)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = host.children(answer.call(), 1)[0].clone();
    (answer.text(), line)
}

fn last(upstream: &Upstream) -> String {
    upstream.seen().last().unwrap().head.clone()
}

#[test]
fn it_goes_to_the_place_that_the_policy_names() {
    let upstream = Upstream::start();
    let places = [
        (
            "header = \"x-key\"\nformat = \"k={secret}\"",
            "x-key: k=canary/7f3a9c:e1",
        ),
        // Of `me:` and the secret, in the lower case of the upstream.
        (
            "user = \"me\"",
            "authorization: basic bwu6y2fuyxj5lzdmm2e5yzplmq==",
        ),
        (
            "query = \"key\"",
            "get /ok?a=1&key=canary%2f7f3a9c%3ae1 http/1.1",
        ),
    ];
    for (credential, sent) in places {
        let host = with(&upstream, credential);
        let url = upstream.url("/ok?a=1&key=mine");
        let (text, _) = fetched(&host, &url);
        assert!(text.starts_with("status 200"), "{text}");
        let head = last(&upstream);
        assert!(
            head.lines().any(|line| line == sent),
            "{credential}: {head}"
        );
        assert!(head.contains("accept-encoding: identity"), "{head}");
        let calls = fs::read_to_string(host.dir().join("data/calls/newer")).unwrap();
        assert!(calls.contains("/ok"), "the call log has it: {calls}");
        let all = host.log_text() + &host.stderr() + &host.metrics() + &text + &calls;
        assert!(!all.to_lowercase().contains("7f3a9c"), "{credential}");
    }
}

#[test]
fn it_goes_into_the_path_where_the_url_says_so() {
    let upstream = Upstream::start();
    let url = upstream.url("/bot{secret}");
    let host = allowed()
        .environment("HOLDFAST_TEST_KEY", CANARY)
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\npaths = [\"/send\"]\n\
             [upstreams.api.credential]\nenv = \"HOLDFAST_TEST_KEY\""
        ))
        .start();
    let (text, line) = fetched(&host, &upstream.url("/send?to=1"));
    assert!(text.starts_with("status 200"), "{text}");
    let head = last(&upstream);
    let sent = "get /botcanary%2f7f3a9c:e1/send?to=1 http/1.1";
    assert!(head.starts_with(sent), "{head}");
    assert_eq!(line["operation"], "GET /send", "{line}");
    // What is allowed is what the guest asks for.
    let before = upstream.seen().len();
    let (text, line) = fetched(&host, &upstream.url("/bot"));
    assert!(text.starts_with("error"), "{text}");
    assert_eq!(line["code"], "capability-denied", "{line}");
    assert_eq!(upstream.seen().len(), before);
    let all = host.log_text() + &host.stderr() + &host.metrics();
    assert!(!all.to_lowercase().contains("7f3a9c"));
}

#[test]
fn an_answer_that_holds_it_is_cut() {
    let upstream = Upstream::start();
    for (credential, path) in [
        ("header = \"x-key\"", "/echo"),
        ("query = \"key\"", "/echo"),
        // Sends its query back as a place to go to.
        ("query = \"key\"", "/redirect?/away"),
    ] {
        let host = with(&upstream, credential);
        let (text, line) = fetched(&host, &upstream.url(path));
        assert!(!text.contains("7f3a9c"), "{credential} {path}: {text}");
        assert_eq!(line["code"], "secret-echoed", "{credential} {path}: {line}");
        assert_eq!(line["boundary"], "upstream", "{credential} {path}: {line}");
        assert_eq!(line["attempts"], 1, "{line}");
        assert!(!host.log_text().contains("7f3a9c"));
        let (text, line) = fetched(&host, &upstream.url("/ok"));
        assert!(text.starts_with("status 200"), "{text} {line}");
    }
}

#[test]
fn on_the_day_it_is_exchanged_no_call_fails() {
    let chaos = Chaos::start(Does::Wants("x-key: first-secret"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    keep_private(&file, "first-secret");
    let (url, path) = (chaos.url(""), file.display());
    let host = allowed()
        .policy(&format!(
            "[upstreams.api]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\n\
             [upstreams.api.credential]\nheader = \"x-key\"\nfile = \"{path}\""
        ))
        .start();
    let served = |why: &str| {
        let (text, line) = fetched(&host, &chaos.url("/"));
        assert!(text.starts_with("status 200"), "{why}: {text} {line}");
        line["attempts"].clone()
    };
    assert_eq!(served("the first one"), 1);
    // The upstream knows the new one at once; the host has not looked yet, or has.
    keep_private(&file, "second-secret");
    chaos.usually(Does::Wants("x-key: second-secret"));
    served("the second one");
    assert_eq!(served("the second one, kept"), 1);
    // Now the host knows first, and the upstream is behind.
    let looked = || host.log_text().matches("was exchanged").count();
    let before = looked();
    keep_private(&file, "third-secret");
    until("a secret that was exchanged", || {
        (looked() > before).then_some(())
    });
    assert_eq!(served("refused with the third, served with the second"), 2);
    assert_eq!(served("the second, still"), 1);
    chaos.usually(Does::Wants("x-key: third-secret"));
    assert_eq!(served("the third, at last"), 2);
    // A refusal of something else is handed on.
    chaos.usually(Does::Wants("x-key: fourth-secret"));
    let (text, line) = fetched(&host, &chaos.url("/"));
    assert!(text.starts_with("status 401"), "{text} {line}");
    let all = host.log_text() + &host.stderr() + &host.metrics();
    for known in ["first-secret", "second-secret", "third-secret"] {
        assert!(!all.contains(known), "{known}");
    }
}

#[test]
fn a_service_manager_hands_it_over() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    keep_private(&folder.path().join("api-key"), CANARY);
    let host = allowed()
        .environment("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())
        .upstream("api", &upstream)
        .policy("[upstreams.api.credential]\nheader = \"x-key\"\nsystemd = \"api-key\"")
        .start();
    let (text, _) = fetched(&host, &upstream.url("/ok"));
    assert!(text.starts_with("status 200"), "{text}");
    let head = last(&upstream);
    assert!(head.contains(&format!("x-key: {CANARY}")), "{head}");
}

#[test]
fn a_service_without_its_secret_does_not_load_until_it_is_there() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let host = allowed()
        .service("plain", Guest::Case("wasi02"), "")
        .upstream("api", &upstream)
        .policy(&format!(
            "[upstreams.api.credential]\nsystemd = \"key\"\nfile = \"{}\"\nenv = \"HOLDFAST_TEST_NONE\"",
            file.display()
        ))
        .start();
    let row = until("a service that was refused", || host.listed("two"));
    let said = row.to_string();
    for tried in [
        "upstream api",
        "CREDENTIALS_DIRECTORY",
        &file.display().to_string(),
        "HOLDFAST_TEST_NONE",
    ] {
        assert!(said.contains(tried), "{tried}: {said}");
    }
    assert_eq!(host.get("/two/fetch").status, 404);
    // Who does not need it is served.
    assert_eq!(host.get("/plain/").status, 404);
    assert_ne!(host.get("/plain/").text(), host.get("/two/").text());
    keep_private(&file, CANARY);
    until("a service that is served", || {
        (host.get("/two/files").status == 200).then_some(())
    });
    let (text, _) = fetched(&host, &upstream.url("/ok"));
    assert!(text.starts_with("status 200"), "{text}");
    // It goes away again: what serves serves on.
    fs::remove_file(&file).unwrap();
    host.said("is used on as it was");
    let (text, _) = fetched(&host, &upstream.url("/ok"));
    assert!(text.starts_with("status 200"), "{text}");
}
