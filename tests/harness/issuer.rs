//! An issuer of tokens on loopback: it signs, publishes its keys, exchanges them, goes silent, and counts who asks.

use super::upstream::request;
use data_encoding::BASE64URL_NOPAD;
use holdfast_call::Clock as _;
use holdfast_rules::clock::HostClock;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A running issuer. It lives as long as the test process, which is short.
pub(crate) struct Issuer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// What it answers who asks for its keys; nothing, where it is silent.
    keys: Option<String>,
    asked: Vec<String>,
}

impl Issuer {
    /// On a free port of 127.0.0.1, publishing the keys of these numbers.
    pub(crate) fn start(keys: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    let mut writer = stream.try_clone().unwrap();
                    let mut reader = BufReader::new(stream);
                    while let Ok(Some(seen)) = request(&mut reader) {
                        let keys = {
                            let mut shared = shared.lock().unwrap();
                            shared.asked.push(seen.head);
                            shared.keys.clone()
                        };
                        let (status, body) = match &keys {
                            Some(keys) => ("200 OK", keys.as_str()),
                            None => ("503 Service Unavailable", ""),
                        };
                        let length = body.len();
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                        if writer
                            .write_all(format!("{head}{body}").as_bytes())
                            .is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        let issuer = Self { address, shared };
        issuer.publish(keys);
        issuer
    }

    /// Publishes the keys of these numbers, and no others.
    pub(crate) fn publish(&self, keys: &[u8]) {
        self.answer(Some(key_set(keys)));
    }

    /// Answers whoever asks for the keys with this, or with an error.
    pub(crate) fn answer(&self, text: Option<String>) {
        self.shared.lock().unwrap().keys = text;
    }

    /// The heads of all requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// The upstream that leads to it, and the issuer `corp` with these lines more; both are tables of the policy.
    pub(crate) fn policy(&self, more: &str) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "[upstreams.login]\nurl = \"{url}\"\nallow_private = [\"127.0.0.0/8\"]\nbreaker = false\nattempts = 1\n\
             [jwt.corp]\nissuer = \"{ISSUER}\"\naudience = [\"holdfast\"]\nurl = \"{url}/jwks.json?tenant=CANARY\"\n{more}"
        )
    }
}

/// What all tokens say of their issuer.
pub(crate) const ISSUER: &str = "https://login.example.com/";

fn pair(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap()
}

/// The set of the public halves of the keys of these numbers, each named by its number.
pub(crate) fn key_set(keys: &[u8]) -> String {
    let keys = keys.iter().map(|number| {
        let x = BASE64URL_NOPAD.encode(pair(*number).public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "use": "sig", "x": x })
    });
    json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
}

/// The second it is, and so many more or fewer.
pub(crate) fn seconds(more: i64) -> i64 {
    let now = HostClock::start().wall().millis() / 1_000;
    i64::try_from(now).unwrap() + more
}

/// What a token of `subject` claims, for an hour.
pub(crate) fn claims(subject: &str) -> Value {
    json!({ "iss": ISSUER, "sub": subject, "aud": "holdfast", "exp": seconds(3600) })
}

/// A token with these claims, signed with the key of a number and naming the key `kid`.
pub(crate) fn token_of(number: u8, kid: &str, claims: &Value) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let head = json!({ "alg": "EdDSA", "kid": kid });
    let signed = format!("{}.{}", encode(&head), encode(claims));
    let signature = pair(number).sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

/// A good token of `subject`, signed with the key of a number.
pub(crate) fn token(number: u8, subject: &str) -> String {
    token_of(number, &number.to_string(), &claims(subject))
}
