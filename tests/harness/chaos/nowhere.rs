//! Where nobody is.

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// A name that no resolver knows (RFC 6761).
pub(crate) const NAMELESS: &str = "http://nobody.invalid";

/// An address of 127.0.0.1 at which nobody listens, and nobody will while the tests run: the port is taken.
pub(crate) fn closed_port() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    // Closed, another test's host would get it.
    std::mem::forget(socket);
    address
}
