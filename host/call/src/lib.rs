//! What a call is, and the one pipeline it goes through.
//!
//! This crate is the vocabulary of the whole host, and knows nothing of the outside world: no I/O, no engine, no HTTP library
//! beyond the plain types of `http`, no clock and no random source but the traits in [`time`] and [`random`]. Nothing here derives
//! serialization; a wire form belongs to the crate that speaks it.
//!
//! Reading order is the order of the modules: a [`Call`] with its [`Payload`] enters the [`Pipeline`], crosses the [`Layer`]s,
//! leaves it as [`Admitted`] and is dispatched by the [`Registry`]; what comes back is an [`Answer`] or a [`Fault`].

#![forbid(unsafe_code)]

pub mod below;
pub mod body;
pub mod call;
pub mod caller;
mod child;
pub mod codes;
pub mod contract;
pub mod execution;
pub mod fault;
pub mod future;
pub mod id;
pub mod journal;
pub mod log;
mod lot;
pub mod mask;
pub mod message;
pub mod meter;
mod money;
pub mod notice;
pub mod path;
pub mod payload;
pub mod pipeline;
mod prefer;
pub mod principal;
mod priority;
pub mod problem;
pub mod random;
pub mod registry;
pub mod scope;
pub mod secret;
pub mod settings;
mod shed;
pub mod spent;
pub mod time;
pub mod trace;
mod value;
pub mod version;
pub mod why;

pub use below::{Below, Echoed};
pub use body::{Body, BodyEnd, BodySource, BodyWatch, Watch};
pub use call::{Call, Entry, Target};
pub use caller::{CALLER_HEADER, Caller, Link};
pub use codes::{Boundary, Class, HostCode, Retry};
pub use execution::{Execution, KEY_HEADER, claimed_key};
pub use fault::{Code, Failure, FailureKind, Fault, Reached, Refusal, Verdict, Violation};
pub use future::BoxFuture;
pub use id::CallId;
pub use journal::{Journal, Purpose, Seat, Standing, StepName};
pub use log::{Closing, GuestLine, Level, Log, Outcome};
pub use lot::Lot;
pub use message::{Message, NotHeld, Outbox, Receipt};
pub use meter::{Degraded, Effect, Meter};
pub use money::{NanoUsd, PicoUsd};
pub use notice::{Notice, Notices};
pub use payload::{Answer, Payload, Timeouts, Values};
pub use pipeline::{Admitted, Applies, Layer, Next, Pipeline, PipelineError, Reply, Sources};
pub use prefer::wished_wait;
pub use principal::{AccessScope, Principal};
pub use priority::Priority;
pub use random::Random;
pub use registry::{Implementation, Registered, Registry};
pub use scope::{Asked, Kept, Scope, Shield, Tree};
pub use secret::{Exchanged, Secret, Unread};
pub use settings::Settings;
pub use shed::{Shed, ShedReason};
pub use spent::{Account, Spent, TimeLedger};
pub use time::{Clock, Moment, WallTime, in_time};
pub use trace::Trace;
pub use value::Value;
pub use why::Why;
