//! What this host has of messages at present. Their leases are renewed, and no others: one that could not be given back runs out.

use holdfast_call::CallId;
use holdfast_store::queue::Delivery;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The messages that this host has, each with the fence under which it has it: one whose lease ran out may be here twice.
#[derive(Debug, Default)]
pub(super) struct InHand(Mutex<HashSet<(CallId, i64)>>);

/// A message that this host has, as long as this is there.
pub(super) struct Taken {
    pub(super) delivery: Delivery,
    in_hand: Arc<InHand>,
}

impl InHand {
    /// Holds a message that was taken.
    pub(super) fn hold(self: &Arc<Self>, delivery: Delivery) -> Taken {
        self.lock().insert(named(&delivery));
        Taken {
            delivery,
            in_hand: self.clone(),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<CallId> {
        self.lock().iter().map(|(id, _)| *id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(CallId, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.in_hand.lock().remove(&named(&self.delivery));
    }
}

fn named(delivery: &Delivery) -> (CallId, i64) {
    (delivery.receipt.id, delivery.receipt.fence)
}
