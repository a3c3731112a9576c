//! Who is counted for a call: the one place that says it.

use holdfast_call::{Call, Link};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// By what callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The caller whose address has this number.
    Numbered(u64),
    /// The principal whose name has this number.
    Principal(u64),
    /// Everybody of whom nothing is known, all in one.
    Nobody,
}

/// Whom the call is counted for: the outermost link of its chain. Nobody for what a service asks, because its own caller was counted for
/// that; and not the operator, who could change the limits as well, and must be able to look at a service while others run against them.
pub(super) fn of(call: &Call) -> Option<Key> {
    if call.nested() {
        return None;
    }
    let lot = call.tree.lot();
    match call.caller.links().first() {
        Some(Link::Operator { .. } | Link::Host) => None,
        Some(Link::Anonymous) if lot.draw.is_some() => Some(Key::Numbered(lot.caller)),
        // Wherever he comes from, and with whichever of his keys.
        Some(Link::Principal(principal)) if lot.draw.is_some() => {
            let mut hasher = DefaultHasher::new();
            principal.name.hash(&mut hasher);
            Some(Key::Principal(hasher.finish()))
        }
        // Those without a number, with which the host compares versions, too.
        Some(Link::Anonymous | Link::Principal(_) | Link::Service(_)) | None => Some(Key::Nobody),
    }
}
