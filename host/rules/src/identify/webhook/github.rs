//! GitHub: the body alone is signed. Neither the name of the delivery nor a time is, so whoever has got hold of a signed request could send
//! it again under another name, at any time; nobody does who does not read what is encrypted.

use super::{Claim, Id, Unverified, hex_code, named, only};
use http::HeaderMap;

const SIGNATURE: &str = "x-hub-signature-256";
const DELIVERY: &str = "x-github-delivery";

pub(super) fn claim(headers: &HeaderMap) -> Result<Claim, Unverified> {
    let signature = only(headers, SIGNATURE)?;
    let id = named(only(headers, DELIVERY)?).ok_or(Unverified::Malformed(DELIVERY))?;
    let code = signature.strip_prefix("sha256=").and_then(hex_code);
    Ok(Claim {
        id: Id::Known(id),
        before: Vec::new(),
        codes: vec![code.ok_or(Unverified::Malformed(SIGNATURE))?],
    })
}
