//! The host seen from outside, in one binary: linking the engine once is enough.

mod logs;
mod settings;
