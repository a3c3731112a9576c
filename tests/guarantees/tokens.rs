//! Whoever has a token of an issuer that the operator trusts is known by it, and by nothing that looks like one.
//!
//! 1. The naive snippet: `jwt.decode(token, key)`, in every service, with the algorithm that the token names.
//! 2. The missing rule: which algorithms, for whom, from whom, until when; and which keys, tonight, when they are exchanged.
//! 3. The tax: a library in each language, each with its own history of mistakes; a cache of keys; a storm of requests for them.
//! 4. The snippet again: nothing. The service reads `holdfast-caller`, if it wants to know.
//! 5. The pipeline: the host checks the token before anything is done, says who it is, and hands no token on; keys are read through the
//!    one way out, seldom however many tokens come, and used for a while where they cannot be.
//! 6. The checklist is below.

use super::two;
use crate::harness::issuer::{ISSUER, Issuer, claims, key_set, seconds, token, token_of};
use crate::harness::{Ask, Host, Setup, until};
use serde_json::{Value, json};

/// A host whose `two` is for the subjects of `corp` that the policy names, and for `ci`, who has a key.
fn setup(issuer: &Issuer, more: &str) -> Setup {
    two("").policy(&format!(
        "anonymous = \"deny\"\n[services.two]\ncallers = [\"corp:alice\", \"corp:bob\", \"ci\"]\n{}",
        issuer.policy(more)
    ))
}

/// The same, started; whoever is named may do anything.
fn host(issuer: &Issuer) -> Host {
    setup(issuer, "scopes = [\"*\"]").start()
}

fn with(ask: Ask, token: &str) -> Ask {
    ask.header("authorization", &format!("Bearer {token}"))
}

fn status(host: &Host, token: &str) -> u16 {
    with(host.ask("GET", "/two/ok"), token).send().status
}

#[test]
fn a_token_is_its_subjects_and_the_service_is_told_whose_but_never_sees_it() {
    let issuer = Issuer::start(&[1]);
    let host = host(&issuer);
    let alice = token(1, "alice");
    let answer = with(host.ask("GET", "/two/request"), &alice).send();
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.text();
    assert!(
        seen.contains("header holdfast-caller: principal:corp:alice\n"),
        "{seen}"
    );
    assert!(!seen.contains("authorization"), "{seen}");
    assert_eq!(
        host.closing(answer.call())["caller"],
        "principal:corp:alice"
    );
    // The keys were fetched by the host itself, which left a line for it; the query is nobody's business.
    let asked = issuer.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].starts_with("get /jwks.json?tenant=canary"),
        "{asked:?}"
    );
    assert!(!asked[0].contains("holdfast-"), "{asked:?}");
    let (log, signature) = (host.log_text(), alice.rsplit('.').next().unwrap());
    assert!(
        log.contains("\"caller\":\"host\"") && !log.contains("CANARY"),
        "{log}"
    );
    assert!(!log.contains(signature) && !host.stderr().contains(signature));
    // Whom the policy does not name is known, and refused.
    let answer = with(host.ask("GET", "/two/ok"), &token(1, "carol")).send();
    answer.fault("forbidden");
    let next = host.closing(answer.call())["next"].to_string();
    assert!(next.contains("corp:carol"), "{next}");
}

