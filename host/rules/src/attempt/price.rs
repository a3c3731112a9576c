//! What a try costs. It is counted from the moment the try begins and taken back only where it is certain that nothing was sent: whoever
//! gave up waiting, or was cut off, may have been served, and what may have been served is billed.

use holdfast_call::{Call, Meter, NanoUsd};
use std::sync::Arc;

/// The price list of a target. One without it costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// For each try that came to it.
    pub request: NanoUsd,
}

/// A try that is under way. Dropped, by whatever ends the try, it is on the bill.
pub(super) struct Owed {
    price: NanoUsd,
    meter: Arc<Meter>,
}

impl Owed {
    /// What one try of `call` costs.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let registered = call.registered.as_ref()?;
        let price = registered.settings.get::<Price>()?;
        Some(Self {
            price: price.request,
            meter: call.meter.clone(),
        })
    }

    /// Nothing was sent.
    pub(super) fn void(mut self) {
        self.price = NanoUsd(0);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.meter.add_cost(self.price);
    }
}
