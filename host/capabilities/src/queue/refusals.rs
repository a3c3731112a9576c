//! What is said where a queue does not take a message: to the guest, and to the operator.

use super::STAGE;
use crate::kept;
use holdfast_call::message::{MESSAGES_BYTES_MAX, MESSAGES_MAX};
use holdfast_call::{Fault, HostCode, Refusal};
use holdfast_store::queue::{Depth, Room};

/// What is given breaks a rule. The guest may read which one.
pub(super) fn invalid(why: String) -> Fault {
    kept::invalid(STAGE, why)
}

/// A call sends more than a call may.
pub(super) fn crowd() -> Fault {
    invalid(format!(
        "one call sends at most {MESSAGES_MAX} messages, of {MESSAGES_BYTES_MAX} bytes together"
    ))
}

/// There is no room for it.
pub(super) fn full(queue: &str, there: Depth, wanted: Depth, room: Room) -> Fault {
    let (key, words, seen, wanted, limit) = match wanted.messages > room.messages {
        true => (
            "queue_messages",
            "messages",
            there.messages,
            wanted.messages,
            room.messages,
        ),
        false => (
            "queue_bytes",
            "bytes of messages",
            there.bytes,
            wanted.bytes,
            room.bytes,
        ),
    };
    let refusal = Refusal {
        code: HostCode::CapabilityDenied,
        layer: STAGE,
        detail: format!("The queue of {queue} is full: it has room for {limit} {words}."),
        rule: "a queue has no more than its limit, dead letters included".to_owned(),
        seen: format!("{seen} {words} are there, and with this it would be {wanted}"),
        limit: format!("{key} = {limit}"),
        change: format!(
            "`holdfast queue ls` says what is there; {key} under [limits] in {queue}.toml or [services.{queue}.limits] in holdfast.toml"
        ),
        retry_after: None,
    };
    refusal.into()
}
