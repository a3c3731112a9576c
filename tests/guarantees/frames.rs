//! What an answer says of its connection is the host's to say.
//!
//! 1. The naive snippet: a service that sets every header it likes.
//! 2. The missing rule: a length that is none, a coding that is not used, a `server` or a `date` of its own, a `set-cookie` after the body.
//!    Whoever stands between reads one thing, the client another.
//! 3. The tax: a list of forbidden names in every service, and a proxy that has a different one.
//! 4. The snippet again, unchanged.
//! 5. The entry: it frames what goes out and says by itself when and whence it came.
//! 6. The checklist is below.

use super::two;
use crate::harness::{End, encoded, h2_get};

#[test]
fn a_guest_frames_no_answer_and_sends_no_header_of_a_connection() {
    let host = two("").start();
    let cases = [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("connection", "keep-alive, x-secret"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "websocket"),
        ("proxy-connection", "x"),
        ("te", "trailers"),
        ("server", "CANARY/1"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("holdfast-call", "forged"),
    ];
    for (name, value) in cases {
        let path = format!("/two/says?name={name}&value={}", encoded(value));
        for answer in [host.get(&path), h2_get(host.gateway, &path)] {
            let of_name = answer.headers.iter().filter(|(header, _)| header == name);
            let values: Vec<_> = of_name.map(|(_, value)| value.as_str()).collect();
            // The host's own are one of a kind.
            assert!(values.len() <= 1, "{name}: {values:?}");
            let forged = value == "chunked" || !values.contains(&value);
            assert!(forged, "{name}: {values:?}");
            assert_eq!(answer.end, End::Whole, "{name}");
            assert!(matches!(answer.text().as_str(), "abc" | "refused\n"));
        }
    }
}

#[test]
fn a_length_that_is_none_is_not_passed_on() {
    let host = two("").start();
    for value in ["abc", "-1", "+3", "3, 3", "99999999999999999999", "", "0x3"] {
        let path = format!("/two/says?name=content-length&value={}", encoded(value));
        let answer = host.get(&path);
        // The guest's own library may refuse it first; what comes is never cut at a length that nobody can read.
        let length = answer.header("content-length");
        assert_ne!(length, Some(value), "{value:?}");
        assert!(
            answer.status >= 500 || answer.end == End::Whole,
            "{value:?}: {answer:?}"
        );
    }
    let longer = host.get("/two/says?name=content-length&value=2");
    assert!(longer.status >= 500 || longer.end == End::Cut || longer.text() == "ab");
}

#[test]
fn a_status_without_a_body_has_none() {
    let host = two("").start();
    for status in [204, 205, 304] {
        let answer = host.get(&format!("/two/status?code={status}&body=hidden"));
        assert_eq!((answer.status, answer.text().as_str()), (status, ""));
        let answer = h2_get(
            host.gateway,
            &format!("/two/status?code={status}&body=hidden"),
        );
        assert_eq!((answer.status, answer.text().as_str()), (status, ""));
    }
    for status in [100, 103, 199, 600, 999] {
        let answer = host.get(&format!("/two/status?code={status}"));
        assert!(
            answer.status == 502 || answer.text() == "refused\n",
            "{status}: {answer:?}"
        );
    }
}

#[test]
fn what_belongs_into_the_head_does_not_come_after_the_body() {
    let host = two("").start();
    let forbidden = [
        "set-cookie",
        "content-type",
        "content-encoding",
        "cache-control",
        "location",
        "authorization",
        "www-authenticate",
        "content-range",
        "set_cookie",
        "holdfast-call",
        "x-forwarded-for",
    ];
    for name in forbidden {
        let path = format!("/two/ends-with?name={name}&value=CANARY");
        let h1 = host.ask("GET", &path).header("te", "trailers").send();
        for answer in [h1, h2_get(host.gateway, &path)] {
            let names: Vec<_> = answer.trailers.iter().map(|(name, _)| &**name).collect();
            assert!(!names.contains(&name), "{name}: {names:?}");
            assert_eq!(answer.text(), "abc", "{name}");
        }
        let h2 = h2_get(host.gateway, &path);
        assert!(h2.trailers.iter().any(|(name, _)| name == "x-end"));
    }
}
