//! What is kept of a call so that it can be run again: what it was asked, what its guest was told, and what came of it.
//!
//! A file of JSON, in which whoever looks finds texts as they are. Of the headers that let somebody in who has them ([`HIDDEN`]) it has
//! stand-ins; the secrets of the host are in none, because no guest ever has one.

use crate::journal::entry;
use crate::once::{Field, Fields};
use data_encoding::{BASE64, HEXLOWER};
use holdfast_call::{Payload, Purpose};
use holdfast_store::runs::{Came, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

/// The form that this release writes and reads.
pub const FORM: u32 = 1;
/// The headers whose values are not kept.
pub const HIDDEN: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
];
/// What stands in the place of such a value.
pub const STAND_IN: &str = "[redacted]";
/// How much is kept, for people, of what a guest asks for, in bytes.
const SENT_BYTES_MAX: usize = 16 << 10;

/// What is kept of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORM`].
    pub form: u32,
    /// What it was.
    pub kind: Kind,
    /// Its name.
    pub call: String,
    /// The service that served it.
    pub service: String,
    /// The version of it, by its digest.
    pub digest: String,
    /// Who asked.
    pub caller: String,
    /// What for.
    pub operation: String,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// What its random numbers are made of.
    pub seed: String,
    /// What its guest had besides: environment, configuration, limits, whom it is linked to; as the host reads it.
    pub world: serde_json::Value,
    /// What was asked.
    pub asked: Kept,
    /// What its guest asked for, in order.
    pub steps: Vec<Step>,
    /// What it came to; absent, where it was cut before.
    pub outcome: Option<Kept>,
    /// What of it is not there, so that it cannot be run again quite as it was.
    pub gaps: Vec<Gap>,
    /// The headers for whose values stand-ins are kept.
    pub stand_ins: Vec<String>,
}

/// Something that is not in a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Where it would be.
    pub at: At,
    /// Why it is not there.
    pub why: String,
}

/// Where something would be that is not in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// What was asked.
    Request,
    /// What its guest had besides.
    Surroundings,
    /// What its guest sent in the step of this number.
    Sent(u32),
    /// What came of the step of this number.
    Step(u32),
    /// All steps from some one on.
    Steps,
    /// What it answered.
    Answer,
}

impl Gap {
    /// Whether the guest knows more than the record from its beginning on.
    pub(super) fn is_from_the_beginning(&self) -> bool {
        matches!(self.at, At::Request | At::Surroundings)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Request => write!(f, "of its request: {}", self.why),
            At::Surroundings => write!(f, "of what it had: {}", self.why),
            At::Sent(number) => write!(f, "of what step {number} sent: {}", self.why),
            At::Step(number) => write!(f, "of what came of step {number}: {}", self.why),
            At::Steps => write!(f, "of its steps: {}", self.why),
            At::Answer => write!(f, "of its answer: {}", self.why),
        }
    }
}

/// What was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A call of a service whose calls are captured.
    Call,
    /// A durable execution.
    Execution,
}

impl Kind {
    /// What its journal was kept for.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Call => Purpose::Capture,
            Self::Execution => Purpose::Execution,
        }
    }
}

/// Something that its guest asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its number, from 1.
    pub number: u32,
    /// The name of the call that it was; empty for a sleep.
    pub call: String,
    /// What, in a word.
    pub what: String,
    /// The hash of all of it.
    pub hash: String,
    /// The beginning of it, for people.
    pub sent: Option<String>,
    /// When, in nanoseconds since 1970.
    pub began_ns: u64,
    /// What came of it; absent, where the guest did not wait for that, or was cut before.
    pub came: Option<Result>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Result {
    /// The how-manieth result of its call it was.
    pub place: u32,
    /// When, in nanoseconds since 1970.
    pub ended_ns: u64,
    /// The result.
    pub kept: Kept,
    /// Why that is not all of it, if it is not.
    pub part: Option<String>,
}

/// Bytes, as a text where they are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kept {
    /// A text.
    Text(String),
    /// Anything else.
    Bytes {
        /// As base64.
        base64: String,
    },
}

impl Kept {
    /// The bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes {
                base64: BASE64.encode(bytes),
            },
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Bytes { base64: text } => text.len(),
        }
    }

    /// The bytes again; none, if nobody can read them.
    #[must_use]
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Bytes { base64 } => BASE64.decode(base64.as_bytes()).ok().map(Cow::Owned),
        }
    }
}

