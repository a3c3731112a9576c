//! The way out, seen from a call: through a pipeline, against real servers on loopback.

mod clock;
mod cuts;
mod exchange;
mod limits;
mod names;
mod pooling;
mod refusals;
mod servers;
pub(super) mod support;
mod tls;
mod turned_away;
