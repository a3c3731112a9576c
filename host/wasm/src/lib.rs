//! Implementations that are WebAssembly: the one crate that knows the engine.
//!
//! Reading order: the engine and what bounds it (`engine`, `pool`, `ticker`, `limits`, `limiter`, `memory`, `share`, `lane`); from a file to a
//! component (`verify`, `compile`, `cache`, `trusted`), and what its author says of it into it (`describe`); from an admitted call to an answer (`service`, `guest`, `imports`, `serve02`,
//! `serve03`, `drive`, `answer`, `idle`), and what is other for a durable one (`durable`, `apart`, `bounds`, `drained`). It knows no rule: what a guest asks for becomes a child call, and the pipeline decides.

pub mod anatomy;
pub mod cache;
pub mod cgroup;
pub mod compile;
pub mod contract;
pub mod cpu_time;
pub mod describe;
pub mod durable;
pub mod engine;
pub mod exhausted;
pub mod guest;
pub mod idle;
pub mod imports;
pub mod lane;
pub mod limiter;
pub mod limits;
pub mod load_error;
pub mod memory;
pub mod offers;
pub mod pace;
pub mod pool;
pub mod service;
pub mod share;
pub mod ticker;
pub mod turns;
pub mod verify;

mod answer;
mod apart;
mod bounds;
mod drained;
mod drive;
mod failure;
mod life;
mod run;
mod serve02;
mod serve03;
mod serve_typed;
mod trusted;
