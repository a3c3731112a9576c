//! Issuers of tokens in the policy: what is taken, what is shown, and what is refused with the line.

use super::{policy, refusal};
use holdfast_rules::identify::token::Algorithm;
use holdfast_server::settings::{CallerName, Callers, JwtKeys, Name};
use std::path::Path;

const LOGIN: &str = "[upstreams.login]\nurl = \"https://login.example.com\"\n";
const BARE: &str =
    "issuer = \"https://login.example.com/\"\naudience = [\"holdfast\"]\nscopes = [\"*\"]\n";
const URL: &str = "url = \"https://login.example.com/keys?a=b\"\n";

/// A policy with the issuer `corp` of these lines.
fn with(lines: &str) -> String {
    format!("{LOGIN}[jwt.corp]\n{lines}")
}

#[test]
fn an_issuer_needs_little_and_takes_what_only_its_owner_can_sign() {
    let policy = policy(&with(&format!("{BARE}{URL}")));
    let corp = &policy.jwt["corp"];
    assert_eq!(corp.algorithms, Algorithm::DEFAULT);
    assert_eq!(
        (corp.subject.as_str(), corp.claim.as_str()),
        ("sub", "scope")
    );
    let JwtKeys::Upstream {
        upstream,
        origin,
        path,
    } = &corp.keys
    else {
        panic!("{:?}", corp.keys)
    };
    assert_eq!(upstream, &Name::parse("login").unwrap());
    assert_eq!(
        (&**origin, path.as_str()),
        ("https://login.example.com:443", "/keys?a=b")
    );
    let filed = self::policy(&with(&format!("{BARE}keys = \"corp.json\"")));
    assert_eq!(
        filed.jwt["corp"].keys,
        JwtKeys::File(Path::new("corp.json").into())
    );
}

#[test]
fn what_would_take_too_much_or_nothing_is_refused_with_what_would_mend_it() {
    let bare = |without: &str| {
        let lines = BARE.lines().filter(|line| !line.starts_with(without));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (lines, said) in [
        (format!("{}\n{URL}", bare("issuer")), "needs `issuer`"),
        (format!("{}\n{URL}", bare("audience")), "needs `audience`"),
        (
            format!("{}\n{URL}", bare("scopes")),
            "needs `scopes` or [grants]",
        ),
        (BARE.to_owned(), "needs `url`"),
        (format!("{BARE}{URL}keys = \"a\""), "both `keys` and `url`"),
        (
            format!("{BARE}{URL}algorithms = [\"none\"]"),
            "nobody has signed",
        ),
        (
            format!("{BARE}{URL}algorithms = [\"HS256\"]"),
            "both sides have",
        ),
        (
            format!("{BARE}{URL}algorithms = [\"rs256\"]"),
            "one of RS256",
        ),
        (format!("{BARE}{URL}algorithms = []"), "allows none"),
        (
            format!("{BARE}url = \"https://other.example.com/keys\""),
            "write [upstreams.NAME]",
        ),
        (
            format!("{BARE}url = \"login.example.com\""),
            "not an absolute URL",
        ),
        (format!("{BARE}{URL}subject = \"\""), "is not a text"),
        (
            format!("{BARE}{URL}[jwt.corp.grants]\nadmin = [\"Two\"]"),
            "is no scope",
        ),
        (
            format!("{BARE}{URL}[jwt.webhook]\n{BARE}keys = \"a\""),
            "call it otherwise",
        ),
        (
            format!("{BARE}{URL}[jwt.twin]\n{BARE}keys = \"a\""),
            "is the issuer of [jwt.corp] too",
        ),
    ] {
        let refused = refusal(&with(&lines));
        assert!(refused.contains(said), "{lines}: {refused}");
    }
    let clear = "[upstreams.login]\nurl = \"http://login.example.com\"\n[jwt.corp]\n";
    let clear = format!("{clear}{BARE}url = \"http://login.example.com/keys\"");
    assert!(refusal(&clear).contains("unencrypted"));
}

#[test]
fn a_caller_is_named_by_issuer_and_subject_and_the_issuer_must_be_there() {
    let callers = |list: &str| format!("callers = {list}\n{}", with(&format!("{BARE}{URL}")));
    let named = policy(&callers("[\"ann\", \"corp:auth0|a@b.c\", \"corp:*\"]")).callers;
    let Callers::Named(names) = named else {
        panic!("{named:?}")
    };
    assert!(names.contains(&CallerName::parse("corp:auth0|a@b.c").unwrap()));
    for (list, said) in [
        ("[\"crop:ann\"]", "did you mean `corp`"),
        ("[\"corp:\"]", "names no subject"),
        ("[\"corp:a b\"]", "names no subject"),
        ("[\"Corp:a\"]", "is not a name"),
        ("[\"*\", \"corp:a\"]", "so alone"),
    ] {
        let refused = refusal(&callers(list));
        assert!(refused.contains(said), "{list}: {refused}");
    }
    let service = format!("{}[services.notes]\ncallers = [\"crop:*\"]", callers("[]"));
    assert!(refusal(&service).contains("[jwt.crop]"));
}
