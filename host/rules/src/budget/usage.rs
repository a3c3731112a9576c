//! What an answer says was used: in its head, or in its body while that goes by.
//!
//! A body is never held up, and never kept: of JSON the first [`BODY_BYTES_MAX`] bytes are, of a stream of events one line. What is not found
//! is not guessed: then the most that may have been used is entered, as unconfirmed. That what is there is zero is another thing than that it
//! is not there.

use super::owed::Owed;
use super::price::{PriceList, Said};
use super::tap::{Reader, tap};
use holdfast_call::Answer;
use holdfast_store::ledger::{Certainty, Source};
use http::{HeaderMap, header};
use serde_json::Value;
use std::sync::Arc;

/// A number is looked for in so many bytes of a JSON body, or in a line of a stream of so many.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Settles what `answer` says of its use, now or when its body has said it.
pub(super) fn settled(answer: Answer, owed: Owed, list: &Arc<PriceList>) -> Answer {
    let Answer::Http(response) = answer else {
        // It has neither head nor body that could say something.
        settle(owed, list, &vec![None; list.units.len()]);
        return answer;
    };
    let found = in_head(list, response.headers());
    let pointers = list.units.iter().map(|unit| match &unit.said {
        Said::Pointer(pointer) => Some(pointer.clone()),
        Said::Header(_) => None,
    });
    let pointers: Vec<_> = pointers.collect();
    let form = Form::of(response.headers());
    let Some(form) = form.filter(|_| pointers.iter().any(Option::is_some)) else {
        settle(owed, list, &found);
        return Answer::Http(response);
    };
    let mut reading = Reading {
        pointers,
        found,
        form,
    };
    let response = response.map(|body| {
        if let Some(bytes) = body.as_whole() {
            reading.feed(bytes);
            reading.end();
            settle(owed, list, &reading.found);
            return body;
        }
        let list = list.clone();
        tap(
            body,
            Open {
                owed,
                reading,
                list,
            },
        )
    });
    Answer::Http(response)
}

fn settle(owed: Owed, list: &PriceList, found: &[Option<u64>]) {
    let used = list.units.iter().zip(found);
    let actual = list.sum(used.map(|(unit, found)| found.unwrap_or(unit.most)));
    if list.units.is_empty() {
        owed.settle(actual, Certainty::Known, Source::Price);
    } else if found.iter().all(Option::is_some) {
        owed.settle(actual, Certainty::Known, Source::Answer);
    } else {
        owed.settle(actual, Certainty::Unconfirmed, Source::WorstCase);
    }
}

fn in_head(list: &PriceList, headers: &HeaderMap) -> Vec<Option<u64>> {
    let found = list.units.iter().map(|unit| match &unit.said {
        Said::Header(name) => headers.get(name)?.to_str().ok()?.trim().parse().ok(),
        Said::Pointer(_) => None,
    });
    found.collect()
}

/// What a body is read as.
enum Form {
    /// One JSON text: what came of it so far.
    Json(Vec<u8>),
    /// Events with JSON in them: the line that is not done.
    Events(Vec<u8>),
    /// More than is looked at.
    TooLong,
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let coded = headers.get(header::CONTENT_ENCODING);
        if coded.is_some_and(|coding| coding.as_bytes() != b"identity") {
            return None;
        }
        let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let media = media.split(';').next()?.trim().to_ascii_lowercase();
        match media.as_str() {
            "text/event-stream" => Some(Self::Events(Vec::new())),
            "application/json" => Some(Self::Json(Vec::new())),
            other => other.ends_with("+json").then(|| Self::Json(Vec::new())),
        }
    }
}

/// What is looked for, and what of it was found.
struct Reading {
    pointers: Vec<Option<String>>,
    found: Vec<Option<u64>>,
    form: Form,
}

impl Reading {
    fn feed(&mut self, data: &[u8]) {
        match &mut self.form {
            Form::Json(bytes) => {
                if bytes.len() + data.len() > BODY_BYTES_MAX {
                    self.form = Form::TooLong;
                } else {
                    bytes.extend_from_slice(data);
                }
            }
            Form::Events(_) => self.lines(data),
            Form::TooLong => {}
        }
    }

    /// Each line that is done with `data`.
    fn lines(&mut self, data: &[u8]) {
        let mut pieces = data.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            let line = self.line(piece);
            self.event(&line);
        }
        if let Form::Events(line) = &mut self.form {
            // One that is too long is cut, and then no JSON.
            let left = BODY_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(last.get(..left).unwrap_or(last));
        }
    }

    fn line(&mut self, end: &[u8]) -> Vec<u8> {
        match &mut self.form {
            Form::Events(line) => {
                let mut line = std::mem::take(line);
                let left = BODY_BYTES_MAX.saturating_sub(line.len());
                line.extend_from_slice(end.get(..left).unwrap_or(end));
                line
            }
            Form::Json(_) | Form::TooLong => Vec::new(),
        }
    }

    fn event(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else {
            return;
        };
        if let Ok(value) = serde_json::from_slice::<Value>(data) {
            self.look(&value);
        }
    }

    fn end(&mut self) {
        match std::mem::replace(&mut self.form, Form::TooLong) {
            Form::Json(bytes) => {
                if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
                    self.look(&value);
                }
            }
            Form::Events(line) => self.event(&line),
            Form::TooLong => {}
        }
    }

    /// The last one that is there counts.
    fn look(&mut self, value: &Value) {
        for (pointer, found) in self.pointers.iter().zip(&mut self.found) {
            let there = pointer.as_ref().and_then(|pointer| value.pointer(pointer));
            if let Some(number) = there.and_then(whole) {
                *found = Some(number);
            }
        }
    }
}

/// A number of things; a broken one is rounded up.
fn whole(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = value.as_f64()?.ceil();
    // Beyond this a broken number counts no single things any more.
    let fits = (0.0..9e15).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and small enough"
    )]
    fits.then_some(number as u64)
}

/// A body that says what was used. What was cut may have used more than it had said until then: what is owed is let go unsettled.
struct Open {
    owed: Owed,
    reading: Reading,
    list: Arc<PriceList>,
}

impl Reader for Open {
    fn data(&mut self, data: &[u8]) {
        self.reading.feed(data);
    }

    fn ended(mut self) {
        self.reading.end();
        settle(self.owed, &self.list, &self.reading.found);
    }
}

#[cfg(test)]
mod tests;
