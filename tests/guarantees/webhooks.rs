//! A webhook takes what its provider has signed, verified by the host on the very bytes, and nothing else.
//!
//! 1. The naive snippet: a path that takes an event, and believes it.
//! 2. The missing rule: whoever finds the path can say what he likes. A signature has to be checked over the bytes as they came, before a
//!    framework has parsed them, in a time that tells nothing, with a time that is near; and with two keys on the day of their exchange.
//! 3. The tax: five providers with five ways to sign, a library for each, a copy of the key in every service, and the one place where the
//!    check was forgotten.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: the operator declares the path. The host reads the body, verifies it and hands on what it verified, with the name of
//!    the delivery as its idempotency key; whoever has not signed does not get that far, however he writes the path.
//! 6. The checklist is below.

mod queued;
mod refused;
pub(super) mod sign;

use super::two;
use crate::harness::{Host, Setup, keep_private, until};
use data_encoding::BASE64;
use sign::{GITHUB, GITHUB_OLD, SLACK, STANDARD, STRIPE, TELEGRAM, now};

/// The webhooks of `two`, each at another case; lines of the policy that come first, and more of them at the end.
fn policy(first: &str, github: &str, last: &str) -> String {
    let hooks = [
        ("echo", "github", github),
        ("request", "standard", "\"standard\""),
        ("ok", "stripe", "\"stripe\""),
        ("env", "slack", "\"slack\""),
        ("args", "telegram", "\"telegram\""),
    ];
    let mut text = format!("{first}\n");
    for (path, from, secrets) in hooks {
        text.push_str(&format!(
            "[services.two.webhooks.\"/{path}\"]\nfrom = \"{from}\"\nsecrets = [{secrets}]\n"
        ));
        if path == "echo" {
            text.push_str("body_bytes = \"4KiB\"\n");
        }
    }
    text + last
}

/// The secrets of the policy, kept in files.
fn secrets(setup: &Setup) -> String {
    let standard = format!("whsec_{}", BASE64.encode(STANDARD));
    let all = [
        ("new", GITHUB, "text"),
        ("old", GITHUB_OLD, "text"),
        ("standard", &standard, "base64"),
        ("stripe", STRIPE, "text"),
        ("slack", SLACK, "text"),
        ("telegram", TELEGRAM, "text"),
    ];
    let mut text = String::new();
    for (name, secret, encoding) in all {
        let file = setup.dir.path().join(format!("{name}.secret"));
        keep_private(&file, secret);
        let file = file.display();
        text.push_str(&format!(
            "[secrets.{name}]\nuses = [\"webhook\"]\nencoding = \"{encoding}\"\nfile = \"{file}\"\n"
        ));
    }
    text
}

/// The cases of WASI 0.2 with webhooks, and these lines first in the policy.
fn setup(first: &str) -> Setup {
    let setup = two("");
    let secrets = secrets(&setup);
    setup.policy(&policy(first, "\"new\"", &secrets))
}

/// One that serves nobody else.
fn host() -> Host {
    setup("anonymous = \"deny\"").start()
}

#[test]
fn each_provider_is_let_in_by_its_signature_alone() {
    let host = host();
    let event = br#"{"id": "evt_1", "event_id": "Ev1", "update_id": 7}"#;
    for (ask, who) in [
        (sign::github(&host, GITHUB, event), "github"),
        (sign::standard(&host, now(), event), "standard"),
        (sign::stripe(&host, now(), event), "stripe"),
        (sign::slack(&host, now(), event), "slack"),
        (sign::telegram(&host), "telegram"),
    ] {
        let answer = ask.body(event).send();
        assert_eq!(answer.status, 200, "{who}: {}", answer.text());
        let line = host.closing(answer.call());
        assert_eq!(line["caller"], format!("principal:webhook:{who}"), "{line}");
        assert_eq!(line["outcome"], "ok", "{line}");
    }
    // A form of Slack's has no name, and is taken all the same.
    let command = b"command=%2Fdeploy&text=now";
    let answer = sign::slack(&host, now(), command).body(command).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = host.log_text() + &host.stderr() + &host.metrics();
    assert!(!all.contains("canary"), "{all}");
    assert!(!all.contains("lets nobody in"), "{all}");
}

#[test]
fn the_guest_gets_the_very_bytes_that_were_signed() {
    let host = host();
    let odd = b"{ \"a\" :  1.0,\r\n\t\"b\":\"\\u00e9\xc3\xa9\" }\n\0\xff";
    let answer = sign::github(&host, GITHUB, odd).body(odd).send();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &odd[..]));
    let pieces = ["{\"a\"", ": ", "1}\n"];
    let whole = pieces.concat();
    let answer = sign::github(&host, GITHUB, whole.as_bytes())
        .chunks(&pieces, &[])
        .send();
    assert_eq!((answer.status, answer.text()), (200, whole));
    let nothing = sign::github(&host, GITHUB, b"").body(b"").send();
    assert_eq!((nothing.status, nothing.text().as_str()), (200, ""));
}