#[test]
fn whatever_is_not_a_good_token_of_the_issuer_is_refused_and_its_reason_is_the_operators() {
    let issuer = Issuer::start(&[1, 2]);
    let host = host(&issuer);
    let but = |name: &str, value: Value| {
        let mut claims = claims("alice");
        claims[name] = value;
        token_of(1, "1", &claims)
    };
    assert_eq!(status(&host, &but("nbf", json!(seconds(-5)))), 200);
    let good = token(1, "alice");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    let payload = signed.split_once('.').unwrap().1;
    for (bad, seen) in [
        (but("aud", json!("other")), "aud"),
        (but("iss", json!(ISSUER.trim_end_matches('/'))), "iss"),
        (but("exp", json!(seconds(-31))), "over since"),
        (but("nbf", json!(seconds(60))), "begins only"),
        (but("sub", json!("alice > service:front")), "sub"),
        (token_of(2, "1", &claims("alice")), "not signed"),
        (format!("{none}.{payload}."), "not signed"),
        (format!("{signed}."), "not signed"),
        (
            format!(
                "{signed}.{}",
                signature.replace(|c: char| c.is_ascii_digit(), "x")
            ),
            "not signed",
        ),
        ("abc".to_owned(), "neither a key nor"),
        ("x".repeat(17_000), "more than 16384 bytes"),
    ] {
        let answer = with(host.ask("GET", "/two/ok"), &bad).send();
        let told = answer.fault("unauthenticated").to_string();
        assert!(!told.contains("aud") && !told.contains("corp"), "{told}");
        assert!(answer.header("www-authenticate").is_some());
        let line = host.closing(answer.call());
        assert_eq!(
            (&line["boundary"], &line["caller"]),
            (&json!("caller"), &json!("anonymous"))
        );
        assert!(line.to_string().contains(seen), "{seen}: {line}");
    }
    let expired = with(host.ask("GET", "/two/ok"), &but("exp", json!(1))).send();
    assert_eq!(
        expired.fault("unauthenticated")["detail"],
        "The token has expired."
    );
    // A token beside another, or beside a key, is nobody's.
    let both = with(with(host.ask("GET", "/two/ok"), &good), &good).send();
    both.fault("unauthenticated");
}

#[test]
fn a_token_reaches_no_further_than_the_policy_makes_of_its_words() {
    let issuer = Issuer::start(&[1]);
    let lines = "scopes = [\"two:GET/ok\"]\nclaim = \"roles\"\n[jwt.corp.grants]\n\"two admin\" = [\"two\"]";
    let host = setup(&issuer, lines).start();
    let mut claims = claims("bob");
    let plain = token_of(1, "1", &claims);
    claims["roles"] = json!(["two admin", "unheard of"]);
    let admin = token_of(1, "1", &claims);
    for (token, path, allowed) in [
        (&plain, "/two/ok", true),
        (&plain, "/two/request", false),
        (&plain, "/two/ok/../request", false),
        (&plain, "/two/ok%2f..%2frequest", false),
        (&admin, "/two/request", true),
    ] {
        let answer = with(host.ask("GET", path), token).send();
        assert_eq!(answer.status == 200, allowed, "{path}: {answer:?}");
    }
    let refused = with(host.ask("GET", "/two/request"), &plain).send();
    refused.fault("forbidden");
    let line = host.closing(refused.call()).to_string();
    assert!(
        line.contains("jwt:corp is good for two:GET/ok") && line.contains("jwt.corp"),
        "{line}"
    );
    // All that an issuer vouches for, by one word.
    host.set_policy(&format!(
        "anonymous = \"deny\"\ncallers = [\"corp:*\"]\n{}",
        issuer.policy(lines)
    ));
    until("everybody of corp to be let in", || {
        (status(&host, &token(1, "dora")) == 200).then_some(())
    });
}

#[test]
fn a_key_that_was_exchanged_is_found_at_once_and_a_flood_of_others_is_no_flood_of_requests() {
    let issuer = Issuer::start(&[1]);
    let host = host(&issuer);
    assert_eq!(status(&host, &token(1, "alice")), 200);
    issuer.publish(&[2]);
    // The first token with the new key has the keys read; those of the old one are gone with them.
    assert_eq!(status(&host, &token(2, "alice")), 200);
    assert_eq!(status(&host, &token(1, "alice")), 401);
    assert_eq!(issuer.asked().len(), 2);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let host = &host;
            scope.spawn(move || {
                for kid in 0..50 {
                    let flood = token_of(9, &format!("{thread}-{kid}"), &claims("alice"));
                    assert_eq!(status(host, &flood), 401);
                }
            });
        }
    });
    // Thirty seconds may have gone by, once.
    assert!(issuer.asked().len() <= 3, "{:?}", issuer.asked());
    assert_eq!(status(&host, &token(2, "alice")), 200);
}

