//! The forms in which a secret shows up where it was not meant to.

use crate::problem::push_escaped;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// A piece of base64 shorter than this is no evidence of the secret.
const BASE64_CHARS_MIN: usize = 8;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Each form once.
pub(super) fn of(secret: &str) -> Vec<Zeroizing<String>> {
    let mut escaped = String::with_capacity(secret.len());
    push_escaped(&mut escaped, secret);
    let mut forms = vec![
        Zeroizing::new(secret.to_owned()),
        // Many a writer of JSON escapes the slash too.
        Zeroizing::new(escaped.replace('/', "\\/")),
        Zeroizing::new(escaped),
        percent(secret, Case::Upper),
        percent(secret, Case::Lower),
    ];
    for alphabet in [STANDARD, URL_SAFE] {
        for offset in 0..3 {
            forms.extend(base64_within(secret.as_bytes(), offset, alphabet));
        }
    }
    forms.sort_by(|a, b| a.as_str().cmp(b));
    forms.dedup();
    forms
}

#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
}

fn percent(secret: &str, case: Case) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(secret.len() * 3));
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
            continue;
        }
        // Writing to a string cannot fail.
        let _ = match case {
            Case::Upper => write!(out, "%{byte:02X}"),
            Case::Lower => write!(out, "%{byte:02x}"),
        };
    }
    out
}

/// The characters of a base64 text that depend on the secret alone, where the secret begins `offset` bytes into a group of three. The
/// characters that it shares with its neighbours are left out, so the secret is found wherever it stands (`Basic user:secret`).
fn base64_within(secret: &[u8], offset: usize, alphabet: &[u8; 64]) -> Option<Zeroizing<String>> {
    let first = (offset * 8).div_ceil(6);
    let last = (offset + secret.len()) * 8 / 6;
    let mut out = Zeroizing::new(String::with_capacity(last));
    for place in first..last {
        let mut six = 0usize;
        for bit in place * 6..place * 6 + 6 {
            let byte = secret.get((bit / 8).checked_sub(offset)?)?;
            six = six << 1 | usize::from(byte >> (7 - bit % 8) & 1);
        }
        out.push(char::from(*alphabet.get(six)?));
    }
    (out.len() >= BASE64_CHARS_MIN).then_some(out)
}

#[cfg(test)]
mod tests {
    use crate::secret::Secret;

    #[test]
    fn every_form_is_known() {
        let secret = Secret::new("sk/live+\"42").unwrap();
        let forms = secret.forms();
        let knows = |form: &str| forms.iter().any(|known| form.contains(known.as_str()));
        for form in [
            "sk/live+\"42",
            "sk/live+\\\"42",
            "sk\\/live+\\\"42",
            "sk%2Flive%2B%2242",
            "sk%2flive%2b%2242",
            // base64 of `user:` and the secret, and of the secret alone.
            "dXNlcjpzay9saXZlKyI0Mg==",
            "c2svbGl2ZSsiNDI=",
        ] {
            assert!(knows(form), "{form}");
        }
        assert!(!knows("c2svbGl2ZSsiNjI="));
    }

    #[test]
    fn it_is_never_printed() {
        let secret = Secret::new("CANARY-CANARY").unwrap();
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("CANARY"));
        let refused = Secret::new("CANARY-\u{7}CANARY").unwrap_err();
        assert!(!refused.contains("CANARY"));
    }
}
