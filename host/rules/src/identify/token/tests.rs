//! What is taken, told with tokens of another implementation; and everything that has been tried against those who take tokens.

use super::testing::{ISSUER, NOW, Signer, claims, golden, golden_token, keys, parts, set};
use super::*;
use holdfast_call::WallTime;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

fn wanted() -> Wanted {
    Wanted {
        audience: vec![
            "holdfast".to_owned(),
            "https://holdfast.example.com".to_owned(),
        ],
        subject: "sub".to_owned(),
        rights: "scope".to_owned(),
    }
}

fn at(seconds: u64) -> WallTime {
    WallTime(seconds * 1_000_000)
}

/// What becomes of a token.
fn taken(token: &str, keys: &KeySet, now: u64) -> Result<Bearer, Untaken> {
    Token::read(token)?.verify(keys)?.check(&wanted(), at(now))
}

/// What becomes of a token with these claims, well signed.
fn claimed(claims: &Value) -> Result<Bearer, Untaken> {
    let signer = Signer::numbered(1);
    let token = signer.token(Some("one"), claims);
    taken(&token, &set(&[signer.key(Some("one"))]), NOW)
}

/// The claims with one of them set otherwise, or taken out.
fn with(name: &str, value: Option<Value>) -> Value {
    let mut all = claims();
    match value {
        Some(value) => all[name] = value,
        None => {
            all.as_object_mut().unwrap().remove(name);
        }
    }
    all
}

#[test]
fn what_another_implementation_has_signed_is_taken_with_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let token = golden_token(algorithm.as_str());
        assert_eq!(Token::read(&token).unwrap().algorithm(), algorithm);
        let bearer = taken(&token, &keys(), NOW).unwrap();
        assert_eq!(bearer.subject, "alice@example.com");
        assert_eq!(bearer.rights, ["notes.read", "notes.write"]);
    }
}

#[test]
fn a_token_of_which_anything_was_changed_is_not_taken() {
    let keys = keys();
    for algorithm in Algorithm::ALL {
        let token = golden_token(algorithm.as_str());
        for at in 0..3 {
            let mut parts = parts(&token);
            for byte in (0..parts[at].len()).step_by(7) {
                parts[at][byte] ^= 1;
                let changed: Vec<_> = parts
                    .iter()
                    .map(|part| BASE64URL_NOPAD.encode(part))
                    .collect();
                assert!(
                    taken(&changed.join("."), &keys, NOW).is_err(),
                    "{algorithm} {at} {byte}"
                );
                parts[at][byte] ^= 1;
            }
        }
        let cut = token.rsplit_once('.').unwrap().0;
        for end in ["", ".", ".AA", ".AA.AA", "."] {
            assert!(
                taken(&format!("{cut}{end}"), &keys, NOW).is_err(),
                "{algorithm} {end}"
            );
        }
    }
}

#[test]
fn an_algorithm_is_what_the_keys_owner_says_and_never_what_the_token_says() {
    let payload = BASE64URL_NOPAD.encode(claims().to_string().as_bytes());
    for word in [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS512", "rs256", "RSA", "ES256K", "EdDSA ",
    ] {
        let head = BASE64URL_NOPAD.encode(json!({ "alg": word }).to_string().as_bytes());
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{payload}.{signature}");
            assert_eq!(
                taken(&token, &keys(), NOW).unwrap_err(),
                Untaken::Algorithm,
                "{word}"
            );
        }
    }
    // Signed with the published half as if it were a secret.
    assert_eq!(
        taken(&golden_token("HS256"), &keys(), NOW).unwrap_err(),
        Untaken::Algorithm
    );
    // A well-signed token whose header was made to name another algorithm, or another key.
    let payload = golden_token("RS256").split('.').nth(1).unwrap().to_owned();
    for algorithm in Algorithm::ALL {
        let signature = golden_token(algorithm.as_str());
        let signature = signature.rsplit_once('.').unwrap().1;
        for other in Algorithm::ALL {
            for key in ["rsa", "p256", "p384", "ed"] {
                let head = json!({ "alg": other.as_str(), "kid": key, "typ": "JWT" });
                let head = BASE64URL_NOPAD.encode(head.to_string().as_bytes());
                let token = format!("{head}.{payload}.{signature}");
                assert!(
                    taken(&token, &keys(), NOW).is_err(),
                    "{algorithm} as {other} of {key}"
                );
            }
        }
    }
    // A key that is for one algorithm alone serves no other.
    let mut bound = golden();
    bound["keys"][0]["alg"] = json!("RS256");
    let bound = KeySet::read(bound.to_string().as_bytes()).unwrap();
    assert!(taken(&golden_token("RS256"), &bound, NOW).is_ok());
    for other in ["RS384", "PS256"] {
        assert_eq!(
            taken(&golden_token(other), &bound, NOW).unwrap_err(),
            Untaken::NoKey
        );
    }
}