#[test]
fn the_service_is_told_who_sends_and_by_what_it_is_known_again() {
    let host = host();
    let answer = sign::standard(&host, now(), b"{}")
        .header("idempotency-key", "forged")
        .header("Idempotency_Key", "forged")
        .header("holdfast-caller", "operator:0")
        .body(b"{}")
        .send();
    let seen = answer.text();
    assert_eq!(answer.status, 200, "{seen}");
    for line in [
        "header idempotency-key: \"standard:msg_1\"\n",
        "header holdfast-caller: principal:webhook:standard\n",
        "header webhook-id: msg_1\n",
        "path: /request\n",
    ] {
        assert!(seen.contains(line), "{seen}");
    }
    assert_eq!(seen.matches("header idempotency").count(), 1, "{seen}");
    assert!(
        !seen.contains("operator") && !seen.contains("forged"),
        "{seen}"
    );
}

#[test]
fn what_it_is_allowed_is_that_path_and_no_other() {
    let host = host();
    let body = b"{}";
    // The same signature, elsewhere: there it is a stranger's.
    let answer = host
        .ask("POST", "/two/trailers")
        .header("x-github-delivery", "1")
        .header("holdfast-caller", "principal:webhook:github")
        .body(body)
        .send();
    answer.fault("forbidden");
    let shown = host.offline(&["policy", "two"]);
    for row in [
        "webhooks./echo.from",
        "webhooks./echo.secrets",
        "webhooks./echo.body_bytes",
        "4KiB",
        "webhooks./args.body_bytes",
        "1MiB",
    ] {
        assert!(shown.out.contains(row), "{} {}", shown.out, shown.err);
    }
    let shown = host.offline(&["policy"]);
    assert!(
        shown.out.contains("to check webhooks, from file"),
        "{}",
        shown.out
    );
}

#[test]
fn a_key_is_exchanged_without_a_gap() {
    let host = host();
    let secrets = secrets_again(&host);
    let by = |key: &str| {
        let answer = sign::github(&host, key, b"{}").body(b"{}").send();
        (answer.status == 200).then_some(())
    };
    let other = |key: &str| by(key).is_none().then_some(());
    assert_eq!((by(GITHUB), by(GITHUB_OLD)), (Some(()), None));
    host.set_policy(&policy("", "\"new\", \"old\"", &secrets));
    until("the second key to be taken", || by(GITHUB_OLD));
    assert_eq!(by(GITHUB), Some(()));
    host.set_policy(&policy("", "\"old\"", &secrets));
    until("the first key to be refused", || other(GITHUB));
    assert_eq!(by(GITHUB_OLD), Some(()));
    // In its file, too: both are taken, as for any other secret.
    keep_private(&host.dir().join("old.secret"), "canary-github-2027");
    host.said("was exchanged");
    until("the new value to be taken", || by("canary-github-2027"));
    assert_eq!(by(GITHUB_OLD), Some(()));
}

/// The secrets of a running host's policy.
fn secrets_again(host: &Host) -> String {
    let text = std::fs::read_to_string(host.config()).unwrap();
    let at = text.find("[secrets.").unwrap();
    text[at..].to_owned()
}

#[test]
fn a_service_whose_webhook_has_no_key_does_not_load_until_it_has() {
    let setup = setup("anonymous = \"deny\"");
    let file = setup.dir.path().join("slack.secret");
    std::fs::remove_file(&file).unwrap();
    let host = setup.start();
    let row = until("a service that was refused", || host.listed("two"));
    assert!(row.to_string().contains("secret slack"), "{row}");
    let component = host.plugins().join("two.wasm");
    let checked = host.offline(&["check", component.to_str().unwrap()]);
    assert!(checked.out.contains("secret `slack`"), "{}", checked.out);
    let doctor = host.offline(&["doctor"]);
    assert!(doctor.out.contains("secret slack"), "{}", doctor.out);
    keep_private(&file, SLACK);
    until("a service that is served", || {
        let answer = sign::slack(&host, now(), b"x").body(b"x").send();
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_webhook_that_comes_with_a_new_policy_needs_its_key_too() {
    let host = host();
    let secrets = secrets_again(&host);
    let more = "[services.two.webhooks.\"/clock\"]\nfrom = \"slack\"\nsecrets = [\"missing\"]\n\
                [secrets.missing]\nuses = [\"webhook\"]\nfile = \"missing.secret\"\n";
    host.set_policy(&policy("", "\"new\"", &(more.to_owned() + &secrets)));
    let line = host.said("missing");
    assert!(line.to_string().contains("there is no secret"), "{line}");
    // What holds is what held before.
    let answer = sign::github(&host, GITHUB, b"{}").body(b"{}").send();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_secret_that_is_for_webhooks_is_lent_to_no_service() {
    let setup = two("secrets = [\"hook\"]").policy("[services.two]\nsecrets = [\"hook\"]");
    let file = setup.dir.path().join("hook.secret");
    keep_private(&file, GITHUB);
    let file = file.display();
    let host = setup
        .policy(&format!(
            "[secrets.hook]\nuses = [\"webhook\"]\nfile = \"{file}\""
        ))
        .start();
    let answer = host.get("/two/sign?name=hook&message=hello");
    assert!(
        answer.text().starts_with("error capability-denied"),
        "{}",
        answer.text()
    );
    let line = host.children(answer.call(), 1)[0].clone();
    assert!(
        line.to_string().contains("lets no service use it"),
        "{line}"
    );
}
