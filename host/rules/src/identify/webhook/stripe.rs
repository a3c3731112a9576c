//! Stripe: one header with the time and the signatures, `t=…,v1=…,v1=…`; time and body are signed, `{t}.{body}`. What is not `v1` is for
//! tests, and counts for nothing. The event is named in its body.

use super::{CODES_MAX, Claim, Field, Id, Unverified, hex_code, named, near, only};
use holdfast_call::WallTime;
use http::HeaderMap;
use serde::Deserialize;

const SIGNATURE: &str = "stripe-signature";

pub(super) fn claim(headers: &HeaderMap, wall: WallTime) -> Result<Claim, Unverified> {
    let malformed = Unverified::Malformed(SIGNATURE);
    let (mut time, mut codes) = (None, Vec::new());
    for part in only(headers, SIGNATURE)?.split(',') {
        match part.trim().split_once('=').ok_or(malformed)? {
            // Of two times either could be the one that is checked.
            ("t", _) if time.is_some() => return Err(malformed),
            ("t", text) => time = Some(text),
            ("v1", _) if codes.len() == CODES_MAX => return Err(malformed),
            ("v1", text) => codes.push(hex_code(text).ok_or(malformed)?),
            _ => {}
        }
    }
    let time = time.filter(|_| !codes.is_empty()).ok_or(malformed)?;
    near(time, SIGNATURE, wall)?;
    Ok(Claim {
        id: Id::Body(Field {
            name: "id",
            read: name,
        }),
        before: format!("{time}.").into_bytes(),
        codes,
    })
}

#[derive(Deserialize)]
struct Event {
    id: String,
}

fn name(body: &[u8]) -> Option<String> {
    let event: Event = serde_json::from_slice(body).ok()?;
    named(&event.id)
}
