//! Implementations that are WebAssembly: the one crate that knows the engine.

pub mod cache;
pub mod cgroup;
pub mod compile;
pub mod engine;
pub mod exhausted;
pub mod lane;
pub mod limiter;
pub mod limits;
pub mod load_error;
pub mod memory;
pub mod offers;
pub mod pool;
pub mod ticker;
mod trusted;
pub mod turns;
pub mod verify;
