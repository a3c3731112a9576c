//! The vectors that the providers publish, and others that were made with another implementation; then everything that is nearly one.

use super::*;
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

/// When the vector of a provider was signed, in seconds since 1970.
const THEN: u64 = 1_614_265_330;

/// A request that is signed, and what it is named by.
struct Vector {
    provider: Provider,
    key: Key,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    id: &'static str,
    then: u64,
    /// The header with the proof.
    proof: &'static str,
}

fn text(key: &str) -> Key {
    Key::Shared(Zeroizing::new(key.as_bytes().to_vec()))
}

fn base64(key: &str) -> Vec<u8> {
    BASE64.decode(key.as_bytes()).unwrap()
}

const SLACK: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// As the specification and the documentation of each have them; Telegram has no code.
fn published() -> Vec<Vector> {
    vec![
        Vector {
            provider: Provider::Standard,
            key: Key::Shared(Zeroizing::new(base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))),
            headers: &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ],
            body: r#"{"test": 2432232314}"#,
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            then: THEN,
            proof: "webhook-signature",
        },
        Vector {
            provider: Provider::GitHub,
            key: text("It's a Secret to Everybody"),
            headers: &[
                ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
                (
                    "x-hub-signature-256",
                    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                ),
            ],
            body: "Hello, World!",
            id: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            then: THEN,
            proof: "x-hub-signature-256",
        },
        Vector {
            provider: Provider::Slack,
            key: text(SLACK),
            headers: &[
                ("x-slack-request-timestamp", "1531420618"),
                (
                    "x-slack-signature",
                    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                ),
            ],
            body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                   &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
                   &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
                   %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                   &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
            id: "fae3ee0e1a65c4f8da96c50461e3c2af65fcacf5572f00d6aeeefff8a8f19b12",
            then: 1_531_420_618,
            proof: "x-slack-signature",
        },
        Vector {
            provider: Provider::Telegram,
            key: text("a-token_of-the-bot"),
            headers: &[("x-telegram-bot-api-secret-token", "a-token_of-the-bot")],
            body: r#"{"update_id": 10000, "message": {"text": "/start"}}"#,
            id: "10000",
            then: THEN,
            proof: "x-telegram-bot-api-secret-token",
        },
    ]
}

/// Made with another implementation, where none is published.
fn made() -> Vec<Vector> {
    vec![
        Vector {
            provider: Provider::Stripe,
            key: text("whsec_stripe-signs-with-all-of-this"),
            headers: &[(
                "stripe-signature",
                "t=1614265330,v1=f987b937b3d648a0cceb1bd1d4ac1edaeae769fd7af3736137dea2e09694fad0",
            )],
            body: r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event"}"#,
            id: "evt_1NG8Du2eZvKYlo2CUI79vXWy",
            then: THEN,
            proof: "stripe-signature",
        },
        Vector {
            provider: Provider::Slack,
            key: text(SLACK),
            headers: &[
                ("x-slack-request-timestamp", "1531420618"),
                (
                    "x-slack-signature",
                    "v0=649cd74419d0db312c74495a9d279048690dfc1dc085146872cdbe24409ff2ff",
                ),
            ],
            body: r#"{"type":"event_callback","event_id":"Ev08MFMKH6"}"#,
            id: "Ev08MFMKH6",
            then: 1_531_420_618,
            proof: "x-slack-signature",
        },
        Vector {
            provider: Provider::Standard,
            key: Key::Public(base64("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")),
            headers: &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ==",
                ),
            ],
            body: r#"{"test": 2432232314}"#,
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            then: THEN,
            proof: "webhook-signature",
        },
    ]
}

fn all() -> Vec<Vector> {
    published().into_iter().chain(made()).collect()
}

impl Vector {
    fn map(&self) -> HeaderMap {
        let pairs = self.headers.iter();
        pairs
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        keys: &[Key],
        seconds: u64,
    ) -> Result<Delivery, Unverified> {
        verify(self.provider, headers, body, keys, seconds)
    }

    fn is_timed(&self) -> bool {
        !matches!(self.provider, Provider::GitHub | Provider::Telegram)
    }
}

/// Both steps, the body cut in two.
fn verify(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Key],
    seconds: u64,
) -> Result<Delivery, Unverified> {
    let claim = Claim::read(provider, headers, WallTime(seconds * 1_000_000 + 999_999))?;
    let mut check = claim.begin(keys);
    let (head, tail) = body.split_at(body.len() / 2);
    check.update(head);
    check.update(tail);
    check.end(body)
}

#[test]
fn what_is_published_is_verified_and_named() {
    for vector in all() {
        let keys = [vector.key.clone()];
        let found = vector.verify(&vector.map(), vector.body.as_bytes(), &keys, vector.then);
        let id = vector.id.to_owned();
        assert_eq!(found, Ok(Delivery { id }), "{}", vector.provider);
    }
    let providers: Vec<_> = all().iter().map(|vector| vector.provider).collect();
    for provider in Provider::ALL {
        assert!(providers.contains(&provider), "{provider}");
        assert_eq!(Provider::parse(provider.as_str()), Some(provider));
    }
    assert_eq!(Provider::parse("GitHub"), None);
}

