//! What is asked over the owner's socket: every request that reads is written as it was read, and a complaint is one plain line.

use holdfast_server::control::words::{Request, Response};

/// Reads the bytes as a request and as an answer.
pub(crate) fn check(bytes: &[u8]) {
    match Request::read(bytes) {
        Ok(request) => {
            let line = serde_json::to_string(&request).unwrap();
            assert!(!line.contains('\n'), "a request is one line");
            let again: Request = serde_json::from_str(&line).unwrap();
            assert_eq!(format!("{again:?}"), format!("{request:?}"));
        }
        Err(text) => super::plain(&text),
    }
    let response = serde_json::from_slice::<Response>(bytes);
    // A list of services is any JSON, whose numbers may have more digits than are kept.
    if let Ok(response) = response
        && !matches!(response, Response::Services(_))
    {
        let line = serde_json::to_string(&response).unwrap();
        assert!(!line.contains('\n'), "an answer is one line");
        let again: Response = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), line);
    }
}
