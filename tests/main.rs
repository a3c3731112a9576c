//! The host seen from outside: one crate, one binary, so that the engine is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is tests alone; a panic is how a test says no"
)]

// What the tests below stand on: the real binary, clients that see how a body ended, upstreams that misbehave.
mod harness;

// The shape of the source itself: edges, sizes, names, and that nothing is built without a test.
mod structure;

// No import goes round the pipeline.
mod no_bypass;

// The parts from outside, each through its public door.
mod bed;
mod engine;
mod gateway;
mod logs;
mod plugins;
mod settings;
mod storage;

// What must hold of every parser of outside bytes, and the inputs on which it is tried; the fuzzer finds more of them.
mod corpus;
mod parsers;

// One promise, one file; the README's table of promises points here.
mod guarantees;

// Which boundary failed, and which one is named.
mod verdicts;

// One assumption, one file, that tries to break it.
mod stress;
