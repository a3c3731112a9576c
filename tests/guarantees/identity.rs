//! Who asks is known before anything is done for him, and it is the policy that says what he may.
//!
//! 1. The naive snippet: `if request.headers["authorization"] == TOKEN`, in every service, compared with `==`.
//! 2. The missing rule: whose token it is, how long it holds, what it is good for, and how it is taken back tonight.
//! 3. The tax: a table of users in each service, their hashes, two keys during each rotation, and a header that anybody may forge.
//! 4. The snippet again: nothing. The service reads `holdfast-caller`, if it wants to know.
//! 5. The pipeline: a key is its caller's or nobody's, and no guest ever sees it; the policy names the callers of a service, and a key
//!    reaches no further than its scopes; what is taken back opens nothing from then on; where nobody can say whether a key still holds, it
//!    opens nothing either.
//! 6. The checklist is below.

use super::two;
use crate::harness::{Ask, Guest, Host, patiently, until};

/// A host whose `two` only `ann` and `ci` may call.
fn host() -> Host {
    two("")
        .service("front", Guest::Service("front"), "services = [\"notes\"]")
        .service("notes", Guest::Service("notes"), "")
        .policy(
            "anonymous = \"deny\"\ncallers = [\"ann\", \"ci\"]\n[services.front]\nservices = [\"notes\"]\n\
             [services.notes]\nanonymous = \"allow\"\ncallers = [\"ci\"]",
        )
        .start()
}

/// Makes a key with these words of the command; the key, and its name.
fn key(host: &Host, words: &[&str]) -> (String, String) {
    let said = host.command(&[&["keys", "new"], words].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    let key = said.out.trim().to_owned();
    let id = key.split('_').nth(1).unwrap().to_owned();
    (key, id)
}

fn with(ask: Ask, key: &str) -> Ask {
    ask.header("authorization", &format!("Bearer {key}"))
}

#[test]
fn whoever_does_not_say_who_he_is_is_asked_to() {
    let host = host();
    let answer = host.get("/two/ok");
    answer.fault("unauthenticated");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"holdfast\"")
    );
    assert_eq!(host.closing(answer.call())["caller"], "anonymous");
    // Where strangers are served, nobody is asked.
    assert_eq!(host.get("/notes/count?n=1").status, 200);
}

#[test]
fn a_key_is_its_callers_and_the_service_is_told_whose_but_never_sees_it() {
    let host = host();
    let (ann, _) = key(&host, &["ann"]);
    let answer = with(host.ask("GET", "/two/request"), &ann)
        .header("holdfast-caller", "operator:0")
        .send();
    assert_eq!(answer.status, 200);
    let seen = answer.text();
    assert!(
        seen.contains("header holdfast-caller: principal:ann\n"),
        "{seen}"
    );
    assert!(
        !seen.contains("operator:0") && !seen.contains("authorization"),
        "{seen}"
    );
    assert_eq!(host.closing(answer.call())["caller"], "principal:ann");

    // A service that asks for her is told so too, and the chain says through whom.
    let answer = with(host.ask("GET", "/front/count?n=1"), &ann).send();
    assert_eq!(answer.status, 200);
    let child = host.children(answer.call(), 1).remove(0);
    assert_eq!(child["caller"], "principal:ann > service:front");
    let log = host.log_text();
    let secret = ann.rsplit('_').next().unwrap();
    assert!(!log.contains(secret) && !host.stderr().contains(secret));
}

#[test]
fn a_caller_cannot_be_forged() {
    let host = host();
    let (_, id) = key(&host, &["ann"]);
    for forged in [
        format!("hf_{id}_{}", "a".repeat(52)),
        format!("hf_{id}_"),
        "hf_".to_owned(),
        "hf_nobody_nothing".to_owned(),
    ] {
        // Also where strangers are served: who says that he is somebody is taken at his word, or refused.
        for path in ["/two/ok", "/notes/count?n=1"] {
            with(host.ask("GET", path), &forged)
                .send()
                .fault("unauthenticated");
        }
    }
    for name in ["holdfast-caller", "Holdfast_Caller", "x-forwarded-user"] {
        let answer = host
            .ask("GET", "/two/ok")
            .header(name, "principal:ann")
            .send();
        answer.fault("unauthenticated");
    }
    let answer = host
        .ask("GET", "/notes/count?n=1")
        .header("holdfast-caller", "principal:ann")
        .send();
    assert_eq!(host.closing(answer.call())["caller"], "anonymous");
}

