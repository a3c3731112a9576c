//! What this host has of messages at present. Their leases are renewed, and no others: one that could not be given back runs out.

use holdfast_call::CallId;
use holdfast_store::queue::Delivery;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The messages that this host has.
#[derive(Debug, Default)]
pub(super) struct InHand(Mutex<HashSet<CallId>>);

/// A message that this host has, as long as this is there.
pub(super) struct Taken {
    pub(super) delivery: Delivery,
    in_hand: Arc<InHand>,
}

impl InHand {
    /// Holds a message that was taken.
    pub(super) fn hold(self: &Arc<Self>, delivery: Delivery) -> Taken {
        self.lock().insert(delivery.receipt.id);
        Taken {
            delivery,
            in_hand: self.clone(),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<CallId> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<CallId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.in_hand.lock().remove(&self.delivery.receipt.id);
    }
}
