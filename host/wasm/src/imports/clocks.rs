//! `wasi:clocks`: the host's clock as a guest sees it.

use holdfast_call::Clock;
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Wall time for guests.
pub(crate) struct Wall(Arc<dyn Clock>);

impl Wall {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.wall().0)
    }
}

/// Monotonic time for guests: nanoseconds since the host started.
pub(crate) struct Monotonic(Arc<dyn Clock>);

impl Monotonic {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.now().as_nanos()
    }
}
