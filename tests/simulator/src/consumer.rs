//! Messages, and the service that takes them: what it does with one is written in it.

use crate::dice::mixed;
use crate::stage::Shared;
use crate::upstream::hash;
use bytes::Bytes;
use holdfast_call::caller::Link;
use holdfast_call::message::Message;
use holdfast_call::{CallId, Caller, Trace, Why};
use std::time::Duration;

/// The queue of the service.
pub(crate) const QUEUE: &str = "mailer";

/// What the service does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It takes it, after it has failed so often.
    Fails(u64),
    /// It takes longer than a lease.
    Slow,
    /// It takes it, and sends so many others.
    Sends(u64),
    /// It never takes it.
    Never,
    /// It takes its host with it.
    Kills,
}

impl Nature {
    /// How long it is at it.
    pub(crate) fn takes_ms(self, delivery: u64) -> u64 {
        match self {
            Self::Slow => 40_000,
            _ => 50 + mixed(delivery) % 2_000,
        }
    }
}

/// What it does with a message of this text.
pub(crate) fn nature(body: &[u8]) -> Nature {
    let draw = mixed(hash(body));
    match draw % 100 {
        0..=2 => Nature::Kills,
        3..=7 => Nature::Never,
        8..=14 => Nature::Slow,
        15..=29 => Nature::Fails(1 + draw / 100 % 6),
        30..=44 if !body.starts_with(b"sent") => Nature::Sends(1 + draw / 100 % 2),
        _ => Nature::Fails(0),
    }
}

/// So many new messages, by a call of this name if one sends them.
pub(crate) fn messages(shared: &Shared, count: u64, by: Option<CallId>) -> Vec<Message> {
    (0..count)
        .map(|_| message(shared, shared.new_id(), by))
        .collect()
}

/// A message of this name.
pub(crate) fn message(shared: &Shared, id: CallId, by: Option<CallId>) -> Message {
    let dice = &shared.dice;
    let lane = match dice.below(4) {
        0 => Some("left".to_owned()),
        1 => Some("right".to_owned()),
        _ => None,
    };
    let delay = match dice.below(4) {
        0 => dice.between(0, 20_000),
        _ => 0,
    };
    let who = if by.is_some() { "sent" } else { "asked" };
    Message {
        id,
        queue: QUEUE.into(),
        operation: None,
        body: Bytes::from(format!("{who} {}", dice.number())),
        content_type: None,
        attributes: Vec::new(),
        lane,
        dedupe: None,
        delay: Duration::from_millis(delay),
        sent_by: by.unwrap_or(id),
        caller: Caller::outside(Link::Anonymous),
        why: Why::undeclared(),
        trace: Trace::start([1; 16], [2; 16]),
    }
}