#[test]
fn a_header_says_nothing_that_is_not_known_and_brings_no_key_of_its_own() {
    let signer = Signer::numbered(1);
    let keys = set(&[signer.key(Some("one"))]);
    let sign = |head: Value| signer.sign(&head.to_string(), &claims().to_string());
    for (more, refused) in [
        (json!({ "crit": ["exp"] }), Some(Untaken::Critical)),
        (json!({ "crit": [], "b64": false }), Some(Untaken::Critical)),
        (json!({ "typ": "logout+jwt" }), Some(Untaken::Kind)),
        (json!({ "typ": "dpop+jwt" }), Some(Untaken::Kind)),
        (json!({ "typ": 1 }), Some(Untaken::Kind)),
        (json!({ "kid": 1 }), Some(Untaken::Unreadable("header"))),
        (json!({ "kid": "two" }), Some(Untaken::NoKey)),
        (json!({ "kid": "../../dev/null" }), Some(Untaken::NoKey)),
        (json!({ "typ": "at+jwt" }), None),
        (json!({ "typ": "application/at+JWT" }), None),
        (json!({ "cty": "text", "x5t": "abc" }), None),
    ] {
        let mut head = json!({ "alg": "EdDSA", "kid": "one" });
        head.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(taken(&sign(head), &keys, NOW).err(), refused, "{more}");
    }
    // Whoever signs himself and says with what.
    let forger = Signer::numbered(2);
    for own in [
        json!({ "jwk": forger.key(None) }),
        json!({ "jwk": forger.key(Some("one")), "kid": "one" }),
        json!({ "jku": "https://evil.example/jwks.json", "kid": "one" }),
        json!({ "x5u": "https://evil.example/cert.pem", "x5c": ["AAAA"] }),
    ] {
        let mut head = json!({ "alg": "EdDSA" });
        head.as_object_mut()
            .unwrap()
            .extend(own.as_object().unwrap().clone());
        let token = forger.sign(&head.to_string(), &claims().to_string());
        assert_eq!(
            taken(&token, &keys, NOW).unwrap_err(),
            Untaken::NotSigned,
            "{own}"
        );
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_not_read() {
    let signer = Signer::numbered(1);
    let keys = set(&[signer.key(None)]);
    let head = r#"{"alg":"EdDSA"}"#;
    let good = claims().to_string();
    assert!(taken(&signer.sign(head, &good), &keys, NOW).is_ok());
    let twice =
        |name: &str, value: &str| format!("{},\"{name}\":{value}}}", good.trim_end_matches('}'));
    for payload in [
        twice("sub", "\"root\""),
        twice("aud", "\"other\""),
        twice("exp", "9999999999"),
        twice("iss", "\"evil\""),
        twice("\\u0073ub", "\"root\""),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "{".to_owned(),
        format!("{good} x"),
        "[".repeat(10_000),
    ] {
        let token = signer.sign(head, &payload);
        assert_eq!(
            taken(&token, &keys, NOW).unwrap_err(),
            Untaken::Unreadable("payload"),
            "{payload:.60}"
        );
    }
    let two = r#"{"alg":"EdDSA","alg":"none"}"#;
    assert_eq!(
        taken(&signer.sign(two, &good), &keys, NOW).unwrap_err(),
        Untaken::Unreadable("header")
    );
    // Other spellings of the same bytes.
    let token = signer.sign(head, &good);
    let cut = token.len() - 1;
    for other in [
        format!("{token}="),
        format!("{token}=="),
        token.replace('.', ".\n"),
        format!(" {token}"),
        format!(
            "{}{}",
            &token[..cut],
            if token.ends_with('A') { 'B' } else { 'A' }
        ),
        token.replacen('.', "..", 1),
        format!("{token}.{token}"),
    ] {
        assert!(taken(&other, &keys, NOW).is_err(), "{other}");
    }
}

#[test]
fn a_token_is_for_us_and_from_its_issuer_and_has_every_claim() {
    assert_eq!(claimed(&claims()).unwrap().subject, "alice");
    let missing = |name: &str| Err(Untaken::Missing(name.to_owned()));
    for name in ["iss", "aud", "exp", "sub"] {
        assert_eq!(claimed(&with(name, None)), missing(name));
    }
    let malformed = |name: &str| Err(Untaken::Malformed(name.to_owned()));
    for (name, wrong) in [
        ("iss", json!(1)),
        ("iss", json!([ISSUER])),
        ("aud", json!(1)),
        ("aud", json!(["holdfast", 1])),
        ("aud", json!({ "holdfast": true })),
        ("exp", json!("1900000000")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(null)),
        ("nbf", json!("soon")),
        ("sub", json!(1)),
        ("sub", json!("")),
        ("sub", json!("*")),
        ("sub", json!("a b")),
        ("sub", json!("x > service:front")),
        ("sub", json!("a\"b")),
        ("sub", json!("a\nb")),
        ("sub", json!("jos\u{e9}")),
        ("sub", json!("a".repeat(201))),
        ("scope", json!(1)),
        ("scope", json!(["a", 1])),
        ("scope", json!("a ".repeat(300))),
    ] {
        assert_eq!(
            claimed(&with(name, Some(wrong.clone()))),
            malformed(name),
            "{name} {wrong}"
        );
    }
    for other in [
        json!("other"),
        json!([]),
        json!(["other"]),
        json!("Holdfast"),
        json!("holdfast "),
    ] {
        assert_eq!(
            claimed(&with("aud", Some(other.clone()))),
            Err(Untaken::Audience),
            "{other}"
        );
    }
    let many = claimed(&with(
        "aud",
        Some(json!(["other", "https://holdfast.example.com"])),
    ));
    assert!(many.is_ok());
    // Without rights it is a token all the same: what it is good for, the policy says.
    assert!(claimed(&with("scope", None)).unwrap().rights.is_empty());
    let listed = claimed(&with("scope", Some(json!(["notes read", "b"])))).unwrap();
    assert_eq!(listed.rights, ["notes read", "b"]);
}

#[test]
fn a_token_holds_from_its_begin_to_its_end_give_or_take_half_a_minute() {
    for (name, time, taken) in [
        ("exp", NOW - 29, Ok(())),
        (
            "exp",
            NOW - 30,
            Err(Untaken::Expired(Duration::from_secs(30))),
        ),
        ("exp", 0, Err(Untaken::Expired(Duration::from_secs(NOW)))),
        ("nbf", NOW + 30, Ok(())),
        (
            "nbf",
            NOW + 31,
            Err(Untaken::Early(Duration::from_secs(31))),
        ),
        ("nbf", 0, Ok(())),
        // When it was made says nothing.
        ("iat", NOW + 1_000, Ok(())),
    ] {
        assert_eq!(
            claimed(&with(name, Some(json!(time)))).map(|_| ()),
            taken,
            "{name} {time}"
        );
    }
    let half = claimed(&with("exp", Some(json!(NOW as f64 - 29.5))));
    assert!(half.is_ok());
}

#[test]
fn a_token_that_names_no_key_is_tried_with_few_and_a_long_one_is_not_read() {
    let signers: Vec<_> = (0..6).map(Signer::numbered).collect();
    let keys: Vec<_> = signers.iter().map(|signer| signer.key(None)).collect();
    for (at, signer) in signers.iter().enumerate() {
        let outcome = taken(&signer.token(None, &claims()), &set(&keys), NOW);
        assert_eq!(outcome.is_ok(), at < TRIES_MAX, "{at}");
    }
    // Two keys of one name are two tries.
    let twins = [signers[0].key(Some("one")), signers[1].key(Some("one"))];
    for signer in &signers[..2] {
        assert!(taken(&signer.token(Some("one"), &claims()), &set(&twins), NOW).is_ok());
    }
    let long = signers[0].token(
        None,
        &with("more", Some(json!("x".repeat(TOKEN_BYTES_MAX)))),
    );
    assert_eq!(taken(&long, &set(&keys), NOW).unwrap_err(), Untaken::Long);
}

#[test]
fn a_key_that_is_for_something_else_or_known_to_everybody_checks_nothing() {
    let signer = Signer::numbered(1);
    let token = signer.token(Some("one"), &claims());
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!(1)),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!("verify")),
        ("alg", json!("RS256")),
        ("alg", json!("none")),
        ("alg", json!(1)),
        ("d", json!("AAAA")),
        ("kty", json!("oct")),
        ("kty", json!("EC")),
        ("crv", json!("X25519")),
        ("x", json!("AAAA")),
        ("x", json!("not base64!")),
    ] {
        let mut key = signer.key(Some("one"));
        key[name] = value.clone();
        // Beside one that can be used, which is not the token's.
        let keys = set(&[key, Signer::numbered(2).key(Some("two"))]);
        assert_eq!(
            taken(&token, &keys, NOW).unwrap_err(),
            Untaken::NoKey,
            "{name} {value}"
        );
    }
    let mut good = signer.key(Some("one"));
    good["use"] = json!("sig");
    good["key_ops"] = json!(["verify"]);
    good["alg"] = json!("EdDSA");
    good["x5c"] = json!(["AAAA"]);
    assert!(taken(&token, &set(&[good]), NOW).is_ok());
    // A modulus that is too short to be trusted, and a point that is not on its curve.
    let short = json!({ "kty": "RSA", "n": BASE64URL_NOPAD.encode(&[0xff; 128]), "e": "AQAB" });
    let text = json!({ "keys": [short, { "kty": "oct", "k": "AAAA" }] }).to_string();
    assert_eq!(KeySet::read(text.as_bytes()).unwrap_err(), NoKeys::NoneFits);
    let mut nowhere = golden();
    nowhere["keys"][1]["x"] = json!(BASE64URL_NOPAD.encode(&[7; 32]));
    let nowhere = KeySet::read(nowhere.to_string().as_bytes()).unwrap();
    assert_eq!(
        taken(&golden_token("ES256"), &nowhere, NOW).unwrap_err(),
        Untaken::NotSigned
    );
}

