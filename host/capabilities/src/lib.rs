//! What the host itself offers to guests. One module for each capability, named as in all other places.
//!
//! This crate alone touches the outgoing network. It knows no guest and no setting's file: it is handed plain values, and is reached only
//! by calls that the pipeline has admitted.

#![forbid(unsafe_code)]

pub mod http;
pub mod ids;
mod kept;
pub mod kv;
pub mod leases;
pub mod queue;
pub mod secrets;
