//! The host seen from outside: one binary, one module for each part of it.

mod gateway;
mod plugins;
