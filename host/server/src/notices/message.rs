//! A notice as it is sent: JSON of the form that Standard Webhooks recommends, under a name that stays the same however often it is tried.

use crate::logs::instant;
use data_encoding::HEXLOWER;
use holdfast_call::{Sources, WallTime};
use holdfast_rules::notices::Due;
use serde_json::json;

/// Where the kernel says what this machine is called.
const HOST: &str = "/proc/sys/kernel/hostname";

/// What is told.
pub(super) struct Told<'a> {
    /// The word for what happened.
    pub(super) kind: &'a str,
    pub(super) about: &'a str,
    pub(super) text: &'a str,
    pub(super) wall: WallTime,
    pub(super) repeated: u64,
    pub(super) lost: u64,
}

impl<'a> Told<'a> {
    pub(super) fn of(due: &'a Due) -> Self {
        Self {
            kind: due.notice.event.as_str(),
            about: &due.notice.about,
            text: &due.notice.text,
            wall: due.wall,
            repeated: due.repeated,
            lost: due.lost,
        }
    }
}

/// The same, ready to be sent.
pub(super) struct Message {
    /// Its name.
    pub(super) id: String,
    /// What is sent.
    pub(super) json: Vec<u8>,
}

impl Message {
    pub(super) fn new(told: &Told<'_>, sources: &Sources) -> Self {
        // A machine without a name is one whose notices do not say which it is.
        let host = std::fs::read_to_string(HOST).unwrap_or_default();
        let json = json!({
            "type": told.kind,
            "timestamp": instant(told.wall),
            "data": {
                "about": told.about,
                "text": told.text,
                "repeated": told.repeated,
                "lost": told.lost,
                "host": host.trim(),
            },
        });
        let id = sources.random.sixteen();
        Self {
            id: format!("msg_{}", HEXLOWER.encode(&id)),
            json: json.to_string().into_bytes(),
        }
    }

    /// What is signed of it in this second: name, time and body, with dots between them.
    pub(super) fn signed_at(&self, second: u64) -> Vec<u8> {
        let mut signed = format!("{}.{second}.", self.id).into_bytes();
        signed.extend_from_slice(&self.json);
        signed
    }
}
