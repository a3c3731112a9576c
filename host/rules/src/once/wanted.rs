//! What a person is shown who is to approve an action: that very action, to the byte where it is not too long to be looked at.

use super::key;
use holdfast_call::notice::Event;
use holdfast_call::{Call, Notice, Payload, Target};
use holdfast_store::approvals::Wanted;
use http::header;

/// The longest payload that is kept to be looked at, in bytes. What is longer is approved by its hash and its length alone.
const SHOWN_BYTES_MAX: usize = 16 << 10;
/// The longest line that says what is asked, in bytes: a path with its query is bounded by the gateway, a type is not.
const LINE_BYTES_MAX: usize = 8 << 10;

/// What is to be approved. `body` is the whole of what is asked.
pub(super) fn of(call: &Call, fingerprint: &[u8; 32], body: &[u8]) -> Wanted {
    let (asked, content_type) = match &call.payload {
        Payload::Http(request) => {
            let target = request.uri().path_and_query();
            let kind = request.headers().get(header::CONTENT_TYPE);
            let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
            (target.map_or("/", |target| target.as_str()), kind)
        }
        Payload::Values(function, _) => (&**function, None),
    };
    let cut = |text: &str| text[..text.floor_char_boundary(LINE_BYTES_MAX)].to_owned();
    Wanted {
        action: key::action(call, fingerprint),
        service: match &call.target {
            Target::Service(name) => name.to_string(),
            Target::Capability { .. } => call.target.to_string(),
        },
        operation: call.operation.to_string(),
        caller: call.caller.to_string(),
        why: call.why.as_str().to_owned(),
        asked: cut(asked),
        content_type: content_type.as_deref().map(cut),
        payload: (body.len() <= SHOWN_BYTES_MAX).then(|| body.to_vec()),
        payload_bytes: body.len() as u64,
    }
}

/// That it waits, for whoever is to look at it. Nothing of the payload goes out of the house.
pub(super) fn notice(call: &Call, id: &str) -> Notice {
    Notice {
        event: Event::ApprovalWanted,
        about: format!("call:{id}"),
        text: format!(
            "{} asks for {} {}: holdfast approve show {id}",
            call.caller, call.target, call.operation
        ),
    }
}
