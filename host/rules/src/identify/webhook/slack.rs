//! Slack: version, time and body are signed, `v0:{time}:{body}`. Events are named in their body, which is JSON; commands and what people
//! click are forms without a name, and are not sent twice.

use super::{Claim, Field, Id, Unverified, hex_code, named, near, only};
use holdfast_call::WallTime;
use http::HeaderMap;
use serde::Deserialize;

const SIGNATURE: &str = "x-slack-signature";
const TIME: &str = "x-slack-request-timestamp";

pub(super) fn claim(headers: &HeaderMap, wall: WallTime) -> Result<Claim, Unverified> {
    let (signature, time) = (only(headers, SIGNATURE)?, only(headers, TIME)?);
    near(time, TIME, wall)?;
    let code = signature.strip_prefix("v0=").and_then(hex_code);
    Ok(Claim {
        id: Id::BodyOrCode(Field {
            name: "event_id",
            read: name,
        }),
        before: format!("v0:{time}:").into_bytes(),
        codes: vec![code.ok_or(Unverified::Malformed(SIGNATURE))?],
    })
}

#[derive(Deserialize)]
struct Event {
    event_id: String,
}

fn name(body: &[u8]) -> Option<String> {
    let event: Event = serde_json::from_slice(body).ok()?;
    named(&event.event_id)
}
