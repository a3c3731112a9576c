//! Clients that see everything: HTTP/1.1 as plain bytes, HTTP/2 as frames.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) type Sent = BoxBody<Bytes, Infallible>;

pub(crate) fn nothing() -> Sent {
    Empty::new().boxed()
}

pub(crate) struct Plain {
    pub(crate) stream: TcpStream,
    seen: Vec<u8>,
}

impl Plain {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            seen: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until `mark` has been seen, and returns everything up to it.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(place) = find(&self.seen, mark.as_bytes()) {
                let rest = self.seen.split_off(place + mark.len());
                let text = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8(text).unwrap();
            }
            let read = self.stream.read_buf(&mut self.seen).await.unwrap();
            let seen = String::from_utf8_lossy(&self.seen);
            assert!(read > 0, "closed before {mark:?}: {seen}");
        }
    }

    /// Reads until the connection is closed.
    pub(crate) async fn rest(mut self) -> String {
        // A reset ends the reading as a close does; what was read before it counts.
        while self
            .stream
            .read_buf(&mut self.seen)
            .await
            .is_ok_and(|read| read > 0)
        {}
        String::from_utf8(self.seen).unwrap()
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

/// One request on a connection of its own, with everything that came back.
pub(crate) async fn ask(address: SocketAddr, head: &str) -> String {
    let mut plain = Plain::to(address).await;
    let text = head.replace('\n', "\r\n") + "connection: close\r\n\r\n";
    plain.send(&text).await;
    plain.rest().await
}

pub(crate) async fn h2(address: SocketAddr) -> SendRequest<Sent> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    send
}

pub(crate) fn get(address: SocketAddr, path: &str) -> http::Request<Sent> {
    let uri = format!("http://{address}{path}");
    http::Request::get(uri).body(nothing()).unwrap()
}
