//! The host seen from outside: one binary, one module for each part of it.

#![cfg(test)]

mod bed;
mod gateway;
mod plugins;
