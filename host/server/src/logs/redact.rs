//! Redaction by value: no line holds a secret, whatever field it got into, in clear, in base64 or percent-encoded, in
//! whatever case.
//!
//! Every line is searched, so the search is one pass: a set of the first two bytes of all patterns tells nearly every place apart, and
//! only the rest is compared.

use holdfast_call::Secret;
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// The secrets known, in every form that is looked for.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    /// Longest first, so that a secret that begins like another one is replaced as a whole.
    patterns: Vec<Zeroizing<String>>,
    /// A bit for each pair of bytes that a pattern begins with; empty while there is no secret.
    starts: Vec<u64>,
}

impl Redactor {
    /// The same with one more secret. Lines are searched after they were escaped, so the escaped form is among those looked for.
    pub(super) fn with(&self, secret: &Secret) -> Self {
        let mut next = self.clone();
        next.patterns.extend(secret.forms());
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
                let found = self.patterns.iter().find(|pattern| {
                    let there = here.get(..pattern.len());
                    there.is_some_and(|there| there.eq_ignore_ascii_case(pattern.as_bytes()))
                });
                if let Some(pattern) = found {
                    return Some((from + offset, pattern.len()));
                }
            }
        }
        None
    }
}

fn place(first: u8, second: u8) -> (usize, u64) {
    let [first, second] = [first, second].map(|byte| usize::from(byte.to_ascii_lowercase()));
    let pair = first << 8 | second;
    (pair / 64, 1 << (pair % 64))
}
