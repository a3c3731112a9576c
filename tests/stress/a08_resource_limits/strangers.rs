//! Clients who pass what a client may hold, before there is a call that a service's limits could bind.

use crate::harness::Host;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How many connections one address may have.
const CONNECTIONS: usize = 8;

const ONE: &[u8] = b"GET /beside/ok HTTP/1.1\r\nhost: a\r\n\r\n";

/// All of them, one after the other, in the middle of everything else.
pub(super) fn all(host: &Host) {
    for _ in 0..3 {
        let ask = |path: &str| host.ask("POST", path);
        let large = "x".repeat(40 << 10);
        let head = ask("/beside/echo").header("x-large", &large).send();
        assert_eq!(head.status, 431);
        let many = (0..60).fold(ask("/beside/echo"), |ask, nth| {
            ask.header(&format!("x-{nth}"), "y")
        });
        assert_eq!(many.send().status, 431);
        let long = format!("/beside/ok?{}", "a".repeat(3 << 10));
        ask(&long).send().fault("target-too-long");
        let body = ask("/beside/echo").body(vec![b'x'; 65 << 10]).send();
        body.fault("payload-too-large");
        connections(host.gateway);
    }
}

/// One address opens four times as many connections as it may, and one by one they are let in as others end.
fn connections(to: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut held = Vec::new();
        let mut refused = 0;
        for _ in 0..4 * CONNECTIONS {
            let stream = from_elsewhere(to).await;
            match served(stream).await {
                Some(stream) => held.push(stream),
                None => refused += 1,
            }
        }
        assert_eq!((held.len(), refused), (CONNECTIONS, 3 * CONNECTIONS));
        drop(held);
    });
}

/// A connection from an address that is nobody's proxy.
async fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// The connection, if a request on it is answered.
async fn served(mut stream: TcpStream) -> Option<TcpStream> {
    // It may be closed already.
    stream.write_all(ONE).await.ok()?;
    let mut some = [0; 4096];
    match stream.read(&mut some).await {
        Ok(read) if read > 0 => Some(stream),
        _ => None,
    }
}