#[test]
fn what_is_no_set_of_keys_is_refused_whole() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "<html>",
    ] {
        assert_eq!(
            KeySet::read(text.as_bytes()).unwrap_err(),
            NoKeys::NoSet,
            "{text}"
        );
    }
    assert_eq!(
        KeySet::read(b"{\"keys\":[]}").unwrap_err(),
        NoKeys::NoneFits
    );
    let large = vec![b' '; KEYS_BYTES_MAX + 1];
    assert_eq!(KeySet::read(&large).unwrap_err(), NoKeys::Large);
    // What is beyond the most is not looked at.
    let mut many = vec![json!({ "kty": "oct" }); KEYS_MAX];
    many.push(Signer::numbered(1).key(None));
    let many = json!({ "keys": many }).to_string();
    assert_eq!(KeySet::read(many.as_bytes()).unwrap_err(), NoKeys::NoneFits);
}

proptest! {
    /// Whatever is written in a token that nobody has signed, it is not taken, and reading it ends.
    #[test]
    fn nothing_that_is_made_up_is_taken(head in ".{0,60}", payload in ".{0,60}", signature in proptest::collection::vec(any::<u8>(), 0..80)) {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let raw = format!("{}.{}.{}", encode(head.as_bytes()), encode(payload.as_bytes()), encode(&signature));
        prop_assert!(taken(&raw, &keys(), NOW).is_err());
        let known = json!({ "alg": "EdDSA", "kid": "ed" }).to_string();
        let forged = format!("{}.{}.{}", encode(known.as_bytes()), encode(claims().to_string().as_bytes()), encode(&signature));
        prop_assert!(taken(&forged, &keys(), NOW).is_err());
        prop_assert!(taken(&head, &keys(), NOW).is_err());
    }
}
