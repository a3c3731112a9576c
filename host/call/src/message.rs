//! Messages: what a call leaves for a service to be done later, and where it lies until the call has come to something.
//!
//! A call and what it sends are one unit of work. What a service sends while it serves is held in the call's [`Outbox`], and goes out together
//! with the call's outcome, or not at all: a call that failed has sent nothing. A delivery is a call too, and its outbox has a [`Receipt`]: the
//! message is done with in the same unit in which its call's own messages go out.

use crate::caller::Caller;
use crate::id::CallId;
use crate::trace::Trace;
use crate::why::Why;
use bytes::Bytes;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many messages one call sends at most.
pub const MESSAGES_MAX: usize = 1_000;
/// How many bytes the messages of one call have together at most.
pub const MESSAGES_BYTES_MAX: usize = 8 << 20;

/// A message on its way to a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its name, which it keeps however often it is delivered.
    pub id: CallId,
    /// The service that it is for.
    pub queue: Arc<str>,
    /// The operation that it is for; none, for the one by which its service takes messages.
    pub operation: Option<Arc<str>>,
    /// What it says.
    pub body: Bytes,
    /// What kind of text that is.
    pub content_type: Option<String>,
    /// What else is said of it, in the order in which it was.
    pub attributes: Vec<(String, String)>,
    /// Messages of the same lane are delivered one after the other, in the order in which they were sent.
    pub lane: Option<String>,
    /// A second message of the same name is none, as long as the first is remembered.
    pub dedupe: Option<String>,
    /// How long it waits before it may be delivered.
    pub delay: Duration,
    /// The call that sent it.
    pub sent_by: CallId,
    /// Who asked for that call, with the service that sent it.
    pub caller: Caller,
    /// Why.
    pub why: Why,
    /// The trace that it goes on.
    pub trace: Trace,
}

impl Message {
    /// How many bytes of it are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let said = self.attributes.iter();
        let said: usize = said.map(|(name, value)| name.len() + value.len()).sum();
        let texts = [&self.content_type, &self.lane, &self.dedupe];
        let texts: usize = texts
            .iter()
            .map(|text| text.as_ref().map_or(0, String::len))
            .sum();
        self.body.len() + said + texts
    }
}

/// That a message was given to a call, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub id: CallId,
    /// The how-manieth time it was given to somebody: who has an earlier number does not have it any more.
    pub fence: i64,
}

/// Where the messages of a call lie until it has come to something.
#[derive(Debug, Default)]
pub struct Outbox {
    receipt: Option<Receipt>,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    /// What is sent is held.
    Open(Vec<Message>),
    /// The call has come to something; what is sent from now on goes out by itself.
    Closed,
}

impl Default for Held {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

/// Why messages were not held.
#[derive(Debug)]
pub enum NotHeld {
    /// The outbox is closed: here they are again.
    Closed(Vec<Message>),
    /// The call would send more than a call may.
    Full,
}

impl Outbox {
    /// The outbox of a call that a message was given to.
    #[must_use]
    pub fn of_delivery(receipt: Receipt) -> Self {
        Self {
            receipt: Some(receipt),
            ..Self::default()
        }
    }

    /// The message that the call was given, if it is a delivery.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Holds messages until the call has come to something.
    ///
    /// # Errors
    /// It has, or there are too many.
    pub fn hold(&self, messages: Vec<Message>) -> Result<(), NotHeld> {
        let mut state = self.lock();
        let Held::Open(held) = &mut *state else {
            return Err(NotHeld::Closed(messages));
        };
        let bytes = |list: &[Message]| list.iter().map(Message::bytes).sum::<usize>();
        if held.len() + messages.len() > MESSAGES_MAX
            || bytes(held) + bytes(&messages) > MESSAGES_BYTES_MAX
        {
            return Err(NotHeld::Full);
        }
        held.extend(messages);
        Ok(())
    }

    /// Forgets what is held: another try of the call begins, and what the last one sent was never sent.
    pub fn begin_again(&self) {
        if let Held::Open(held) = &mut *self.lock() {
            held.clear();
        }
    }

    /// What was held; what is sent from now on goes out by itself.
    #[must_use]
    pub fn close(&self) -> Vec<Message> {
        match mem::replace(&mut *self.lock(), Held::Closed) {
            Held::Open(held) => held,
            Held::Closed => Vec::new(),
        }
    }

    /// Whether what is sent is held.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(*self.lock(), Held::Open(_))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Link;
    use crate::time::WallTime;

    fn message(body: &'static [u8]) -> Message {
        let id = CallId::new(WallTime(1), [7; 16]);
        Message {
            id,
            queue: "mailer".into(),
            operation: None,
            body: Bytes::from_static(body),
            content_type: None,
            attributes: Vec::new(),
            lane: None,
            dedupe: None,
            delay: Duration::ZERO,
            sent_by: id,
            caller: Caller::outside(Link::Anonymous),
            why: Why::undeclared(),
            trace: Trace::start([1; 16], [2; 16]),
        }
    }

    #[test]
    fn what_is_sent_is_held_until_it_is_closed() {
        let outbox = Outbox::default();
        outbox.hold(vec![message(b"one")]).unwrap();
        outbox.begin_again();
        outbox.hold(vec![message(b"two")]).unwrap();
        let sent = outbox.close();
        let bodies: Vec<_> = sent.iter().map(|message| &*message.body).collect();
        assert_eq!(bodies, [b"two"]);
        assert!(!outbox.is_open());
        let late = outbox.hold(vec![message(b"three")]);
        assert!(matches!(late, Err(NotHeld::Closed(back)) if back.len() == 1));
        assert!(outbox.close().is_empty());
    }

    #[test]
    fn a_call_sends_no_more_than_a_call_may() {
        let outbox = Outbox::default();
        let many = vec![message(b""); MESSAGES_MAX];
        outbox.hold(many).unwrap();
        assert!(matches!(
            outbox.hold(vec![message(b"")]),
            Err(NotHeld::Full)
        ));
        let outbox = Outbox::default();
        let mut large = message(b"");
        large.body = vec![0; MESSAGES_BYTES_MAX].into();
        outbox.hold(vec![large]).unwrap();
        assert!(matches!(
            outbox.hold(vec![message(b"1")]),
            Err(NotHeld::Full)
        ));
        assert_eq!(outbox.close().len(), 1);
    }
}
