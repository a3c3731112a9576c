//! An HTTP/2 client, with prior knowledge.

use super::ask::{Answer, End};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;

/// Asks for `path` over HTTP/2 and reads the answer to its end.
pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    block_on(async {
        let mut sender = connect(to).await;
        let answer = sender.send_request(ask(to, path)).await.unwrap();
        read(answer).await
    })
}

/// The same with these headers, each of the value `x`.
pub(crate) fn get_with(to: SocketAddr, path: &str, headers: &[&'static str]) -> Answer {
    block_on(async {
        let mut sender = connect(to).await;
        let mut request = ask(to, path);
        for name in headers {
            let value = http::HeaderValue::from_static("x");
            request.headers_mut().insert(*name, value);
        }
        read(sender.send_request(request).await.unwrap()).await
    })
}

/// Asks for `path`, takes nothing of its answer, and does `meanwhile` with its call's id. Then asks for `other` on the same connection, and
/// reads both to their ends.
pub(crate) fn unread(
    to: SocketAddr,
    path: &str,
    other: &str,
    meanwhile: impl FnOnce(&str),
) -> (End, Answer) {
    block_on(async {
        let mut sender = connect(to).await;
        let first = sender.send_request(ask(to, path)).await.unwrap();
        let id = first.headers()["holdfast-call"].to_str().unwrap();
        meanwhile(id);
        let second = sender.send_request(ask(to, other)).await.unwrap();
        let second = read(second).await;
        (read(first).await.end, second)
    })
}

/// Asks for `path` with a window of no byte, and waits until the connection ends.
pub(crate) fn without_window(to: SocketAddr, path: &str) {
    block_on(async {
        let stream = TokioIo::new(tokio::net::TcpStream::connect(to).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(0)
                .handshake(stream)
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(ask(to, path)).await.unwrap();
        assert!(answer.headers().contains_key("holdfast-call"));
        // In order or not: what counts is that it ends.
        let _ = connection.await.unwrap();
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

async fn connect(to: SocketAddr) -> Sender {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(to).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    // The connection ends when its sender is dropped; how it ends is seen by the request.
    tokio::spawn(connection);
    sender
}

fn ask(to: SocketAddr, path: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::get(format!("http://{to}{path}"));
    request.body(Empty::new()).unwrap()
}

async fn read(answer: http::Response<Incoming>) -> Answer {
    let (head, mut incoming) = answer.into_parts();
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    let end = loop {
        match incoming.frame().await {
            None => break End::Whole,
            Some(Err(_)) => break End::Cut,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = pairs(&frame.into_trailers().unwrap_or_default()),
            },
        }
    };
    Answer {
        status: head.status.as_u16(),
        headers: pairs(&head.headers),
        body,
        trailers,
        end,
    }
}

fn pairs(fields: &http::HeaderMap) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}
