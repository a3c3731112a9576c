//! Deliveries: what a message's delivery came to, and what is done with the message then. A pure core: whoever delivers asks it.

use holdfast_call::{Answer, Fault, Reply, Value};
use std::time::Duration;

/// The shortest pause before a message is delivered again, doubled each time.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long a message waits whose service could not even be asked.
pub const BUSY: Duration = Duration::from_secs(2);
/// The longest text of a failure that is kept with a message, in bytes.
const SAID_BYTES_MAX: usize = 1_024;

/// What a delivery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The message was taken, and is done with.
    Taken,
    /// It was not, and is delivered again after this pause.
    Again {
        /// How long it waits.
        after: Duration,
        /// Why it was not.
        why: String,
    },
    /// Its service could not be asked; that is no delivery.
    NotAsked {
        /// How long it waits.
        after: Duration,
        /// Why not.
        why: String,
    },
    /// It is delivered no more.
    Dead {
        /// Why it was not taken.
        why: String,
    },
}

/// What is known of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The how-manieth it was.
    pub delivery: u64,
    /// How many there are at most.
    pub most: u64,
    /// How often the service was asked for this one.
    pub attempts: u32,
    /// Something random, for the pause.
    pub random: u64,
}

/// Judges a delivery by what its call came back with. A message that a service calls permanent is not delivered again, nor is one that was
/// delivered as often as it may be.
#[must_use]
pub fn judged(reply: &Reply, known: Known) -> Judged {
    let (why, permanent) = match reply {
        Err(fault) if known.attempts == 0 => {
            let after = fault.wait().unwrap_or(BUSY).max(BUSY);
            return Judged::NotAsked {
                after: after + jittered(BUSY, known.random),
                why: said(&told(fault)),
            };
        }
        Err(fault) => (told(fault), false),
        Ok(Answer::Values(values)) => match values.list() {
            [Value::Result(Err(Some(failure)))] => failure_of(failure),
            [Value::Result(Ok(None))] => return Judged::Taken,
            _ => ("it gave no answer that is one".to_owned(), false),
        },
        Ok(Answer::Http(_)) => ("it answered over HTTP".to_owned(), false),
    };
    let why = said(&why);
    if permanent || known.delivery >= known.most {
        return Judged::Dead { why };
    }
    Judged::Again {
        after: pause(known.delivery, known.random),
        why,
    }
}

/// A fault, for the operator.
fn told(fault: &Fault) -> String {
    format!("{}: {}", fault.code(), fault.verdict().cause)
}

/// The two cases of `failure` in `wit/service/consumer.wit`.
fn failure_of(failure: &Value) -> (String, bool) {
    match failure {
        Value::Case(case, Some(text)) => match &**text {
            Value::Text(text) => (text.clone(), *case == 1),
            _ => ("it said nothing".to_owned(), false),
        },
        _ => ("it said nothing".to_owned(), false),
    }
}

/// How long a message waits after so many deliveries: anything up to a pause that doubles, so that those that failed together do not come
/// again together.
#[must_use]
pub fn pause(delivery: u64, random: u64) -> Duration {
    let doublings = u32::try_from(delivery.saturating_sub(1)).unwrap_or(u32::MAX);
    let most = PAUSE.saturating_mul(2u32.saturating_pow(doublings));
    jittered(most.min(PAUSE_MAX), random)
}

fn jittered(most: Duration, random: u64) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.saturating_add(1))
}

fn said(text: &str) -> String {
    text.get(..text.floor_char_boundary(SAID_BYTES_MAX))
        .unwrap_or_default()
        .replace('\0', "")
}
