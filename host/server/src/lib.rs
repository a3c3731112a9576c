//! The program around the host: entries, plugins, the owner's socket and the command line. It is the only crate that knows all the
//! others.
//!
//! Reading order is the way of a call from outside: a connection is taken ([`entry`]), its request finds a service ([`router`]) that was
//! loaded from the plugin directory ([`plugins`]). Beside it stand what only looks ([`admin`]), what changes something ([`control`]), the
//! end ([`drain`]), and what puts all of them on the air ([`serve`]).

#![forbid(unsafe_code)]

pub mod admin;
pub mod cli;
pub mod control;
pub mod drain;
pub mod entry;
pub mod plugins;
pub mod router;
pub mod serve;
