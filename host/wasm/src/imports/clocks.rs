//! `wasi:clocks`: the host's clock as a guest sees it; the journal's, if it runs a durable execution. How a guest sleeps is in
//! `monotonic.rs`.

use holdfast_call::{Clock, Journal};
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

/// The one time that a durable execution has, for both clocks: nanoseconds since 1970.
pub(crate) struct Kept(Arc<dyn Journal>);

impl Kept {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }
}

impl HostWallClock for Kept {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.read_clock())
    }
}

impl HostMonotonicClock for Kept {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.read_clock()
    }
}