#[test]
fn the_policy_names_the_callers_and_a_key_reaches_no_further_than_its_scopes() {
    let host = host();
    let (bob, _) = key(&host, &["bob"]);
    let answer = with(host.ask("GET", "/two/ok"), &bob).send();
    answer.fault("forbidden");
    let line = host.closing(answer.call());
    assert!(
        line["next"]
            .as_str()
            .unwrap()
            .contains("callers = [\"bob\"]"),
        "{line}"
    );

    let (ci, _) = key(
        &host,
        &["ci", "--scope", "two:GET/request", "--scope", "front"],
    );
    for (method, path, allowed) in [
        ("GET", "/two/request", true),
        ("HEAD", "/two/request", true),
        ("POST", "/two/request", false),
        ("GET", "/two/ok", false),
        ("GET", "/two/request/../ok", false),
        ("GET", "/two/request%2f..%2fok", false),
        ("GET", "/front/count?n=1", true),
    ] {
        let answer = with(host.ask(method, path), &ci).send();
        assert_eq!(answer.status == 200, allowed, "{method} {path}: {answer:?}");
    }

    // A change of the policy is in force for the next call, without a word to the service.
    host.set_policy("anonymous = \"deny\"\n[services.two]\ncallers = [\"*\"]");
    until("bob to be let in", || {
        (with(host.ask("GET", "/two/ok"), &bob).send().status == 200).then_some(())
    });
}

#[test]
fn a_key_is_replaced_without_a_gap_and_taken_back_at_once() {
    let mut host = host();
    let (old, old_id) = key(&host, &["ann", "--why", "the laptop"]);
    let (new, _) = key(&host, &["ann", "--expires", "never"]);
    let third = host.command(&["keys", "new", "ann"]);
    assert_eq!(third.code, Some(1), "{third:?}");
    assert!(
        third.err.contains(&old_id) && third.err.contains("keys revoke"),
        "{third:?}"
    );
    let opens = |host: &Host, key: &str| with(host.ask("GET", "/two/ok"), key).send().status == 200;
    assert!(opens(&host, &old) && opens(&host, &new));

    let said = host.command(&["keys", "revoke", &old_id]);
    assert_eq!(said.code, Some(0), "{said:?}");
    with(host.ask("GET", "/two/ok"), &old)
        .send()
        .fault("unauthenticated");
    assert!(opens(&host, &new));
    let listed = host.command(&["keys", "ls"]).out;
    assert!(
        listed.contains("the laptop") && listed.contains("revoked"),
        "{listed}"
    );
    assert!(
        !listed.contains(old.rsplit('_').next().unwrap()),
        "{listed}"
    );

    // What was answered is kept: a host that is killed finds it again.
    host.kill();
    host.again();
    until("the keys to be read", || opens(&host, &new).then_some(()));
    with(host.ask("GET", "/two/ok"), &old)
        .send()
        .fault("unauthenticated");
    let unknown = host.command(&["keys", "revoke", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
}

#[test]
fn what_is_no_key_is_refused_with_what_would_be_one() {
    let host = host();
    for (words, told) in [
        (&["keys", "new", "Ann"][..], "a-z"),
        (
            &["keys", "new", "ann", "--scope", "two:get"],
            "capital letters",
        ),
        (
            &["keys", "new", "ann", "--scope", "two/a/../b"],
            "more than one way",
        ),
        (&["keys", "new", "ann", "--expires", "soon"], "90d"),
        (
            &["keys", "new", "ann", "--expires", "0d"],
            "more than nothing",
        ),
    ] {
        let said = host.command(words);
        assert_ne!(said.code, Some(0), "{words:?}");
        assert!(said.err.contains(told), "{words:?}: {said:?}");
    }
}

#[test]
fn where_nobody_can_say_whether_a_key_holds_it_opens_nothing() {
    let host = host();
    let (ann, _) = key(&host, &["ann"]);
    let database = host.dir().join("data/holdfast.db");
    std::fs::rename(&database, host.dir().join("elsewhere.db")).unwrap();
    // For a moment the last reading is good enough; what is written meanwhile is refused, not lost in a file that nobody finds.
    let said = host.command(&["keys", "new", "bob"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let answer = patiently("the reading to be too old", || {
        let answer = with(host.ask("GET", "/two/ok"), &ann).send();
        (answer.status != 200).then_some(answer)
    });
    answer.fault("storage-unavailable");
    assert_eq!(host.closing(answer.call())["boundary"], "storage");
    assert_eq!(host.get("/notes/count?n=1").status, 200);
    // It goes on by itself.
    std::fs::rename(host.dir().join("elsewhere.db"), &database).unwrap();
    until("the key to open again", || {
        (with(host.ask("GET", "/two/ok"), &ann).send().status == 200).then_some(())
    });
}
