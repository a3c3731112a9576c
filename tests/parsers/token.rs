//! Signed tokens and the sets of keys that they are checked with: what is taken bears no change of a byte, and nothing is taken that
//! nobody has signed.
//!
//! The bytes are a set of keys, an empty line, and a token.

use super::plain;
use holdfast_call::WallTime;
use holdfast_rules::identify::token::{Bearer, KeySet, Token, Untaken, Wanted};

/// A second at which the tokens of the corpus hold.
const THEN: u64 = 1_800_000_100;

/// Reads the bytes as keys and a token.
pub(crate) fn check(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (keys, token) = end.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let token = String::from_utf8_lossy(token);
    let token = token.trim_end_matches('\n');
    let keys = match KeySet::read(keys) {
        Ok(keys) => keys,
        Err(why) => return plain(&why.to_string()),
    };
    match taken(token, &keys) {
        Err(why) => plain(&why.to_string()),
        Ok(bearer) => {
            plain(&bearer.subject);
            assert!(!bearer.subject.is_empty() && !bearer.subject.contains([' ', '"']));
            changed(token, &keys);
        }
    }
}

fn taken(token: &str, keys: &KeySet) -> Result<Bearer, Untaken> {
    let wanted = Wanted {
        audience: vec!["holdfast".to_owned()],
        subject: "sub".to_owned(),
        rights: "scope".to_owned(),
    };
    let claims = Token::read(token)?.verify(keys)?;
    claims.check(&wanted, WallTime(THEN * 1_000_000))
}

/// A token that is taken, with one character put in the place of another.
fn changed(token: &str, keys: &KeySet) {
    for (at, byte) in token.bytes().enumerate().step_by(11) {
        let other = if byte == b'A' { 'B' } else { 'A' };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert!(taken(&changed, keys).is_err(), "{at}");
    }
}
