//! The key of a call, and what it stands for: one call of one caller to one operation.

use holdfast_call::{Call, Caller, Link, Payload};
use holdfast_store::executions::ExecutionKey;
use http::header;
use sha2::{Digest as _, Sha256};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// Reads a key as it was written: a string in quotes (RFC 9651), as the draft of the header has it, or the bare text that most clients send.
/// Both ways of writing one text are one key.
///
/// # Errors
/// It is none; the text says what one is.
pub(super) fn read(written: &str) -> Result<String, &'static str> {
    const NONE: &str = "A key is 1 to 255 visible characters of ASCII, bare or as one string in quotes, and stands in one header.";
    let key = match written.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or(NONE)?,
        None => written.to_owned(),
    };
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    match key.len() {
        1..=KEY_BYTES_MAX if plain => Ok(key),
        _ => Err(NONE),
    }
}

/// What stands between the opening quote and the one that closes it, which must be the last.
fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(text),
            '\\' => text.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => text.push(c),
        }
    }
}

/// The name of the row: the same key of another caller, or at another operation, is another call.
#[must_use]
pub(super) fn row(call: &Call, key: &str) -> ExecutionKey {
    hash_of(&[&whose(call), &call.target.to_string(), &call.operation, key])
}

/// The name of the row of a call that a service has made: the same as of the call itself.
#[must_use]
pub(crate) fn row_of(caller: &Caller, target: &str, operation: &str, key: &str) -> ExecutionKey {
    hash_of(&[&caller.to_string(), target, operation, key])
}

/// The name of the row of a call that has no key: no other call's.
#[must_use]
pub(super) fn row_of_its_own(call: &Call) -> ExecutionKey {
    // One part, where a row with a key has four.
    hash_of(&[call.id.text().as_str()])
}

/// What makes an action this one: who asks, of whom, for what, with what.
#[must_use]
pub(super) fn action(call: &Call, fingerprint: &[u8; 32]) -> [u8; 32] {
    let function: &str = match &call.payload {
        Payload::Http(_) => "",
        Payload::Values(function, _) => function,
    };
    let who = hash_of(&[
        &call.caller.to_string(),
        &call.target.to_string(),
        &call.operation,
        function,
    ]);
    let mut hash = Sha256::new();
    hash.update(who);
    hash.update(fingerprint);
    hash.finalize().into()
}

/// Whose key it is. Whoever may use the owner's socket is the operator, whatever his number: two of them do not undo one thing twice.
fn whose(call: &Call) -> String {
    match call.caller.links() {
        [Link::Operator { .. }] => "operator".to_owned(),
        _ => call.caller.to_string(),
    }
}

fn hash_of(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        add(&mut hash, part.as_bytes());
    }
    hash.finalize().into()
}

/// The hash of what is asked. `body` is the whole of it.
#[must_use]
pub(super) fn fingerprint(call: &Call, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Of this form of fingerprints.
    hash.update([1]);
    if let Payload::Http(request) = &call.payload {
        add(&mut hash, request.method().as_str().as_bytes());
        let target = request.uri().path_and_query();
        add(
            &mut hash,
            target.map_or("", |target| target.as_str()).as_bytes(),
        );
        let kind = request.headers().get(header::CONTENT_TYPE);
        add(&mut hash, kind.map_or(b"", |kind| kind.as_bytes()));
    }
    add(&mut hash, body);
    hash.finalize().into()
}

/// Its length first, so that nothing of one part can pass for the beginning of the next.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_however_it_is_written() {
        for (written, key) in [
            ("8e03978e-40d5", "8e03978e-40d5"),
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(key), "{written}");
        }
        let long = "k".repeat(KEY_BYTES_MAX);
        assert!(read(&long).is_ok() && read(&format!("\"{long}\"")).is_ok());
        for written in [
            "",
            "\"",
            "\"\"",
            "a b",
            "a, b",
            "\"a\", \"b\"",
            "\"a\"b",
            "\"a\\n\"",
            "clé",
            "\u{fffd}",
            "a\tb",
            &format!("{long}k"),
        ] {
            assert!(read(written).is_err(), "{written}");
        }
    }
}
