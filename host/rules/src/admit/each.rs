//! The places of an upstream that one service may have: so that no service that waits for a wedged upstream keeps another one from it.

use super::places::{Limits, Places};
use holdfast_call::Clock;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many places of an upstream one service may have, where it is not the only one: three quarters.
const SHARE: (u32, u32) = (3, 4);

/// The places of one upstream that several services may use, by the one that asks.
pub struct Each {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    limits: Limits,
    places: HashMap<Arc<str>, Arc<Places>>,
}

impl Each {
    /// Of so many places in all.
    #[must_use]
    pub fn new(places: u32, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limits: limits(places),
                places: HashMap::new(),
            }),
            clock,
        })
    }

    /// Changes how many there are, of those too that are taken.
    pub fn set(&self, places: u32) {
        let mut state = self.state();
        state.limits = limits(places);
        for own in state.places.values() {
            own.set(state.limits);
        }
    }

    /// Those of one service.
    #[must_use]
    pub fn of(&self, service: &Arc<str>) -> Arc<Places> {
        let mut state = self.state();
        if let Some(own) = state.places.get(service) {
            return own.clone();
        }
        let own = Places::new(state.limits, self.clock.clone());
        state.places.insert(service.clone(), own.clone());
        own
    }

    // Every change is one insertion: a panic elsewhere does not leave it half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Each")
    }
}

fn limits(places: u32) -> Limits {
    Limits {
        places: (places.saturating_mul(SHARE.0) / SHARE.1).max(1),
        streams: 0,
    }
}
