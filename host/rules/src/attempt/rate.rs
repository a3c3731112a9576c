//! How many tries a second an upstream gets, all services together: an even flow, of which one second's worth may come at once.
//!
//! The arithmetic is that of every rate ([`flow`](crate::rate::flow)); here it is kept over policies, whatever they say.

use crate::rate::flow::{Flow, Grant, Quota};
use holdfast_call::Moment;
use std::sync::{Mutex, PoisonError};

/// The flow to one upstream.
#[derive(Debug, Default)]
pub struct Rate(Mutex<Flow>);

impl Rate {
    /// Asks for a try of `quota`.
    pub fn take(&self, quota: &Quota, now: Moment) -> Grant {
        // A flow is one value: a panic elsewhere does not leave it half done.
        let mut flow = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flow.take(quota, 1, now)
    }
}