impl Record {
    /// Its seed; none, if nobody can read it.
    pub(super) fn seed(&self) -> Option<[u8; 32]> {
        thirty_two(&self.seed)
    }

    /// Its steps as a journal has them; none, if nobody can read them.
    pub(super) fn entries(&self) -> Option<Vec<Entry>> {
        self.steps.iter().map(Step::entry).collect()
    }

    /// How many bytes it takes, but for a few.
    pub(super) fn bytes(&self) -> usize {
        let steps = self.steps.iter().map(|step| {
            let came = step.came.as_ref().map_or(0, |came| came.kept.len());
            let sent = step.sent.as_ref().map_or(0, String::len);
            step.what.len() + sent + came
        });
        let outcome = self.outcome.as_ref().map_or(0, Kept::len);
        steps.sum::<usize>() + self.asked.len() + outcome
    }

    /// Its step of this number.
    #[must_use]
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps.iter().find(|step| step.number == number)
    }
}

impl Step {
    fn entry(&self) -> Option<Entry> {
        let came = match &self.came {
            None => None,
            Some(result) => Some(Came {
                place: result.place,
                ended_ns: result.ended_ns,
                bytes: result.kept.bytes()?.into_owned(),
            }),
        };
        Some(Entry {
            ordinal: self.number,
            what: self.what.clone(),
            asked: thirty_two(&self.hash)?,
            began_ns: self.began_ns,
            came,
        })
    }

    /// What stands in a journal of something, for whom it was kept by another name.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            number: entry.ordinal,
            call: String::new(),
            what: entry.what.clone(),
            hash: HEXLOWER.encode(&entry.asked),
            sent: None,
            began_ns: entry.began_ns,
            came: entry.came.as_ref().map(|came| Result {
                place: came.place,
                ended_ns: came.ended_ns,
                kept: Kept::of(&came.bytes),
                part: None,
            }),
        }
    }
}

fn thirty_two(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// How the value of a header is kept.
pub(super) fn shown<'a>(name: &HeaderName, value: &'a [u8]) -> &'a [u8] {
    match HIDDEN.contains(name) {
        true => STAND_IN.as_bytes(),
        false => value,
    }
}

/// Headers as they are kept.
pub(super) fn headers(headers: &HeaderMap) -> Fields {
    let pairs = headers.iter();
    let kept = |name: &HeaderName, value: &HeaderValue| Field::of(shown(name, value.as_bytes()));
    pairs
        .map(|(name, value)| (name.to_string(), kept(name, value)))
        .collect()
}

/// The beginning of what is asked, for people. `body` is that of a request.
pub(super) fn sent(payload: &Payload, body: &[u8], shown: entry::Shown) -> String {
    let mut text = String::new();
    match payload {
        Payload::Http(request) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {}", request.method(), request.uri());
            for (name, value) in request.headers() {
                let value = String::from_utf8_lossy(shown(name, value.as_bytes()));
                let _ = writeln!(text, "{name}: {value}");
            }
            text.push('\n');
            let body = body.get(..SENT_BYTES_MAX).unwrap_or(body);
            text.push_str(&String::from_utf8_lossy(body));
        }
        Payload::Values(_, list) => text.push_str(&entry::written(list)),
    }
    text.truncate(text.floor_char_boundary(SENT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_kept() {
        for bytes in [
            &b"plain"[..],
            b"",
            "\u{20ac} \n".as_bytes(),
            &[0xff, 0, 0x80],
        ] {
            let kept = Kept::of(bytes);
            let json = serde_json::to_string(&kept).unwrap();
            let again: Kept = serde_json::from_str(&json).unwrap();
            assert_eq!(again.bytes().unwrap(), bytes, "{json}");
        }
    }

    #[test]
    fn what_lets_somebody_in_is_not_kept() {
        let mut given = HeaderMap::new();
        given.insert("authorization", "Bearer very-secret".parse().unwrap());
        given.insert("cookie", "session=very-secret".parse().unwrap());
        given.insert("accept", "text/html".parse().unwrap());
        let kept = serde_json::to_string(&headers(&given)).unwrap();
        assert!(!kept.contains("very-secret"), "{kept}");
        assert!(kept.contains("text/html"), "{kept}");
    }
}
