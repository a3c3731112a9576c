//! The guard against echoes: an answer that holds the secret it was asked with is cut before the guest has the whole of it.
//!
//! A service that may reach an upstream which repeats what it was sent could otherwise read the secret there. It is looked for in clear,
//! in base64 and percent-encoded, in whatever case, in headers, body and trailers, also where it is split over pieces of the body: what
//! could be its beginning is held back until it is known to be none. What an upstream packs or encodes in another way is not recognised; the host asks
//! for answers that are not packed.

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;
use holdfast_call::Secret;
use http::HeaderMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// As much of a secret's beginning may be handed on before it is known to be one: holding back every piece that ends in the first letter
/// of a secret would stop conversations that go to and fro.
const TOLD_BYTES_MAX: usize = 3;

/// What is looked for.
pub(super) struct Echo {
    patterns: Vec<Zeroizing<String>>,
    /// `None` if nothing could be made of the patterns; then each is searched for on its own.
    finder: Option<AhoCorasick>,
    /// The bytes that a pattern begins with.
    first: Box<[bool; 256]>,
    longest: usize,
}

impl Echo {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let patterns: Vec<_> = secrets.into_iter().flat_map(Secret::forms).collect();
        let mut first = Box::new([false; 256]);
        for byte in patterns.iter().filter_map(|form| form.bytes().next()) {
            for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                if let Some(slot) = first.get_mut(usize::from(byte)) {
                    *slot = true;
                }
            }
        }
        let texts = patterns.iter().map(|form| form.as_bytes());
        Self {
            finder: AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostFirst)
                // A secret that somebody wrote in small letters has lost little of what makes it one.
                .ascii_case_insensitive(true)
                .build(texts)
                .ok(),
            longest: patterns.iter().map(|form| form.len()).max().unwrap_or(0),
            first,
            patterns,
        }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        match &self.finder {
            Some(finder) => finder.is_match(bytes),
            None => self.patterns.iter().any(|form| {
                let mut places = bytes.windows(form.len().max(1));
                places.any(|place| place.eq_ignore_ascii_case(form.as_bytes()))
            }),
        }
    }

    /// Whether a secret stands in one of these headers.
    pub(super) fn is_in_headers(&self, headers: &HeaderMap) -> bool {
        headers.values().any(|value| self.is_in(value.as_bytes()))
            || headers
                .keys()
                .any(|name| self.is_in(name.as_str().as_bytes()))
    }

    /// How many bytes at the end of `bytes` could be the beginning of a secret.
    fn begun(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let tail = bytes.get(from..).unwrap_or_default();
        let starts = |place: usize| {
            let rest = tail.get(place..).unwrap_or_default();
            let known = rest
                .first()
                .and_then(|byte| self.first.get(usize::from(*byte)));
            known == Some(&true)
                && self
                    .patterns
                    .iter()
                    .any(|form| begins(form.as_bytes(), rest))
        };
        let begun = (0..tail.len()).find(|place| starts(*place));
        begun.map_or(0, |place| tail.len() - place)
    }
}

fn begins(form: &[u8], with: &[u8]) -> bool {
    let beginning = form.get(..with.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(with))
}

/// What becomes of a piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// This is handed on.
    On(Bytes),
    /// All of it is held back for now.
    Held,
    /// A secret is in it.
    Echoed,
}

/// The guard of one answer's body.
pub(super) struct Guard {
    echo: Arc<Echo>,
    /// What could be the beginning of a secret.
    tail: Bytes,
    /// How many bytes of the tail were handed on already.
    told: usize,
}

impl Guard {
    pub(super) fn new(echo: Arc<Echo>) -> Self {
        Self {
            echo,
            tail: Bytes::new(),
            told: 0,
        }
    }

    pub(super) fn echo(&self) -> &Echo {
        &self.echo
    }

