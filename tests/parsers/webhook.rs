//! Signed requests, and the paths that they go to: what is verified bears no change, and a path is alike to itself however it is written.
//!
//! The bytes are a path, then a head and a body as HTTP/1.1 writes them; the keys are those of the published examples.

use holdfast_call::WallTime;
use holdfast_rules::identify::signed::same;
use holdfast_rules::identify::webhook::{Claim, Delivery, Key, Provider};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// When the examples were signed, in seconds since 1970.
const THEN: [u64; 2] = [1_614_265_330, 1_531_420_618];

/// Reads the bytes as a request to a webhook.
pub(crate) fn check(bytes: &[u8]) {
    let (head, body) = halves(bytes);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    paths(lines.next().unwrap_or_default());
    let headers = fields(lines);
    for provider in Provider::ALL {
        for seconds in THEN {
            request(provider, &headers, body, WallTime(seconds * 1_000_000));
        }
    }
}

fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    end.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 2..]))
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> HeaderMap {
    let pairs = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    pairs.collect()
}

fn keys() -> Vec<Key> {
    let shared = |key: &[u8]| Key::Shared(key.to_vec().into());
    vec![
        shared(b"It's a Secret to Everybody"),
        shared(b"8f742231b10e8888abcd99yyyzzz85a5"),
        shared(b"whsec_stripe-signs-with-all-of-this"),
        shared(b"a-token_of-the-bot"),
        shared(&[
            0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f,
            0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0,
        ]),
    ]
}

fn verified(claim: &Claim, body: &[u8], keys: &[Key]) -> Option<Delivery> {
    let mut check = claim.begin(keys);
    check.update(body);
    check.end(body).ok()
}

fn request(provider: Provider, headers: &HeaderMap, body: &[u8], wall: WallTime) {
    let claim = match Claim::read(provider, headers, wall) {
        Ok(claim) => claim,
        Err(why) => return super::plain(&why.to_string()),
    };
    assert_eq!(verified(&claim, body, &[]), None);
    let Some(delivery) = verified(&claim, body, &keys()) else {
        return;
    };
    let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\');
    assert!((1..=200).contains(&delivery.id.len()) && !delivery.id.bytes().any(odd));
    if provider != Provider::Telegram {
        let more = [body, b" "].concat();
        assert_eq!(verified(&claim, &more, &keys()), None);
    }
}

fn paths(path: &str) {
    assert!(same(path, path), "{path}");
    let (mut written, mut twice) = (String::new(), String::new());
    for byte in path.bytes() {
        written.push_str(&format!("%{byte:02X}"));
        twice.push_str(&format!("%25{byte:02x}"));
    }
    let dressed = format!("/{path}/;x=1");
    for other in [written, twice, dressed, path.to_ascii_uppercase()] {
        assert!(same(path, &other), "{path} {other}");
    }
}
