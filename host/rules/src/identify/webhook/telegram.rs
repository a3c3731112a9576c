//! Telegram: nothing is signed; a token that its owner chose comes along with each request. It proves who sends, and neither what nor when.

use super::{Claim, Code, Field, Id, Unverified, hash, only};
use http::HeaderMap;
use serde::Deserialize;

const TOKEN: &str = "x-telegram-bot-api-secret-token";

pub(super) fn claim(headers: &HeaderMap) -> Result<Claim, Unverified> {
    let token = only(headers, TOKEN)?;
    Ok(Claim {
        id: Id::Body(Field {
            name: "update_id",
            read: name,
        }),
        before: Vec::new(),
        codes: vec![Code::Token(hash(token.as_bytes()))],
    })
}

#[derive(Deserialize)]
struct Update {
    update_id: u64,
}

fn name(body: &[u8]) -> Option<String> {
    let update: Update = serde_json::from_slice(body).ok()?;
    Some(update.update_id.to_string())
}