#[test]
fn the_same_words_in_other_bytes_are_not_what_was_signed() {
    for vector in all() {
        let keys = [vector.key.clone()];
        let body = vector.body;
        for other in [
            body.replace(' ', ""),
            body.replace(':', ": "),
            format!("{body}\n"),
            body[1..].to_owned(),
            String::new(),
        ] {
            if other == body || vector.provider == Provider::Telegram {
                continue;
            }
            let found = vector.verify(&vector.map(), other.as_bytes(), &keys, vector.then);
            assert_eq!(found, Err(Unverified::NoneMatches), "{other}");
        }
    }
}

#[test]
fn any_of_two_keys_will_do_and_no_other() {
    for vector in all() {
        let (body, own) = (vector.body.as_bytes(), vector.key.clone());
        let verify = |keys: &[Key]| vector.verify(&vector.map(), body, keys, vector.then);
        let public = Key::Public(vec![7; 32]);
        let others = [text("another key of the same kind"), public];
        for other in &others {
            assert!(verify(&[own.clone(), other.clone()]).is_ok());
            assert!(verify(&[other.clone(), own.clone()]).is_ok());
        }
        assert_eq!(verify(&others), Err(Unverified::NoneMatches));
        assert_eq!(verify(&[]), Err(Unverified::NoneMatches));
    }
}

