//! Where nobody is.

use std::net::{SocketAddr, TcpListener};

/// A name that no resolver knows (RFC 6761).
pub(crate) const NAMELESS: &str = "http://nobody.invalid";

/// An address of 127.0.0.1 at which nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