    /// One more piece.
    pub(super) fn pass(&mut self, piece: Bytes) -> Passed {
        let all = if self.tail.is_empty() {
            piece
        } else {
            [&*self.tail, &*piece].concat().into()
        };
        if self.echo.is_in(&all) {
            self.tail = Bytes::new();
            return Passed::Echoed;
        }
        let begun = self.echo.begun(&all);
        let tail = all.len() - begun;
        let end = if begun > TOLD_BYTES_MAX {
            tail.max(self.told)
        } else {
            all.len()
        };
        let on = all.slice(self.told..end);
        self.tail = all.slice(tail..);
        self.told = end - tail;
        if on.is_empty() {
            Passed::Held
        } else {
            Passed::On(on)
        }
    }

    /// Bytes that are held back.
    pub(super) fn held(&self) -> usize {
        self.tail.len() - self.told
    }

    /// What is held back, when nothing more comes.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let tail = std::mem::take(&mut self.tail);
        let rest = tail.slice(std::mem::take(&mut self.told)..);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;
    use proptest::prelude::*;

    fn guard(secret: &str) -> Guard {
        Guard::new(Arc::new(Echo::of([&Secret::new(secret).unwrap()])))
    }

    /// What gets through of these pieces, and whether they were cut.
    fn through(secret: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut guard, mut out) = (guard(secret), Vec::new());
        for piece in pieces {
            match guard.pass(Bytes::copy_from_slice(piece)) {
                Passed::On(bytes) => out.extend_from_slice(&bytes),
                Passed::Held => {}
                Passed::Echoed => return (out, true),
            }
        }
        out.extend(guard.rest().unwrap_or_default());
        (out, false)
    }

    #[test]
    fn every_form_is_cut_wherever_it_is_split() {
        let secret = "sk/live-abcabcabd";
        for form in [
            secret.to_owned(),
            "sk%2Flive-abcabcabd".to_owned(),
            "sk\\/live-abcabcabd".to_owned(),
            BASE64.encode(secret.as_bytes()),
            BASE64.encode(format!("me:{secret}").as_bytes()),
        ] {
            let text = format!("before sk/li {form} after");
            let bytes = text.as_bytes();
            for first in 1..bytes.len() {
                for second in [first + 1, first + 3, bytes.len() - 1] {
                    if second <= first || second >= bytes.len() {
                        continue;
                    }
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    let (out, cut) = through(secret, &pieces);
                    assert!(cut, "{form} at {first} and {second}");
                    let told = String::from_utf8(out).unwrap();
                    assert!(
                        !told.contains(&form[..form.len() / 2]),
                        "{told} at {first} and {second}"
                    );
                }
            }
            let each: Vec<_> = bytes.chunks(1).collect();
            assert!(through(secret, &each).1, "{form} byte by byte");
        }
    }

    #[test]
    fn an_end_that_is_like_a_beginning_is_handed_on_in_the_end() {
        let (out, cut) = through("abcdefgh", &[b"xabc", b"defg"]);
        assert_eq!((out.as_slice(), cut), (&b"xabcdefg"[..], false));
    }

    #[test]
    fn a_short_beginning_stops_no_conversation() {
        let mut guard = guard("abcdefgh");
        assert_eq!(guard.pass("ready? a".into()), Passed::On("ready? a".into()));
        assert_eq!(guard.pass("bcd".into()), Passed::Held);
        assert_eq!(guard.held(), 3);
        assert_eq!(guard.pass("efgh".into()), Passed::Echoed);
    }

    #[test]
    fn headers_are_searched() {
        let echo = Echo::of([&Secret::new("abcdefgh").unwrap()]);
        let mut headers = HeaderMap::new();
        headers.insert("location", "/x?k=abcdefg".parse().unwrap());
        assert!(!echo.is_in_headers(&headers));
        headers.insert("x-echo", "ABCDabcdefghEFG".parse().unwrap());
        assert!(echo.is_in_headers(&headers));
    }

    proptest! {
        #[test]
        fn what_holds_no_secret_passes_whole(pieces in prop::collection::vec("[a-d]{0,6}", 0..12)) {
            let whole = pieces.concat();
            let bytes: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            let (out, cut) = through("abcabdabca", &bytes);
            prop_assert_eq!(cut, whole.contains("abcabdabca"));
            if !cut {
                prop_assert_eq!(String::from_utf8(out).unwrap(), whole);
            }
        }
    }
}
