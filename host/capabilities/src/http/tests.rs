//! The way out, seen from a call: through a pipeline, against real servers on loopback.

pub(super) mod support;
