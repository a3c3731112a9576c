//! Redaction by value: no line holds a secret, whatever field it got into, in clear, in base64 or percent-encoded.
//!
//! Every line is searched, so the search is one pass: a set of the first two bytes of all patterns tells nearly every place apart, and
//! only the rest is compared.

use holdfast_call::problem::push_escaped;
use std::fmt::Write as _;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// A piece of base64 shorter than this is no evidence of the secret.
const BASE64_CHARS_MIN: usize = 8;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The secrets known, in every form that is looked for.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    /// Longest first, so that a secret that begins like another one is replaced as a whole.
    patterns: Vec<String>,
    /// A bit for each pair of bytes that a pattern begins with; empty while there is no secret.
    starts: Vec<u64>,
}

impl Redactor {
    /// The same with one more secret.
    pub(super) fn with(&self, secret: &str) -> Self {
        let mut next = self.clone();
        next.patterns.extend(forms(secret));
        next.patterns
            .sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        next.patterns.dedup();
        next.starts = vec![0; 1024];
        for pattern in &next.patterns {
            if let [first, second, ..] = pattern.as_bytes() {
                let (slot, bit) = place(*first, *second);
                if let Some(slot) = next.starts.get_mut(slot) {
                    *slot |= bit;
                }
            }
        }
        next
    }

    /// Replaces every secret in `text`.
    pub(super) fn clean(&self, text: &mut String) {
        if self.patterns.is_empty() {
            return;
        }
        let Some(first) = self.find(text, 0) else {
            return;
        };
        let mut clean = String::with_capacity(text.len());
        let (mut done, mut next) = (0, Some(first));
        while let Some((at, length)) = next {
            clean.push_str(text.get(done..at).unwrap_or_default());
            clean.push_str(REDACTED);
            done = at + length;
            next = self.find(text, done);
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        *text = clean;
    }

    /// The first secret at or after `from`: where it begins and how long it is.
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let rest = bytes.get(from..)?;
        for (offset, pair) in rest.windows(2).enumerate() {
            let [first, second] = pair else { continue };
            let (slot, bit) = place(*first, *second);
            if self.starts.get(slot).is_some_and(|bits| bits & bit != 0) {
                let here = rest.get(offset..)?;
                let found = self
                    .patterns
                    .iter()
                    .find(|pattern| here.starts_with(pattern.as_bytes()));
                if let Some(pattern) = found {
                    return Some((from + offset, pattern.len()));
                }
            }
        }
        None
    }
}

fn place(first: u8, second: u8) -> (usize, u64) {
    let pair = usize::from(first) << 8 | usize::from(second);
    (pair / 64, 1 << (pair % 64))
}

/// Every form in which a secret is looked for. Lines are searched after they were escaped, so the clear form is the escaped one.
fn forms(secret: &str) -> Vec<String> {
    let mut clear = String::with_capacity(secret.len());
    push_escaped(&mut clear, secret);
    let mut forms = vec![
        clear,
        percent(secret, Case::Upper),
        percent(secret, Case::Lower),
    ];
    for alphabet in [STANDARD, URL_SAFE] {
        for offset in 0..3 {
            forms.extend(base64_within(secret.as_bytes(), offset, alphabet));
        }
    }
    forms
}

#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
}

fn percent(secret: &str, case: Case) -> String {
    let mut out = String::with_capacity(secret.len() * 3);
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
fn base64_within(secret: &[u8], offset: usize, alphabet: &[u8; 64]) -> Option<String> {
    let first = (offset * 8).div_ceil(6);
    let last = (offset + secret.len()) * 8 / 6;
    let mut out = String::with_capacity(last);
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