#[test]
fn a_key_is_only_what_its_owner_says_it_is() {
    // A public key is known to everybody: whoever makes a code with it as if it were shared has proved nothing.
    let vector = &made()[2];
    let public = base64("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    let mut mac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
    mac.update(format!("{}.{THEN}.{}", vector.id, vector.body).as_bytes());
    let code = BASE64.encode(&mac.finalize().into_bytes());
    let mut headers = vector.map();
    let forged = HeaderValue::from_str(&format!("v1,{code}")).unwrap();
    headers.insert("webhook-signature", forged);
    let verify = |key: Key| vector.verify(&headers, vector.body.as_bytes(), &[key], THEN);
    assert_eq!(
        verify(Key::Public(public.clone())),
        Err(Unverified::NoneMatches)
    );
    assert!(verify(Key::Shared(Zeroizing::new(public))).is_ok());
}

#[test]
fn a_time_that_is_signed_is_near_to_now() {
    let most = TIME_OFF_MAX.as_secs();
    for vector in all() {
        let keys = [vector.key.clone()];
        let at = |seconds| {
            let found = vector.verify(&vector.map(), vector.body.as_bytes(), &keys, seconds);
            found.map(|_| ())
        };
        let (late, early) = (vector.then + most, vector.then - most);
        assert_eq!((at(late), at(early)), (Ok(()), Ok(())));
        let (stale, too_early) = match vector.is_timed() {
            true => (
                Err(Unverified::Stale(Duration::from_secs(most + 1))),
                Err(Unverified::Early(Duration::from_secs(most + 1))),
            ),
            false => (Ok(()), Ok(())),
        };
        assert_eq!(at(late + 1), stale, "{}", vector.provider);
        assert_eq!(at(early - 1), too_early, "{}", vector.provider);
    }
}

#[test]
fn each_header_must_be_there_once_and_be_one() {
    for vector in all() {
        let keys = [vector.key.clone()];
        let verify = |headers: &HeaderMap| {
            vector.verify(headers, vector.body.as_bytes(), &keys, vector.then)
        };
        for (name, value) in vector.headers {
            let mut without = vector.map();
            without.remove(*name);
            assert_eq!(verify(&without), Err(Unverified::Missing(name)));
            let mut twice = vector.map();
            twice.append(*name, HeaderValue::from_static(value));
            assert_eq!(verify(&twice), Err(Unverified::Twice(name)));
            // What is not signed may be any word.
            if *name == "x-github-delivery" {
                continue;
            }
            for odd in ["", "\u{e9}", ",", "=", "t=,v1=", "v1", "-1", "+1614265330"] {
                let mut odd_one = vector.map();
                odd_one.insert(*name, HeaderValue::from_bytes(odd.as_bytes()).unwrap());
                let refused = verify(&odd_one).unwrap_err();
                assert!(!refused.to_string().contains(value), "{refused}");
            }
        }
    }
}

#[test]
fn a_code_in_another_dress_is_taken_and_a_shorter_one_is_not() {
    for vector in all() {
        let keys = [vector.key.clone()];
        let value = vector.map()[vector.proof].to_str().unwrap().to_owned();
        let with = |value: &str| {
            let mut headers = vector.map();
            headers.insert(vector.proof, HeaderValue::from_str(value).unwrap());
            vector.verify(&headers, vector.body.as_bytes(), &keys, vector.then)
        };
        assert!(with(&value[..value.len() - 2]).is_err(), "{value}");
        assert!(with(&format!("{value}00")).is_err(), "{value}");
        match vector.provider {
            Provider::Standard => {
                assert!(with(&format!("v1,AAAA v9,x {value}")).is_ok());
                assert!(with(&format!("{value} v1,AAAA")).is_ok());
                assert!(with(&value.replace("v1", "v2")).is_err());
                let many = vec![value.as_str(); CODES_MAX + 1].join(" ");
                assert_eq!(with(&many), Err(Unverified::Malformed(vector.proof)));
            }
            Provider::Stripe => {
                let other = HEXLOWER.encode(&[9; 32]);
                assert!(with(&format!("{value},v1={other},v0={other}")).is_ok());
                assert!(with(&value.replace("v1", "v0")).is_err());
                assert!(with(&format!("{value},t=1614265330")).is_err());
                let many = format!(",v1={other}").repeat(CODES_MAX);
                assert_eq!(
                    with(&(value + &many)),
                    Err(Unverified::Malformed(vector.proof))
                );
            }
            Provider::GitHub | Provider::Slack => {
                let (kind, code) = value.split_once('=').unwrap();
                assert!(with(&format!("{kind}={}", code.to_uppercase())).is_ok());
                assert!(with(code).is_err());
            }
            Provider::Telegram => {}
        }
    }
}

#[test]
fn what_is_signed_cannot_be_cut_elsewhere() {
    // The same bytes: a name that ends in the time, and a body whose beginning is one.
    let vector = &published()[0];
    let key = &vector.key;
    let Key::Shared(bytes) = key else {
        unreachable!()
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(bytes).unwrap();
    mac.update(format!("msg.{THEN}.{THEN}.5").as_bytes());
    let code = BASE64.encode(&mac.finalize().into_bytes());
    let verify = |id: &str, body: &str| {
        let mut headers = vector.map();
        headers.insert("webhook-id", HeaderValue::from_str(id).unwrap());
        let code = HeaderValue::from_str(&format!("v1,{code}")).unwrap();
        headers.insert("webhook-signature", code);
        vector.verify(&headers, body.as_bytes(), std::slice::from_ref(key), THEN)
    };
    assert!(verify("msg", &format!("{THEN}.5")).is_ok());
    let refused = verify(&format!("msg.{THEN}"), "5");
    assert_eq!(refused, Err(Unverified::Malformed("webhook-id")));
}

/// A body of this text, signed as Stripe does, or with Telegram's token.
fn with_body(provider: Provider, body: &str) -> Result<Delivery, Unverified> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
    mac.update(format!("{THEN}.{body}").as_bytes());
    let code = HEXLOWER.encode(&mac.finalize().into_bytes());
    let (name, value) = match provider {
        Provider::Stripe => ("stripe-signature", format!("t={THEN},v1={code}")),
        _ => ("x-telegram-bot-api-secret-token", "key".to_owned()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(&value).unwrap());
    verify(provider, &headers, body.as_bytes(), &[text("key")], THEN)
}

#[test]
fn a_delivery_without_a_name_is_not_taken() {
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(ID_BYTES_MAX + 1));
    for body in [
        "",
        "no json",
        "{}",
        r#"{"id":7}"#,
        r#"{"id":""}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"a\"b"}"#,
        r#"{"id":"a\u0000"}"#,
        r#"{"id":"one","id":"two"}"#,
        r#"{"data":{"id":"evt"}}"#,
        &long,
    ] {
        let refused = with_body(Provider::Stripe, body);
        assert_eq!(refused, Err(Unverified::NoId("id")), "{body}");
    }
    for body in ["{}", r#"{"update_id":"7"}"#, r#"{"update_id":-1}"#] {
        let refused = with_body(Provider::Telegram, body);
        assert_eq!(refused, Err(Unverified::NoId("update_id")), "{body}");
    }
}

#[test]
fn nothing_that_is_said_tells_a_key() {
    let key = text("canary-of-a-key");
    assert!(!format!("{key:?}").contains("canary"));
}

proptest! {
    #[test]
    fn one_bit_changed_anywhere_is_another_request(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        for vector in all().iter().filter(|vector| vector.provider != Provider::Telegram) {
            let mut body = vector.body.as_bytes().to_vec();
            let place = at.index(body.len());
            body[place] ^= 1 << bit;
            let keys = [vector.key.clone()];
            let found = vector.verify(&vector.map(), &body, &keys, vector.then);
            prop_assert_eq!(found, Err(Unverified::NoneMatches));
        }
    }

    #[test]
    fn headers_of_any_kind_prove_nothing(values in proptest::collection::vec("[ -~]{0,80}", 3), body in any::<Vec<u8>>()) {
        for vector in all() {
            let mut headers = HeaderMap::new();
            for ((name, _), value) in vector.headers.iter().zip(&values) {
                headers.insert(*name, HeaderValue::from_str(value).unwrap());
            }
            let keys = [vector.key.clone()];
            prop_assert!(vector.verify(&headers, &body, &keys, vector.then).is_err());
        }
    }
}
