//! A document that describes a service, and a request beside it: whatever both are, the one is a description or told to be none on one
//! line, and the other is found to fit or told what is wrong, in few and short words.

use holdfast_call::Violation;
use holdfast_rules::contract::described::{Described, Found, Wanted};
use holdfast_rules::contract::read::VIOLATIONS_MAX;
use holdfast_server::assembly::described::open_api;
use http::{Method, Request, StatusCode, Uri};

/// The longest reason: eight words of a document, and what is said around them.
const REASON_BYTES_MAX: usize = 4_096;
/// The longest pointer.
const POINTER_BYTES_MAX: usize = 1_024;

/// The document, a NUL, a path with its query, a line feed, a body.
pub(crate) fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let document = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let mut asked = parts.next().unwrap_or_default().splitn(2, |b| *b == b'\n');
    let path = String::from_utf8_lossy(asked.next().unwrap_or_default());
    let body = asked.next().unwrap_or_default();
    for name in ["fuzzed.json", "fuzzed.yaml"] {
        match open_api(name, &document) {
            Ok(described) => ask(&described, &path, body),
            Err(why) => {
                super::plain(&why);
                assert!(why.starts_with(name) && why.len() > name.len(), "{why}");
            }
        }
    }
}

fn ask(described: &Described, path: &str, body: &[u8]) {
    let Ok(uri) = path.parse::<Uri>() else {
        return;
    };
    for method in [Method::GET, Method::POST, Method::PUT] {
        let request = Request::builder().method(method).uri(uri.clone());
        let request = request.header("content-type", "application/json");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let Found::Operation(meant) = described.find(&head.method, head.uri.path()) else {
            continue;
        };
        let looked = match meant.wanted(&head) {
            Wanted::Whole(looked) => Some((looked, body)),
            Wanted::Passed | Wanted::Nothing => None,
        };
        let violations = meant.check(&head, looked);
        assert!(violations.len() <= VIOLATIONS_MAX);
        violations.iter().for_each(told);
        if let Ok(Some(promised)) = meant.promised(StatusCode::OK, &head.headers) {
            let said = promised.check(body).err().unwrap_or_default();
            assert!(said.len() <= VIOLATIONS_MAX * (REASON_BYTES_MAX + POINTER_BYTES_MAX));
        }
    }
}

fn told(violation: &Violation) {
    let Violation { pointer, reason } = violation;
    let places = ["", "path", "query", "header", "cookie"];
    let place = pointer.split('/').next().unwrap_or_default();
    assert!(places.contains(&place), "{pointer}");
    assert!(pointer.len() <= POINTER_BYTES_MAX, "{pointer}");
    assert!(
        !reason.is_empty() && reason.len() <= REASON_BYTES_MAX,
        "{reason}"
    );
}