#[test]
fn an_issuer_that_cannot_be_asked_is_an_outage_and_not_the_callers_mistake() {
    let issuer = Issuer::start(&[1]);
    issuer.answer(None);
    let host = host(&issuer);
    let answer = with(host.ask("GET", "/two/ok"), &token(1, "alice")).send();
    answer.fault("upstream-unreachable");
    assert!(answer.header("retry-after").is_some());
    let line = host.closing(answer.call());
    assert_eq!(
        (&line["boundary"], &line["caller"]),
        (&json!("upstream"), &json!("anonymous"))
    );
    assert!(
        host.log_text()
            .contains("the keys of [jwt.corp] cannot be read")
    );
    // What is no key at all is said too, and a page that is too large is not read.
    for broken in ["<html>CANARY</html>".to_owned(), "x".repeat(300_000)] {
        issuer.answer(Some(broken));
        host.set_policy(&format!(
            "anonymous = \"deny\"\ncallers = [\"*\"]\n{}",
            issuer.policy("scopes = [\"*\", \"two\"]")
        ));
        assert_ne!(status(&host, &token(1, "alice")), 200);
    }
    issuer.publish(&[1]);
    host.set_policy(&format!(
        "anonymous = \"deny\"\ncallers = [\"*\"]\n{}",
        issuer.policy("scopes = [\"*\"]\nsubject = \"sub\"")
    ));
    until("the keys to be read", || {
        (status(&host, &token(1, "alice")) == 200).then_some(())
    });
    // From then on it may be silent: what is known is used.
    issuer.answer(None);
    assert_eq!(status(&host, &token(1, "alice")), 200);
}

#[test]
fn keys_in_a_file_are_watched_and_one_that_is_not_there_stops_the_start() {
    let file = |name: &str| {
        format!(
            "anonymous = \"deny\"\n[services.two]\ncallers = [\"corp:*\"]\n[jwt.corp]\nissuer = \"{ISSUER}\"\naudience = [\"holdfast\"]\n\
         keys = \"{name}\"\nscopes = [\"*\"]\nalgorithms = [\"EdDSA\"]"
        )
    };
    let setup = two("").policy(&file("corp.json"));
    let path = setup.dir.path().join("corp.json");
    std::fs::write(&path, key_set(&[1])).unwrap();
    let host = setup.start();
    assert_eq!(status(&host, &token(1, "alice")), 200);
    std::fs::write(&path, key_set(&[2])).unwrap();
    until("the key to open nothing", || {
        (status(&host, &token(1, "alice")) == 401).then_some(())
    });
    assert_eq!(status(&host, &token(2, "alice")), 200);

    let (code, said) = two("").policy(&file("nowhere.json")).refused();
    assert_ne!(code, Some(0));
    assert!(
        said.contains("[jwt.corp]") && said.contains("nowhere.json"),
        "{said}"
    );
}

#[test]
fn where_no_issuer_is_named_a_token_is_the_services_business_and_a_key_is_known_beside_one() {
    let host = two("").start();
    let alice = token(1, "alice");
    let answer = with(host.ask("GET", "/two/request"), &alice).send();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&alice));

    let issuer = Issuer::start(&[1]);
    let host = self::host(&issuer);
    let said = host.command(&["keys", "new", "ci"]);
    assert_eq!(status(&host, said.out.trim()), 200, "{said:?}");
    assert_eq!(status(&host, &token(1, "ci")), 403);
    let shown = host.offline(&["policy"]).out;
    assert!(
        shown.contains("issuers of tokens") && shown.contains(ISSUER),
        "{shown}"
    );
}
