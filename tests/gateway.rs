//! The gateway, over real sockets, in front of implementations written here.

mod bodies;
pub(crate) mod client;
mod ends;
mod heads;
mod hostile_h1;
mod hostile_h2;
mod lines;
mod routes;
