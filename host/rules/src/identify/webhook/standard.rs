//! Standard Webhooks 1.0: name, time and body are signed, `{id}.{time}.{body}`, and the header holds any number of signatures, each with
//! its kind: `v1` is an HMAC-SHA256, `v1a` is ed25519. The name has no dot in it, so that the three cannot be cut elsewhere.

use super::{CODES_MAX, Claim, Code, Id, Unverified, named, near, only};
use data_encoding::BASE64;
use holdfast_call::WallTime;
use http::HeaderMap;

const ID: &str = "webhook-id";
const TIME: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

pub(super) fn claim(headers: &HeaderMap, wall: WallTime) -> Result<Claim, Unverified> {
    let signatures = only(headers, SIGNATURE)?;
    let (id, time) = (only(headers, ID)?, only(headers, TIME)?);
    let known = named(id).filter(|id| !id.contains('.'));
    let known = known.ok_or(Unverified::Malformed(ID))?;
    near(time, TIME, wall)?;
    let signatures: Vec<_> = signatures.split_ascii_whitespace().collect();
    if signatures.is_empty() || signatures.len() > CODES_MAX {
        return Err(Unverified::Malformed(SIGNATURE));
    }
    Ok(Claim {
        id: Id::Known(known),
        before: format!("{id}.{time}.").into_bytes(),
        codes: signatures.into_iter().filter_map(code).collect(),
    })
}

/// One of the signatures, if it is of a kind that is known.
fn code(text: &str) -> Option<Code> {
    let (kind, code) = text.split_once(',')?;
    let code = BASE64.decode(code.as_bytes()).ok()?;
    match kind {
        "v1" => Some(Code::Shared(code.try_into().ok()?)),
        "v1a" => Some(Code::Public(code.try_into().ok()?)),
        _ => None,
    }
}
